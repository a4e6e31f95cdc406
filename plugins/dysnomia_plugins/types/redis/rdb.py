"""RDB files, read as a stream: bytes, lengths and strings, and the heads of keys in their order.

What is read: versions 1 to 12 (Redis to 8.2, Valkey to 8) and Valkey's 80 (Valkey 9), every encoding they have, fields
of hashes with a time to live of their own as well. What is not: values of modules, and newer versions; these are
refused by name, for a snapshot must be whole. The checksum at the end is not worked out: a server does so when it
loads the file, and the store knows a digest of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from dysnomia_plugins.errors import Truncated, Unsupported
from dysnomia_plugins.types.redis.lzf import Damaged, pieces, unpack
from dysnomia_plugins.types.redis.versions import NEWEST, REDIS, VALKEY, Format, Version

_KNOWN = f"versions to {NEWEST[REDIS]} of Redis and to {NEWEST[VALKEY]} of Valkey are read: take a newer dysnomia-tui"
CHUNK = 1 << 18
LARGE = 1 << 20
"""A string value longer than this is handed on in pieces."""
MOST_STRING = 512 << 20
"""Bytes of a key, an element or a library, which are held in memory: Redis takes no more (proto-max-bulk-len)."""
MOST_DATABASE = (1 << 31) - 1
"""The number of a database is an int of the server."""
_SHOWN = 64
_KNOWN_ABOUT = frozenset({"redis-ver", "valkey-ver", "ctime"})

FUNCTION = 0xF5
_MODULE_AUX, _IDLE, _FREQ, _AUX, _RESIZE, _EXPIRE_MS, _EXPIRE, _SELECT, _END = (
    0xF7, 0xF8, 0xF9, 0xFA, 0xFB, 0xFC, 0xFD, 0xFE, 0xFF,
)  # fmt: skip
_SLOT_INFO = 0xF4
_OLD_FUNCTION = 0xF6
HASH_METADATA, HASH_LISTPACK_EX, HASH_2 = 24, 25, 0x116
"""Hashes with fields that expire: Redis 7.4's two, and Valkey 9's, whose code 22 was another thing in Redis."""
_OF_VALKEY: Mapping[int, int] = {22: HASH_2}
"""Codes that mean something else in Valkey's own versions."""
TYPES: Mapping[int, str] = {
    0: "string", 1: "list", 2: "set", 3: "zset", 4: "hash", 5: "zset", 9: "hash", 10: "list", 11: "set", 12: "zset",
    13: "hash", 14: "list", 15: "stream", 16: "hash", 17: "zset", 18: "list", 19: "stream", 20: "set", 21: "stream",
    HASH_METADATA: "hash", HASH_LISTPACK_EX: "hash", HASH_2: "hash", FUNCTION: "function",
}  # fmt: skip
"""What a code stands for, whatever the encoding."""


class Readable(Protocol):
    def read(self, size: int, /) -> bytes:
        """Some bytes, ``size`` at most; none at the end."""


class RdbStream:
    """The bytes of an RDB file, pulled as they are needed; what is read can be copied as it goes."""

    def __init__(self, source: Readable) -> None:
        self._read = source.read
        self._buffer = b""
        self._position = 0
        self._mark: int | None = None
        self._copy: Callable[[bytes], object] | None = None

    # Copying: from a mark on, once it is known that what stands there is wanted.

    def mark(self) -> None:
        """What follows may be copied: keep it."""
        self._mark = self._position

    def copy_from_mark(self, write: Callable[[bytes], object]) -> None:
        """Copy what was read since the mark, and all that is read until ``stop``."""
        self._copy = write

    def stop(self) -> None:
        """Copy what is outstanding, and no more; the mark is gone."""
        self._hand_on()
        self._copy, self._mark = None, None

    def _hand_on(self) -> None:
        if self._copy is not None and self._mark is not None:
            self._copy(self._buffer[self._mark : self._position])
            self._mark = self._position

    # Bytes.

    def _fill(self, size: int) -> None:
        """Have ``size`` bytes behind the position. Raises Truncated."""
        self._hand_on()
        have = [self._kept()]
        missing = self._position + size - len(have[0])
        while missing > 0:
            more = self._read(max(CHUNK, missing))
            if not more:
                raise _cut_short()
            have.append(more)
            missing -= len(more)
        self._buffer = b"".join(have)

    def _extend(self) -> bool:
        """Have some more bytes in the buffer. False at the end of the file."""
        self._hand_on()
        more = self._read(CHUNK)
        self._buffer = self._kept() + more
        return bool(more)

    def _kept(self) -> bytes:
        """What of the buffer is still needed; the position is counted from it."""
        start = self._position if self._mark is None else self._mark
        self._position -= start
        if self._mark is not None:
            self._mark = 0
        return self._buffer[start:]

    def byte(self) -> int:
        position = self._position
        if position >= len(self._buffer):
            self._fill(1)
            position = self._position
        self._position = position + 1
        return self._buffer[position]

    def take(self, size: int) -> bytes:
        """Exactly so many bytes. Raises Truncated, Damaged for more than anything whole may have."""
        if size > MOST_STRING:
            raise Damaged(f"a string of {size:,} bytes is longer than Redis takes ({MOST_STRING:,})")
        end = self._position + size
        if end > len(self._buffer):
            self._fill(size)
            end = self._position + size
        data = self._buffer[self._position : end]
        self._position = end
        return data

    def some(self, size: int) -> bytes:
        """At most ``size`` bytes, one at least."""
        if self._position >= len(self._buffer):
            self._fill(1)
        return self.take(min(size, len(self._buffer) - self._position))

    def skip(self, size: int) -> None:
        while size > 0:
            size -= len(self.some(size))

    def at_end(self) -> bool:
        """Whether nothing follows."""
        return self._position >= len(self._buffer) and not self._extend()

    # Lengths and strings.

    def length(self) -> int:
        """Raises Damaged where an encoded string stands instead."""
        first = self.byte()
        if first < 0x40:
            return first
        if first < 0x80:
            return ((first & 0x3F) << 8) | self.byte()
        if first == 0x80:
            return int.from_bytes(self.take(4), "big")
        if first == 0x81:
            return int.from_bytes(self.take(8), "big")
        raise Damaged(f"a length cannot begin with {first:#04x}")

    def string(self) -> bytes:
        """A string, decompressed; integers as Redis would print them. Raises Damaged."""
        first = self.byte()
        if first < 0x40:
            return self.take(first)
        if first < 0x80:
            return self.take(((first & 0x3F) << 8) | self.byte())
        if first >= 0xC0:
            return self._encoded(first)
        if first == 0x80:
            return self.take(int.from_bytes(self.take(4), "big"))
        if first == 0x81:
            return self.take(int.from_bytes(self.take(8), "big"))
        raise Damaged(f"a string cannot begin with {first:#04x}")

    def _encoded(self, first: int) -> bytes:
        if first == 0xC3:
            packed, size = self.length(), self.length()
            if size > MOST_STRING:
                raise Damaged(f"a string of {size:,} bytes is longer than Redis takes ({MOST_STRING:,})")
            return unpack(self.take(packed), size)
        if first > 0xC3:
            raise Damaged(f"a string cannot begin with {first:#04x}")
        return b"%d" % int.from_bytes(self.take(1 << (first & 3)), "little", signed=True)

    def string_or_pieces(self) -> bytes | tuple[int, Iterator[bytes]]:
        """A string; if it is large, its size and the pieces of it, which must be read before anything else is."""
        self._peek(20)
        first = self._buffer[self._position]
        if first == 0xC3:
            start = self._position
            self._position += 1
            packed, size = self.length(), self.length()
            if size > LARGE:
                return size, pieces(self.some, packed, size)
            self._position = start
        elif first in (0x80, 0x81):
            start = self._position
            size = self.length()
            if size > LARGE:
                return size, self._pieces(size)
            self._position = start
        return self.string()

    def _pieces(self, size: int) -> Iterator[bytes]:
        while size > 0:
            piece = self.some(size)
            size -= len(piece)
            yield piece

    def _peek(self, size: int) -> None:
        """Have that many bytes in the buffer, as far as the file has them: what is looked at is never torn."""
        while self._position + size > len(self._buffer):
            have = len(self._buffer) - self._position
            if not self._extend():
                if not have:
                    raise _cut_short()
                return

    def skip_string(self) -> None:
        """Pass over a string without decompressing it."""
        first = self.byte()
        if first < 0x40:
            self.skip(first)
        elif first == 0xC3:
            packed = self.length()
            self.length()
            self.skip(packed)
        elif 0xC0 <= first < 0xC3:
            self.skip(1 << (first & 3))
        else:
            self._position -= 1
            self.skip(self.length())


def _cut_short() -> Truncated:
    return Truncated("the RDB file ends before its end marker", "take another generation")


@dataclass(slots=True)
class Head:
    """A key whose value comes next in the stream."""

    database: int
    code: int
    key: bytes
    expires: int | None
    """Milliseconds since 1970, as the server has them."""

    @property
    def type(self) -> str:
        return TYPES[self.code]


@dataclass
class RdbReader:
    """Heads of an RDB file, one after the other. Whoever gets one reads or skips its value before the next.

    Raises Truncated, Damaged, Unsupported.
    """

    stream: RdbStream
    marking: bool = False
    """Whether each head is marked, so that it can be copied with its value."""
    magic: bytes = b""
    """The first nine bytes."""
    format: Format = field(default_factory=lambda: Format(REDIS, 0))
    about: dict[str, str] = field(default_factory=dict)
    """What the file says of itself (``redis-ver``, ``valkey-ver``, ``ctime``); whole when the first head is out."""
    complete: bool = False
    """Whether the end marker was reached, and nothing follows."""

    @property
    def server(self) -> Version:
        """Of the server that made it, as far as the file says."""
        return Version.of(self.about, "-")

    @property
    def made(self) -> int:
        """When the file was made, in milliseconds since 1970; 0 where it does not say."""
        ctime = self.about.get("ctime", "0")
        return int(ctime) * 1000 if ctime.isascii() and ctime.isdigit() and len(ctime) < 12 else 0

    def heads(self) -> Iterator[Head]:
        """The head of each key, which is read whole before the next. Raises Damaged, and Unsupported."""
        self._magic()
        stream = self.stream
        database = 0
        expires: int | None = None
        self._next()
        while True:
            code = stream.byte()
            if code != _AUX and not self.format.is_read:
                raise Unsupported(f"it is an RDB file of {self.format}, made by {self.server}", _KNOWN)
            if code == _EXPIRE_MS:
                expires = int.from_bytes(stream.take(8), "little", signed=True)
            elif code < _SLOT_INFO:
                if self.format.product == VALKEY:
                    code = _OF_VALKEY.get(code, code)
                if code not in TYPES:
                    raise self._foreign(code)
                yield Head(database, code, stream.string(), expires)
                expires = None
                self._next()
            elif code == FUNCTION:
                yield Head(-1, code, b"", None)
                self._next()
            elif code == _SELECT:
                database = stream.length()
                if database > MOST_DATABASE:
                    raise Damaged(f"no server has a database of the number {database}")
                self._next()
            elif code == _EXPIRE:
                expires = int.from_bytes(stream.take(4), "little", signed=True) * 1000
            elif code == _END:
                self._finish()
                return
            else:
                self._other(code)

    def _next(self) -> None:
        """What follows may be a head."""
        if self.marking:
            self.stream.stop()
            self.stream.mark()

    def _magic(self) -> None:
        self.magic = self.stream.take(9)
        known_format = Format.of(self.magic)
        if known_format is None:
            raise Damaged("it is not an RDB file")
        self.format = known_format

    def _other(self, code: int) -> None:
        stream = self.stream
        if code == _AUX:
            name = stream.string().decode("utf-8", "replace")
            if name in _KNOWN_ABOUT:
                self.about[name] = stream.string()[:_SHOWN].decode("utf-8", "replace")
            else:  # scripts of EVAL among them (before Redis 7): they are no state
                stream.skip_string()
            self._next()
        elif code == _RESIZE:
            stream.length()
            stream.length()
            self._next()
        elif code == _IDLE:
            stream.length()
        elif code == _FREQ:
            stream.byte()
        elif code == _SLOT_INFO:
            for _ in range(3):
                stream.length()
            self._next()
        else:
            raise self._foreign(code)

    def _finish(self) -> None:
        stream = self.stream
        stream.stop()
        if self.format.version >= 5:
            stream.take(8)
        if not stream.at_end():
            raise Damaged("something follows the end marker of the RDB file")
        self.complete = True

    def _foreign(self, code: int) -> Unsupported:
        if code == _OLD_FUNCTION:
            what, hint = "functions as release candidates of Redis 7.0 wrote them", "no server takes them"
        elif code in (6, 7, _MODULE_AUX):
            what, hint = "values of a module", "only what Redis has by itself can be read and restored"
        elif self.format.product == REDIS and code in (22, 23):
            what, hint = (
                "hashes as release candidates of Redis 7.4 wrote them",
                "upgrade that server",
            )
        else:
            what, hint = f"something unknown (code {code})", "it was made by a newer server: take a newer dysnomia-tui"
        return Unsupported(f"the RDB file (of {self.server}) holds {what}", hint)
