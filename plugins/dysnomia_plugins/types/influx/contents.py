"""A snapshot's text: definitions, then all points in line protocol. ``influx -import`` loads it into the same name.

Sections: a ``policy`` for each retention policy, a ``query`` for each continuous query, and a ``measurement`` for each
measurement of each policy, its points in the order of series and time. The database's name is no part of the identity
(it stands where ``influx`` needs it), nor is how points are spread over shards. What no point has is not there: a
field, a tag or a series without points.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from dysnomia_plugins.base import Row, Stored
from dysnomia_plugins.errors import PluginError, Truncated
from dysnomia_plugins.types.influx import line
from dysnomia_plugins.types.influx.influxql import ContinuousQuery, identifier, shown, unquoted
from dysnomia_store.model import Form, Section
from dysnomia_store.sink import ContentSink

DUMP = "dump.influxql"
POLICY, QUERY, MEASUREMENT = "policy", "query", "measurement"
_FIRST = b"# DDL of InfluxDB, by dysnomia-tui 1\n"
_DML = b"# DML\n"
_END = b"# END\n"
_DATABASE = b"# CONTEXT-DATABASE: "
_POLICY = b"# CONTEXT-RETENTION-POLICY: "
_MEASUREMENT = b"# MEASUREMENT: "
_NAME = r'"(?:[^"\\]|\\.)*"'
_CREATED = re.compile(
    rf"CREATE RETENTION POLICY ({_NAME}) ON {_NAME} DURATION (\w+) REPLICATION (\d+) SHARD DURATION (\w+)( DEFAULT)?\n",
    re.DOTALL,
)
_AMOUNT = re.compile(r"INF|\d{1,19}(?:ns|s|m|h)")
_ENOUGH = 1 << 20
_SEEN = 1000


@dataclass(frozen=True, slots=True)
class Policy:
    """How long a database keeps points."""

    name: str
    duration: str
    replication: int
    shard: str
    default: bool = False

    @classmethod
    def of(cls, statement: str) -> Policy:
        """Raises PluginError for anything but what ``statement`` writes."""
        match = _CREATED.fullmatch(statement)
        if match is None or not all(_AMOUNT.fullmatch(match[number]) for number in (2, 4)) or len(match[3]) > 9:
            raise PluginError(f"not a retention policy: {statement[:80]!r}", "check the snapshot")
        return cls(unquoted(match[1]), match[2], int(match[3]), match[4], bool(match[5]))

    def statement(self, database: str, duration: str = "") -> str:
        """What creates it."""
        return (
            f"CREATE RETENTION POLICY {identifier(self.name)} ON {identifier(database)} DURATION "
            f"{duration or self.duration} REPLICATION {self.replication} SHARD DURATION {self.shard}"
            + (" DEFAULT" if self.default else "")
        )


@dataclass(frozen=True, slots=True)
class Definitions:
    """What a database is besides its points."""

    policies: Sequence[Policy]
    queries: Sequence[ContinuousQuery]


def section_name(policy: str, measurement: str) -> str:
    """Of a measurement's section."""
    return f"{shown(policy)}.{shown(measurement)}"


class DumpWriter:
    """Writes a database into a sink, section by section."""

    def __init__(self, sink: ContentSink, database: str) -> None:
        self._sink = sink
        self._database = database
        self._policy = ""
        self._rows = 0
        self._waiting: list[bytes] = []
        self._size = 0
        self.written = 0
        self.points = 0

    def begin(self, definitions: Definitions) -> None:
        sink = self._sink
        sink.write(_FIRST)
        named = identifier(self._database)
        sink.write_masked(f"CREATE DATABASE {named}\n".encode(), b'CREATE DATABASE ""\n')
        for policy in sorted(definitions.policies, key=lambda one: one.name):
            sink.begin_section(POLICY, policy.name, Form.TEXT)
            sink.write_masked(f"{policy.statement(self._database)}\n".encode(), f"{policy.statement('')}\n".encode())
            sink.end_section()
        for query in sorted(definitions.queries, key=lambda one: one.name):
            sink.begin_section(QUERY, query.name, Form.TEXT)
            sink.write(f"{query.text}\n".encode())
            sink.end_section()
        sink.write(_DML)
        sink.write_masked(_DATABASE + self._database.encode() + b"\n", _DATABASE + b"\n")

    def begin_measurement(self, policy: str, measurement: str) -> None:
        self._sink.begin_section(MEASUREMENT, section_name(policy, measurement), Form.ROWS)
        self._sink.write(_POLICY + policy.encode() + b"\n" + _MEASUREMENT + measurement.encode() + b"\n")
        self._rows = 0

    def write(self, rows: Sequence[bytes]) -> None:
        """Points, each with the end of its line."""
        data = b"".join(rows)
        self._sink.write(data)
        self._rows += len(rows)
        self.points += len(rows)
        self.written += len(data)

    def end_measurement(self, tags: set[str], fields: set[str]) -> None:
        columns, key = line.columns_of(tags, fields)
        self._sink.describe_section(columns=columns, key=key)
        self._sink.end_section(rows=self._rows)

    def end(self) -> None:
        self._sink.write(_END)


# Reading.


def context_of(first: bytes, second: bytes) -> tuple[str, str]:
    """Policy and measurement of the first two lines of a section. Raises PluginError."""
    if not first.startswith(_POLICY) or not second.startswith(_MEASUREMENT):
        raise PluginError(f"a measurement begins with {first[:40]!r} in the snapshot", "check the snapshot")
    return _rest(first, _POLICY), _rest(second, _MEASUREMENT)


def _rest(text: bytes, beginning: bytes) -> str:
    """Raises PluginError."""
    try:
        return text.removeprefix(beginning).removesuffix(b"\n").decode("utf-8")
    except UnicodeDecodeError as error:
        raise PluginError(f"a name in the dump is not UTF-8: {text[:80]!r}", "check the snapshot") from error


def _line(stream: BinaryIO) -> bytes:
    """The next line. Raises PluginError for one without an end."""
    text = stream.readline(line.MOST)
    if len(text) == line.MOST:
        raise PluginError(f"a line of the dump is longer than {line.MOST >> 20} MiB", "check the snapshot")
    return text


def definitions_of(stream: BinaryIO) -> tuple[Definitions, str]:
    """What a dump begins with, and the database that it is of; the stream stands before the first measurement.

    Raises PluginError, Truncated."""
    if _line(stream) != _FIRST or not _line(stream).startswith(b"CREATE DATABASE "):
        raise PluginError("it is not a dump of InfluxDB by this program", "check the snapshot")
    policies: list[Policy] = []
    queries: list[ContinuousQuery] = []
    while (text := _line(stream)) != _DML:
        if not text.endswith(b"\n"):
            raise Truncated("the dump of InfluxDB ends within its definitions", "check the snapshot")
        try:
            if text.startswith(b"CREATE RETENTION POLICY "):
                policies.append(Policy.of(text.decode("utf-8")))
            else:
                queries.append(ContinuousQuery.of(text.decode("utf-8").removesuffix("\n")))
        except UnicodeDecodeError as error:
            raise PluginError("a definition of the dump is not UTF-8", "check the snapshot") from error
    named = _line(stream)
    if not named.startswith(_DATABASE):
        raise Truncated("the dump of InfluxDB ends within its definitions", "check the snapshot")
    return Definitions(policies, queries), _rest(named, _DATABASE)


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measurement of a dump: its points are read before the next one is asked for."""

    policy: str
    name: str
    rows: Iterator[bytes]


class DumpReader:
    """The measurements of a dump, one after the other, from where ``definitions_of`` left the stream."""

    def __init__(self, stream: BinaryIO, *, part: bool = False) -> None:
        """``part``: of one section alone, which has no end mark."""
        self._stream = stream
        self._part = part
        self._next = b""
        self._whole = False

    def __iter__(self) -> Iterator[Measurement]:
        """Raises PluginError, Truncated."""
        self._next = _line(self._stream)
        while self._next.startswith(_POLICY):
            policy, name = context_of(self._next, _line(self._stream))
            yield Measurement(policy, name, self._rows())
        if self._next != (b"" if self._part else _END):
            raise Truncated("the dump of InfluxDB has no end mark", "check the snapshot")

    def _rows(self) -> Iterator[bytes]:
        """The points of one measurement: as ``line.rows``, to where the next one begins. Raises BadLine."""
        waiting = b""
        while text := _line(self._stream):
            if not waiting and text.startswith(b"#"):
                self._next = text
                return
            waiting += text
            if line.is_open(waiting):
                if len(waiting) > line.MOST:
                    break
                continue
            yield waiting
            waiting = b""
        if waiting:
            raise line.BadLine(f"not a point in line protocol: {waiting[:100]!r}", "check the snapshot")
        self._next = b""


def rescan(stored: Stored, sink: ContentSink) -> None:
    """Work out digest and contents again. Raises PluginError, Truncated."""
    with stored.open() as stream:
        definitions, database = definitions_of(stream)
        writer = DumpWriter(sink, database)
        writer.begin(definitions)
        for measurement in DumpReader(stream):
            writer.begin_measurement(measurement.policy, measurement.name)
            tags: set[str] = set()
            fields: set[str] = set()
            for batch in batches(measurement.rows):
                for raw in batch:
                    point_tags, values, _ = line.parsed(raw)
                    tags |= point_tags.keys()
                    fields |= values.keys()
                writer.write(batch)
            writer.end_measurement(tags, fields)
        writer.end()


def batches(rows: Iterable[bytes], most: int = _SEEN) -> Iterator[list[bytes]]:
    """Rows together, bounded in number and bytes."""
    batch: list[bytes] = []
    size = 0
    for raw in rows:
        batch.append(raw)
        size += len(raw)
        if len(batch) >= most or size >= _ENOUGH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def reading(stored: Stored, section: Section) -> Callable[[], Iterator[Measurement]]:
    """The one measurement of a section."""

    def measurements() -> Iterator[Measurement]:
        if section.offset is None or section.length is None:
            raise PluginError(f"the contents index does not say where {section.name!r} is", "check the snapshot")
        with stored.open_range(section.artefact or DUMP, section.offset, section.length) as stream:
            yield from DumpReader(stream, part=True)

    return measurements


def raw_rows(stored: Stored, section: Section) -> Iterator[Sequence[bytes]]:
    """The points of a measurement, or the one line of a definition."""
    if section.kind == MEASUREMENT:
        for measurement in reading(stored, section)():
            yield from ([raw.removesuffix(b"\n") for raw in batch] for batch in batches(measurement.rows))
        return
    with stored.open_range(section.artefact or DUMP, section.offset or 0, section.length or 0) as stream:
        yield [text.rstrip(b"\n") for text in stream]


def parse_row(section: Section, raw: bytes) -> Row:
    if section.kind == MEASUREMENT:
        return line.parse_row(raw, section.columns, section.key)
    return Row(key=(), cells=(raw.decode("utf-8", "backslashreplace"),))
