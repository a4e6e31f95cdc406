"""The snapshot of a database: a page copy by SQLite's backup API, read by the typed reader."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dysnomia_plugins.base import Context, Draft, Dumped, Stored
from dysnomia_plugins.toolkit.guarded.folder import Folder
from dysnomia_plugins.types.sqlite.files import SUFFIX, live_entry, live_file, remove, surroundings_of
from dysnomia_plugins.types.sqlite.load import write_out
from dysnomia_plugins.types.sqlite.opening import BUSY_ROUND, CHUNK, DatabaseLocked, Deadline, NotADatabase, show
from dysnomia_plugins.types.sqlite.reader import Reader, scan
from dysnomia_plugins.types.sqlite.site import Site, copy_pages, site_of
from dysnomia_plugins.types.sqlite.waiting import deadline_of

if TYPE_CHECKING:
    from dysnomia_store.sink import ContentSink

ARTEFACT = "dump.sqlite"


def dump(ctx: Context, source: Site, draft: Draft) -> Dumped:
    """See ``StatePlugin.dump``."""
    copied = ctx.staging / "dump.sqlite"
    remove(copied)
    as_of = datetime.now(UTC)
    try:
        surroundings = _surroundings(ctx, source.path)
        copy_pages(source, site_of(copied), deadline_of(ctx, source.path), ctx.cancel, ctx.progress)
        with draft.artefact(ARTEFACT) as sink:
            _store(copied, sink, ctx)
            with _of(source.path, copied), Reader(copied, ctx.cancel) as reader:
                scan(reader, sink, ctx.cancel)
                _refuse_damaged(source.path, reader.damage())
    finally:
        remove(copied)
    return Dumped(
        as_of=as_of,
        end=datetime.now(UTC),
        tool_versions={"sqlite": sqlite3.sqlite_version},
        surroundings=surroundings,
    )


def rescan(ctx: Context, stored: Stored, sink: ContentSink) -> bool:
    """See ``StatePlugin.rescan``."""
    copied = ctx.staging / "rescan.sqlite"
    remove(copied)
    try:
        write_out(stored, copied, ctx.cancel, ctx.progress)
        with Reader(copied, ctx.cancel) as reader:
            scan(reader, sink, ctx.cancel)
            return not reader.damage()
    finally:
        remove(copied)


def _surroundings(ctx: Context, path: Path) -> dict[str, Any]:
    """What belongs to the file but not to its content; of a guard, what the live file has, if that can be read."""
    live = live_file(ctx.component)
    about = live if os.path.lexists(live) else path
    surroundings = surroundings_of(about)
    surroundings[SUFFIX] = live_entry(ctx.component).name.removeprefix(ctx.component.key.component)
    if about != path:
        try:
            return surroundings | _pragmas(about, Deadline(about, BUSY_ROUND, ctx.cancel))
        except (NotADatabase, DatabaseLocked):
            pass  # the dump is of another file, and must not fail for this one
    return surroundings | _pragmas(path, deadline_of(ctx, path))


@contextmanager
def _of(source: Path, copied: Path) -> Iterator[None]:
    """What is wrong with a copy of a database is said of the database. Raises NotADatabase."""
    try:
        yield
    except NotADatabase as error:
        raise NotADatabase(error.message.replace(show(copied), show(source)), error.hint) from None


def _refuse_damaged(path: Path, damage: str) -> None:
    """Rows are found without indexes: where only those are damaged all can be read, and no restore would load it.

    Raises NotADatabase."""
    if damage:
        raise NotADatabase(
            f"{show(path)} is damaged ({' '.join(damage.split())[:200]})",
            "where it is an index, REINDEX by sqlite3 mends it; else restore a good generation, or use its .recover",
        )


def _pragmas(path: Path, deadline: Deadline) -> dict[str, Any]:
    with site_of(path).opened() as connection:
        names = ("journal_mode", "page_size", "auto_vacuum")
        return {name: deadline.insist(connection, f"PRAGMA {name}")[0] for name in names}


def _store(copied: Path, sink: ContentSink, ctx: Context) -> None:
    """The pages as they are: none of them is part of the identity."""
    with Folder.at(str(copied.parent)) as folder, folder.file(copied.name) as file:
        while chunk := os.read(file, CHUNK):
            ctx.cancel.check()
            sink.store_only(chunk)
