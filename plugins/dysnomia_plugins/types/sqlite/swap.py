"""The swap: how a restored database takes the place of the live one, and what a dead swap is brought to.

The live file is replaced *within* it, by SQLite's own backup API, as one transaction: whoever has it open sees the
old or the new content, and a crash at any moment leaves one of them. Never by rename: processes that have the old
file open would go on writing it, and an old -wal or -journal would be applied to the new one.

At the first step of the backup the live file is write-locked. There the guard is taken, so that it holds every write
that was acknowledged: in WAL mode by a second connection, in the other modes (where the lock keeps every reader out)
by a child process that copies the file, which is not yet touched.

A rename is the way in two cases only: there is no live file, or it no longer is a database and nobody has it open.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dysnomia_plugins.base import Context
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.guarded.acting import as_ourselves
from dysnomia_plugins.toolkit.guarded.folder import Folder
from dysnomia_plugins.toolkit.guarded.system import pinned, pinned_path
from dysnomia_plugins.toolkit.guarded.way import user_in_words
from dysnomia_plugins.types.sqlite.files import Dress, remove, who
from dysnomia_plugins.types.sqlite.opening import HEADER_SIZE, Deadline, Header, show, written
from dysnomia_plugins.types.sqlite.site import SIDECARS, Site, copy_pages, is_database, site_of

SWAP, LOCKED, GUARDED, SWAPPED, RECOVERED = "swap", "locked", "guarded", "swapped", "recovered"
"""The steps in the journal: what will be done; the guard is begun; it is whole; live is replaced; how recovery went."""
PAGES = 64
"""Pages a step of the backup copies."""
CACHE_KIB = 16 << 10
"""More than the largest first step (64 pages of 64 KiB): it may not spill into the live file before the guard."""
BLOCK = 1 << 12


def swap(ctx: Context, live: Path, beside: Path, aside: Path, lock_timeout: float) -> None:
    """Make ``live`` hold what ``beside`` holds, and ``aside`` what live held; ``beside`` is gone after it.

    Raises PluginError; then ``recover`` says whether it had happened.
    """
    deadline = Deadline(live, lock_timeout, ctx.cancel, who)
    live_site, loaded = site_of(live), site_of(beside)
    how = _how(live_site, loaded, deadline)
    ctx.journal.step(SWAP, how=how, live=str(live), beside=str(beside), aside=str(aside))
    if how == "backup":
        _by_backup(ctx, live_site, loaded, aside, deadline)
    else:
        with live_site.folder() as folder:
            if how == "create":
                _by_link(ctx, folder, live, beside)
            else:
                _by_rename(folder, live_site, beside, aside)
        ctx.journal.step(SWAPPED)
    remove(beside)


def _how(live: Site, beside: Site, deadline: Deadline) -> str:
    if live.identity is None:
        return "create"
    if is_database(live, deadline) and is_database(beside, deadline):
        return "backup"
    holders = who(live.path)
    if holders:
        raise NotSafe(
            f"{show(live.path)} is not a readable database, and is open in {holders}",
            "end these processes: it can be replaced only while nobody has it open",
        )
    return "rename"


# --- by the backup API ---------------------------------------------------------------------------------------------


@dataclass
class _Guarding:
    """What is called between the steps of the backup; at the first one that holds the lock it takes the guard."""

    ctx: Context
    live: Site
    aside: Path
    wal: bool
    page_size: int
    deadline: Deadline
    guarded: bool = field(default=False)

    def __call__(self, status: int, remaining: int, total: int) -> None:
        with as_ourselves():
            self._between(status, remaining, total)

    def _between(self, status: int, remaining: int, total: int) -> None:
        self.ctx.cancel.check()
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            self.deadline.check()
        elif not self.guarded:
            self.take()
            self.guarded = True
            self.ctx.progress.phase("swap")
        else:
            self.ctx.progress.advance((total - remaining) * self.page_size, total * self.page_size)

    def take(self) -> None:
        """Copy what is live now. Nobody can write it until the backup ends."""
        ctx = self.ctx
        ctx.progress.phase("guard")
        ctx.journal.step(LOCKED)
        aside = self.live.beside(self.aside)
        if self.wal:
            copy_pages(self.live, aside, self.deadline.anew(), ctx.cancel, ctx.progress)
            with self.live.opened() as reader:
                cookie = int(reader.execute("PRAGMA schema_version").fetchone()[0])
            with aside.folder() as folder, folder.file(aside.name) as copied:
                os.fsync(copied)
        else:
            with aside.new_file() as copied:
                self._copy_raw(copied)
                head = os.pread(copied, HEADER_SIZE, 0)
                aside.give(copied)
                os.fsync(copied)
            cookie = Header.parse(head).schema_cookie if head else 0
        with aside.folder() as folder:
            folder.sync()
        ctx.journal.step(GUARDED, cookie=cookie)

    def _copy_raw(self, target: int) -> None:
        """By a child process: to open and close the live file in this one would drop the locks that SQLite has on it.
        (A descriptor that only stands for it has none.)"""
        with self.live.folder() as folder, pinned(self.live.name, folder.descriptor) as source:
            seen = os.fstat(source)
            wanted = self.live.identity
            if wanted is None or (seen.st_dev, seen.st_ino) != (wanted.device, wanted.inode):
                raise NotSafe(
                    f"another process replaced {show(self.live.path)} during the restore",
                    "the restore replaced nothing",
                )
            self.ctx.runner.run(["cp", "--", pinned_path(source), pinned_path(target)], pass_fds=(source, target))
            if os.fstat(target).st_size != os.fstat(source).st_size:
                raise PluginError(f"the guard of {show(self.live.path)} is not complete", "nothing was replaced")


def _by_backup(ctx: Context, live: Site, beside: Site, aside: Path, deadline: Deadline) -> None:
    with live.opened() as target, beside.opened() as source:
        target.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        target.execute("PRAGMA synchronous=FULL")
        wal = deadline.insist(target, "PRAGMA journal_mode")[0] == "wal"
        source.execute("PRAGMA journal_mode=DELETE")  # else a snapshot taken in WAL mode would bring its mode along
        full = _pad(source)
        page_size = int(source.execute("PRAGMA page_size").fetchone()[0])
        live_size = int(str(deadline.insist(target, "PRAGMA page_size")[0]))
        if wal and page_size != live_size:
            raise NotSafe(page_size_refusal(live.path, live_size, page_size), "restore it as a copy")
        pages = int(source.execute("PRAGMA page_count").fetchone()[0])
        guarding = _Guarding(ctx, live, aside, wal, page_size, deadline)
        # Fewer pages than there are, so that the first step is never the last one: the guard comes between.
        with written(live.path):
            source.backup(target, pages=min(PAGES, pages - 1), progress=guarding, sleep=0.05)
    ctx.journal.step(SWAPPED)
    _tidy(ctx, live, wal, full)


def page_size_refusal(live: Path, live_size: int, wanted: int) -> str:
    return (
        f"{show(live)} is in WAL mode with pages of {live_size} bytes, and the snapshot has pages of {wanted}: "
        "SQLite cannot replace the one by the other"
    )


def _pad(source: sqlite3.Connection) -> bool:
    """Make sure that the source has two pages at least. Returns whether auto_vacuum was full and is to be put back.

    A table made and dropped leaves a free page, and no trace in what the database holds.
    """
    if int(source.execute("PRAGMA page_count").fetchone()[0]) > 1:
        return False
    full = int(source.execute("PRAGMA auto_vacuum").fetchone()[0]) == 1
    if full:  # it would take the free page away at once
        source.execute("PRAGMA auto_vacuum=INCREMENTAL")
    source.execute("CREATE TABLE dysnomia_padding(x)")
    source.execute("DROP TABLE dysnomia_padding")
    return full


def _tidy(ctx: Context, live: Site, wal: bool, full: bool) -> None:
    """After the swap, as far as nobody is in the way: empty the -wal, which holds the whole database now."""
    try:
        with live.opened() as connection:
            if full:
                connection.execute("PRAGMA auto_vacuum=FULL")
            if wal:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except (sqlite3.Error, PluginError) as error:
        ctx.progress.log(f"{show(live.path)} is restored; its -wal could not be emptied now ({error})")


# --- by link and rename --------------------------------------------------------------------------------------------


def _by_link(ctx: Context, folder: Folder, live: Path, beside: Path) -> None:
    """There is no live file: it appears whole, or not at all, and never over one that came to be meanwhile."""
    for suffix in SIDECARS:  # would be taken for part of the new file
        stray = live.name + suffix
        if folder.seen(stray) is not None:
            folder.move_over(stray, folder, f"{stray}.stray_{ctx.tag}")
            where = show(live.with_name(stray))
            ctx.progress.log(f"{where} belonged to no database; it was renamed to {where}.stray_{ctx.tag}")
    try:
        folder.link(beside.name, folder, live.name)
    except FileExistsError:
        raise NotSafe(f"another process created {show(live)} during the restore", "plan the restore again") from None
    folder.sync()


def _by_rename(folder: Folder, live: Site, beside: Path, aside: Path) -> None:
    """The live file is no database: it is kept aside with all that is beside it, and the new one takes its name."""
    _dress_like(folder, live, beside)
    folder.link(live.name, folder, aside.name)
    _move_sidecars(folder, live.name, aside.name)
    folder.sync()
    folder.move_over(beside.name, folder, live.name)
    _move_sidecars(folder, beside.name, live.name)
    folder.sync()


def _dress_like(folder: Folder, live: Site, beside: Path) -> None:
    """Owner and mode of the live file, for what has the name ``beside``: where somebody else may have put something
    in its place, no owner is changed. Raises NotSafe."""
    seen = folder.seen(live.name)
    if seen is None:
        raise NotSafe(f"{show(live.path)} no longer exists", "plan the restore again")
    wanted = Dress.like(seen)
    with folder.file(beside.name) as descriptor:
        status = os.fstat(descriptor)
        if live.others is not None and (status.st_uid != wanted.uid or status.st_nlink != 1):
            raise NotSafe(
                f"{show(beside)} belongs to {user_in_words(status.st_uid)}, {show(live.path)} to "
                f"{user_in_words(wanted.uid)}: it may have been replaced",
                f"restore it again; the folder can be changed by {live.others}",
            )
        wanted.put_on(descriptor)


def _move_sidecars(folder: Folder, source: str, target: str) -> None:
    for suffix in SIDECARS:
        with contextlib.suppress(FileNotFoundError):
            folder.move_over(source + suffix, folder, target + suffix)


# --- recovery ------------------------------------------------------------------------------------------------------


def recover(ctx: Context, lock_timeout: float) -> bool:
    """Whether the swap in the journal has happened; what a dead one left half done is brought to either end.

    SQLite itself rolls back a backup that was cut off, when the file is next opened. Idempotent.
    """
    begun: Mapping[str, Any] | None = None
    guarded: Mapping[str, Any] | None = None
    for name, data in ctx.journal.steps():
        if name == SWAP:
            begun, guarded = data, None
        elif name == GUARDED:
            guarded = data
        elif name == SWAPPED:
            return True
        elif name == RECOVERED:
            return bool(data["swapped"])
    if begun is None:
        return False
    live, beside, aside = (Path(str(begun[name])) for name in ("live", "beside", "aside"))
    if begun["how"] == "backup":
        swapped = guarded is not None and _was_replaced(ctx, live, beside, aside, int(guarded["cookie"]), lock_timeout)
    else:
        with Folder.at(str(live.parent)) as folder:
            if begun["how"] == "create":
                swapped = _same_file(folder, live, beside)
            else:
                swapped = _settle_rename(folder, live, beside, aside)
    ctx.journal.step(RECOVERED, swapped=swapped)
    if swapped:
        remove(beside)
    return swapped


def _same_file(folder: Folder, one: Path, other: Path) -> bool:
    inode = folder.identity(one.name)
    return inode is not None and inode == folder.identity(other.name)


def _settle_rename(folder: Folder, live: Path, beside: Path, aside: Path) -> bool:
    if folder.seen(aside.name) is None:
        return False
    if _same_file(folder, live, aside):
        _move_sidecars(folder, aside.name, live.name)
        folder.unlink(aside.name)
        return False
    _move_sidecars(folder, beside.name, live.name)
    return True


def _was_replaced(ctx: Context, live: Path, beside: Path, aside: Path, cookie: int, lock_timeout: float) -> bool:
    """Whether live is what ``beside`` holds, rather than what ``aside`` does, though clients may have written since.

    A backup always sets the schema counter to one more than it was: the same counter says that it did not happen.
    Else it did, or a client has changed the schema since. Then the pages in which the two differ decide.
    """
    deadline = Deadline(live, lock_timeout, ctx.cancel, who)
    copied = ctx.staging / "recover.sqlite"
    remove(copied)
    live_site = site_of(live)
    with live_site.opened() as reader:
        if int(str(deadline.insist(reader, "PRAGMA schema_version")[0])) == cookie:
            return False
    missing = [show(one) for one in (beside, aside) if not os.path.lexists(one)]
    if missing:
        raise NotSafe(
            f"cannot determine whether {show(live)} was replaced: {missing[0]} is missing",
            "check by hand what is live before anything else",
        )
    copy_pages(live_site, site_of(copied), deadline, ctx.cancel, ctx.progress)
    try:
        new, old = _votes(copied, beside, aside)
    finally:
        remove(copied)
    return new >= old


def _votes(copied: Path, beside: Path, aside: Path) -> tuple[int, int]:
    """In how many of the blocks in which ``beside`` and ``aside`` differ ``copied`` is like the one or the other."""
    with contextlib.ExitStack() as stack:
        files = []
        for path in (copied, beside, aside):
            folder = stack.enter_context(Folder.at(str(path.parent)))
            files.append(stack.enter_context(folder.file(path.name)))
        new = old = at = 0
        while any(blocks := [os.pread(file, BLOCK, at) for file in files]):
            if not at:  # counters of the header differ in any case: of changes, of the schema, of the version
                blocks = [block[:24] + block[28:40] + block[44:92] + block[96:] for block in blocks]
            here, restored, was = blocks
            if restored != was:
                new += here == restored
                old += here == was
            at += BLOCK
        return new, old
