"""The cells of a dump's record as SQL literals, and those of live as the dump would write them.

A record goes to the server as it is only where each of its cells is one plain literal: what an imported dump has in its
place (an expression, a function) is refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from dysnomia_plugins.errors import NotSafe
from dysnomia_plugins.types.mysql.rows import unescaped

NULL = b"NULL"
_LITERAL = re.compile(
    rb"(NULL)|(?:_(?:binary|utf8mb4|utf8mb3|utf8) ?)?'((?:[^'\\]|\\.|'')*+)'|0x([0-9A-Fa-f]++)"
    rb"|([+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?)",
    re.DOTALL,
)
_NUMBER = re.compile(rb"[+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?")
_ESCAPES = {0: b"\\0", 10: b"\\n", 13: b"\\r", 92: b"\\\\", 39: b"\\'", 34: b'\\"', 26: b"\\Z"}
_ODD = re.compile(rb"[\0\n\r\\'\"\x1a]")
_NUMBERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "double", "year"})
_BINARY = frozenset({"bit", "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})
_SHAPES = frozenset({"geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon"})
_BYTES = _BINARY | _SHAPES | {"geometrycollection"}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of live, and how a dump writes its cells: as a number, in hexadecimal, or quoted."""

    name: str
    type: str
    bits: int = 0
    made: bool = False
    """Whether it is generated, so that nobody writes it."""

    def read(self, quoted: str) -> str:
        """SQL that gives a cell as ``cell`` reads it."""
        text = f"CONVERT({quoted} USING utf8mb4)"
        if self.type in _NUMBERS:
            text = f"CAST({quoted} AS CHAR)"
        elif self.type in _BYTES:
            text = quoted
        return f"IF({quoted} IS NULL, 'N', CONCAT('V', HEX({text})))"

    def cell(self, coded: bytes) -> bytes:
        """The literal of what the server says. Raises NotSafe for a cell that it cannot send."""
        if coded[:1] == b"N" and coded != b"N":
            raise NotSafe(
                f"a cell of column {self.name} is too large to be read by itself (max_allowed_packet)",
                "restore a copy beside what is live, and take it from there",
            )
        if coded == b"N":
            return NULL
        digits = coded[1:].decode()
        if self.bits:
            digits = digits.zfill((self.bits + 7) // 8 * 2)
        return self.literal(bytes.fromhex(digits))

    def literal(self, value: bytes) -> bytes:
        """A value as the dump has it."""
        if self.type in _NUMBERS and _NUMBER.fullmatch(value):
            return value
        if self.type in _BYTES and value:
            return b"0x" + value.hex().upper().encode()
        return b"'" + _ODD.sub(lambda match: _ESCAPES[match[0][0]], value) + b"'"

    def typed(self, shown: str) -> bytes:
        """A cell as it is shown (see ``rows.parse_row``), or typed."""
        value = shown.encode("utf-8", "surrogateescape")
        if self.type in _BYTES and re.fullmatch(r"\\x(?:[0-9A-Fa-f]{2})+", shown):
            value = bytes.fromhex(shown[2:])
        return self.literal(value)


def cells_of(raw: bytes, columns: Sequence[Column]) -> tuple[bytes, ...] | None:
    """The cells of a record as literals, each in the way of its column; None where one is anything else."""
    literals: list[bytes] = []
    position, end = 1, len(raw) - 1
    if raw[:1] != b"(" or raw[-1:] != b")":
        return None
    for column in columns:
        match = _LITERAL.match(raw, position, end)
        if match is None:
            return None
        null, quoted, digits, number = match.groups()
        if null is not None:
            literals.append(NULL)
        elif quoted is not None:
            literals.append(column.literal(unescaped(quoted)))
        elif digits is not None:
            literals.append(column.literal(bytes.fromhex(digits.decode().zfill(len(digits) + len(digits) % 2))))
        else:
            literals.append(column.literal(number))
        position = match.end()
        if position < end:
            if raw[position : position + 1] != b",":
                return None
            position += 1
    return tuple(literals) if position == end and raw[end - 1 : end] != b"," else None


def record(cells: Sequence[bytes]) -> bytes:
    """The record that a dump would have."""
    return b"(" + b",".join(cells) + b")"


def shown(cell: bytes) -> str:
    """A literal for a message."""
    if cell.startswith(b"'"):
        return unescaped(cell[1:-1]).decode("utf-8", "backslashreplace")
    return cell.decode()
