"""A Subversion dump, read as it streams: its bytes are handed on as they are, its revisions told.

Format: ``notes/dump-load-format.txt`` of Subversion: records of headers, an empty line, and as many bytes of
properties and text as the headers say. What is read is not trusted.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from dysnomia_plugins.errors import PluginError, Truncated
from dysnomia_store.sink import Buffer

CHUNK = 1 << 18
MAX_LINE = 1 << 20
MAX_HEADERS = 256
MAX_HEADER_BYTES = 4 << 20
"""Of the headers of one record, and the empty lines before them."""
MAX_PADDING = 1_000_000
"""Empty revisions that are made so that the first of a dump keeps its number: each takes files of its own."""
MAX_PROPERTIES = 64 << 20
"""Bytes of the properties of one revision, which are held in memory."""
SHOWN_LOG = 2000
"""Characters of a property (log message, author) that a row holds; the row's digest covers all of it."""
_MODULUS = 1 << 256

Write = Callable[[bytes], None]


class BadDump(PluginError):
    """What is not a dump, or one that no honest program wrote."""


@dataclass
class Revision:
    """One revision of a dump."""

    number: int
    properties: Mapping[bytes, bytes]
    changes: int = 0
    """Paths that it changed."""
    _sum: int = 0

    def add(self, digest: bytes) -> None:
        """Count a changed path. In which order they stand says nothing: tools differ in it."""
        self.changes += 1
        self._sum = (self._sum + int.from_bytes(digest)) % _MODULUS

    @property
    def padding(self) -> bool:
        """Whether it only keeps the number of a revision that is not there: no commit leaves no property at all."""
        return not self.properties and not self.changes

    @property
    def digest(self) -> str:
        """Over all its properties and all its changes."""
        whole = hashlib.sha256(b"%d" % self._sum)
        for name, value in sorted(self.properties.items()):
            whole.update(b"%d:%b%d:%b" % (len(name), name, len(value), value))
        return whole.hexdigest()

    def prop(self, name: str) -> str | None:
        """A property as text, bytes that are none made visible."""
        value = self.properties.get(name.encode())
        return None if value is None else value.decode("utf-8", "backslashreplace")

    def row(self) -> bytes:
        """Its line in the list of revisions: number, author, date, log, changed paths, digest."""
        author, date, log = (_shown(self.prop(name)) for name in ("svn:author", "svn:date", "svn:log"))
        values = [self.number, author, date, log, self.changes, self.digest]
        return json.dumps(values, separators=(",", ":")).encode() + b"\n"


def _shown(text: str | None) -> str | None:
    return text if text is None or len(text) <= SHOWN_LOG else text[:SHOWN_LOG] + "…"


@dataclass
class DumpReader:
    """Reads one stream.

    ``pad``: where the first revision is not number 0 (another tool dumped the newest one alone), hand on empty
    revisions before it, so that it keeps its number when it is loaded.
    """

    stream: BinaryIO
    pad: bool = False
    uuid: str = ""
    first: int | None = None
    """The number of the first revision."""
    last: int | None = None
    _current: Revision | None = None
    _source: io.BufferedReader = field(init=False)

    def __post_init__(self) -> None:
        self._source = io.BufferedReader(_Raw(self.stream), CHUNK)

    def revisions(self, write: Callable[[Buffer], None]) -> Iterator[Revision]:
        """Hand every byte to ``write`` and yield each revision when it is over.

        Raises Truncated where the stream ends inside a record, BadDump."""
        headers, raw = self._headers()
        if headers.get(b"SVN-fs-dump-format-version", b"").strip() not in (b"2", b"3"):
            raise BadDump("this is not a dump of a Subversion repository", "its first line is wrong")
        write(raw)
        while True:
            headers, raw = self._headers()
            if not headers:
                write(raw)
                break
            if b"Revision-number" in headers:
                if self._current is not None:
                    yield self._current
                self._revision(headers, raw, write)
            elif b"Node-path" in headers:
                self._node(headers, raw, write)
            elif b"UUID" in headers:
                self.uuid = headers[b"UUID"].strip().decode("ascii", "backslashreplace")
                write(raw)
            else:
                raise BadDump("the dump holds a record of a kind that is not known", repr(raw[:60]))
        if self._current is None:
            raise Truncated("the dump ends before its first revision")
        yield self._current

    def _headers(self) -> tuple[Mapping[bytes, bytes], bytes]:
        """The headers of the next record, and its bytes up to the empty line; no headers at the end."""
        headers: dict[bytes, bytes] = {}
        raw = bytearray()
        while True:
            line = self._source.readline(MAX_LINE)
            raw += line
            if len(raw) > MAX_HEADER_BYTES:
                raise BadDump("the dump holds a record with endless headers", repr(line[:60]))
            if not line.endswith(b"\n"):
                if line or headers:
                    raise Truncated("the dump ends inside a record", "it is not complete")
                return {}, bytes(raw)
            if line == b"\n":
                if headers:
                    return headers, bytes(raw)
                continue
            name, colon, value = line[:-1].partition(b": ")
            if not colon or len(headers) == MAX_HEADERS:
                raise BadDump("the dump holds an invalid header line", repr(line[:60]))
            headers[name] = value

    def _revision(self, headers: Mapping[bytes, bytes], raw: bytes, write: Callable[[Buffer], None]) -> None:
        number = _number(headers, b"Revision-number")
        if self.last is not None and number <= self.last:
            raise BadDump(f"revision {number} comes after revision {self.last} in the dump")
        if self.first is None:
            self.first = number
            if self.pad:
                if number > MAX_PADDING:
                    raise BadDump(
                        f"the dump begins with revision {number:,}: so many empty revisions are not made before it",
                        f"at most {MAX_PADDING:,} are; load it with svnadmin, where that is what you want",
                    )
                for missing in range(number):
                    write(EMPTY % missing)
        self.last = number
        length = _length(headers)
        if length > MAX_PROPERTIES:
            raise BadDump(f"the properties of revision {number} are {length:,} bytes long")
        content = b"".join(self._take(length))
        write(raw + content)
        self._current = Revision(number, _properties(content[: _number(headers, b"Prop-content-length")]))

    def _node(self, headers: Mapping[bytes, bytes], raw: bytes, write: Callable[[Buffer], None]) -> None:
        if self._current is None:
            raise BadDump("the dump changes a path before its first revision")
        digest = hashlib.sha256(raw.lstrip(b"\n"))
        length = _length(headers)
        if length <= CHUNK:
            content = b"".join(self._take(length))
            digest.update(content)
            write(raw + content)
        else:
            write(raw)
            for data in self._take(length):
                digest.update(data)
                write(data)
        self._current.add(digest.digest())

    def _take(self, length: int) -> Iterator[bytes]:
        while length:
            data = self._source.read(min(length, CHUNK))
            if not data:
                raise Truncated("the dump ends inside a record", "it is not complete")
            length -= len(data)
            yield data


EMPTY = b"Revision-number: %d\nProp-content-length: 10\nContent-length: 10\n\nPROPS-END\n\n"


def _number(headers: Mapping[bytes, bytes], name: bytes) -> int:
    """A header that is a number; 0 where it is not there. Raises BadDump."""
    value = headers.get(name, b"0").strip()
    if not value.isdigit() or len(value) > 18:
        raise BadDump(f"the dump's header {name.decode()} is not a number", repr(value[:40]))
    return int(value)


def _length(headers: Mapping[bytes, bytes]) -> int:
    """Bytes of content after the headers of a record."""
    if b"Content-length" in headers:
        return _number(headers, b"Content-length")
    return _number(headers, b"Prop-content-length") + _number(headers, b"Text-content-length")


def _properties(content: bytes) -> Mapping[bytes, bytes]:
    """``K n`` name ``V n`` value … ``PROPS-END``. Raises BadDump."""
    properties: dict[bytes, bytes] = {}
    at = 0
    while content and not content.startswith(b"PROPS-END", at):
        name, at = _counted(content, at, b"K ")
        properties[name], at = _counted(content, at, b"V ")
    return properties


def _counted(content: bytes, at: int, letter: bytes) -> tuple[bytes, int]:
    """A value with its length in a line before it, and where the next begins."""
    end = content.find(b"\n", at)
    size = content[at + 2 : end]
    if end < 0 or content[at : at + 2] != letter or not size.isdigit() or len(size) > 12:
        raise BadDump("the dump holds invalid properties", repr(content[at : at + 40]))
    start, stop = end + 1, end + 1 + int(size)
    if content[stop : stop + 1] != b"\n":
        raise BadDump("the dump holds a property that is longer than it says", repr(content[at : at + 40]))
    return content[start:stop], stop + 1


def read_hash(content: bytes) -> Mapping[str, str]:
    """A file in the same form that ends with ``END`` (``svn_hash_write``). Raises BadDump."""
    values: dict[str, str] = {}
    at = 0
    while not content.startswith(b"END", at):
        name, at = _counted(content, at, b"K ")
        value, at = _counted(content, at, b"V ")
        values[name.decode("utf-8", "surrogateescape")] = value.decode("utf-8", "surrogateescape")
    return values


def write_hash(values: Mapping[str, str]) -> bytes:
    """The bytes of such a file."""
    parts = []
    for name, value in sorted(values.items()):
        for letter, text in ((b"K", name), (b"V", value)):
            data = text.encode("utf-8", "surrogateescape")
            parts.append(b"%b %d\n%b\n" % (letter, len(data), data))
    return b"".join(parts) + b"END\n"


class _Raw(io.RawIOBase):
    """Any stream that can be read, for a buffer in front of it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:  # type: ignore[override]
        view = memoryview(buffer).cast("B")
        data = self._stream.read(len(view))
        view[: len(data)] = data
        return len(data)
