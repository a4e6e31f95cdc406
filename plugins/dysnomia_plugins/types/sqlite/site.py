"""Where an SQLite database stands, what may be done there, and as whom SQLite works on it.

SQLite opens a database, its ``-wal``, ``-shm`` and ``-journal`` by path, follows links, gives what it opens as root to
the database's owner, and can be told none of it otherwise. In a folder that somebody else may change it therefore
works as the database's owner (``guarded.acting``), who then gains nothing by what is put in its way; and the file that
it has opened is compared with the one that was looked at. All else is done by descriptor.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from dysnomia_base.records import dataclass, replace
from dysnomia_plugins.base import CancelToken, Progress
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.guarded.acting import Actor, acting_as, actor_for, as_ourselves
from dysnomia_plugins.toolkit.guarded.folder import Folder, hand_over
from dysnomia_plugins.toolkit.guarded.way import NOBODY, Identity, Others, others_on_the_way, real_path, user_in_words
from dysnomia_plugins.types.sqlite.opening import Deadline, NotADatabase, connect, explained, show, written

SIDECARS = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a database, by suffix."""
COPY_STEP = 1024
"""Pages copied between two looks at the cancel token."""
SETTING = "sqliteDir"


@dataclass(frozen=True, slots=True)
class Site:
    """A database's file as it was when it was looked at, and who else may change its folder."""

    path: Path
    """Without links."""
    others: Others | None
    actor: Actor | None
    """As whom SQLite works there; None: as ourselves."""
    identity: Identity | None
    """Of the file; None where there was none."""

    @property
    def name(self) -> str:
        return self.path.name

    def beside(self, path: Path) -> Site:
        """The site of a new file of ours in the same folder, on which SQLite works as on this one."""
        return replace(self, path=self.path.with_name(path.name), identity=None)

    def folder(self) -> Folder:
        """Its folder, by descriptor. Raises LinkInTheWay, OSError."""
        return Folder.at(str(self.path.parent))

    @contextmanager
    def opened(self, mode: str = "rw") -> Iterator[sqlite3.Connection]:
        """A connection, opened, used and closed as ``actor``. Raises PluginError."""
        with acting_as(self.actor), explained(self.path), closing(self.connect(mode)) as connection:
            yield connection

    def connect(self, mode: str = "rw", *, immutable: bool = False) -> sqlite3.Connection:
        """A connection to this very file. With ``immutable`` nothing beside it is opened, now or later.

        Raises NotSafe where another file has its name by now, PluginError."""
        if self.others is None:
            return connect(self.path, mode=mode, immutable=immutable)
        before = _descriptors()
        with acting_as(self.actor):
            connection = connect(self.path, mode=mode, immutable=immutable)
        wanted = (self.identity.device, self.identity.inode) if self.identity is not None else None
        opened = [one for number, one in _descriptors().items() if before.get(number) != one]
        if any(one != wanted for one in opened):
            with acting_as(self.actor):
                connection.close()
            raise NotSafe(f"{show(self.path)} was replaced while it was being opened", "nothing was read or written")
        return connection

    @contextmanager
    def new_file(self) -> Iterator[int]:
        """A descriptor of a new file in its place that nobody else may open. Raises FileExistsError, OSError."""
        with self.folder() as folder, folder.new_file(self.name, os.O_RDWR) as descriptor:
            yield descriptor

    def give(self, descriptor: int) -> Site:
        """Let ``actor`` have a new file of ours. Returns the site with that file."""
        actor = self.actor
        if actor is not None and actor.uid == NOBODY:
            hand_over(descriptor, -1, actor.gid, 0o660)
        elif actor is not None:
            hand_over(descriptor, actor.uid, actor.gid, 0o600)
        return replace(self, identity=Identity.of(os.fstat(descriptor)))


def site_of(path: Path) -> Site:
    """Look at a database's place. Raises NotSafe for what is not a regular file, and for links of others; PluginError
    where it cannot be looked at."""
    try:
        real = Path(real_path(os.fspath(path), setting=SETTING))
        others = others_on_the_way(os.fspath(real.parent))
        with Folder.at(str(real.parent)) as folder:
            seen = folder.seen(real.name)
            _refuse_strange(real, seen)
            if others is not None:
                _refuse_strange_sides(folder, real)
    except (FileNotFoundError, NotADirectoryError):
        return Site(Path(path), None, None, None)
    except OSError as error:
        raise PluginError(
            f"{show(path)} cannot be opened ({error.strerror})", "check the permissions of its folder, or run as root"
        ) from error
    if seen is not None and others is not None and seen.st_nlink > 1 and seen.st_uid != others.uid:
        raise NotSafe(
            f"{show(real)} has other hard links, and belongs to {user_in_words(seen.st_uid)} in a folder that {others} "
            "may change: it may be a file from elsewhere",
            "copy it to a file of its own, or give the folder to root",
        )
    identity = None if seen is None else Identity.of(seen)
    return Site(real, others, actor_for(others, seen), identity)


def _refuse_strange(path: Path, seen: os.stat_result | None) -> None:
    if seen is not None and not stat.S_ISREG(seen.st_mode):
        raise NotSafe(f"{show(path)} is not a regular file", "move it away: a database has to be a regular file")


def _refuse_strange_sides(folder: Folder, path: Path) -> None:
    for suffix in SIDECARS:
        seen = folder.seen(path.name + suffix)
        if seen is not None and not stat.S_ISREG(seen.st_mode):
            raise NotSafe(f"{show(path)}{suffix} is not a regular file: SQLite would go through it", "remove it")


def _descriptors() -> dict[int, tuple[int, int]]:
    """Device and inode of every regular file that this process has open."""
    descriptors: dict[int, tuple[int, int]] = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            seen = os.fstat(int(name))
        except OSError:
            continue
        if not (stat.S_ISFIFO(seen.st_mode) or stat.S_ISSOCK(seen.st_mode) or stat.S_ISDIR(seen.st_mode)):
            descriptors[int(name)] = (seen.st_dev, seen.st_ino)
    return descriptors


def copy_pages(source: Site, target: Site, deadline: Deadline, cancel: CancelToken, progress: Progress) -> None:
    """Copy a database, page by page and within one read transaction, into a new file.

    What was acknowledged before the call is in the copy. Writers go on meanwhile in WAL mode, and wait in the others.
    Memory is bounded. Raises PluginError; what was written of ``target`` is for the caller to remove.
    """
    with target.new_file() as descriptor:
        target = target.give(descriptor)
    with target.opened() as writer, source.opened() as reader:
        writer.execute("PRAGMA journal_mode=OFF")  # nobody else reads it, and whoever keeps it makes it durable
        writer.execute("PRAGMA synchronous=OFF")
        deadline.insist(reader, "BEGIN", "SELECT count(*) FROM sqlite_master")
        size = int(reader.execute("PRAGMA page_size").fetchone()[0])

        def step(status: int, remaining: int, total: int) -> None:
            with as_ourselves():
                cancel.check()
                if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                    deadline.check()
                progress.advance((total - remaining) * size, total * size)

        with written(target.path):
            reader.backup(writer, pages=COPY_STEP, progress=step, sleep=0.05)
        reader.execute("ROLLBACK")


def is_database(site: Site, deadline: Deadline) -> bool:
    """Whether SQLite reads it as a database. A locked one is one. Raises PluginError where it cannot tell."""
    try:
        with site.opened() as connection:
            deadline.insist(connection, "SELECT count(*) FROM sqlite_master")
    except NotADatabase:
        return False
    return True
