# ruff: noqa: PTH112
"""A repository on disk, asked and changed by Subversion's own programs.

They run as the owner of the repository where we are root: what they make then is the owner's, as what a server makes.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from dysnomia_plugins.base import Place, Runner
from dysnomia_plugins.errors import NotSafe, PluginError, ProcessFailed, ServerDown
from dysnomia_plugins.toolkit.guarded.acting import Actor, actor_for, as_command
from dysnomia_plugins.toolkit.guarded.folder import Folder, hand_over, require_ours
from dysnomia_plugins.toolkit.guarded.groups import give
from dysnomia_plugins.toolkit.guarded.system import LinkInTheWay, folder_at
from dysnomia_plugins.toolkit.guarded.walking import walk
from dysnomia_plugins.toolkit.guarded.way import others_on_the_way, real_path
from dysnomia_plugins.toolkit.repositories import access
from dysnomia_plugins.toolkit.repositories.places import let_in
from dysnomia_plugins.toolkit.repositories.plain import refuse_pipes
from dysnomia_plugins.toolkit.stalled import PATIENCE

MAX_CONFIG = 1 << 20
OWN = ("db", "locks")
"""What root works in after Subversion's programs have."""
NOT_FILES = frozenset({"db", "locks", "dav", "format"})
"""What Subversion itself keeps in a repository's folder: no files of the operator's."""
OPENED = ("format",)
"""What programs open in the repository's own folder, besides ``db``."""
_ENTRY = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NO_HOME = {"HOME": "/nonexistent"}
"""Nobody's own Subversion settings count."""


@dataclass(frozen=True, slots=True)
class Access(access.Access):
    """Of ``db`` and ``db/current``."""

    @classmethod
    def at(cls, repository: str) -> Access | None:
        """Of a repository; None where there is none."""
        try:
            with Folder.at(f"{repository}/db") as db:
                return cls.seen(db.stat(), db.seen("current"))
        except (OSError, LinkInTheWay):
            return None

    def apply(self, path: str) -> None:
        """Give it to all below ``path``, following no link. What Subversion made read-only stays so.

        Whoever owns the repository could have put another name of somebody's file there: such a one is left alone.
        Raises NotSafe where a folder is another user's already, OSError."""
        with folder_at(path) as top:
            for at, _, names, folder in walk(top, topdown=False):
                require_ours(folder, f"{path}/{at}")
                for name in names:
                    descriptor = os.open(name, _ENTRY, dir_fd=folder)
                    try:
                        seen = os.fstat(descriptor)
                        if seen.st_nlink != 1 or not stat.S_ISREG(seen.st_mode):
                            continue
                        give(descriptor, self.uid, self.gid)
                        may = 0o777 if seen.st_mode & stat.S_IWUSR else 0o444
                        os.fchmod(descriptor, self.file_mode & may)
                    finally:
                        os.close(descriptor)
                give(folder, self.uid, self.gid)
                os.fchmod(folder, self.folder_mode & 0o3777)


def hand_over_format(repository: str, access: Access) -> None:
    """The one file of Subversion's own beside ``db`` and ``locks``, to whoever may use these; programs read it first,
    and it was made under a job's umask. Raises NotSafe, OSError."""
    with Folder.at(repository) as top, top.file("format") as descriptor:
        require_ours(top.descriptor, repository)
        seen = os.fstat(descriptor)
        if seen.st_nlink != 1:
            raise NotSafe(f"{top.shown('format')} has another hard link", "nothing was replaced")
        hand_over(descriptor, access.uid, access.gid, access.file_mode & (0o666 if seen.st_mode & 0o200 else 0o444))


@dataclass(frozen=True, slots=True)
class Info:
    """What ``svnadmin info`` says of a repository."""

    uuid: str
    youngest: int
    compatible: str
    """The oldest Subversion that can use it; empty where that is not said."""


@dataclass(frozen=True, slots=True)
class Repository:
    """One repository."""

    path: str
    runner: Runner
    making: bool = False
    """Whether a job is making it: then ``maker`` runs the programs, else the owner of what is there."""
    maker: Actor | None = None

    @property
    def there(self) -> bool:
        return os.path.isdir(self.path)

    @property
    def owner(self) -> int:
        """The uid that its data belongs to; our own where that cannot be seen."""
        try:
            with Folder.at(f"{self.path}/db") as db:
                return db.stat().st_uid
        except (OSError, LinkInTheWay):
            return os.geteuid()

    @property
    def actor(self) -> Actor | None:
        """Who runs its programs, which follow links by path; None is whoever we are.

        Where others may change what is in it they are run with the rights of these alone, whoever the data belongs
        to. Raises NotSafe where its data is behind a link that somebody else could have made, ServerDown
        where it cannot be looked at."""
        if os.geteuid() != 0:
            return None
        if self.making:
            return self.maker
        db = f"{self.path}/db"
        try:
            if real_path(db) != db:
                raise NotSafe(f"{db} is a symbolic link or below one", "move the folder itself there")
            with Folder.at(db) as folder:
                owner = folder.stat()
            return actor_for(others_on_the_way(db), owner) or (
                Actor.of(owner.st_uid, owner.st_gid) if owner.st_uid != 0 else None
            )
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ServerDown(f"{self.path} cannot be used ({error.strerror})", "run it as root") from error

    def require(self) -> None:
        """Raises PluginError unless a repository of a kind that can be handled is there."""
        if not Path(self.path, "format").is_file() or not os.path.isdir(f"{self.path}/db"):
            raise PluginError(f"there is no Subversion repository at {self.path}", "activate it first")
        kind = self.read("db/fs-type").strip()
        if kind not in ("fsfs", ""):
            raise NotSafe(
                f"{self.path} is a repository of the kind {kind!r}; only FSFS is supported",
                "convert it: svnadmin dump, then svnadmin load",
            )

    def read(self, name: str) -> str:
        """A small file in it; empty where it cannot be read. Raises NotSafe for a link, LinkInTheWay."""
        folder, _, file = f"{self.path}/{name}".rpartition("/")
        try:
            with Folder.at(folder) as opened:
                return opened.read_bytes(file, MAX_CONFIG).decode("utf-8", "surrogateescape")
        except OSError:
            return ""

    def run(self, program: str, *arguments: str, timeout: float | None = None) -> str:
        """A program's output. Raises PluginError with what it said."""
        with explained(self.path):
            argv = self._command(program, *arguments)
            done = self.runner.run(argv, env=_NO_HOME, timeout=timeout, patience=PATIENCE)
        return done.stdout.decode("utf-8", "backslashreplace")

    def youngest(self, timeout: float | None = None) -> int:
        """The newest revision. Raises PluginError."""
        return int(self.run("svnlook", "youngest", self.path, timeout=timeout))

    def current(self) -> int:
        """The newest revision as the file system keeps it, asked without a program. Raises PluginError."""
        words = self.read("db/current").split()
        if not words or not words[0].isdecimal():
            raise PluginError(f"cannot read the newest revision of {self.path}", "try: svnadmin recover")
        return int(words[0])

    def info(self) -> Info:
        """What Subversion says of it. Raises PluginError."""
        lines = self.run("svnadmin", "info", self.path).splitlines()
        fields = {name: value for name, _, value in (line.partition(": ") for line in lines)}
        try:
            return Info(fields["UUID"], int(fields["Revisions"]), fields.get("Compatible With Version", ""))
        except (KeyError, ValueError):
            raise PluginError(
                f"the output of svnadmin info on {self.path} cannot be parsed", "install Subversion 1.9 or later"
            ) from None

    def create(self, compatible: str = "") -> None:
        """Make it, empty. Raises PluginError."""
        if compatible:
            try:
                self.run("svnadmin", "create", "--fs-type=fsfs", f"--compatible-version={compatible}", self.path)
                return
            except ProcessFailed:
                if self.read("format"):
                    raise
        self.run("svnadmin", "create", "--fs-type=fsfs", self.path)

    def _command(self, *argv: str) -> list[str]:
        """As whose is to run it; what stands in a job's own folder can be reached by it then. Raises PluginError."""
        actor = self.actor
        if actor is not None:
            with explained(self.path):
                let_in(Place(self.path), actor.gid)
            if not self.making:
                self._refuse_strange()
        return [*as_command(actor), *argv]

    def _refuse_strange(self) -> None:
        """Whoever may write in it can put a pipe where a file should be, and a program would wait there for ever.

        Only what every program opens is looked at. Raises NotSafe, ServerDown."""
        try:
            for path in (self.path, f"{self.path}/db"):
                with Folder.at(path) as folder:
                    for name in OPENED if path == self.path else folder.names():
                        seen = folder.seen(name)
                        if seen is not None and not (stat.S_ISREG(seen.st_mode) or stat.S_ISDIR(seen.st_mode)):
                            raise NotSafe(
                                f"{folder.shown(name)} is not a file of Subversion", "remove it; nothing was run"
                            )
        except OSError as error:
            raise ServerDown(f"{self.path} cannot be used ({error.strerror})", "run it as root") from error

    def require_plain(self) -> None:
        """Raises NotSafe where something stands among its data, at any depth, that a program would open and wait for;
        ServerDown."""
        path = f"{self.path}/db"
        try:
            with Folder.at(path) as folder:
                refuse_pipes(folder.descriptor, path, folder.names(), "Subversion")
        except OSError as error:
            raise ServerDown(f"{self.path} cannot be used ({error.strerror})", "run it as root") from error

    @contextmanager
    def dumping(self) -> Iterator[BinaryIO]:
        """Its whole history as a stream. Raises PluginError, also when it ends too early."""
        self.require_plain()
        argv = self._command("svnadmin", "dump", "--quiet", self.path)
        with explained(self.path), self.runner.reading(argv, env=_NO_HOME, patience=PATIENCE) as stream:
            yield stream

    @contextmanager
    def loading(self) -> Iterator[BinaryIO]:
        """Takes a dump; it runs no hooks. Raises PluginError.

        Properties are taken as they are: those of old repositories break rules that came later."""
        argv = self._command(
            "svnadmin", "load", "--quiet", "--force-uuid", "--bypass-prop-validation", "--no-flush-to-disk", self.path
        )
        with (
            explained(self.path),
            self.runner.writing(argv, env=_NO_HOME, patience=PATIENCE) as stream,
        ):
            yield stream

    @contextmanager
    def freezing(self, argv: Sequence[str], on_line: Any) -> Iterator[BinaryIO]:
        """A program that runs while nobody can write to it. Raises PluginError."""
        whole = self._command("svnadmin", "freeze", self.path, "--", *argv)
        with (
            explained(self.path),
            self.runner.writing(whole, env=_NO_HOME, on_stdout=on_line) as stream,
        ):
            yield stream

    def surroundings(self, info: Info) -> Mapping[str, Any]:
        """What belongs to it and is in no dump, as JSON values."""
        live = Access.at(self.path)
        result: dict[str, Any] = {
            "uuid": info.uuid,
            "compatible": info.compatible,
            "fsfs.conf": self.read("db/fsfs.conf"),
        }
        if live is not None:
            result["access"] = live.noted()
        return result


def version(runner: Runner, timeout: float | None = None) -> str:
    """Of the programs here. Raises PluginError."""
    done = runner.run(["svnadmin", "--version", "--quiet"], env=_NO_HOME, timeout=timeout)
    return done.stdout.decode("ascii", "backslashreplace").strip()


@contextmanager
def explained(path: str) -> Iterator[None]:
    """What Subversion's programs say, in our words where there are some. Raises PluginError, ServerDown."""
    try:
        yield
    except ProcessFailed as error:
        stderr = error.stderr
        if "Permission denied" in stderr or "E000013" in stderr:
            raise ServerDown(f"{path} cannot be used", _last(stderr)) from error
        if "E000028" in stderr or "No space left" in stderr:
            raise PluginError(f"no space left where {path} is", "free some space; nothing was replaced") from error
        if "sqlite[" in stderr:
            raise PluginError(
                f"{path}/db/rep-cache.db is damaged: without it Subversion cannot hold up commits",
                "it is a cache, and holds nothing else: remove that file (Subversion makes it anew), then try again",
            ) from error
        raise


def _last(output: str) -> str:
    lines = output.strip().splitlines()
    return lines[-1] if lines else "run it as root, or as its owner"
