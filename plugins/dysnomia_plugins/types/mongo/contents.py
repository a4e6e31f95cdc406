"""Stored snapshots, read again: digests, sections, and documents as rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dysnomia_plugins.base import Draft, Row, Stored
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.types.mongo import documents, source
from dysnomia_plugins.types.mongo.dump import COLUMNS, KEY, write_definition
from dysnomia_plugins.types.mongo.source import COLLECTION
from dysnomia_store.model import Form, Section


def rescan(stored: Stored, draft: Draft) -> bool | None:
    """Of one that ``mongodump`` made too: what its definitions have besides is left out of digests and sections.

    Raises PluginError, Truncated, Corrupt."""
    for part in source.of_stored(stored):
        with draft.artefact(part.defined_in) as sink:
            write_definition(part.definition, sink)
        if not part.artefact:
            continue
        with draft.artefact(part.artefact) as sink:
            sink.begin_section(COLLECTION, part.definition.name, Form.ROWS, columns=COLUMNS, key=KEY)
            rows = 0
            for batch in documents.batches(part.documents()):
                sink.write(b"".join(batch))
                rows += len(batch)
            sink.end_section(rows=rows)
    return True


def raw_rows(stored: Stored, section: Section) -> Iterator[Sequence[bytes]]:
    """Documents, or the one line of a definition. Raises PluginError, Corrupt."""
    if section.offset is None or section.length is None:
        raise PluginError(f"the contents index does not say where {section.name!r} is", "check the snapshot")
    with stored.open_range(section.artefact, section.offset, section.length) as stream:
        if section.kind == COLLECTION:
            yield from documents.batches(documents.reading(stream))
        else:
            yield [line.rstrip(b"\n") for line in stream]


def parse_row(section: Section, raw: bytes) -> Row:
    """A document's ``_id``, from which it can be found, and all of it."""
    if section.kind != COLLECTION:
        return Row(key=(), cells=(raw.decode("utf-8", "backslashreplace"),))
    document = documents.decoded(raw)
    key = documents.canonical(document["_id"]) if "_id" in document else None
    return Row(key=(key,), cells=(key, documents.shown(document)))
