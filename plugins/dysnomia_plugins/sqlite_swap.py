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
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dysnomia_plugins.base import Context
from dysnomia_plugins.durable import make_durable
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.sqlite_files import SIDECARS, dress, remove, sidecar, sidecars, who
from dysnomia_plugins.sqlite_open import (
    HEADER_SIZE,
    Deadline,
    Header,
    connect,
    copy_pages,
    explained,
    is_database,
    refuse_strange,
    show,
)

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
    refuse_strange(live)
    deadline = Deadline(live, lock_timeout, ctx.cancel, who)
    how = _how(live, beside, deadline)
    ctx.journal.step(SWAP, how=how, live=str(live), beside=str(beside), aside=str(aside))
    if how == "backup":
        _by_backup(ctx, live, beside, aside, deadline)
    elif how == "create":
        _by_link(ctx, live, beside)
        ctx.journal.step(SWAPPED)
    else:
        _by_rename(live, beside, aside)
        ctx.journal.step(SWAPPED)
    remove(beside)


def _how(live: Path, beside: Path, deadline: Deadline) -> str:
    if not live.exists():
        return "create"
    if is_database(live, deadline) and is_database(beside, deadline):
        return "backup"
    holders = who(live)
    if holders:
        raise NotSafe(
            f"{show(live)} is not a readable database, and is open in {holders}",
            "end these processes: it can be replaced only while nobody has it open",
        )
    return "rename"


# --- by the backup API ---------------------------------------------------------------------------------------------


@dataclass
class _Guarding:
    """What is called between the steps of the backup; at the first one that holds the lock it takes the guard."""

    ctx: Context
    live: Path
    aside: Path
    wal: bool
    page_size: int
    deadline: Deadline
    guarded: bool = field(default=False)

    def __call__(self, status: int, remaining: int, total: int) -> None:
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
        if self.wal:
            copy_pages(self.live, self.aside, self.deadline.anew(), ctx.cancel, ctx.progress)
            with closing(connect(self.live)) as reader:
                cookie = int(reader.execute("PRAGMA schema_version").fetchone()[0])
        else:
            os.close(os.open(self.aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
            ctx.runner.run(["cp", "--", os.fsencode(self.live), os.fsencode(self.aside)])
            if self.aside.stat().st_size != self.live.stat().st_size:
                raise PluginError(f"the guard of {show(self.live)} is not whole", "nothing was replaced")
            with self.aside.open("rb") as copied:
                head = copied.read(HEADER_SIZE)
            cookie = Header.parse(head).schema_cookie if head else 0
        make_durable(self.aside)
        ctx.journal.step(GUARDED, cookie=cookie)


def _by_backup(ctx: Context, live: Path, beside: Path, aside: Path, deadline: Deadline) -> None:
    with explained(live), closing(connect(live)) as target, closing(connect(beside)) as source:
        target.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        target.execute("PRAGMA synchronous=FULL")
        wal = deadline.insist(target, "PRAGMA journal_mode")[0] == "wal"
        source.execute("PRAGMA journal_mode=DELETE")  # else a snapshot taken in WAL mode would bring its mode along
        full = _pad(source)
        page_size = int(source.execute("PRAGMA page_size").fetchone()[0])
        there = int(str(deadline.insist(target, "PRAGMA page_size")[0]))
        if wal and page_size != there:
            raise NotSafe(page_size_refusal(live, there, page_size), "restore it as a copy")
        pages = int(source.execute("PRAGMA page_count").fetchone()[0])
        guarding = _Guarding(ctx, live, aside, wal, page_size, deadline)
        # Fewer pages than there are, so that the first step is never the last one: the guard comes between.
        source.backup(target, pages=min(PAGES, pages - 1), progress=guarding, sleep=0.05)
    ctx.journal.step(SWAPPED)
    _tidy(ctx, live, wal, full)


def page_size_refusal(live: Path, there: int, wanted: int) -> str:
    return (
        f"{show(live)} is in WAL mode with pages of {there} bytes, and the snapshot has pages of {wanted}: "
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


def _tidy(ctx: Context, live: Path, wal: bool, full: bool) -> None:
    """After the swap, as far as nobody is in the way: empty the -wal, which holds the whole database now."""
    try:
        with closing(connect(live)) as connection:
            if full:
                connection.execute("PRAGMA auto_vacuum=FULL")
            if wal:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except (sqlite3.Error, PluginError) as error:
        ctx.progress.log(f"{show(live)} is restored; its -wal could not be emptied now ({error})")


# --- by link and rename --------------------------------------------------------------------------------------------


def _by_link(ctx: Context, live: Path, beside: Path) -> None:
    """There is no live file: it appears whole, or not at all, and never over one that came to be meanwhile."""
    for stray in sidecars(live):  # would be taken for part of the new file
        kept = stray.with_name(f"{stray.name}.stray_{ctx.tag}")
        stray.rename(kept)
        ctx.progress.log(f"{show(stray)} belonged to no database; it is now {show(kept)}")
    try:
        os.link(beside, live)
    except FileExistsError:
        raise NotSafe(f"{show(live)} came to be meanwhile", "plan the restore again") from None
    make_durable(beside)


def _by_rename(live: Path, beside: Path, aside: Path) -> None:
    """The live file is no database: it is kept aside with all that is beside it, and the new one takes its name."""
    dress(beside, live, {})
    os.link(live, aside)
    _move_sidecars(live, aside)
    make_durable(aside)
    beside.rename(live)
    _move_sidecars(beside, live)
    _sync_folder(live.parent)


def _move_sidecars(source: Path, target: Path) -> None:
    for suffix in SIDECARS:
        with contextlib.suppress(FileNotFoundError):
            sidecar(source, suffix).rename(sidecar(target, suffix))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
    elif begun["how"] == "create":
        swapped = live.exists() and beside.exists() and live.samefile(beside)
    else:
        swapped = _settle_rename(live, beside, aside)
    ctx.journal.step(RECOVERED, swapped=swapped)
    if swapped:
        remove(beside)
    return swapped


def _settle_rename(live: Path, beside: Path, aside: Path) -> bool:
    if not aside.exists():
        return False
    if live.exists() and live.samefile(aside):
        _move_sidecars(aside, live)
        aside.unlink()
        return False
    _move_sidecars(beside, live)
    return True


def _was_replaced(ctx: Context, live: Path, beside: Path, aside: Path, cookie: int, lock_timeout: float) -> bool:
    """Whether live is what ``beside`` holds, rather than what ``aside`` does, though clients may have written since.

    A backup always sets the schema counter to one more than it was: the same counter says that it did not happen.
    Else it did, or a client has changed the schema since. Then the pages in which the two differ decide.
    """
    deadline = Deadline(live, lock_timeout, ctx.cancel, who)
    copied = ctx.staging / "recover.sqlite"
    remove(copied)
    with explained(live), closing(connect(live)) as reader:
        if int(str(deadline.insist(reader, "PRAGMA schema_version")[0])) == cookie:
            return False
    gone = [show(one) for one in (beside, aside) if not one.exists()]
    if gone:
        raise NotSafe(f"whether {show(live)} was replaced cannot be told without {gone[0]}", "look at it yourself")
    copy_pages(live, copied, deadline, ctx.cancel, ctx.progress)
    try:
        new, old = _votes(copied, beside, aside)
    finally:
        remove(copied)
    return new >= old


def _votes(copied: Path, beside: Path, aside: Path) -> tuple[int, int]:
    """In how many of the blocks in which ``beside`` and ``aside`` differ ``copied`` is like the one or the other."""
    new = old = 0
    with copied.open("rb") as now, beside.open("rb") as after, aside.open("rb") as before:
        first = True
        while True:
            blocks = [file.read(BLOCK) for file in (now, after, before)]
            if not any(blocks):
                return new, old
            if first:  # counters of the header differ in any case: of changes, of the schema, of the version
                blocks = [block[:24] + block[28:40] + block[44:92] + block[96:] for block in blocks]
                first = False
            here, restored, was = blocks
            if restored != was:
                new += here == restored
                old += here == was
