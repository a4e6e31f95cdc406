"""A command line read as getopt(1) reads it, which Dysnomia's commands use: before argparse sees it.

Long options of Dysnomia's own may be cut short, values may be joined to their option or follow it whatever they begin
with, options and operands may stand in any order, and the last of several wins.
"""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence

from dysnomia_tui.engine.errors import EngineError, Exit


class BadOption(EngineError):
    """There is no such option, or it was not given as it has to be."""

    exit = Exit.USAGE


def as_getopt(parser: argparse.ArgumentParser, words: Sequence[str], theirs: Collection[str] = ()) -> list[str]:
    """The same command line in a form that argparse takes in the same way: ``--option=value``, then the operands.

    Args:
        theirs: the long options of Dysnomia's own, which may be cut short; where there are none, all may be.

    Raises BadOption.
    """
    return _Reader(parser._option_string_actions, words, theirs).read()


class _Reader:
    def __init__(
        self, known: dict[str, argparse.Action], words: Sequence[str], theirs: Collection[str]
    ) -> None:  # fmt: skip
        self._known = known
        self._words = list(words)
        self._theirs = theirs
        self._options: list[str] = []
        self._operands: list[str] = []

    def read(self) -> list[str]:
        while self._words:
            word = self._words.pop(0)
            if word == "--":
                self._operands += self._words
                break
            if word.startswith("--"):
                self._long(word)
            elif word.startswith("-") and word != "-":
                self._short(word[1:])
            else:
                self._operands.append(word)
        return [*self._options, "--", *self._operands] if self._operands else self._options

    def _long(self, word: str) -> None:
        name, equals, value = word.partition("=")
        name = self._whole(name)
        action = self._known[name]
        if action.nargs == 0:
            if equals:
                raise BadOption(f"option '{name}' takes no value")
            self._options.append(name)
        elif isinstance(action.nargs, int):
            self._options += [name, *(self._value(name) for _ in range(action.nargs))]
        else:
            self._options.append(_joined(name, value if equals else self._value(name)))

    def _whole(self, name: str) -> str:
        if name in self._known:
            return name
        # Options of ours are written whole: --yes, or --now, would become what nobody has read.
        among = self._theirs or self._known
        matching = sorted({option for option in among if option.startswith(name) and option.startswith("--")})
        if len(matching) == 1:
            return matching[0]
        if matching:
            raise BadOption(f"option '{name}' is ambiguous: {', '.join(matching)}")
        raise BadOption(f"there is no option '{name}'")

    def _short(self, letters: str) -> None:
        while letters:
            name, letters = f"-{letters[0]}", letters[1:]
            action = self._known.get(name)
            if action is None:
                raise BadOption(f"there is no option '{name}'")
            if action.nargs == 0:
                self._options.append(name)
                continue
            value = letters or self._value(name)
            whole = next((one for one in action.option_strings if one.startswith("--")), None)
            self._options += [_joined(whole, value)] if whole else [name, value]
            return

    def _value(self, name: str) -> str:
        if not self._words:
            raise BadOption(f"option '{name}' needs a value")
        return self._words.pop(0)


def _joined(name: str, value: str) -> str:
    if value == "--":  # argparse would take it for the end of the options
        raise BadOption(f"'--' is not a value for option '{name}'")
    return f"{name}={value}"
