"""LZF, as Redis compresses strings: whole, or in pieces where a string is large."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dysnomia_plugins.errors import PluginError

_WINDOW = 1 << 13
"""No reference reaches further back."""
_PIECE = 1 << 18
_MOST_EACH = 264
"""No byte of it stands for more: three make 264 at the most."""
_TOKEN = 34
"""Bytes that the longest token has: a run of 32, and a byte before it."""


class Damaged(PluginError):
    """Bytes that no server writes."""


def unpack(data: bytes, size: int) -> bytes:
    """Decompress. Raises Damaged unless exactly ``size`` bytes come out; little more is ever made."""
    if size > _MOST_EACH * len(data):
        raise Damaged(f"a compressed string says that {len(data):,} bytes are {size:,}")
    out = bytearray()
    at = 0
    while at < len(data):
        at = _unpack(data, at, min(at + _PIECE, len(data)), out)
        if len(out) > size:
            break
    if at != len(data) or len(out) != size:
        raise Damaged("a compressed string is damaged")
    return bytes(out)


def pieces(some: Callable[[int], bytes], packed: int, size: int) -> Iterator[bytes]:
    """Decompress what ``some(n)`` gives (at most n bytes a call), ``packed`` bytes in all, in bounded memory.

    Raises Damaged where it does not give what it says."""
    if size > _MOST_EACH * packed:
        raise Damaged(f"a compressed string says that {packed:,} bytes are {size:,}")
    data, out, done = b"", bytearray(), 0
    while packed or data:
        if packed:
            more = some(min(packed, _PIECE))
            packed -= len(more)
            data += more
        used = _unpack(data, 0, len(data) - (_TOKEN if packed else 0), out)
        data = data[used:]
        if done + len(out) > size:
            break
        if len(out) >= _PIECE + _WINDOW:
            ready = len(out) - _WINDOW
            yield bytes(out[:ready])
            done += ready
            del out[:ready]
    if done + len(out) != size:
        raise Damaged("a compressed string is damaged")
    yield bytes(out)


def _unpack(data: bytes, at: int, end: int, out: bytearray) -> int:
    """Append what the tokens that begin before ``end`` stand for. Returns where the next one begins.

    Most of the time of reading compressed data is spent here: it is written for speed."""
    made = len(out)
    try:
        while at < end:
            token = data[at]
            if token < 32:
                stop = at + token + 2
                out += data[at + 1 : stop]
                made += token + 1
                at = stop
                continue
            if token < 224:
                start = made - ((token & 31) << 8) - data[at + 1] - 1
                stop = start + (token >> 5) + 2
                at += 2
            else:
                start = made - ((token & 31) << 8) - data[at + 2] - 1
                stop = start + 9 + data[at + 1]
                at += 3
            if start < 0:
                raise Damaged("a compressed string refers to what is not there")
            if stop <= made:
                out += out[start:stop]
            else:  # it overlaps what it makes: a pattern that repeats
                pattern = out[start:]
                out += (pattern * ((stop - start) // len(pattern) + 1))[: stop - start]
            made += stop - start
    except IndexError:
        raise Damaged("a compressed string is cut short") from None
    if at > len(data):
        raise Damaged("a compressed string is cut short")
    return at
