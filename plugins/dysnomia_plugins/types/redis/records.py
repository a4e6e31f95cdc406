"""One row of a section as canonical bytes, and back as cells.

The bytes of a row are its cells one after the other, ``<count of bytes>:<bytes>`` or ``-`` for none; what they are is
fixed, for snapshot ids rest on it. A row is an element of a key (a field, a member, an entry of a stream), so that two
generations are compared by key and element. What belongs to the key itself stands in a row with its time to live: of a
string the only one, of other types one that is there where the key expires. Only fields of hashes have a time to live
of their own besides (Redis 7.4, Valkey 9).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "string": ("key", "value", "expires"),
    "list": ("key", "index", "value", "expires"),
    "set": ("key", "member", "expires"),
    "zset": ("key", "member", "score", "expires"),
    "hash": ("key", "field", "value", "expires"),
    "stream": ("key", "part", "group", "id", "value", "expires"),
    "function": ("library", "code"),
}
KEYS: Mapping[str, tuple[str, ...]] = {
    "string": ("key",),
    "list": ("key", "index"),
    "set": ("key", "member"),
    "zset": ("key", "member"),
    "hash": ("key", "field"),
    "stream": ("key", "part", "group", "id"),
    "function": ("library",),
}
NONE = b"-"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def cell(value: bytes) -> bytes:
    return b"%d:%b" % (len(value), value)


def expiry(expires: int | None) -> bytes:
    return NONE if expires is None else cell(b"%d" % expires)


def split(raw: bytes) -> list[bytes | None]:
    """The cells of a row. Raises ValueError for bytes that are none."""
    cells: list[bytes | None] = []
    at, end = 0, len(raw)
    while at < end:
        if raw[at] == 0x2D:
            cells.append(None)
            at += 1
            continue
        stop = raw.index(b":", at)
        at = stop + 1 + int(raw[at:stop])
        if at > end:
            raise ValueError("a cell ends after its row")
        cells.append(raw[stop + 1 : at])
    return cells


def pairs(values: Iterable[bytes]) -> bytes:
    """Fields and values of an entry of a stream, as the content of one cell."""
    return b"".join(map(cell, values))


def show(kind: str, raw: bytes) -> tuple[str | None, ...]:
    """A row's cells for the screen, in the order of its columns."""
    cells = split(raw)
    shown = [None if value is None else text(value) for value in cells]
    if kind != "function":  # an element does not say when its key expires: that is no NULL
        shown[-1] = "-" if cells[-1] is None else moment(int(cells[-1]))
    if kind == "stream" and cells[1] == b"entry" and cells[4] is not None:
        shown[4] = " ".join(quoted(value) for value in split(cells[4]) if value is not None)
    return tuple(shown)


def text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return "\\x" + value.hex()


def quoted(value: bytes) -> str:
    """A field or value among others: in quotes where it would not be seen where it ends."""
    shown = text(value)
    plain = shown and not any(char.isspace() or char in "\"'" for char in shown)
    return shown if plain else '"' + shown.replace("\\", "\\\\").replace('"', '\\"') + '"'


def moment(milliseconds: int) -> str:
    """When a key expires, in UTC; the bare number where the calendar does not reach that far."""
    try:
        when = _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return str(milliseconds)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
