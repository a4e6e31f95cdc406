"""A snapshot of a database: what its server answers, as definitions and points.

Of each measurement there is one query, whose points are those of one moment; InfluxDB has no transactions over more.
What the answers cannot say exactly is refused: a field that is of one type in some shards and of another elsewhere,
texts that are not UTF-8.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from dysnomia_plugins.base import Context, Draft, Dumped
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.types.influx import databases, line
from dysnomia_plugins.types.influx.contents import DUMP, DumpWriter
from dysnomia_plugins.types.influx.influxql import identifier
from dysnomia_plugins.types.influx.server import Server
from dysnomia_store.sink import ContentSink

_ROWS = 4000
_ROWS_WITH_TEXT = 100
"""Rows of a chunk of an answer: a text may be of any length, and a chunk is in memory."""
_TYPES = ("float", "integer", "string", "boolean")


def dump(ctx: Context, server: Server, database: str, draft: Draft) -> Dumped:
    """Raises PluginError, and then nothing is kept."""
    ctx.progress.phase("dump")
    as_of = datetime.now(UTC)
    databases.require(server, database)
    with draft.artefact(DUMP) as sink:
        writer = write(ctx, server, database, sink)
    ctx.progress.log(f"{writer.points} {'point' if writer.points == 1 else 'points'}")
    return Dumped(
        as_of=as_of,
        end=datetime.now(UTC),
        complete=True,
        tool_versions={"influxd": server.version()},
        surroundings={"database": database, "points": writer.points},
    )


def write(ctx: Context, server: Server, database: str, sink: ContentSink) -> DumpWriter:
    """All of a database into a sink. Raises PluginError."""
    definitions = databases.definitions(server, database)
    writer = DumpWriter(sink, database)
    writer.begin(definitions)
    for policy in sorted(one.name for one in definitions.policies):
        for name, fields in sorted(fields_of(server, database, policy).items()):
            _measurement(ctx, server, database, policy, name, fields, writer)
    writer.end()
    return writer


def fields_of(server: Server, database: str, policy: str) -> Mapping[str, Sequence[tuple[str, str]]]:
    """The fields of each measurement in a retention policy, with their types. Raises PluginError."""
    by_measurement: dict[str, list[tuple[str, str]]] = {}
    for one in server.query(f"SHOW FIELD KEYS FROM {identifier(policy)}./.*/", database):
        fields = by_measurement.setdefault(str(one["name"]), [])
        fields += ((str(row[0]), str(row[1])) for row in one.get("values", ()))
    return {name: _one_type_each(name, fields) for name, fields in by_measurement.items()}


def _one_type_each(measurement: str, fields: Sequence[tuple[str, str]]) -> Sequence[tuple[str, str]]:
    """Raises PluginError where values of a field could not be told apart."""
    kinds: dict[str, list[str]] = {}
    for name, kind in fields:
        kinds.setdefault(name, []).append(kind)
    for name, several in kinds.items():
        if len(several) > 1:
            raise PluginError(
                f"the field {name!r} of {measurement!r} is {' and '.join(several)} in different shards: InfluxDB does "
                "not say which value is which",
                "copy the measurement into another one with one type (SELECT … INTO), and drop it",
            )
        if several[0] not in _TYPES:
            raise PluginError(f"the field {name!r} of {measurement!r} is of an unknown type ({several[0]})")
    return sorted(fields)


def points(
    server: Server, database: str, policy: str, measurement: str, fields: Sequence[tuple[str, str]]
) -> Iterator[tuple[Mapping[str, str], Sequence[Sequence[Any]], list[bytes]]]:
    """The points of a measurement in pieces: tags, rows as the server has them, lines. Raises PluginError."""
    selected = ", ".join(f"{identifier(name)}::{kind}" for name, kind in fields)
    statement = f"SELECT {selected} FROM {identifier(policy)}.{identifier(measurement)} GROUP BY *"
    size = _ROWS_WITH_TEXT if any(kind == "string" for _, kind in fields) else _ROWS
    line_of = line.writer(fields)
    for one in server.chunks(statement, database, size):
        tags = one.get("tags") or {}
        beginning = line.head(measurement, tags)
        rows = one.get("values", ())
        yield tags, rows, [line_of(beginning, row).encode() for row in rows]


def _measurement(
    ctx: Context,
    server: Server,
    database: str,
    policy: str,
    name: str,
    fields: Sequence[tuple[str, str]],
    writer: DumpWriter,
) -> None:
    tags: set[str] = set()
    seen: set[int] = set()
    begun = False
    for point_tags, rows, lines in points(server, database, policy, name, fields):
        ctx.cancel.check()
        if not begun:
            writer.begin_measurement(policy, name)
            begun = True
        tags |= {key for key, value in point_tags.items() if value != ""}
        if len(seen) < len(fields):
            seen |= {at for at in range(len(fields)) if at not in seen and any(row[at + 1] is not None for row in rows)}
        writer.write(lines)
        ctx.progress.advance(writer.written)
    if begun:
        writer.end_measurement(tags, {fields[at][0] for at in seen})
