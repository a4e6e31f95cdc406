"""Stored snapshots, written and read again: digests, sections, definitions as rows without their secrets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from dysnomia_base.secrets import HIDDEN
from dysnomia_plugins.base import Row, Stored
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.line_batches import in_lines
from dysnomia_plugins.types.rabbitmq.arguments import ARGUMENTS, EXACT
from dysnomia_plugins.types.rabbitmq.definitions import (
    ARTEFACT,
    BY_TITLE,
    CLOSING,
    END,
    OPERATOR_POLICIES,
    SECTION,
    USERS,
    VHOST,
    Document,
    Kind,
    Object,
    opening,
    separated,
)
from dysnomia_plugins.types.rabbitmq.hidden import hidden
from dysnomia_store.model import Form, Section
from dysnomia_store.sink import ContentSink

_PIECE, _BATCH = 256 << 10, 1000
_COLUMNS = {
    "vhost": ("name", "metadata", "limits"),
    "user": ("name", "tags", "limits", "password"),
    "permission": ("user", "configure", "write", "read"),
    "topic_permission": ("user", "exchange", "write", "read"),
    "parameter": ("component", "name", "value"),
    "operator_policy": ("name", "pattern", "apply-to", "priority", "definition"),
    "policy": ("name", "pattern", "apply-to", "priority", "definition"),
    "queue": ("name", "arguments"),
    "exchange": ("name", "type", "internal", "arguments"),
    "binding": ("source", "routing_key", "destination_type", "destination", "arguments"),
}
THIS = "this one"


def write(document: Document, sink: ContentSink, advance: Callable[[int], None]) -> None:
    """The file, a section for each kind of definition. Users are kept, and count nothing in what identifies it."""
    done = 0
    for number, (group, kinds) in enumerate(document.groups()):
        sink.write(opening(group, first=not number))
        for at, (kind, lines) in enumerate(kinds):
            columns = _COLUMNS[kind.name]
            sink.begin_section(SECTION, kind.title, Form.ROWS, columns=columns, key=_key_columns(kind))
            rows = separated(lines, last=at == len(kinds) - 1)
            while batch := b"".join(islice(rows, _BATCH)):
                if kind.masked:
                    sink.write_masked(batch, b"")
                else:
                    sink.write(batch)
                done += len(batch)
                advance(done)
            sink.end_section(rows=len(lines))
        sink.write(CLOSING)
    sink.write(END)


def _key_columns(kind: Kind) -> tuple[str, ...]:
    if kind is VHOST:
        return ("name",)
    columns = _COLUMNS[kind.name]
    return columns if kind.name == "binding" else columns[: len(kind.key)]


def raw_rows(stored: Stored, section: Section) -> Iterator[Sequence[bytes]]:
    """Definitions as they are stored, without what is between them. Raises PluginError, Corrupt."""
    if section.offset is None or section.length is None:
        raise PluginError(f"the contents index does not say where {section.name!r} is", "check the snapshot")
    with stored.open_range(section.artefact or ARTEFACT, section.offset, section.length) as stream:
        for batch in in_lines(iter(lambda: stream.read(_PIECE), b"")):
            yield [line.removesuffix(b",") for line in batch]


def parse_row(section: Section, raw: bytes) -> Row:
    """A definition, with secrets hidden."""
    kind = BY_TITLE[section.name]
    one = json.loads(raw)
    cells = tuple(_cell(kind, one, name) for name in _COLUMNS[kind.name])
    return Row(key=cells[: len(_key_columns(kind))], cells=cells)


def _cell(kind: Kind, one: Object, name: str) -> str | None:
    if kind is VHOST and name == "name":
        return THIS
    if kind is USERS and name == "password":
        return HIDDEN if one["password_hash"] else None
    if kind is OPERATOR_POLICIES and name not in one:
        return _shown(name, one["value"][name])
    if name == ARGUMENTS and EXACT in one:
        return _shown(name, {ARGUMENTS: one[ARGUMENTS], "types": one[EXACT]})
    if f"{name}64" in one:
        return f"base64 {one[f'{name}64']}"
    return _shown(name, one[name])


def _shown(name: str, value: object) -> str:
    value = hidden(name, value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
