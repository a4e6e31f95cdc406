"""SQLite databases: type ``sqlite-database``.

A component is one file in the container's ``sqliteDir``: ``<component>``, or that with .db, .sqlite or .sqlite3; its
initial state is the SQL in ``sqlite-databases/*.sql``. A snapshot is a page copy by SQLite's backup API; its identity
and contents come from a typed reader (``sqlite_reader``). How it is restored: ``sqlite_swap``.

Properties: ``sqliteDir``; ``sqliteLockTimeout``, the seconds a database that others keep locked is waited for (30).
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dysnomia_base.environment import search_path
from dysnomia_plugins import sqlite_contents, sqlite_discover, sqlite_preflight, sqlite_swap
from dysnomia_plugins.base import (
    Component,
    Context,
    Draft,
    Dumped,
    Found,
    Place,
    Preflight,
    Probe,
    Purpose,
    Row,
    Runner,
    StatePlugin,
    Stored,
)
from dysnomia_plugins.durable import make_durable
from dysnomia_plugins.errors import NotSafe, PluginError, ToolMissing
from dysnomia_plugins.sqlite_files import (
    clients_of,
    dress,
    folder_of,
    job_file,
    live_file,
    named_file,
    remove,
    sidecars,
    surroundings_of,
    who,
)
from dysnomia_plugins.sqlite_load import CHUNK, check_loaded, cut_down, write_out
from dysnomia_plugins.sqlite_open import (
    BUSY_ROUND,
    LOCK_TIMEOUT,
    DatabaseLocked,
    Deadline,
    NotADatabase,
    connect,
    copy_pages,
    explained,
    refuse_strange,
    show,
)
from dysnomia_plugins.sqlite_reader import DIGEST_VERSION, Reader, scan
from dysnomia_store.model import Section
from dysnomia_store.sink import ContentSink

ARTEFACT = "dump.sqlite"


class SqliteDatabase(StatePlugin):
    """One SQLite database file, with or without programs that have it open."""

    type = "sqlite-database"
    title = "SQLite database"
    digest_version = DIGEST_VERSION

    def __init__(self) -> None:
        self._extracts = sqlite_contents.Extracts()

    # Deploying.

    def activate(self, ctx: Context) -> None:
        """Make the file with its initial state where there is none: it appears whole, or not at all."""
        live = live_file(ctx.component)
        if live.exists():
            refuse_strange(live)
            return
        folder = folder_of(ctx.component)
        if not folder.is_dir():
            raise PluginError(f"the folder {show(folder)} is not there", "make it, owned by who uses the databases")
        left = sidecars(live)
        if left:
            raise NotSafe(f"{show(left[0])} is there without its database", "move it away: it may hold what was lost")
        made = job_file(live, ctx.tag, "new")
        remove(made)
        try:
            _initialise(ctx, made)
            about = folder.stat()
            dress(made, None, {"owner": str(about.st_uid), "group": str(about.st_gid), "mode": "0640"})
            make_durable(made)
            os.link(made, live)
        except FileExistsError:
            ctx.progress.log(f"{show(live)} came to be meanwhile and is left as it is")
        finally:
            remove(made)
        make_durable(live.parent)

    def deactivate(self, ctx: Context) -> None:
        """Nothing runs for it: its state stays where it is."""

    def collect_garbage(self, ctx: Context) -> None:
        """Delete the file and what SQLite keeps beside it, unless a process has it open."""
        live = live_file(ctx.component)
        refuse_strange(live)
        holders = who(live)
        if holders:
            raise NotSafe(
                f"{show(live)} is open in {holders}", "end these processes first: they would write to nowhere"
            )
        remove(live)

    # Places.

    def live(self, component: Component) -> Place:
        return Place(str(live_file(component)))

    def place(self, ctx: Context, purpose: Purpose) -> Place:
        """Beside and aside stand in the folder of the live file; scratch in the job's own."""
        if purpose is Purpose.SCRATCH:
            return Place(str(ctx.staging / "scratch.sqlite"))
        return Place(str(job_file(live_file(ctx.component), ctx.tag, purpose.value)))

    def named(self, component: Component, name: str) -> Place:
        return Place(str(named_file(component, live_file(component), name)))

    def exists(self, ctx: Context, place: Place) -> bool:
        return os.path.lexists(place.name)

    def drop(self, ctx: Context, place: Place) -> None:
        if place == self.live(ctx.component):
            raise NotSafe(f"{show(place.name)} is live", "only what a job made is dropped")
        remove(Path(place.name))

    # Snapshot.

    def dump(self, ctx: Context, place: Place, draft: Draft) -> Dumped:
        source = Path(place.name)
        _require(source)
        copied = ctx.staging / "dump.sqlite"
        remove(copied)
        as_of = datetime.now(UTC)
        try:
            surroundings = self._surroundings(ctx, source)
            copy_pages(source, copied, self._deadline(ctx, source), ctx.cancel, ctx.progress)
            with draft.artefact(ARTEFACT) as sink:
                _store(copied, sink, ctx)
                with Reader(copied) as reader:
                    scan(reader, sink, ctx.cancel)
        finally:
            remove(copied)
        return Dumped(
            as_of=as_of,
            end=datetime.now(UTC),
            tool_versions={"sqlite": sqlite3.sqlite_version},
            surroundings=surroundings,
        )

    def rescan(self, ctx: Context, stored: Stored, sink: ContentSink) -> bool | None:
        copied = ctx.staging / "rescan.sqlite"
        remove(copied)
        try:
            write_out(stored, copied, ctx.cancel, ctx.progress)
            with Reader(copied) as reader:
                scan(reader, sink, ctx.cancel)
                return not reader.damage()
        finally:
            remove(copied)

    # Restore.

    def preflight(self, ctx: Context, stored: Stored, *, replace: bool) -> Preflight:
        return sqlite_preflight.preflight(ctx, stored, live_file(ctx.component), replace=replace)

    def load(self, ctx: Context, stored: Stored, place: Place, sections: Sequence[Section] | None = None) -> None:
        target = Path(place.name)
        own = place in (self.place(ctx, Purpose.BESIDE), self.place(ctx, Purpose.SCRATCH))
        work = target if own else Path(self.place(ctx, Purpose.BESIDE).name)
        if os.path.lexists(target):
            raise NotSafe(f"{show(target)} is already there", "choose another name")
        whole = ctx.staging / "whole.sqlite" if sections is not None else work
        remove(whole)
        try:
            write_out(stored, whole, ctx.cancel, ctx.progress)
            ctx.progress.phase("check")
            check_loaded(whole, stored, ctx.cancel)
            if sections is not None:
                cut_down(ctx, whole, work, sections)
            self._finish_load(ctx, stored, work, target, own)
        except BaseException:
            remove(work)
            raise
        finally:
            if whole != work:
                remove(whole)

    def swap(self, ctx: Context, beside: Place, aside: Place) -> None:
        live = live_file(ctx.component)
        sqlite_swap.swap(ctx, live, Path(beside.name), Path(aside.name), _lock_timeout(ctx.component))

    def recover(self, ctx: Context) -> bool:
        return sqlite_swap.recover(ctx, _lock_timeout(ctx.component))

    # Contents.

    def raw_rows(self, stored: Stored, section: Section) -> Iterator[Sequence[bytes]]:
        return sqlite_contents.raw_rows(self._extracts, stored, section)

    def parse_row(self, section: Section, raw: bytes) -> Row:
        return sqlite_contents.parse_row(section, raw)

    # Looking.

    def probe(self, component: Component, runner: Runner) -> Probe:
        try:
            live = live_file(component)
            _require(live)
            return _look(live)
        except PluginError as error:
            return Probe(up=False, detail=str(error))

    def discover(self, runner: Runner) -> Iterable[Found]:
        return sqlite_discover.discover(self.type)

    def whereabouts(self, component: Component) -> tuple[str, ...]:
        return (str(live_file(component)),)

    def shell(self, component: Component) -> tuple[Sequence[str], Mapping[str, str]]:
        program = shutil.which("sqlite3", path=search_path())
        if program is None:
            raise ToolMissing("the program sqlite3 is not installed", "it is in the package sqlite3")
        live = live_file(component)
        _require(live)
        return (program, str(live)), {}

    # Helpers.

    def _deadline(self, ctx: Context, path: Path) -> Deadline:
        return Deadline(path, _lock_timeout(ctx.component), ctx.cancel, who)

    def _surroundings(self, ctx: Context, path: Path) -> dict[str, Any]:
        """What belongs to the file but not to its content; of a guard, what the live file has, if that can be read."""
        live = live_file(ctx.component)
        about = live if live.exists() else path
        found = surroundings_of(about)
        if about != path:
            try:
                return found | _pragmas(about, Deadline(about, BUSY_ROUND, ctx.cancel))
            except (NotADatabase, DatabaseLocked):
                pass  # the dump is of another file, and must not fail for this one
        return found | _pragmas(path, self._deadline(ctx, path))

    def _finish_load(self, ctx: Context, stored: Stored, work: Path, target: Path, own: bool) -> None:
        """Owner, mode and journal mode as live has them, else as recorded; then durable, and under its own name."""
        if Place(str(target)) == self.place(ctx, Purpose.SCRATCH):
            return
        live = live_file(ctx.component)
        metadata = stored.metadata
        surroundings = metadata.surroundings if metadata is not None else {}
        with explained(work), closing(connect(work)) as connection:
            connection.execute(
                f"PRAGMA journal_mode={'WAL' if surroundings.get('journal_mode') == 'wal' else 'DELETE'}"
            )
        dress(work, live if live.exists() else None, surroundings)
        make_durable(work)
        if own:
            return
        try:
            os.link(work, target)
        except FileExistsError:
            raise NotSafe(f"{show(target)} came to be meanwhile", "choose another name") from None
        remove(work)
        make_durable(target)


def _require(path: Path) -> None:
    """Raise PluginError where there is no such file."""
    refuse_strange(path)
    if not path.exists():
        raise PluginError(f"there is no database {show(path)}", "activate the component, or restore a generation of it")


def _lock_timeout(component: Component) -> float:
    text = component.prop("sqliteLockTimeout")
    if not text:
        return LOCK_TIMEOUT
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 86400:
        raise PluginError(f"sqliteLockTimeout of container {component.key.container!r} is {text!r}", "give seconds")
    return seconds


def _pragmas(path: Path, deadline: Deadline) -> dict[str, Any]:
    with explained(path), closing(connect(path)) as connection:
        names = ("journal_mode", "page_size", "auto_vacuum")
        return {name: deadline.insist(connection, f"PRAGMA {name}")[0] for name in names}


def _store(copied: Path, sink: ContentSink, ctx: Context) -> None:
    """The pages as they are: none of them is part of the identity."""
    with copied.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            ctx.cancel.check()
            sink.store_only(chunk)


def _initialise(ctx: Context, path: Path) -> None:
    """Run the component's SQL in a new file. Raises PluginError naming the file that failed."""
    path.touch(0o600, exist_ok=False)
    with closing(connect(path)) as connection:
        for script in ctx.component.initial_files("sqlite-databases"):
            ctx.cancel.check()
            try:
                connection.executescript(script.read_text("utf-8"))
                if connection.in_transaction:
                    connection.execute("COMMIT")
            except (sqlite3.Error, UnicodeDecodeError) as error:
                raise PluginError(f"the initial state {show(script)} failed ({error})", "nothing was made") from None


def _look(live: Path) -> Probe:
    clients = clients_of(live)
    size = sum(one.stat().st_size for one in (live, *sidecars(live)) if one.exists() and not one.name.endswith("-shm"))
    detail = ""
    try:
        with explained(live), closing(connect(live)) as connection:
            connection.execute("PRAGMA busy_timeout=500")
            connection.execute("SELECT count(*) FROM sqlite_master")
            mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
            page = connection.execute("PRAGMA page_size").fetchone()[0]
        detail = f"journal mode {mode}, pages of {page} bytes"
    except DatabaseLocked:
        detail = "locked by another process"
    return Probe(
        up=True,
        version=f"SQLite {sqlite3.sqlite_version}",
        size=size,
        clients=len(clients),
        who=tuple(map(str, clients)),
        detail=detail,
    )
