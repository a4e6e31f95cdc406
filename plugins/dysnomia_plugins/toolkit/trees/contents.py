"""What a stored tree holds: its contents worked out again, and the lines of its files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO

from dysnomia_plugins.base import Stored
from dysnomia_plugins.errors import PluginError, Truncated
from dysnomia_plugins.toolkit.files_reader import CHUNK, SNIFFED, content_rows, is_text
from dysnomia_plugins.toolkit.trees.member import ContentDigest, Kind, Member
from dysnomia_plugins.toolkit.trees.tarread import Entry, TarReader
from dysnomia_store import DigestSink
from dysnomia_store.model import Form, Section
from dysnomia_store.sink import ContentSink

ARTEFACT = "state.tar"


def rescan_tar(stream: BinaryIO, sink: ContentSink) -> bool:
    """Work out the sections of an archive as the snapshot itself would have.

    GNU tar stores a folder that is named twice (Dysnomia's nested ``mkdir`` lines) twice, files as hard links to
    themselves the second time: such repetitions are no sections.

    Returns whether the archive has its end marker. Raises BadArchive.
    """
    archive = TarReader(stream)
    repeated = Repeated()
    try:
        for entry in archive:
            if repeated.is_again(entry.member):
                entry.skip()
                sink.store_only(entry.raw + entry.tail)
            else:
                _rescan_entry(entry, sink)
    except Truncated:
        return False
    sink.store_only(archive.rest)
    return archive.ended


def index_of(stream: BinaryIO) -> list[Section]:
    """The sections of an archive that has no contents index (another tool's)."""
    collected = _Collected([])
    sink = DigestSink(collected, ARTEFACT)
    rescan_tar(stream, sink)
    sink.close()
    return collected.sections


@dataclass(frozen=True, slots=True)
class _Collected:
    sections: list[Section]

    def add(self, section: Section) -> None:
        self.sections.append(section)

    def amend(self, kind: str, name: str, key: tuple[str, ...]) -> None:
        """A tree's sections have no keys."""


class Repeated:
    """Tells members that say nothing new. Holds the names of an archive, for one that is not sorted."""

    def __init__(self) -> None:
        self._names: set[str] = set()

    def is_again(self, member: Member) -> bool:
        """Whether a folder is named again, or a file as another name of itself."""
        if member.kind is Kind.HARDLINK and member.link == member.name:
            return True
        if member.kind is not Kind.FOLDER:
            return False
        if member.name in self._names:
            return True
        self._names.add(member.name)
        return False


def _rescan_entry(entry: Entry, sink: ContentSink) -> None:
    member = entry.member
    if member.kind is not Kind.FILE:
        sink.begin_section(member.kind, member.name, Form.BYTES, attributes=member.attributes())
        try:
            entry.skip()
        finally:
            sink.write_masked(entry.raw + entry.tail, member.canonical())
            sink.end_section(size=0)
        return
    chunks = entry.content()
    head: list[tuple[int, bytes]] = []
    size = 0
    while size < SNIFFED and (chunk := next(chunks, None)) is not None:
        head.append(chunk)
        size += len(chunk[1])
    form = Form.TEXT if _text(head, member.size) else Form.BYTES
    sink.begin_section(member.kind, member.name, form, attributes=member.attributes())
    sink.write_masked(entry.raw, member.canonical())
    digest = ContentDigest()
    at = 0
    try:
        for offset, data in chain(head, chunks):
            digest.skip(offset - at)
            digest.feed(data)
            sink.store_only(data)
            at = offset + len(data)
        digest.skip(member.size - at)
    finally:
        sink.write_masked(entry.tail, digest.end())
        sink.end_section(size=member.size)


def _text(head: Sequence[tuple[int, bytes]], size: int) -> bool:
    """As ``is_text`` of the first bytes; a hole in them is not a text."""
    data = b""
    for offset, chunk in head:
        if offset != len(data):
            return False
        data += chunk
    return len(data) >= min(size, SNIFFED) and is_text(data[:SNIFFED])


def member_rows(stored: Stored, section: Section) -> Iterator[Sequence[bytes]]:
    """The lines of a file's section, or its bytes in records. Folders, links and others have none.

    Raises PluginError where the snapshot holds no such file."""
    if section.kind != Kind.FILE:
        return
    artefact = section.artefact or ARTEFACT
    if section.offset is not None and section.length:
        opened = stored.open_range(artefact, section.offset, section.length)
    else:
        opened = stored.open(artefact)
    with opened as stream:
        for entry in TarReader(stream):
            if entry.member.name == section.name and entry.member.kind is Kind.FILE:
                yield from content_rows(_ContentStream(entry), section.form)  # type: ignore[arg-type]
                return
    raise PluginError(f"the snapshot holds no file {section.name!r}", "its contents index does not match it")


class _ContentStream:
    """A file's content as a stream, holes as zeros."""

    def __init__(self, entry: Entry) -> None:
        self._chunks = self._filled(entry)
        self._rest = b""

    def read(self, size: int) -> bytes:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._rest = chunk
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    @staticmethod
    def _filled(entry: Entry) -> Iterator[bytes]:
        at = 0
        for offset, data in entry.content():
            yield from _zeros(offset - at)
            yield data
            at = offset + len(data)
        yield from _zeros(entry.member.size - at)


def _zeros(size: int) -> Iterator[bytes]:
    while size > 0:
        yield bytes(min(size, CHUNK))
        size -= CHUNK
