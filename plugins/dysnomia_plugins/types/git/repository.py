"""A bare repository on disk, asked and changed by git itself.

git reads a repository's own configuration, which can name programs (hooks, ``core.fsmonitor``, a signature checker,
a promisor's transport). So it runs as the repository's owner where we are root, with the rights of others alone where
others may write in it; and nothing that it is asked here runs such a program: what could is switched off by name.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from dysnomia_plugins.base import Place, Runner
from dysnomia_plugins.errors import NotSafe, PluginError, ProcessFailed, ServerDown
from dysnomia_plugins.toolkit.guarded.acting import Actor, actor_for, as_command
from dysnomia_plugins.toolkit.guarded.folder import Folder
from dysnomia_plugins.toolkit.guarded.system import LinkInTheWay
from dysnomia_plugins.toolkit.guarded.walking import walk
from dysnomia_plugins.toolkit.guarded.way import others_in, others_on_the_way, real_path
from dysnomia_plugins.toolkit.repositories import access
from dysnomia_plugins.toolkit.repositories.places import let_in
from dysnomia_plugins.toolkit.repositories.plain import refuse_pipes
from dysnomia_plugins.toolkit.stalled import PATIENCE
from dysnomia_plugins.types.git.refs import FORMAT, HEAD, Ref, left_out, listed, refuse_broken, refuse_unloadable

OWN = ("objects", "refs")
"""What root works in after git has."""
KEPT = frozenset({"objects", "refs", "packed-refs", "HEAD", "gc.pid", "gc.log", "info/"})
"""What git itself keeps in a repository's folder: no files of the operator's. Of ``info`` it is ``refs``, a list for
servers that know nothing of git, which a collection of garbage writes anew."""
LOCKS = (
    "HEAD.lock",
    "config.lock",
    "config.worktree.lock",
    "packed-refs.lock",
    "shallow.lock",
    "ORIG_HEAD.lock",
    "FETCH_HEAD.lock",
    "gc.pid.lock",
    "gc.log.lock",
)
"""git's own right in the folder: any other file of such a name is the operator's. A folder of one is no lock."""
ENVIRONMENT = {
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",
}
"""Nobody's own settings count."""
SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.alternateRefsCommand=true",
    "core.sshCommand=false",
    "core.gitProxy=",
    "core.commitGraph=false",
    "core.logAllRefUpdates=false",
    "protocol.allow=never",
    "log.showSignature=false",
    "i18n.logOutputEncoding=UTF-8",
    "gc.auto=0",
    "maintenance.auto=false",
    "core.bigFileThreshold=16m",
    "pack.windowMemory=64m",
    "pack.deltaCacheSize=64m",
    "pack.threads=2",
)
"""Given on the command line, where they count more than the repository's own. The last four bound git's memory: objects
of more than 16 MiB are streamed as they are, others are compared within 64 MiB a thread; deltas that are already there
are used again."""
_MOST_LOOKS = 5
_MOST_BROKEN = 1000
_MAX_HEAD = 1 << 16
_LOOKING = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = {
    "": ("config", "config.worktree", "packed-refs", "HEAD", "shallow"),
    "objects": ("info", "pack"),
    "objects/info": ("alternates",),
}
"""What git obeys or reads by path, in the folders of a repository."""
_STRANGE = ("config", "HEAD", "packed-refs", "shallow")
"""What git opens right in the folder, and is never a link: a pipe there would hold it up for ever."""
_OPENED = ("refs", "objects", "info", "worktrees", "index", "config.worktree")
"""What else it opens: files, folders of files, and links to such."""


def kept_in(path: str) -> frozenset[str]:
    """What git keeps in a repository, with the locks that it holds now. Raises LinkInTheWay, OSError."""
    with Folder.at(path) as top:
        return KEPT.union(locks_in(top))


def locks_in(top: Folder) -> list[str]:
    """The locks that git holds right in a repository's folder. Raises OSError."""
    seen = ((name, top.seen(name)) for name in LOCKS)
    return [name for name, status in seen if status is not None and not stat.S_ISDIR(status.st_mode)]


@dataclass(frozen=True, slots=True)
class Access(access.Access):
    """Of ``objects`` and ``HEAD``."""

    @classmethod
    def at(cls, repository: str) -> Access | None:
        """Of a repository; None where there is none."""
        try:
            with Folder.at(repository) as top, top.folder("objects") as objects:
                return cls.seen(objects.stat(), top.seen(HEAD))
        except (OSError, LinkInTheWay):
            return None


@dataclass(frozen=True, slots=True)
class Repository:
    """One repository."""

    path: str
    runner: Runner
    making: bool = False
    """Whether a job is making it: then ``maker`` runs git, else the owner of what is there."""
    maker: Actor | None = None

    @property
    def there(self) -> bool:
        return Path(self.path).is_dir()

    @property
    def actor(self) -> Actor | None:
        """Who runs git, which follows links by path; None is whoever we are.

        Raises NotSafe where its objects are behind a link that somebody else could have made,
        ServerDown where they cannot be looked at."""
        if os.geteuid() != 0:
            return None
        if self.making:
            return self.maker
        try:
            for name in OWN:
                path = f"{self.path}/{name}"
                if real_path(path) != path:
                    raise NotSafe(f"{path} is a link, or behind one", "put the folder itself there")
                with Folder.at(path) as folder:
                    seen = folder.stat()
                actor = actor_for(others_on_the_way(path), seen)
                if actor is None and seen.st_uid != 0:
                    actor = Actor.of(seen.st_uid, seen.st_gid)
                if actor is not None:
                    return actor
            return self._writer()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ServerDown(f"{self.path} cannot be used ({error.strerror})", "run it as root") from error

    def _writer(self) -> Actor | None:
        """Who else may write what git reads in a repository whose folders are root's: with their rights it runs."""
        for folder, names in _READ.items():
            try:
                with Folder.at(posixpath.join(self.path, folder).rstrip("/")) as held:
                    writer = next(filter(None, (_writer_of(held, name) for name in names)), None)
            except FileNotFoundError:
                continue
            if writer is not None:
                return writer
        return None

    def require(self) -> None:
        """Raises PluginError unless a repository of a kind that can be handled is there."""
        try:
            with Folder.at(self.path) as top:
                names = set(top.names())
                if not {"HEAD", "objects", "refs"} <= names:
                    work_tree = ".git" in names
                    raise PluginError(
                        f"there is no bare git repository at {self.path}",
                        "it has a work tree: its repository is the .git in it" if work_tree else "activate it first",
                    )
                for name in ("commondir", "reftable"):
                    if name in names:
                        raise NotSafe(f"{self.path} keeps its references elsewhere ({name})", "this is not handled")
                for name in _STRANGE:
                    seen = top.seen(name)
                    if seen is not None and not stat.S_ISREG(seen.st_mode):
                        raise NotSafe(f"{top.shown(name)} is not a file of git", "replace it; nothing was run")
            with Folder.at(f"{self.path}/objects") as kept:
                if "pack" in kept.names():
                    with kept.folder("pack") as packs:
                        promised = next((name for name in packs.names() if name.endswith(".promisor")), None)
                    if promised is not None:
                        raise NotSafe(
                            f"{self.path} lacks objects that it would fetch when asked (a partial clone)",
                            "fetch all of them, or make its snapshots where they come from",
                        )
        except FileNotFoundError:
            raise PluginError(f"there is no bare git repository at {self.path}", "activate it first") from None
        except OSError as error:
            raise ServerDown(f"{self.path} cannot be used ({error.strerror})", "run it as root") from error

    def require_plain(self) -> None:
        """Raises NotSafe where something stands in it, at any depth, that git would open and wait for; ServerDown."""
        try:
            with Folder.at(self.path) as top:
                refuse_pipes(top.descriptor, self.path, _OPENED, "git")
        except OSError as error:
            raise ServerDown(f"{self.path} cannot be used ({error.strerror})", "run it as root") from error

    def command(self, *argv: str) -> list[str]:
        """git, as whose is to run it. Raises PluginError."""
        actor = self.actor
        if actor is not None:
            try:
                let_in(Place(self.path), actor.gid)
            except OSError as error:
                raise ServerDown(f"{self.path} cannot be used ({error.strerror})", "run it as root") from error
        settings = [word for setting in SETTINGS for word in ("-c", setting)]
        return [*as_command(actor), "git", *settings, f"--git-dir={self.path}", *argv]

    def run(self, *argv: str, stdin: bytes | None = None, timeout: float | None = None) -> bytes:
        """What git printed. Raises PluginError with what it said."""
        return self.runner.run(
            self.command(*argv), env=ENVIRONMENT, stdin=stdin, timeout=timeout, patience=PATIENCE
        ).stdout

    @contextmanager
    def reading(
        self, *argv: str, source: BinaryIO | None = None, on_stderr: Callable[[bytes], object] | None = None
    ) -> Iterator[BinaryIO]:
        """What git prints, as a stream. Raises PluginError, also when it ends too early."""
        command = self.command(*argv)
        with self.runner.reading(
            command, env=ENVIRONMENT, source=source, on_stderr=on_stderr, patience=PATIENCE
        ) as stream:
            yield stream

    @contextmanager
    def writing(self, *argv: str) -> Iterator[BinaryIO]:
        """What git reads. Raises PluginError."""
        with self.runner.writing(self.command(*argv), env=ENVIRONMENT, patience=PATIENCE) as stream:
            yield stream

    def object_format(self) -> str:
        """``sha1`` or ``sha256``. Raises PluginError."""
        return self.run("rev-parse", "--show-object-format").decode("ascii", "backslashreplace").strip()

    def head(self) -> Ref:
        """Where ``HEAD`` leads, read without git. Raises PluginError."""
        try:
            with Folder.at(self.path) as top:
                text = top.read_bytes(HEAD, _MAX_HEAD).decode("utf-8", "surrogateescape").strip()
        except OSError as error:
            raise ServerDown(f"{self.path}/HEAD cannot be read ({error.strerror})", "run it as root") from error
        symbolic = text.removeprefix("ref:").strip() if text.startswith("ref:") else ""
        return Ref.read(Ref(HEAD, "" if symbolic else text, "", symbolic).line())

    def refs(self) -> tuple[Sequence[Ref], bool]:
        """All references as they were at one moment, ``HEAD`` first; and whether that is sure.

        git itself reads them one after the other: they are read until two readings are the same. One that is deleted
        while it is read looks broken, once. Raises PluginError; NotSafe for one that git does not list, or that could
        not be loaded."""
        seen, broken = self._refs()
        sure = False
        for _ in range(_MOST_LOOKS):
            again, still = self._refs()
            refuse_broken(broken & still, self.path)
            sure = again == seen and not still
            seen, broken = again, still
            if sure:
                break
        refuse_unloadable(seen)
        return seen, sure

    def _refs(self) -> tuple[Sequence[Ref], frozenset[str]]:
        """Those that git lists, and the names of some that it does not."""
        broken: set[str] = set()

        def hear(line: bytes) -> None:
            name = left_out(line)
            if name and len(broken) < _MOST_BROKEN:
                broken.add(name)

        with self.reading("for-each-ref", f"--format={FORMAT}", on_stderr=hear) as stream:
            refs = list(listed(stream))
        head = self.head()
        target = next((ref.target for ref in refs if ref.name == head.symbolic), head.target)
        known = {ref.name for ref in refs}
        try:
            broken.update(islice((name for name in self._loose() if name not in known), _MOST_BROKEN))
        except OSError as error:
            raise ServerDown(f"{self.path}/refs cannot be read ({error.strerror})", "run it as root") from error
        return [Ref(HEAD, target, "", head.symbolic), *sorted(refs)], frozenset(broken)

    def _loose(self) -> Iterator[str]:
        """References that are files: git is silent about those that lead to one that is not there."""
        with Folder.at(f"{self.path}/refs") as top:
            for at, folders, names, _ in walk(top.descriptor):
                folders[:] = filter(_may_be_ref, folders)
                yield from (posixpath.normpath(f"refs/{at}/{name}") for name in names if _may_be_ref(name))


def _writer_of(folder: Folder, name: str) -> Actor | None:
    """Who besides root may write what has a name in a folder. Raises NotSafe for a link, OSError."""
    try:
        descriptor = os.open(name, _LOOKING, dir_fd=folder.descriptor)
    except FileNotFoundError:
        return None
    try:
        seen = os.fstat(descriptor)
        if stat.S_ISLNK(seen.st_mode):
            raise NotSafe(f"{folder.shown(name)} is a link", "put the file or folder itself there")
        return actor_for(others_in(descriptor), seen)
    finally:
        os.close(descriptor)


def _may_be_ref(name: str) -> bool:
    return not name.startswith(".") and not name.endswith(".lock")


def version(runner: Runner, timeout: float | None = None) -> str:
    """Of git here. Raises PluginError."""
    output = runner.run(["git", "--version"], env=ENVIRONMENT, timeout=timeout).stdout
    return output.decode("ascii", "backslashreplace").removeprefix("git version").strip()


def git_failed(error: ProcessFailed, path: str) -> PluginError:
    """What git said, in our words where there are some."""
    if "No space left" in error.stderr:
        return PluginError(f"no space left where {path} is", "free some space; nothing was replaced")
    if "Permission denied" in error.stderr:
        return ServerDown(f"{path} cannot be used", error.stderr.strip().splitlines()[-1])
    return error
