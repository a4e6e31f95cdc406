"""Dysnomia's ``key=value`` files, parsed and not run.

Dysnomia hands each line to bash. Here a small reader understands what such files hold in practice, quotes and escapes
with bash's own meaning: bare words, ``"double"`` and ``'single'`` quotes (also ``$'…'``), arrays ``c=("p" "q")``,
comments, ``\\`` at a line's end. Where a value is computed (``$(…)`` or backquotes, ``$NAME``, ``${…}``, ``$((…))``,
``~``) bash computes it: a file that is read at all (``ownership``) belongs to who could run programs anyway. As in
Dysnomia each line stands alone: the variables are those of the environment, not the properties above (those of its
script: ``engine.machine.computed``). Anything else
that would *do* something is an error naming file and line; no message holds a value.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from dysnomia_base.ownership import refusal
from dysnomia_base.patterns import pattern
from dysnomia_base.secrets import is_secret
from dysnomia_plugins.base import PropertyValue
from dysnomia_plugins.config_files.nesting import SyntaxFault, end_of_braces, end_of_substitution
from dysnomia_plugins.errors import BadProperties

MAX_BYTES = 1 << 20
"""A larger file is refused: it is not a list of properties."""
_NAME = pattern(r"[A-Za-z_][A-Za-z0-9_]*")
_SPECIAL = set(";&|<>`()")
"""What ends a word, or begins another, in bash. (Braces are not expanded where a value is assigned.)"""
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "e": "\x1b", "f": "\f", "v": "\v",
            "\\": "\\", "'": "'", '"': '"', "?": "?"}  # fmt: skip

Substitute = Callable[[str], str]
"""Runs the text of a ``$(…)`` and gives its output; raises ValueError with the reason where it may not or fails."""


def parse_properties(text: str, name: str, substitute: Substitute | None = None) -> Mapping[str, PropertyValue]:
    """Read the text of a file.

    Args:
        name: the file, for messages.
        substitute: what runs ``$(…)``; without one such a line is an error.

    Raises BadProperties, naming file and line.
    """
    return _Parser(text, name, substitute).parse()


def _by_bash(command: str) -> str:
    """As ``substitution.run``, which is imported where a file has something to run: most have not."""
    from dysnomia_plugins.config_files.substitution import run

    return run(command)


def read_properties(path: Path, substitute: Substitute | None = None) -> Mapping[str, PropertyValue]:
    """Read a file; what others may write is not read (see ``ownership``). ``substitute`` runs ``$(…)`` instead of
    bash, if given.

    Raises BadProperties, naming file and line."""
    refused = refusal(path)
    if refused:
        raise BadProperties(refused, "give it to root (chown, chmod go-w), or to the user who calls")
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise BadProperties(f"{path} is not a regular file", "put a file of key=value lines there")
            content = _read(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise BadProperties(f"{path} cannot be read ({error.strerror})", "see its permissions") from None
    if len(content) > MAX_BYTES:
        raise BadProperties(f"{path} is larger than {MAX_BYTES >> 10} KiB", "a file of properties is smaller than that")
    if b"\0" in content:
        line = content[: content.index(b"\0")].count(b"\n") + 1
        raise BadProperties(f"{path}, line {line}: a NUL byte", "remove the NUL byte: the file must be text")
    return parse_properties(content.decode("utf-8", "surrogateescape"), str(path), substitute or _by_bash)


def _read(fd: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while size <= MAX_BYTES and (part := os.read(fd, MAX_BYTES)):
        parts.append(part)
        size += len(part)
    return b"".join(parts)


class _Parser:
    """One pass over the text, by position."""

    def __init__(self, text: str, name: str, substitute: Substitute | None) -> None:
        self.text = text
        self.name = name
        self.substitute = substitute
        self.at = 0
        self.values: dict[str, PropertyValue] = {}
        self.name_read = ""

    def parse(self) -> Mapping[str, PropertyValue]:
        start = 0
        try:
            while self._skip_to_statement():
                start = self.at
                self._statement()
        except SyntaxFault as fault:
            line = self.text.count("\n", 0, min(self.at, len(self.text))) + 1
            first = self.text.count("\n", 0, start) + 1
            where = f"line {line}" if line == first or line - first > 200 else f"line {first}"
            raise BadProperties(f"{self.name}, {where}: {fault}", "write key=value, with quotes where needed") from None
        return self.values

    # What lies between statements.

    def _skip_to_statement(self) -> bool:
        while self.at < len(self.text):
            char = self.text[self.at]
            if char in " \t\r\n":
                self.at += 1
            elif char == "#":
                self._skip_comment()
            else:
                return True
        return False

    def _skip_comment(self) -> None:
        stop = self.text.find("\n", self.at)
        self.at = len(self.text) if stop < 0 else stop

    def _peek(self) -> str:
        return self.text[self.at] if self.at < len(self.text) else ""

    # name=value

    def _statement(self) -> None:
        match = _NAME.match(self.text, self.at)
        if match and match[0] == "export" and self.text[match.end() : match.end() + 1] in (" ", "\t"):
            self.at = match.end()
            while self._peek() in (" ", "\t"):
                self.at += 1
            match = _NAME.match(self.text, self.at)
        if self.at == 0 and self.text.startswith("\ufeff"):
            raise SyntaxFault("a byte order mark: save it as UTF-8 without one (without BOM)")
        if not match or self.text[match.end() : match.end() + 1] != "=":
            # Nothing of the line is shown: it may be the rest of a secret.
            raise SyntaxFault("expected key=value")
        self.name_read = match[0]
        self.at = match.end() + 1
        value: PropertyValue
        if self._peek() == "(":
            self.at += 1
            value = tuple(self._array())
        else:
            value = self._word() if self._peek() not in ("", " ", "\t", "\n", "\r") else ""
        self._end_of_statement()
        self.values[match[0]] = value

    def _end_of_statement(self) -> None:
        blank = False
        while self._peek() in (" ", "\t", "\r"):
            self.at += 1
            blank = True
        char = self._peek()
        if char in ("", "\n"):
            return
        if char == "#" and blank:
            self._skip_comment()
            return
        if char == ";":
            self.at += 1
            self._end_of_statement_after_semicolon()
            return
        if blank:
            raise SyntaxFault("more text after a blank: a value with blanks needs quotes")
        raise SyntaxFault(f"{char!r} needs quotes")

    def _end_of_statement_after_semicolon(self) -> None:
        """bash allows a ``;`` at the end of a line; another statement after it is not a property file's."""
        while self._peek() in (" ", "\t", "\r"):
            self.at += 1
        if self._peek() == "#":
            self._skip_comment()
        elif self._peek() not in ("", "\n"):
            raise SyntaxFault("one key=value a line")

    def _array(self) -> Iterator[str]:
        while True:
            char = self._peek()
            if char == "":
                raise SyntaxFault("an array that is not closed")
            if char in " \t\r\n":
                self.at += 1
            elif char == "#":
                self._skip_comment()
            elif char == ")":
                self.at += 1
                return
            else:
                yield self._word(in_array=True)

    # A word: parts side by side, each quoted in its own way.

    def _word(self, *, in_array: bool = False) -> str:
        parts: list[str] = []
        while (char := self._peek()) not in ("", " ", "\t", "\n", "\r"):
            if (in_array and char == ")") or char == ";":
                break
            if in_array and char in "*?[":
                raise SyntaxFault(f"{char!r} needs quotes")
            if in_array and (char == "`" or (char == "$" and self.text[self.at + 1 : self.at + 2] != "'")):
                raise SyntaxFault("what is computed needs double quotes in an array")
            parts.append(self._part(char, first=not parts or parts[-1].endswith(":")))
        return "".join(parts)

    def _part(self, char: str, *, first: bool) -> str:
        if char == "'":
            return self._single()
        if char == '"':
            return self._double()
        if char == "\\":
            return self._escaped()
        if char == "$":
            return self._dollar(quoted=False)
        if char == "`":
            return self._backquoted()
        if char in "<>" and self.text.startswith("(", self.at + 1):
            stop = end_of_substitution(self.text, self.at + 2)
            if stop is not None:
                return self._run(f"printf %s {self.text[self.at : stop + 1]}", stop, f"{char}(…)")
        if char in _SPECIAL:
            raise SyntaxFault(f"{char!r} needs quotes")
        if first and char == "~":
            return self._home()
        self.at += 1
        return char

    def _single(self) -> str:
        stop = self.text.find("'", self.at + 1)
        if stop < 0:
            raise SyntaxFault("a ' that is not closed")
        value = self.text[self.at + 1 : stop]
        self.at = stop + 1
        return value

    def _double(self) -> str:
        self.at += 1
        parts: list[str] = []
        while True:
            char = self._peek()
            if char == "":
                raise SyntaxFault('a " that is not closed')
            if char == '"':
                self.at += 1
                return "".join(parts)
            if char == "$":
                parts.append(self._dollar(quoted=True))
            elif char == "`":
                parts.append(self._backquoted())
            elif char == "\\" and self.text[self.at + 1 : self.at + 2] in ("$", "`", '"', "\\", "\n"):
                following = self.text[self.at + 1]
                parts.append("" if following == "\n" else following)
                self.at += 2
            else:
                parts.append(char)
                self.at += 1

    def _escaped(self) -> str:
        following = self.text[self.at + 1 : self.at + 2]
        if not following:
            raise SyntaxFault("a \\ at the end of the file")
        self.at += 2
        return "" if following == "\n" else following

    def _dollar(self, *, quoted: bool) -> str:
        following = self.text[self.at + 1 : self.at + 2]
        if following == "(":
            return self._substitution(quoted=quoted)
        if following == "'" and not quoted:
            return self._ansi()
        if following == '"' and not quoted:  # a text to translate, and there is no translation
            self.at += 1
            return self._double()
        if following == "[":
            stop = self.text.find("]", self.at)
            return self._computed(stop if stop > 0 else None, "$[", quoted=True)
        if following == "{":
            last = end_of_braces(self.text, self.at + 2, quoted=quoted)
            return self._computed(last, "${", quoted=quoted)
        name = _NAME.match(self.text, self.at + 1)
        if name:
            return self._computed(name.end() - 1, name[0], quoted=True)
        if following and (following.isdigit() or following in "@*#?$!-"):
            raise SyntaxFault(f"'${following}' has no value here: put a \\ before the '$', or use single quotes")
        self.at += 1
        return "$"

    def _ansi(self) -> str:
        self.at += 2
        parts: list[str] = []
        while (char := self._peek()) != "'":
            if char == "":
                raise SyntaxFault("a $' that is not closed")
            if char != "\\":
                parts.append(char)
                self.at += 1
                continue
            following = self.text[self.at + 1 : self.at + 2]
            if following not in _ESCAPES:
                raise SyntaxFault(f"\\{following} is not understood in $'…'")
            parts.append(_ESCAPES[following])
            self.at += 2
        self.at += 1
        return "".join(parts)

    # $(…): its end is found as bash does, by quotes and parentheses.

    def _substitution(self, *, quoted: bool) -> str:
        start = self.at + 2
        stop = end_of_substitution(self.text, start)
        if stop is None:
            raise SyntaxFault("a $( that is not closed")
        if self.text[start : start + 1] == "(" and self.text[stop - 1] == ")":
            return self._computed(stop, "$((", quoted=True)
        return self._run(self.text[start:stop], stop, "$(…)")

    # What else bash computes. It does so inside double quotes: a value is never split nor globbed.

    def _backquoted(self) -> str:
        stop = self.at + 1
        while self.text[stop : stop + 1] not in ("`", ""):
            stop += 2 if self.text[stop] == "\\" else 1
        return self._computed(stop if self.text[stop : stop + 1] else None, "`", quoted=True)

    def _home(self) -> str:
        stop = self.at + 1
        while self.text[stop : stop + 1].isalnum() or self.text[stop : stop + 1] in ("-", "_", "+"):
            stop += 1
        tilde = self.text[self.at : stop]
        return self._run(f'value={tilde}; printf %s "$value"', stop - 1, "'~'")

    def _computed(self, last: int | None, what: str, *, quoted: bool) -> str:
        """What bash makes of the text from here to ``last``, its last character."""
        if last is None:
            raise SyntaxFault(f"a {what} that is not closed")
        text = self.text[self.at : last + 1]
        return self._run(f'printf %s "{text}"' if quoted else f'value={text}; printf %s "$value"', last, what)

    def _run(self, command: str, last: int, what: str) -> str:
        if self.substitute is None:
            raise SyntaxFault(f"{what} is not computed here: write the value itself")
        try:
            output = self.substitute(command)
        except ValueError as error:
            secret = is_secret(self.name_read) and not what.endswith("(…)")  # bash quotes what it computes
            raise SyntaxFault(f"{what} failed" if secret else f"{what}: {error}") from None
        self.at = last + 1
        return output
