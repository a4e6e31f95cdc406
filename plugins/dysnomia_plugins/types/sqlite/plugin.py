"""SQLite databases: type ``sqlite-database``.

A component is one file in the container's ``sqliteDir``: ``<component>``, or that with .db, .sqlite or .sqlite3; its
initial state is the SQL in ``sqlite-databases/*.sql``. A snapshot is a page copy by SQLite's backup API; its identity
and contents come from a typed reader (``reader``). How it is restored: ``swap``. Both are imported when they are used:
to lock a component, or to say where it is, takes neither.

Properties: ``sqliteDir``; ``sqliteLockTimeout``, the seconds a database that others keep locked is waited for (30).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from dysnomia_base.environment import search_path
from dysnomia_plugins.base import (
    Component,
    Context,
    Draft,
    Dumped,
    Found,
    ListedState,
    LiveLook,
    Place,
    Preflight,
    Probe,
    Purpose,
    PutRow,
    Row,
    Runner,
    SectionPatch,
    StatePlugin,
    Stored,
)
from dysnomia_plugins.errors import NotSafe, PluginError, ToolMissing
from dysnomia_plugins.toolkit.guarded.acting import as_command
from dysnomia_plugins.toolkit.guarded.folder import Folder, identity_of
from dysnomia_plugins.toolkit.guarded.way import real_path
from dysnomia_plugins.types.sqlite.files import (
    Dress,
    folder_of,
    live_file,
    named_file,
    remove,
)
from dysnomia_plugins.types.sqlite.opening import (
    show,
)
from dysnomia_plugins.types.sqlite.site import Site, site_of
from dysnomia_plugins.types.sqlite.waiting import deadline_of, lock_timeout

if TYPE_CHECKING:
    from dysnomia_plugins.types.sqlite.contents import Extracts
    from dysnomia_store.model import Section
    from dysnomia_store.sink import ContentSink


class SqliteDatabase(StatePlugin):
    """One SQLite database file, with or without programs that have it open."""

    type = "sqlite-database"
    title = "SQLite database"
    property_names = ("sqliteDir", "sqliteLockTimeout")
    digest_version = 1

    @cached_property
    def _extracts(self) -> Extracts:
        from dysnomia_plugins.types.sqlite.contents import Extracts

        return Extracts()

    # Deploying.

    def activate(self, ctx: Context) -> None:
        """Make the file with its initial state where there is none: it appears whole, or not at all."""
        from dysnomia_plugins.types.sqlite import activation

        activation.activate(ctx, live_file(ctx.component))

    def deactivate(self, ctx: Context) -> None:
        """Nothing runs for it: its state stays where it is."""

    def collect_garbage(self, ctx: Context) -> None:
        """Delete the file and what SQLite keeps beside it, unless a process has it open."""
        from dysnomia_plugins.types.sqlite import activation

        activation.collect_garbage(live_file(ctx.component))

    # Places.

    def live(self, component: Component) -> Place:
        return Place(str(live_file(component)))

    def identity(self, component: Component) -> str:
        return identity_of([str(live_file(component))])

    def place(self, ctx: Context, purpose: Purpose) -> Place:
        """Beside and aside stand in the folder of the live file; scratch in the job's own."""
        if purpose is Purpose.SCRATCH:
            return Place(str(ctx.staging / "scratch.sqlite"))
        from dysnomia_plugins.types.sqlite.job_files import job_file

        return Place(str(job_file(live_file(ctx.component), ctx.tag, purpose.value)))

    def address(self, component: Component) -> str:
        return f"the folder {folder_of(component)}"

    def named(self, component: Component, name: str) -> Place:
        return Place(str(named_file(component, live_file(component), name)))

    def exists(self, ctx: Context, place: Place) -> bool:
        return os.path.lexists(place.name)

    def drop(self, ctx: Context, place: Place) -> None:
        if place == self.live(ctx.component):
            raise NotSafe(
                f"{show(place.name)} is the live database and was not dropped",
                "to delete it: deactivate the component, then collect-garbage",
            )
        remove(Path(place.name))

    # Snapshot.

    def dump(self, ctx: Context, place: Place, draft: Draft) -> Dumped:
        from dysnomia_plugins.types.sqlite import dump

        return dump.dump(ctx, _require(Path(place.name)), draft)

    def rescan(self, ctx: Context, stored: Stored, sink: ContentSink) -> bool | None:
        from dysnomia_plugins.types.sqlite import dump

        return dump.rescan(ctx, stored, sink)

    # Restore.

    def preflight(self, ctx: Context, stored: Stored, *, replace: bool) -> Preflight:
        from dysnomia_plugins.types.sqlite.preflight import preflight

        return preflight(ctx, stored, live_file(ctx.component), replace=replace)

    def load(self, ctx: Context, stored: Stored, place: Place, sections: Sequence[Section] | None = None) -> None:
        target = Path(place.name)
        own = place in (self.place(ctx, Purpose.BESIDE), self.place(ctx, Purpose.SCRATCH))
        work = target if own else Path(self.place(ctx, Purpose.BESIDE).name)
        if os.path.lexists(target):
            raise NotSafe(f"{show(target)} already exists", "choose another name")
        try:
            if sections is None:
                self._load_whole(ctx, stored, work)
            else:
                self._load_part(ctx, stored, work, sections)
            if not own:
                self._name(work, target)
        except BaseException:
            remove(work)
            raise

    def _load_whole(self, ctx: Context, stored: Stored, work: Path) -> None:
        from dysnomia_plugins.types.sqlite.load import check_loaded, write_into

        site = site_of(work)
        if site.others is not None:
            site = site_of(live_file(ctx.component)).beside(work)
        with site.new_file() as descriptor:
            write_into(stored, descriptor, work, ctx.cancel, ctx.progress)
            ctx.progress.phase("check")
            check_loaded(site.give(descriptor), stored, ctx.cancel)
            self._finish(ctx, stored, work, descriptor)

    def _load_part(self, ctx: Context, stored: Stored, work: Path, sections: Sequence[Section]) -> None:
        from dysnomia_plugins.types.sqlite.load import check_loaded, copy_into, cut_down, write_out

        whole, part = ctx.staging / "whole.sqlite", ctx.staging / "part.sqlite"
        remove(whole)
        remove(part)
        try:
            write_out(stored, whole, ctx.cancel, ctx.progress)
            ctx.progress.phase("check")
            check_loaded(whole, stored, ctx.cancel)
            cut_down(ctx, whole, part, sections)
            with site_of(work).new_file() as descriptor:
                copy_into(part, descriptor, work, ctx.cancel)
                self._finish(ctx, stored, work, descriptor)
        finally:
            remove(whole)
            remove(part)

    def _finish(self, ctx: Context, stored: Stored, work: Path, descriptor: int) -> None:
        """Journal mode, owner and mode as live has them, else as recorded; durable."""
        from dysnomia_plugins.types.sqlite.load import set_journal_mode

        if Place(str(work)) == self.place(ctx, Purpose.SCRATCH):
            return
        metadata = stored.metadata
        surroundings = metadata.surroundings if metadata is not None else {}
        set_journal_mode(descriptor, wal=surroundings.get("journal_mode") == "wal")
        live = live_file(ctx.component)
        with Folder.at(str(live.parent)) as folder:
            seen, about = folder.seen(live.name), folder.stat()
        if seen is not None and stat.S_ISREG(seen.st_mode):
            dress = Dress.like(seen)
        elif ctx.made_here:
            dress = Dress.recorded(surroundings)
        else:  # who made it may have written any owner
            dress = Dress(about.st_uid, about.st_gid, Dress.recorded(surroundings).mode)
        dress.put_on(descriptor)

    def _name(self, work: Path, target: Path) -> None:
        """What was loaded gets the name of a copy, where nothing has it."""
        with Folder.at(str(work.parent)) as source, Folder.at(real_path(str(target.parent))) as folder:
            try:
                source.link(work.name, folder, target.name)
            except FileExistsError:
                raise NotSafe(f"another process created {show(target)} during the job", "choose another name") from None
            source.unlink(work.name)
            folder.sync()

    def swap(self, ctx: Context, beside: Place, aside: Place) -> None:
        from dysnomia_plugins.types.sqlite import swap as sqlite_swap

        live = live_file(ctx.component)
        sqlite_swap.swap(ctx, live, Path(beside.name), Path(aside.name), lock_timeout(ctx.component))

    def recover(self, ctx: Context) -> bool:
        from dysnomia_plugins.types.sqlite import swap as sqlite_swap

        return sqlite_swap.recover(ctx, lock_timeout(ctx.component))

    # Contents.

    def raw_rows(self, stored: Stored, section: Section) -> Iterator[Sequence[bytes]]:
        from dysnomia_plugins.types.sqlite import contents as sqlite_contents

        return sqlite_contents.raw_rows(self._extracts, stored, section)

    def parse_row(self, section: Section, raw: bytes) -> Row:
        from dysnomia_plugins.types.sqlite import contents as sqlite_contents

        return sqlite_contents.parse_row(section, raw)

    def rows_of_key(self, stored: Stored, section: Section, key: Sequence[str]) -> Iterator[Sequence[bytes]]:
        from dysnomia_plugins.types.sqlite import contents as sqlite_contents

        return sqlite_contents.rows_of_key(self._extracts, stored, section, key)

    def read_next(self, stored: Stored, before: Stored, parts: Sequence[tuple[int, int]], size: int) -> None:
        self._extracts.change(stored, before, parts, size)

    def sql_patch(self, old: Stored, new: Stored, changes: Sequence[SectionPatch], title: str) -> Iterator[str]:
        from dysnomia_plugins.types.sqlite.patch import sql_patch
        from dysnomia_plugins.types.sqlite.reader import Reader

        with Reader(self._extracts.path(old)) as before, Reader(self._extracts.path(new)) as after:
            yield from sql_patch(before, after, changes, title)

    def section_dump(self, stored: Stored, section: Section) -> Iterator[bytes]:
        from dysnomia_plugins.types.sqlite.reader import Reader
        from dysnomia_plugins.types.sqlite.script import section_script

        with Reader(self._extracts.path(stored)) as reader:
            for piece in section_script(reader, section):
                yield piece.encode("utf-8", "surrogateescape")

    puts_back = True

    def lacking(self, ctx: Context, section: Section, batches: Iterator[Sequence[bytes]]) -> Iterator[bytes]:
        from dysnomia_plugins.types.sqlite import put_back

        site = _require(live_file(ctx.component))
        return put_back.lacking(site, deadline_of(ctx, site.path), section, batches)

    def look_at_rows(self, ctx: Context, rows: Sequence[PutRow]) -> LiveLook:
        from dysnomia_plugins.types.sqlite import put_back

        site = _require(live_file(ctx.component))
        return put_back.look(site, deadline_of(ctx, site.path), rows)

    def put_back(self, ctx: Context, rows: Sequence[PutRow], seen: Sequence[str]) -> Mapping[int, str]:
        from dysnomia_plugins.types.sqlite import put_back

        site = _require(live_file(ctx.component))
        return put_back.put_back(ctx, site, deadline_of(ctx, site.path), rows, seen)

    # Looking.

    def probe(self, component: Component, runner: Runner) -> Probe:
        from dysnomia_plugins.types.sqlite.probe import look

        try:
            return look(_require(live_file(component)))
        except PluginError as error:
            return Probe(up=False, detail=str(error))

    def discover(self, runner: Runner) -> Iterable[Found]:
        from dysnomia_plugins.types.sqlite import discover as sqlite_discover

        return sqlite_discover.discover(self.type)

    def list_state(self, container: Component, runner: Runner) -> ListedState:
        from dysnomia_plugins.types.sqlite import discover as sqlite_discover

        return sqlite_discover.list_state(container)

    def location(self, component: Component) -> tuple[str, ...]:
        try:
            return (str(live_file(component)),)
        except NotSafe:  # a link that is not followed
            return (str(folder_of(component) / component.key.component),)

    def shell(self, component: Component) -> tuple[Sequence[str], Mapping[str, str]]:
        """sqlite3 on the file, as its owner. Raises ToolMissing; PluginError where there is no such file."""
        import shutil

        program = shutil.which("sqlite3", path=search_path())
        if program is None:
            raise ToolMissing("the program sqlite3 is not installed", "it is in the package sqlite3")
        site = _require(live_file(component))
        return (*as_command(site.actor), program, str(site.path)), {}


def _require(path: Path) -> Site:
    """Its site. Raises PluginError where there is no such file."""
    site = site_of(path)
    if site.identity is None:
        raise PluginError(f"there is no database {show(path)}", "activate the component, or restore a generation of it")
    return site
