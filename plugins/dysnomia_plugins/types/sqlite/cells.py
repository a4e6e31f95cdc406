"""One row of an SQLite table as canonical bytes, and back as cells to show.

The bytes of a row are its cells one after the other; what they are is fixed, for snapshot ids rest on it:

    NULL ``n``                              integer ``i<decimal>;``       real ``f<C99 hexadecimal>;``
    text ``t<count of bytes>:<bytes>``      blob ``b<count of bytes>:<bytes>``

Text is kept in the database's own encoding, byte for byte, whether it is valid or not. So two rows have the same
bytes exactly when every cell has the same storage class and the same value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

Value = int | float | bytearray | bytes | None
"""A cell as SQLite hands it out when text comes as bytearray (and so differs from a blob)."""

_Encoder = Callable[[Any], bytes]
_ENCODERS: dict[type, _Encoder] = {
    int: lambda value: b"i%d;" % value,
    float: lambda value: b"f%b;" % value.hex().encode(),
    bytearray: lambda value: b"t%d:%b" % (len(value), value),
    bytes: lambda value: b"b%d:%b" % (len(value), value),
    type(None): lambda value: b"n",
}
_LIKE_A_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$|-?inf$|nan$|\\x|'", re.IGNORECASE)


def encode_row(row: Sequence[Value], _encoders: dict[type, _Encoder] = _ENCODERS) -> bytes:
    """The canonical bytes of a row."""
    return b"".join([_encoders[type(value)](value) for value in row])


def decode_row(raw: bytes) -> list[Value]:
    """The cells of a row's canonical bytes. Raises ValueError for bytes that are none."""
    cells: list[Value] = []
    position, end = 0, len(raw)
    while position < end:
        kind = raw[position : position + 1]
        position += 1
        if kind == b"n":
            cells.append(None)
        elif kind in (b"i", b"f"):
            stop = raw.index(b";", position)
            text = raw[position:stop].decode("ascii")
            cells.append(int(text) if kind == b"i" else float.fromhex(text))
            position = stop + 1
        elif kind in (b"t", b"b"):
            stop = raw.index(b":", position)
            position = stop + 1 + int(raw[position:stop])
            if position > end:
                raise ValueError("a cell ends after its row")
            value = raw[stop + 1 : position]
            cells.append(bytearray(value) if kind == b"t" else value)
        else:
            raise ValueError(f"{kind!r} is not the start of a cell")
    return cells


def show_cell(value: Value, affinity: str, encoding: str = "utf-8") -> str | None:
    """A cell for the screen; None is NULL.

    Blobs, and text that is not valid, are ``\\x`` and hexadecimal digits. Where a column may hold numbers and texts
    alike, a text that reads like something else stands in quotes, so that 1 and '1' are not the same on the screen.
    """
    if value is None:
        return None
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    if isinstance(value, bytearray):
        try:
            text = value.decode(encoding)
        except UnicodeDecodeError:
            return "\\x" + value.hex()
        return "'" + text + "'" if affinity != "TEXT" and _LIKE_A_NUMBER.match(text) else text
    return repr(value)


def quoted(name: str) -> str:
    """An identifier for SQL."""
    return '"' + name.replace('"', '""') + '"'


def affinity_of(declared: str) -> str:
    """The affinity of a column by its declared type (sqlite.org/datatype3.html, section 3.1)."""
    name = declared.upper()
    for affinity, words in (("INTEGER", ("INT",)), ("TEXT", ("CHAR", "CLOB", "TEXT")), ("BLOB", ("BLOB",))):
        if any(word in name for word in words):
            return affinity
    if not name or name == "ANY":
        return "BLOB"
    return "REAL" if any(word in name for word in ("REAL", "FLOA", "DOUB")) else "NUMERIC"
