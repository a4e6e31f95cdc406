"""Erlang terms as ejabberd's dumps have them: cut into forms, brought into one way of writing, split into cells.

A form is a term and a dot. In the one way of writing it is a line without spaces outside of quotes: two dumps of the
same rows then have the same lines, however ``io_lib`` has folded them. Nothing here makes a term: an atom of a stranger
is bytes and no more. Sources: the Erlang reference manual (data types), io_lib of Erlang/OTP 25 (``~p``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from dysnomia_plugins.errors import PluginError

MAX_FORM = 64 << 20
"""Bytes of one form, which is held in memory."""
_MAX_TRIES = 1000
_STRING = rb'"(?:[^"\\\n]|\\[^\n])*+"'
_QUOTED = rb"'(?:[^'\\\n]|\\[^\n])*+'"
_FORM = re.compile(
    rb"\{(?:[a-z][a-zA-Z0-9_@]*+|%b),(?:[^\"'\s%%$\\<>]++|<<|>>|=>|%b(?!\")|%b)*+" % (_QUOTED, _STRING, _QUOTED)
)
"""A line that is a form in the one way of writing already, less its end."""
_END = b"}.\n"
_TOKEN = re.compile(
    rb"(?P<space>(?:[\s\x80-\xa0]|%%[^\n]*)++)|(?P<string>%b)|(?P<quoted>%b)"
    rb"|(?P<atom>[a-z\xdf-\xf6\xf8-\xff][a-zA-Z0-9_@\xc0-\xd6\xd8-\xf6\xf8-\xff]*+)"
    rb"|(?P<number>-?[0-9]++(?:\.[0-9]++(?:[eE][+-]?[0-9]++)?)?)"
    rb"|(?P<open>\{|\[|<<|#\{)|(?P<close>\}|\]|>>)|(?P<other>,|\||=>|:|/)|(?P<end>\.(?=[\s%%]|\Z))" % (_STRING, _QUOTED)
)
_PAIRS = {b"{": b"}", b"[": b"]", b"<<": b">>", b"#{": b"}"}
_ESCAPE = re.compile(rb"\\(?:x\{([0-9a-fA-F]+)\}|x([0-9a-fA-F]{2})|([0-7]{1,3})|\^(.)|(.))", re.DOTALL)
_ESCAPED = {b"n": 10, b"r": 13, b"t": 9, b"v": 11, b"b": 8, b"f": 12, b"e": 27, b"s": 32, b"d": 127}
_SECRET_WORDS = (b"password", b"secret")
_BEFORE_SECRETS = (
    b"{password,", b"{'password',", b"{secret,", b"{'secret',", b'{<<"password">>,', b'{xmlel,<<"password">>,'
)  # fmt: skip
"""An option of a room; an attribute and an element of XML (an invitation to a room, a bookmark)."""
_BINARY = re.compile(rb"<<(?:%b)?>>" % _STRING)


class BadTerms(PluginError):
    """What is no dump of ejabberd's."""


class Form(NamedTuple):
    """One form."""

    raw: bytes
    """As it is written, all up to the next included."""
    line: bytes
    """In the one way of writing, with its dot and a newline."""


def forms(stream: BinaryIO) -> Iterator[Form]:
    """Those of a stream. Raises BadTerms for what is none, is too long, or has no end."""
    waiting = bytearray()
    tries = 0
    while piece := stream.readline(MAX_FORM + 1):
        if not waiting and piece.endswith(_END) and _FORM.fullmatch(piece, 0, len(piece) - len(_END)):
            yield Form(piece, piece)
            continue
        waiting += piece
        if len(waiting) > MAX_FORM:
            raise BadTerms(f"the dump has a term of more than {MAX_FORM >> 20} MiB", "this is not handled")
        if not piece.rstrip().endswith(b".") and not piece.lstrip().startswith(b"%"):
            continue
        tries += 1
        line = _written(bytes(waiting), tries)
        if line is not None:
            if line:
                yield Form(bytes(waiting), line)
            waiting.clear()
            tries = 0
    if waiting.strip():
        raise BadTerms("the dump ends within a term", "it was cut short: take another")


def _written(text: bytes, tries: int) -> bytes | None:
    """A form in the one way of writing; None where it does not end here, ``b""`` where it is none (a comment)."""
    out: list[bytes] = []
    ended = False
    for kind, token in _tokens(text):
        if ended:
            raise BadTerms("the dump has two terms in a line", "take another")
        if kind == "end":
            ended = True
        elif kind == "string" and out and out[-1].endswith(b'"'):
            out[-1] = out[-1][:-1] + token[1:]
        else:
            out.append(token)
    if not out:
        return b"" if not ended else None
    if not ended:
        if tries > _MAX_TRIES:
            raise BadTerms("the dump has a term without an end", "take another")
        return None
    line = b"".join(out) + b".\n"
    _refuse_unbalanced(out)
    return line


def _tokens(text: bytes, start: int = 0) -> Iterator[tuple[str, bytes]]:
    position = start
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise BadTerms(
                f"the dump has an invalid term (at its byte {position})",
                "process ids, ports, references and functions cannot be dumped: ejabberd does not load such a dump"
                " either",
            )
        position = match.end()
        if match.lastgroup != "space":
            yield match.lastgroup, match[0]


def _refuse_unbalanced(tokens: list[bytes]) -> None:
    waiting: list[bytes] = []
    for number, token in enumerate(tokens):
        if token in _PAIRS:
            waiting.append(_PAIRS[token])
        elif token in _PAIRS.values() and (not waiting or waiting.pop() != token):
            break
        if not waiting and number != len(tokens) - 1:
            break
    else:
        if not waiting and tokens[0] == b"{" and len(tokens) > 3 and tokens[2] == b",":
            return
    raise BadTerms("the dump has a term that is not a row", "take another")


def cells(line: bytes) -> Iterator[bytes]:
    """The elements of a form's tuple, each as it is written: the table's name first. Raises BadTerms."""
    depth = 0
    out: list[bytes] = []
    for kind, token in _tokens(line):
        depth -= kind == "close"
        if (depth == 1 and token == b",") or (depth == 0 and kind == "close"):
            yield b"".join(out)
            out = []
        elif depth >= 1:
            out.append(token)
        depth += kind == "open"
        if kind == "end":
            return


def without_secrets(cell: bytes) -> bytes:
    """A cell as it is written, where ``(hidden)`` stands for what follows a name of a secret in its tuple."""
    if not any(word in cell for word in _SECRET_WORDS):
        return cell
    out: list[bytes] = []
    depth = 0
    hidden_in: int | None = None
    for kind, token in _tokens(cell):
        depth -= kind == "close"
        if hidden_in is not None and depth < hidden_in:
            hidden_in = None
        if hidden_in is None:
            out.append(token)
        depth += kind == "open"
        if hidden_in is None and token == b"," and b"".join(out[-7:]).endswith(_BEFORE_SECRETS):
            out.append(b"(hidden)")
            hidden_in = depth
    return b"".join(out)


def name_of(cell: bytes) -> str:
    """An atom's text."""
    return _unescaped(cell[1:-1]).decode("utf-8", "backslashreplace") if cell[:1] == b"'" else cell.decode("latin-1")


def table_of(line: bytes) -> bytes:
    """The table of a row, as it is written."""
    if line[1:2] == b"'":
        return next(cells(line))
    return line[1 : line.index(b",")]


def shown(cell: bytes) -> str:
    """A cell for people: a binary of text is its text, anything else the term as it is written."""
    if _BINARY.fullmatch(cell):
        cell = _unescaped(cell[3:-3])
    try:
        return cell.decode("utf-8")
    except UnicodeDecodeError:
        return cell.decode("latin-1")


def _unescaped(text: bytes) -> bytes:
    return _ESCAPE.sub(_character, text) if b"\\" in text else text


def _character(match: re.Match[bytes]) -> bytes:
    wide, narrow, octal, control, plain = match.groups()
    if wide or narrow:
        number = int(wide or narrow, 16)
        return bytes((number,)) if number < 256 else chr(number).encode() if number < 0x110000 else b"?"
    if octal:
        return bytes((int(octal, 8) & 255,))
    if control:
        return bytes((control[0] & 31,))
    return bytes((_ESCAPED[plain],)) if plain in _ESCAPED else plain


def definitions(header: bytes) -> dict[bytes, tuple[tuple[str, ...], bytes]]:
    """What ``{tables,[…]}.`` says: for each table its columns, and its definition as it is written.

    Raises BadTerms for another form."""
    parts = list(cells(header))
    if len(parts) != 2 or parts[0] != b"tables":
        raise BadTerms("the dump does not begin with its tables", "expected the output of ejabberdctl dump")
    by_name: dict[bytes, tuple[tuple[str, ...], bytes]] = {}
    for entry in _elements(parts[1]):
        name, options = _pair(entry)
        columns: tuple[str, ...] = ()
        for option in _elements(options):
            key, value = _pair(option)
            if key == b"attributes":
                columns = tuple(map(name_of, _elements(value)))
        by_name[name] = (columns, entry)
    return by_name


def _elements(text: bytes) -> list[bytes]:
    """Of a list."""
    if text[:1] != b"[" or text[-1:] != b"]":
        raise BadTerms("the dump's tables are not a list", "expected the output of ejabberdctl dump")
    return [one for one in cells(b"{" + text[1:-1] + b"}.\n") if one]


def _pair(text: bytes) -> tuple[bytes, bytes]:
    parts = list(cells(text + b".\n")) if text[:1] == b"{" else []
    if len(parts) != 2:
        raise BadTerms("the dump's tables are not as ejabberd writes them", "expected the output of ejabberdctl dump")
    return parts[0], parts[1]
