"""What a snapshot of a directory holds: one LDIF, one section for each entry, called as the entry is.

Of an entry everything counts that ``slapcat`` writes, also what the server notes itself (entryUUID, entryCSN,
modifyTimestamp, modifiersName, the policy's times): clients read it, replication rests on it, and ``slapadd`` brings it
back as it was. The one exception is ``contextCSN``: see ``ldif.NOISE``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from dysnomia_plugins.base import Row, Stored
from dysnomia_plugins.types.openldap.ldif import BadLdif, Record, logical_lines, records, shown
from dysnomia_store.model import Form, Section
from dysnomia_store.sink import ContentSink, WholeSection

LDIF = "directory.ldif"
ENTRY = "entry"
_BATCH = 500
"""Entries that are handed on together; fewer of the first ones, so that of a slow server something is seen at once."""
_BATCH_BYTES = 1 << 20
_NONE: Mapping[str, str] = {}


def write_records(sink: ContentSink, entries: Iterable[Record], on_bytes: Callable[[int], None]) -> int:
    """Put entries into a sink. Returns how many; ``on_bytes`` is told how many bytes so far. Raises BadLdif."""
    waiting: list[WholeSection] = []
    size = count = done = 0
    text = Form.TEXT
    for record in entries:
        canonical = record.canonical
        waiting.append(WholeSection(ENTRY, record.dn, text, len(canonical), _NONE, canonical, (record.stored,)))
        size += len(record.stored)
        count += 1
        if len(waiting) >= min(_BATCH, 1 + count // 4) or size >= _BATCH_BYTES:
            sink.write_sections(waiting)
            waiting.clear()
            done += size
            size = 0
            on_bytes(done)
    if waiting:
        sink.write_sections(waiting)
    on_bytes(done + size)
    return count


def rescan(stored: Stored, sink: ContentSink) -> None:
    """Work out digest and contents again. Raises BadLdif."""
    with stored.open() as stream:
        write_records(sink, records(stream), lambda _: None)


def raw_rows(stored: Stored, section: Section) -> Iterator[Sequence[bytes]]:
    """The lines of an entry, its name first."""
    for record in entry_of(stored, section):
        yield logical_lines(record.stored)


def entry_of(stored: Stored, section: Section) -> Iterator[Record]:
    """The one entry of a section. Raises BadLdif."""
    if section.offset is None or section.length is None:
        raise BadLdif(f"the contents index does not say where {section.name!r} is", "check the snapshot")
    with stored.open_range(section.artefact or LDIF, section.offset, section.length) as stream:
        entries = list(records(stream))
    if len(entries) != 1 or entries[0].dn != section.name:
        raise BadLdif(f"{section.name!r} is not where the contents index says", "check the snapshot")
    yield entries[0]


def parse_row(raw: bytes) -> Row:
    """A line, with secrets hidden."""
    return Row(key=(), cells=(shown(raw),))
