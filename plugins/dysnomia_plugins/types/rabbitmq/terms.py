"""Terms of Erlang in its external format, to and from values of Python: what the node that asks is told, and tells.

Binaries are ``bytes``, atoms ``Atom``, maps ``dict``. Only what we ask for comes: no functions, ports or references.
Source: https://www.erlang.org/doc/apps/erts/erl_ext_dist.html (OTP 25).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

from dysnomia_plugins.errors import PluginError

_VERSION = 131
Term = Any
_DEEPEST = 200


class Atom(str):
    """An atom. Only names of ours are ever written: a node never forgets one."""

    __slots__ = ()


def of_bool(value: bool) -> Atom:
    return Atom("true" if value else "false")


def encode(term: Term) -> bytes:
    """A term in external format."""
    return bytes([_VERSION]) + _written(term)


def _written(term: Term) -> bytes:
    if isinstance(term, bool):
        return _written(of_bool(term))
    if isinstance(term, Atom):
        name = term.encode()
        return struct.pack(">BB", 119, len(name)) + name
    if isinstance(term, bytes):
        return struct.pack(">BI", 109, len(term)) + term
    if isinstance(term, int):
        return _whole(term)
    if isinstance(term, float):
        return struct.pack(">Bd", 70, term)
    if isinstance(term, tuple):
        return struct.pack(">BI", 105, len(term)) + b"".join(map(_written, term))
    if isinstance(term, list):
        return struct.pack(">BI", 108, len(term)) + b"".join(map(_written, term)) + b"j" if term else b"j"
    if isinstance(term, dict):
        pairs = b"".join(_written(key) + _written(value) for key, value in term.items())
        return struct.pack(">BI", 116, len(term)) + pairs
    raise TypeError(f"no term: {type(term).__name__}")


def _whole(number: int) -> bytes:
    if -(1 << 31) <= number < 1 << 31:
        return struct.pack(">Bi", 98, number)
    size = abs(number)
    data = size.to_bytes((size.bit_length() + 7) // 8, "little")
    return struct.pack(">BBB", 110, len(data), number < 0) + data


def decode(data: bytes) -> Term:
    """The term of an external format. Raises PluginError for what is none, or holds what nobody asked for."""
    reader = _Reader(data)
    try:
        if reader.byte() == _VERSION:
            return reader.term(0)
    except (struct.error, IndexError, UnicodeDecodeError, RecursionError):
        pass
    raise PluginError("the node answers with what cannot be read", "check that it is RabbitMQ's")


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _number(self, form: str) -> Any:
        size = struct.calcsize(form)
        self._at += size
        return struct.unpack(form, self._data[self._at - size : self._at])[0]

    def _bytes(self, size: int) -> bytes:
        self._at += size
        data = self._data[self._at - size : self._at]
        if len(data) != size:
            raise IndexError(size)
        return data

    def _several(self, count: int, depth: int) -> list[Term]:
        return [self.term(depth) for _ in range(count)]

    def term(self, depth: int) -> Term:
        """Raises RecursionError where it is nested deeper than any definition is, IndexError for what is unknown."""
        if depth > _DEEPEST:
            raise RecursionError
        read = _KINDS.get(self.byte())
        if read is None:
            raise IndexError("unknown")
        return read(self, depth + 1)

    def _list(self, depth: int) -> Term:
        items = self._several(self._number(">I"), depth)
        self.term(depth)  # its tail, which is the empty list
        return items

    def _big(self) -> int:
        size, sign = self.byte(), self.byte()
        return int.from_bytes(self._bytes(size), "little") * (-1 if sign else 1)

    def _map(self, depth: int) -> Term:
        count = self._number(">I")
        return {_as_key(self.term(depth)): self.term(depth) for _ in range(count)}


_KINDS: Mapping[int, Callable[[Any, int], Term]] = {
    97: lambda reader, depth: reader.byte(),
    98: lambda reader, depth: reader._number(">i"),
    70: lambda reader, depth: reader._number(">d"),
    100: lambda reader, depth: Atom(reader._bytes(reader._number(">H")).decode("latin-1")),
    104: lambda reader, depth: tuple(reader._several(reader.byte(), depth)),
    105: lambda reader, depth: tuple(reader._several(reader._number(">I"), depth)),
    106: lambda reader, depth: [],
    107: lambda reader, depth: list(reader._bytes(reader._number(">H"))),
    108: lambda reader, depth: reader._list(depth),
    109: lambda reader, depth: reader._bytes(reader._number(">I")),
    110: lambda reader, depth: reader._big(),
    116: lambda reader, depth: reader._map(depth),
    118: lambda reader, depth: Atom(reader._bytes(reader._number(">H")).decode()),
    119: lambda reader, depth: Atom(reader._bytes(reader.byte()).decode()),
}
"""By their tags."""


def _as_key(term: Term) -> Term:
    if isinstance(term, (list, dict)):
        raise IndexError("no key")
    return term
