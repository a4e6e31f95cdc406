"""Settings out of a PHP file, which is read as text and never run.

Understood are ``define('NAME', value)``, ``$name = value`` and ``$name['key'] = value`` with texts, numbers,
``array(…)`` and ``[…]``, joined by ``.``, with ``__DIR__`` and variables that were set so before. What is set under a
condition, in a loop or by a call is not known: its value is None, and no other is taken for it. Nothing is known of
what a file that it includes sets.

Grammar: the language reference of PHP (https://www.php.net/manual/en/langref.php).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<skip>\s+|//[^\n]*|\#(?!\[)[^\n]*|/\*.*?\*/)
    |(?P<end>\?>)
    |(?P<single>'(?:[^'\\]|\\.)*')
    |(?P<double>"(?:[^"\\]|\\.)*")
    |(?P<heredoc><<<[ \t]*(?P<quote>['"]?)(?P<label>\w+)(?P=quote)\r?\n.*?^[ \t]*(?P=label)\b)
    |(?P<open>/\*|['"]|<<<[ \t]*(?P<before>['"]?)\w+(?P=before)\r?\n)
    |(?P<variable>\$\w+)
    |(?P<word>[A-Za-z_\\][\w\\]*)
    |(?P<number>\d[\w.]*)
    |(?P<mark>.)""",
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
_CONDITIONS = frozenset({
    "if", "else", "elseif", "while", "for", "foreach", "switch", "case", "match", "try", "catch", "function", "do",
})  # fmt: skip
_OPEN_ENDED = frozenset({"endif", "endwhile", "endfor", "endforeach", "endswitch", "goto"})
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "v": "\v", "e": "\x1b", "f": "\f", "\\": "\\", "$": "$", '"': '"'}
_DEEPEST = 20
_LONGEST_NAME = 200
_LONGEST_VALUE = 4096
"""In characters: a value that holds another twice, and is itself held twice, would fill the memory."""


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    text: str


class _Unknown(Exception):
    """A value that only a run would tell."""


def php_settings(text: str, folder: str) -> Mapping[str, str | None]:
    """What a file sets, by the constant's or variable's name, a key of an array behind a dot (``CONFIG.dbname``).

    ``folder``: where the file is, for ``__DIR__``."""
    return _Reader(list(_tokens(text)), folder).settings()


def _tokens(text: str) -> Iterator[Token]:
    """Those of the first block of PHP, without comments, up to one that has no end: PHP would refuse the file, and
    looking for the end of each that follows would take a time that grows with the square of its length."""
    start = re.search(r"<\?php\b|<\?(?!\w)", text)
    for match in _TOKEN.finditer(text, start.end() if start else len(text)):
        kind = match.lastgroup or ""
        if kind in ("end", "open"):
            return
        if kind != "skip":
            yield Token(kind, match[0])


class _Reader:
    def __init__(self, tokens: list[Token], folder: str) -> None:
        self._tokens = tokens
        self._at = 0
        self._folder = folder
        self._values: dict[str, tuple[int, str | None]] = {}
        """By name, with the number of the statement that set it; None: not known."""
        self._forgotten: dict[str, int] = {}
        """Names that were set as a whole, by which statement: what was below them before holds no longer."""
        self._statements = 0
        self._conditional = any(token.kind == "word" and token.text.lower() in _OPEN_ENDED for token in tokens)

    def settings(self) -> Mapping[str, str | None]:
        """Go through all statements."""
        depth, conditional = 0, False
        while self._at < len(self._tokens):
            start, token = self._at, self._tokens[self._at]
            if token.text in ("{", "}") and token.kind == "mark":
                depth = max(depth + (1 if token.text == "{" else -1), 0)
                conditional = False
            elif token.text == ";" and token.kind == "mark":
                conditional = False
            elif token.kind == "word" and token.text.lower() in _CONDITIONS:
                conditional = True
            else:
                self._statement(certain=depth == 0 and not conditional and not self._conditional)
            self._at = max(self._at, start + 1)
        return {name: value for name, (number, value) in self._values.items() if self._holds(name, number)}

    def _holds(self, name: str, number: int) -> bool:
        """Whether nothing that a value is part of was set anew since."""
        at = name.find(".")
        while at >= 0:
            if self._forgotten.get(name[:at], 0) > number:
                return False
            at = name.find(".", at + 1)
        return True

    def _statement(self, *, certain: bool) -> None:
        """An assignment or a definition that begins here; anything else is passed by its first token."""
        name = self._name()
        if not name:
            return
        self._statements += 1
        try:
            values = list(self._value(name, 0))
            if not self._is(";") and not self._is(")"):
                raise _Unknown  # goes on with an operator that is not understood
        except (_Unknown, IndexError):
            values = [(name, None)]
        self._forgotten[name] = self._statements
        self._values.pop(name, None)
        if not certain:
            values = [(name, None)]
        self._values.update({key: (self._statements, value) for key, value in values})

    def _name(self) -> str:
        """What is set here, the reader behind the ``=`` or ``,``; ``""`` where nothing is."""
        token = self._tokens[self._at]
        at = self._at
        if token.kind == "word" and token.text.lower().lstrip("\\") == "define":
            literal = self._kind(at + 2) in ("single", "double")
            if self._text_at(at + 1) != "(" or not literal or self._text_at(at + 3) != ",":
                return ""
            self._at = at + 4
            name = self._tokens[at + 2].text[1:-1]
            return "" if _too_long(name) else name
        if token.kind != "variable":
            return ""
        name, at = token.text[1:], at + 1
        while (
            not _too_long(name)
            and self._text_at(at) == "["
            and self._kind(at + 1) in ("single", "double")
            and self._text_at(at + 2) == "]"
        ):
            name += f".{self._tokens[at + 1].text[1:-1]}"
            at += 3
        if _too_long(name):
            return ""
        if self._text_at(at) != "=" or self._text_at(at + 1) in ("=", ">"):
            return ""
        self._at = at + 1
        return name

    def _value(self, name: str, depth: int) -> Iterator[tuple[str, str | None]]:
        """The value here under its name; of an array, each one under its key. Raises _Unknown, IndexError."""
        token = self._tokens[self._at]
        if depth > _DEEPEST:
            raise _Unknown
        if token.text == "[" or (token.text.lower() == "array" and self._text_at(self._at + 1) == "("):
            self._at += 1 if token.text == "[" else 2
            yield from self._array(name, "]" if token.text == "[" else ")", depth)
            return
        text = self._primary()
        while self._is("."):
            self._at += 1
            text = _limited(text + self._primary())
        yield name, text

    def _array(self, name: str, end: str, depth: int) -> Iterator[tuple[str, str | None]]:
        count = 0
        while not self._is(end):
            key = str(count)
            if self._text_at(self._at + 1) == "=" and self._text_at(self._at + 2) == ">":
                key = self._primary()
                self._at += 2
            if _too_long(f"{name}.{key}"):
                raise _Unknown
            count += 1
            try:
                values = list(self._value(f"{name}.{key}", depth + 1))
                if not self._is(",") and not self._is(end):
                    raise _Unknown
                yield from values
            except _Unknown:
                self._skip_element(end)
                yield f"{name}.{key}", None
            if self._is(","):
                self._at += 1
        self._at += 1

    def _skip_element(self, end: str) -> None:
        """Behind a value of an array that is not understood. Raises IndexError."""
        depth = 0
        while depth or not (self._is(",") or self._is(end)):
            text = self._tokens[self._at].text if self._tokens[self._at].kind == "mark" else ""
            depth += (text in ("(", "[", "{")) - (text in (")", "]", "}"))
            self._at += 1

    def _primary(self) -> str:
        token = self._tokens[self._at]
        self._at += 1
        if token.kind == "single":
            return _plain(_limited(token.text))
        if token.kind == "double":
            return self._interpolated(_limited(token.text[1:-1]))
        if token.kind == "number":
            return token.text
        if token.kind == "variable" and not self._is("[") and not self._is("-"):
            return self._known_value(token.text[1:])
        if token.kind == "word" and not self._is("("):
            word = token.text.lower()
            if word == "__dir__":
                return self._folder
            if word in ("true", "false"):
                return word
            return self._known_value(token.text)
        raise _Unknown

    def _interpolated(self, text: str) -> str:
        length = 0

        def filled(match: re.Match[str]) -> str:
            nonlocal length
            if match["escape"]:
                if match["escape"] not in _ESCAPES:
                    raise _Unknown
                return _ESCAPES[match["escape"]]
            value = self._known_value(match["braced"] or match["bare"])
            length += len(value)
            if length > _LONGEST_VALUE:
                raise _Unknown
            return value

        if re.search(r"(?<!\\)\$\w+(?:\[|->)", text):
            raise _Unknown
        return re.sub(r"\\(?P<escape>.)|\{\$(?P<braced>\w+)\}|\$(?P<bare>[A-Za-z_]\w*)", filled, text, flags=re.DOTALL)

    def _known_value(self, name: str) -> str:
        value = self._values.get(name, (0, None))[1]
        if value is None:
            raise _Unknown
        return value

    def _is(self, text: str) -> bool:
        return self._text_at(self._at) == text and self._tokens[self._at].kind == "mark"

    def _text_at(self, at: int) -> str:
        return self._tokens[at].text if at < len(self._tokens) else ""

    def _kind(self, at: int) -> str:
        return self._tokens[at].kind if at < len(self._tokens) else ""


def _too_long(name: str) -> bool:
    """For what an application sets: what is below such a name would take its length for each key."""
    return len(name) > _LONGEST_NAME or name.count(".") > _DEEPEST


def _limited(text: str) -> str:
    """Raises _Unknown: longer than any value of use."""
    if len(text) > _LONGEST_VALUE:
        raise _Unknown
    return text


def _plain(literal: str) -> str:
    """A text in single quotes: only they and the backslash are escaped there."""
    return re.sub(r"\\([\\'])", r"\1", literal[1:-1])
