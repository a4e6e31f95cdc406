"""Where a SQL statement ends: PostgreSQL's quoting, resumable at any byte.

Follows ``src/fe_utils/psqlscan.l``: ``'…'`` with doubled quotes, ``E'…'`` with backslashes (all literals where
``standard_conforming_strings`` is off), ``"…"``, ``$tag$…$tag$``, ``--`` and nested ``/* */`` comments, ``;`` within
parentheses or ``BEGIN ATOMIC … END``.
"""

from __future__ import annotations

import re

HOLD = 96
"""Bytes held back at the end of a buffer: no token that decides anything is longer."""

_WORD = rb"A-Za-z0-9_$\x80-\xff"
_TOKEN = re.compile(
    rb"(?<![" + _WORD + rb"])[eE]'|['\"();\\]|--|/\*"
    rb"|(?<![" + _WORD + rb"])\$(?:[A-Za-z_\x80-\xff][A-Za-z0-9_\x80-\xff]*)?\$"
)
_TOKEN_IN_FUNCTION = re.compile(
    _TOKEN.pattern + rb"|(?<![" + _WORD + rb"])(?:BEGIN\s{1,8}ATOMIC|CASE|END)(?![" + _WORD + rb"])", re.IGNORECASE
)
_FUNCTION = re.compile(rb"CREATE\s+(?:OR\s+REPLACE\s+)?(?:FUNCTION|PROCEDURE)\b", re.IGNORECASE)
_ESCAPED = re.compile(rb"\\.|''|'", re.DOTALL)
_COMMENT_EDGE = re.compile(rb"/\*|\*/")


class StatementLexer:
    """The state of the lexer within one statement.

    Args:
        head: the first bytes of the statement (``HOLD`` of them, where it is that long).
        standard: whether ``standard_conforming_strings`` is on.
    """

    def __init__(self, head: bytes, *, standard: bool) -> None:
        self._tokens = _TOKEN_IN_FUNCTION if _FUNCTION.match(head) else _TOKEN
        self._standard = standard
        self._mode = b""
        self._nested = 0
        self._depth = 0
        self._atomic = 0

    def advance(self, buffer: bytes, position: int, *, eof: bool) -> tuple[int, bytes]:
        """Go on at ``position``; ``eof`` says that nothing follows the buffer.

        Returns the position reached and why: ``b";"`` after the semicolon that ends the statement, ``b"\\\\"`` at a
        backslash outside of all quotes, ``b""`` where more must be read first (or the end was reached)."""
        while True:
            if self._mode:
                position, closed = self._inside(buffer, position, eof)
                if not closed:
                    return position, b""
                continue
            token = self._tokens.search(buffer, position)
            if token is None:
                return (len(buffer) if eof else max(position, len(buffer) - HOLD)), b""
            if token.end() == len(buffer) and not eof and token.group() != b";":
                return token.start(), b""
            text = token.group()
            position = token.end()
            if text == b";":
                if self._depth == 0 and self._atomic == 0:
                    return position, b";"
            elif text == b"\\":
                return token.start(), b"\\"
            else:
                self._enter(text)

    def _enter(self, text: bytes) -> None:
        if text == b"(":
            self._depth += 1
        elif text == b")":
            self._depth = max(0, self._depth - 1)
        elif text in (b"E'", b"e'") or (text == b"'" and not self._standard):
            self._mode = b"E"
        elif text == b"/*":
            self._mode, self._nested = text, 1
        elif text in (b"'", b'"', b"--") or text[:1] == b"$":
            self._mode = text
        elif self._depth == 0:
            self._body(text.upper())

    def _body(self, word: bytes) -> None:
        """``BEGIN ATOMIC`` and ``CASE`` within it need an ``END`` each."""
        if word.startswith(b"BEGIN"):
            self._atomic += 1
        elif self._atomic:
            self._atomic += 1 if word == b"CASE" else -1

    def _inside(self, buffer: bytes, position: int, eof: bool) -> tuple[int, bool]:
        """Go on within a quote or comment: the position after its end and True, or where to go on later."""
        if self._mode == b"E":
            return self._inside_escaped(buffer, position, eof)
        if self._mode == b"/*":
            return self._inside_comment(buffer, position, eof)
        closing = b"\n" if self._mode == b"--" else self._mode
        end = buffer.find(closing, position)
        if end < 0:
            return (len(buffer) if eof else max(position, len(buffer) - len(closing) + 1)), False
        self._mode = b""
        return end + len(closing), True

    def _inside_escaped(self, buffer: bytes, position: int, eof: bool) -> tuple[int, bool]:
        while True:
            match = _ESCAPED.search(buffer, position)
            if match is None:
                return (len(buffer) if eof else max(position, len(buffer) - 1)), False
            if match.group() == b"'":
                if match.end() == len(buffer) and not eof:
                    return match.start(), False
                self._mode = b""
                return match.end(), True
            position = match.end()

    def _inside_comment(self, buffer: bytes, position: int, eof: bool) -> tuple[int, bool]:
        while True:
            edge = _COMMENT_EDGE.search(buffer, position)
            if edge is None:
                return (len(buffer) if eof else max(position, len(buffer) - 1)), False
            self._nested += 1 if edge.group() == b"/*" else -1
            position = edge.end()
            if self._nested == 0:
                self._mode = b""
                return position, True
