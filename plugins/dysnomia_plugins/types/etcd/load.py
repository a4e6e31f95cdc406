"""A snapshot, loaded: into a file of the job's, to be swapped in or verified; or below another prefix, as a copy."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import zip_longest

from dysnomia_plugins.base import Context, Place, Stored
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.types.etcd.api import Session
from dysnomia_plugins.types.etcd.keyspace import Batches, Change, Keyspace, Live
from dysnomia_plugins.types.etcd.records import LOOSE, folder_of, lines_of, of_line, section_of, shown
from dysnomia_plugins.types.etcd.spool import Keyed, Spool
from dysnomia_store.model import Section

COPYING, COPIED = "etcd-copy", "etcd-copied"
"""Written in journals, of jobs before an upgrade too: not to be renamed."""


def of_sections(stored: Stored, sections: Iterable[Section]) -> Iterator[Keyed]:
    """The keys of sections, in the order of keys. Raises PluginError, Corrupt."""
    folders: list[Section] = []
    loose: list[Section] = []
    for section in sections:
        if section.offset is None or section.length is None:
            raise PluginError(f"the contents index does not say where {section.name!r} is", "check the snapshot")
        (loose if section.name == LOOSE else folders).append(section)
    yield from heapq.merge(_of_runs(stored, folders), _of_runs(stored, loose))


def _of_runs(stored: Stored, sections: Sequence[Section]) -> Iterator[Keyed]:
    """Those that follow one another are read as one: an application may have a folder for each of its keys."""
    run: list[Section] = []
    for section in sections:
        if run and section.offset != (run[-1].offset or 0) + (run[-1].length or 0):
            yield from _of_run(stored, run)
            run = []
        run.append(section)
    if run:
        yield from _of_run(stored, run)


def _of_run(stored: Stored, run: Sequence[Section]) -> Iterator[Keyed]:
    length = sum(section.length or 0 for section in run)
    with stored.open_range(run[0].artefact, run[0].offset or 0, length) as stream:
        lines = lines_of(stream)
        for section in run:
            yield from _of_section(section, lines)
        if next(lines, None) is not None:
            raise PluginError(f"{run[-1].name!r} has more than its keys", "check the snapshot")


def _of_section(section: Section, lines: Iterator[bytes]) -> Iterator[Keyed]:
    length, rows = 0, 0
    while length < (section.length or 0):
        line = next(lines, b"")
        key = of_line(line).key
        if section_of(folder_of(key)) != section.name:
            raise PluginError(f"the key {shown(key)} is not one of {section.name!r}", "check the snapshot")
        length += len(line) + 1
        rows += 1
        yield key, line
    if section.rows is not None and rows != section.rows:
        raise PluginError(f"{section.name!r} has {rows} keys, not {section.rows}", "check the snapshot")


def into_spool(ctx: Context, session: Session, prefix: str, pairs: Iterable[Keyed], spool: Spool) -> None:
    """Raises PluginError, also where the server would not take the largest value, or not let us write all keys."""
    largest: Keyed | None = None

    def looked_at() -> Iterator[Keyed]:
        nonlocal largest
        for pair in pairs:
            if largest is None or len(pair[1]) > len(largest[1]):
                largest = pair
            yield pair

    spool.write(_cancelled(ctx, looked_at()))
    if largest is not None:
        keyspace = Keyspace.of(session, prefix)
        keyspace.would_take([Change(*of_line(largest[1]), 0)])
        keyspace.would_let_write()


def _cancelled(ctx: Context, pairs: Iterable[Keyed]) -> Iterator[Keyed]:
    done = reported = 0
    for pair in pairs:
        yield pair
        done += len(pair[1]) + 1
        if done - reported > 1 << 20:
            reported = done
            ctx.cancel.check()
            ctx.progress.advance(done)


def into_prefix(ctx: Context, session: Session, pairs: Iterable[Keyed], place: Place) -> None:
    """Below a prefix that no key has. Raises NotSafe where one has, or comes meanwhile; PluginError."""
    keyspace = Keyspace.of(session, place.name)
    if keyspace.count():
        raise NotSafe(f"etcd on {session.server} has keys that begin with {place.name!r}", "nothing was loaded there")
    ctx.journal.step(COPYING, name=place.name)
    put(keyspace, _cancelled(ctx, pairs), _taken)
    ctx.journal.step(COPIED, name=place.name)


def _taken(change: Change, now: Live | None) -> None:
    if now is None or now.value != change.value:
        raise NotSafe(
            f"another client wrote {shown(change.key)} while the copy was made", "delete what is there, and try again"
        )


def put(keyspace: Keyspace, pairs: Iterable[Keyed], taken: Callable[[Change, Live | None], None]) -> None:
    """Keys that are not there; ``taken`` is called for each that is. Raises PluginError."""
    batches = Batches(keyspace, taken)
    for _, line in pairs:
        pair = of_line(line)
        change = Change(pair.key, pair.value, 0)
        if batches.is_full_with(change):
            batches.make()
        batches.add(change)
    batches.make()


def compare(keyspace: Keyspace, pairs: Iterable[Keyed]) -> None:
    """Raises PluginError where the server does not answer with what was loaded."""
    for live, pair in zip_longest(keyspace.pairs(at_once=True), pairs):
        if live is None or pair is None or (live.key, live.value) != of_line(pair[1]):
            key = live.key if live is not None else pair[0]
            raise PluginError(f"the copy is not what was loaded, from {shown(key)} on", "drop it, and try again")
