"""Where a construct of bash ends that others may be nested in: ``${…}``, ``$(…)`` and double quotes."""

from __future__ import annotations

MAX_NESTED = 50
"""Levels of ``$(…)`` and ``${…}`` inside each other."""


class SyntaxFault(Exception):
    """What is wrong where the parser is."""


def end_of_braces(text: str, start: int, *, quoted: bool, level: int = 1) -> int | None:
    """Where the ``}`` of a ``${`` stands whose inside starts at ``start``; None where it is not closed.

    Raises SyntaxFault where it is nested too deep."""
    _limit(level)
    at = start
    while at < len(text):
        char = text[at]
        if char == "}":
            return at
        if char == "\\":
            at += 1
        elif char == "'" and not quoted:
            at = text.find("'", at + 1)
            if at < 0:
                return None
        elif char == "$" and text[at + 1 : at + 2] in ("{", "("):
            braces = text[at + 1] == "{"
            if braces:
                inner = end_of_braces(text, at + 2, quoted=quoted, level=level + 1)
            else:
                inner = end_of_substitution(text, at + 2, level + 1)
            if inner is None:
                return None
            at = inner
        at += 1
    return None


def end_of_substitution(text: str, start: int, level: int = 1) -> int | None:
    """Where the ``)`` of a ``$(`` stands whose inside starts at ``start``; None where it is not closed.

    Raises SyntaxFault where it is nested too deep."""
    _limit(level)
    depth = 1
    at = start
    while at < len(text):
        char = text[at]
        if char == "\\":
            at += 1
        elif char == "'":
            at = text.find("'", at + 1)
            if at < 0:
                return None
        elif char == '"':
            closed = _end_of_double(text, at + 1, level)
            if closed is None:
                return None
            at = closed
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
            if depth == 0:
                return at
        at += 1
    return None


def _end_of_double(text: str, at: int, level: int) -> int | None:
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == '"':
            return at
        elif text.startswith("$(", at):
            inner = end_of_substitution(text, at + 2, level + 1)
            if inner is None:
                return None
            at = inner
        at += 1
    return None


def _limit(level: int) -> None:
    """Refuse what is nested deeper than anyone writes: each level is a call of ours."""
    if level > MAX_NESTED:
        raise SyntaxFault(f"$( and ${{ are nested more than {MAX_NESTED} deep")
