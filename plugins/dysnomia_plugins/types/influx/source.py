"""What a stored snapshot is read from: our own dump, or a portable backup, as Dysnomia's module makes one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from dysnomia_plugins.base import Context, Draft, Stored
from dysnomia_plugins.types.influx import portable
from dysnomia_plugins.types.influx.contents import (
    DUMP,
    MEASUREMENT,
    Definitions,
    DumpReader,
    Measurement,
    definitions_of,
    reading,
    rescan,
    section_name,
)
from dysnomia_plugins.types.influx.databases import definitions
from dysnomia_plugins.types.influx.dump import fields_of, points, write
from dysnomia_plugins.types.influx.server import Server
from dysnomia_store.model import Section


@dataclass(frozen=True, slots=True)
class Source:
    """One snapshot that is open."""

    definitions: Definitions
    measurements: Iterator[Measurement]
    """One after the other: the points of each are read before the next is asked for."""


@contextmanager
def opened(ctx: Context, stored: Stored, sections: Sequence[Section] | None) -> Iterator[Source]:
    """All of it, or some measurements. Raises PluginError, Corrupt."""
    if portable.is_one(stored):
        with portable.serving(ctx, stored) as (server, database):
            wanted = None if sections is None else {one.name for one in sections if one.kind == MEASUREMENT}
            yield Source(definitions(server, database), _served(server, database, wanted))
        return
    with stored.open(DUMP) as stream:
        defined, _ = definitions_of(stream)
        yield Source(defined, iter(DumpReader(stream)) if sections is None else _some(stored, sections))


def _some(stored: Stored, sections: Sequence[Section]) -> Iterator[Measurement]:
    for section in sections:
        if section.kind == MEASUREMENT:
            yield from reading(stored, section)()


def _served(server: Server, database: str, wanted: set[str] | None) -> Iterator[Measurement]:
    for policy in sorted(one.name for one in definitions(server, database).policies):
        for name, fields in sorted(fields_of(server, database, policy).items()):
            if wanted is None or section_name(policy, name) in wanted:
                lines = (line for _, _, several in points(server, database, policy, name, fields) for line in several)
                first = next(lines, None)
                if first is not None:
                    yield Measurement(policy, name, _again(first, lines))


def _again(first: bytes, others: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from others


def rescan_artefacts(ctx: Context, stored: Stored, draft: Draft) -> bool | None:
    """Work out digest and contents: of a portable backup those of the dump that it would be. Raises PluginError."""
    with draft.artefact(DUMP) as sink:
        if portable.is_one(stored):
            with portable.serving(ctx, stored) as (server, database):
                write(ctx, server, database, sink)
        else:
            rescan(stored, sink)
    return True
