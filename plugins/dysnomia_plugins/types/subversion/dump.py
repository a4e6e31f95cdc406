"""A snapshot of a repository, streamed into the store.

The history is that of the moment the dump began. Hooks, configuration and locks are read right after it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from dysnomia_plugins.base import Context, Draft, Dumped, Place
from dysnomia_plugins.errors import Truncated
from dysnomia_plugins.toolkit.repositories.files import FILES, write_files
from dysnomia_plugins.types.subversion.contents import DUMP, LOCKS, REVISIONS, write_history, write_locks_list
from dysnomia_plugins.types.subversion.dumpfile import DumpReader
from dysnomia_plugins.types.subversion.locks import read_locks
from dysnomia_plugins.types.subversion.repository import NOT_FILES, Repository, version
from dysnomia_store.sink import Buffer, ContentSink


def dump(ctx: Context, place: Place, draft: Draft) -> Dumped:
    """Raises PluginError, and then nothing is kept."""
    repository = Repository(place.name, ctx.runner)
    repository.require()
    ctx.progress.phase("dump")
    info = repository.info()
    as_of = datetime.now(UTC)
    # The list of revisions is known only while the dump goes by, so both are written side by side.
    with draft.artefact(DUMP) as sink, draft.artefact(REVISIONS) as rows:
        with repository.dumping() as stream:
            reader = DumpReader(stream)
            write_history(reader, _Counting(ctx, sink), rows)
        if reader.last is None or reader.last < info.youngest:
            raise Truncated(
                f"the dump of {place.name} ended at r{reader.last} where r{info.youngest} is there",
                "nothing was kept; svnadmin verify looks for damage",
            )
    with draft.artefact(LOCKS) as sink:
        write_locks_list(sink, read_locks(Path(place.name)))
    with draft.artefact(FILES) as sink:
        warnings = write_files(ctx, place, sink, NOT_FILES)
    return Dumped(
        as_of=as_of,
        end=datetime.now(UTC),
        complete=True,
        tool_versions={"subversion": version(ctx.runner)},
        surroundings={**repository.surroundings(info), "youngest": reader.last},
        warnings=tuple(warnings),
    )


class _Counting:
    """A sink's ``write`` that tells the progress and hears a cancel."""

    def __init__(self, ctx: Context, sink: ContentSink) -> None:
        self._ctx = ctx
        self._sink = sink
        self._done = 0

    def write(self, data: Buffer) -> None:
        self._sink.write(data)
        self._done += len(data)
        self._ctx.cancel.check()
        self._ctx.progress.advance(self._done)
