"""Stored snapshots, read again: digests, sections, and keys as rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dysnomia_plugins.base import Context, Row, Stored
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.line_batches import Lines
from dysnomia_plugins.types.etcd.dump import write
from dysnomia_plugins.types.etcd.records import (
    begins_with_key,
    folder_of,
    lines_of,
    of_line,
    of_shown,
    section_of,
    shown,
    to_line,
)
from dysnomia_plugins.types.etcd.spool import Keyed
from dysnomia_store.model import Section
from dysnomia_store.sink import ContentSink

_PIECE = 256 << 10


def rescan(ctx: Context, stored: Stored, sink: ContentSink) -> bool:
    """Raises PluginError for what no snapshot of ours would have, Corrupt."""
    with stored.open() as stream:
        write(ctx, _checked(lines_of(stream)), sink)
    return True


def _checked(lines: Iterator[bytes]) -> Iterator[Keyed]:
    """Each key once and in its place: those in folders first."""
    before: tuple[bool, bytes] | None = None
    for line in lines:
        pair = of_line(line)
        place = not folder_of(pair.key), pair.key
        if before is not None and place <= before:
            raise PluginError(f"the key {shown(pair.key)} is not in the order of keys", "check the snapshot")
        if to_line(*pair) != line:
            raise PluginError(f"{line[:60]!r} is written in another way than snapshots are", "check the snapshot")
        before = place
        yield pair.key, line


def raw_rows(stored: Stored, section: Section) -> Iterator[Sequence[bytes]]:
    """Lines, a batch of them a piece. Raises PluginError, Corrupt."""
    if section.offset is None or section.length is None:
        raise PluginError(f"the contents index does not say where {section.name!r} is", "check the snapshot")
    begun: list[bytes] = []
    with stored.open_range(section.artefact, section.offset, section.length) as stream:
        while piece := stream.read(_PIECE):
            if b"\n" not in piece:
                begun.append(piece)
                continue
            yield Lines(b"".join(begun), piece)
            rest = piece[piece.rfind(b"\n") + 1 :]
            begun = [rest] if rest else []
    if begun:
        raise PluginError(f"{section.name!r} ends within a line", "check the snapshot")


def rows_of_key(stored: Stored, section: Section, key: Sequence[str]) -> Iterator[Sequence[bytes]]:
    """The line of one key, without parsing the others."""
    wanted = of_shown(key[0])
    if section_of(folder_of(wanted)) != section.name:
        return
    beginning = begins_with_key(wanted)
    for batch in raw_rows(stored, section):
        if lines := [line for line in batch if line.startswith(beginning)]:
            yield lines


def parse_row(raw: bytes) -> Row:
    key, value = map(shown, of_line(raw))
    return Row(key=(key,), cells=(key, value))
