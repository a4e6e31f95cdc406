"""A folder held by its descriptor, and work in it that no link can lead elsewhere.

What is made in it is made closed to all others: folders 0700, files 0600, belonging to the caller. ``hand_over`` is
the last thing that is done to it.
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType

from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.guarded import system
from dysnomia_plugins.toolkit.guarded.groups import give
from dysnomia_plugins.toolkit.guarded.removal import remove_tree
from dysnomia_plugins.toolkit.guarded.walking import walk
from dysnomia_plugins.toolkit.guarded.way import Identity

PRIVATE_FOLDER = 0o700
OPEN_FOLDER = 0o755
"""Of a folder that all may pass, as ``mkdir -p`` makes one where nothing else is said."""
PRIVATE_FILE = 0o600
LINK_IN_THE_MAKING = ".dysnomia-link-"
_NEW = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READING = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class NotAFile(NotSafe):
    """A regular file was expected, and something else has its name."""


class Folder:
    """An open folder. Use as a context manager, or ``close`` it."""

    def __init__(self, descriptor: int, path: str) -> None:
        self.descriptor = descriptor
        self.path = path
        """How it was reached: for messages only."""

    @classmethod
    def at(cls, path: str, *, make: int | None = None) -> Folder:
        """Open a folder by an absolute path none of whose parts is a link (``way.real_path`` gives such a one).

        Args:
            make: the mode with which folders that are missing are made, each by descriptor in the one above. Whom it
                lets in beyond the caller may enter, whatever the umask is: a job's own is closed to all others.

        Raises LinkInTheWay, OSError."""
        parts = [part for part in path.split("/") if part]
        folder = cls(os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC), "/")
        try:
            for at, part in enumerate(parts):
                deeper = folder._opened(part, last=at == len(parts) - 1, make=make)
                folder.close()
                folder = deeper
            return folder if parts else cls(os.open("/", system.FOLDER_FLAGS), "/")
        except BaseException:
            folder.close()
            raise

    def _opened(self, name: str, *, last: bool, make: int | None) -> Folder:
        try:
            return Folder(system.step(name, self.descriptor, last=last), self.shown(name))
        except FileNotFoundError:
            if make is None:
                raise
        try:
            os.mkdir(name, make, dir_fd=self.descriptor)
        except FileExistsError:
            make = 0  # somebody else made it meanwhile: it is looked at as any other
        made = Folder(system.step(name, self.descriptor, last=last), self.shown(name))
        try:
            made._let_in(make & OPEN_FOLDER)
        except BaseException:
            made.close()
            raise
        return made

    def _let_in(self, mode: int) -> None:
        """Give a folder that was just made what the umask left out of its mode, unless another process has put
        something else in its place. Raises OSError."""
        seen = self.stat()
        if mode & ~seen.st_mode and seen.st_uid == os.geteuid() and not os.listdir(system.pinned_path(self.descriptor)):
            system.chmod_pinned(self.descriptor, stat.S_IMODE(seen.st_mode) | mode)

    def __enter__(self) -> Folder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Idempotent."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def shown(self, name: str) -> str:
        """The path of a name in it, for messages."""
        return posixpath.join(self.path, name)

    @contextmanager
    def _telling(self, name: str) -> Iterator[None]:
        """Have an error of the system's say where the name is that could not be made. Raises OSError."""
        try:
            yield
        except OSError as error:
            raise OSError(error.errno, error.strerror, self.shown(name)) from error

    def inside(self, name: str) -> str:
        """A path of a name in it for programs and libraries that take paths only; they inherit the descriptor.

        The folder is certain then, the name is not: only where nobody else may write in this folder."""
        return system.proc_path(name, self.descriptor)

    # Looking.

    def stat(self) -> os.stat_result:
        return os.fstat(self.descriptor)

    def names(self) -> list[str]:
        return sorted(os.listdir(self.descriptor))

    def seen(self, name: str) -> os.stat_result | None:
        """What has that name, a link as a link; None where nothing has, or can have."""
        try:
            return os.lstat(name, dir_fd=self.descriptor)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
                return None
            raise

    def identity(self, name: str) -> Identity | None:
        """Device, inode and owner of what has that name."""
        seen = self.seen(name)
        return None if seen is None else Identity.of(seen)

    def link_target(self, name: str) -> str | None:
        """Where a link leads; None for what is not a link."""
        try:
            return os.readlink(name, dir_fd=self.descriptor)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EINVAL, errno.ENAMETOOLONG):
                return None
            raise

    # Opening and reading.

    def folder(self, name: str) -> Folder:
        """Open a folder in it. Raises LinkInTheWay, OSError."""
        return Folder(system.open_folder(name, self.descriptor), self.shown(name))

    @contextmanager
    def file(self, name: str, flags: int = os.O_RDONLY) -> Iterator[int]:
        """A descriptor of a regular file in it. Raises NotAFile for anything else, OSError."""
        try:
            descriptor = os.open(name, flags | _READING, dir_fd=self.descriptor)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
                raise NotAFile(f"{self.shown(name)} is not a regular file", "nothing was followed") from error
            raise
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise NotAFile(f"{self.shown(name)} is not a regular file", "nothing was read")
            yield descriptor
        finally:
            os.close(descriptor)

    def read_bytes(self, name: str, limit: int = 1 << 24) -> bytes:
        """A file's content, at most ``limit`` bytes of it. Raises NotAFile, OSError."""
        with self.file(name) as descriptor, os.fdopen(os.dup(descriptor), "rb") as stream:
            return stream.read(limit)

    # Making.

    def make_folder(self, name: str, mode: int = PRIVATE_FOLDER) -> Folder:
        """Make a folder and open it. It inherits no access list of this one's.

        Raises FileExistsError, OSError; NotSafe where another process puts something else there meanwhile."""
        with self._telling(name):
            os.mkdir(name, PRIVATE_FOLDER, dir_fd=self.descriptor)
        made = self.folder(name)
        try:
            if made.stat().st_uid != os.geteuid() or os.listdir(made.descriptor):
                raise NotSafe(
                    f"{made.path} was replaced by another process right after it was created",
                    "nothing was written in it",
                )
            system.write_xattrs(made.descriptor, ())
            os.fchmod(made.descriptor, mode)
        except BaseException:
            made.close()
            raise
        return made

    @contextmanager
    def new_file(self, name: str, flags: int = os.O_WRONLY) -> Iterator[int]:
        """A descriptor of a new file, 0600 and the caller's. Raises FileExistsError, OSError."""
        with self._telling(name):
            descriptor = os.open(name, flags | _NEW, PRIVATE_FILE, dir_fd=self.descriptor)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def write_new(self, name: str, content: bytes, *, like: os.stat_result | None = None) -> None:
        """A new durable file with this content, then handed over to the owner that ``like`` has, with its mode.

        Raises FileExistsError, OSError."""
        with self.new_file(name) as descriptor:
            system.write_all(descriptor, content)
            if like is not None:
                hand_over(descriptor, like.st_uid, like.st_gid, stat.S_IMODE(like.st_mode))
            os.fsync(descriptor)

    def replace_file(self, name: str, content: bytes, tag: str, *, like: os.stat_result | None = None) -> None:
        """The same for a name that may be taken: what has it is replaced whole, a link as a link.

        Args:
            tag: the job's; names the file until it is whole."""
        making = f".dysnomia-{tag}-{name}"[:255]
        self.unlink(making)
        self.write_new(making, content, like=like)
        os.rename(making, name, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)
        self.sync()

    def make_link(self, name: str, target: str) -> None:
        """A symbolic link. Raises FileExistsError, OSError."""
        with self._telling(name):
            os.symlink(target, name, dir_fd=self.descriptor)

    def point_link(self, name: str, target: str) -> None:
        """``ln -sfn``, without a moment in which there is no link: another link that has the name is replaced, and
        nothing else is. Raises FileExistsError where that is no link, OSError."""
        try:
            self.make_link(name, target)
        except FileExistsError:
            pass
        else:
            return
        new = f"{LINK_IN_THE_MAKING}{os.urandom(8).hex()}"
        self.make_link(new, target)
        try:
            self._over_link(new, name)
        finally:
            self.unlink(new)

    def _over_link(self, new: str, name: str) -> None:
        """The link ``new`` in the place of another, by an exchange: so what that was is seen when it has been taken."""
        if self.link_target(name) is None:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), self.shown(name))
        try:
            self.exchange(new, self, name)
        except OSError as error:
            if error.errno not in (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP):
                raise
            self.move_over(new, self, name)
            return
        if self.link_target(new) is None:
            self.exchange(new, self, name)
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), self.shown(name))

    def sweep_links(self, targets: Collection[str]) -> None:
        """Remove what a ``point_link`` left that was killed. Idempotent. Raises OSError."""
        for name in self.names():
            if name.startswith(LINK_IN_THE_MAKING) and self.link_target(name) in targets:
                self.unlink(name)

    # Moving and removing.

    def link(self, name: str, target: Folder, new: str) -> None:
        """Another name for the file that has ``name`` here. Raises FileExistsError, OSError."""
        os.link(name, new, src_dir_fd=self.descriptor, dst_dir_fd=target.descriptor, follow_symlinks=False)

    def move(self, name: str, target: Folder, new: str) -> None:
        """Rename, over nothing. Raises FileExistsError, OSError."""
        from dysnomia_plugins.toolkit.guarded.libc import rename_new  # who acts as another has loaded it

        rename_new(name, self.descriptor, new, target.descriptor)

    def move_over(self, name: str, target: Folder, new: str) -> None:
        """Rename, over a file that has the name. Raises OSError."""
        os.rename(name, new, src_dir_fd=self.descriptor, dst_dir_fd=target.descriptor)

    def exchange(self, name: str, other: Folder, with_name: str) -> None:
        """What has the two names changes places, in one step. Raises OSError; ENOSYS where that cannot be."""
        from dysnomia_plugins.toolkit.guarded.libc import RENAME_EXCHANGE, rename  # who acts as another has loaded it

        rename(name, self.descriptor, with_name, other.descriptor, RENAME_EXCHANGE)

    def unlink(self, name: str) -> None:
        """Idempotent. Raises OSError."""
        try:
            os.unlink(name, dir_fd=self.descriptor)
        except FileNotFoundError:
            pass

    def remove(self, name: str) -> None:
        """Delete a file, or a folder and all in it; links as links. Idempotent. Raises NotSafe, OSError."""
        remove_tree(name, self.descriptor)

    def sync(self) -> None:
        """Return when its entries are on the disk."""
        os.fsync(self.descriptor)


def identity_of(paths: Sequence[str]) -> str:
    """What stands at places now, in an order of theirs: device, inode and owner of each, ``-`` where nothing is.

    Raises LinkInTheWay, PluginError."""
    return ", ".join(_identity_at(path) for path in paths)


def _identity_at(path: str) -> str:
    try:
        with Folder.at(posixpath.dirname(path)) as folder:
            identity = folder.identity(posixpath.basename(path)) if path != "/" else Identity.of(folder.stat())
    except FileNotFoundError:
        identity = None
    except OSError as error:
        raise PluginError(f"{path} cannot be examined ({error.strerror})", "run it as root") from error
    return "-" if identity is None else str(identity)


def current_umask() -> int:
    """What this process leaves out of the mode of what it makes."""
    with open("/proc/self/status", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
        umask = next((line.split()[1] for line in file if line.startswith("Umask:")), "022")
    return int(umask, 8)


def hand_over(descriptor: int, uid: int, gid: int, mode: int) -> None:
    """Give an open file or folder of ours away: the last thing that is done to it. -1 leaves an owner.

    Only root gives owners away, and anybody else a group that they are in. Raises OSError."""
    give(descriptor, uid, gid)
    os.fchmod(descriptor, mode)


def hand_over_tree(folder: Folder, uid: int, gid: int) -> None:
    """Give all that is in an open folder away, owners only, from the bottom up; the folder itself is the caller's to
    hand over, and must be closed to all others until then.

    Somebody may hold a folder in it open that they had made: each is looked at and filled by us alone until it is given
    away, and not entered after that. Raises NotSafe where one is another user's already, OSError."""
    if folder.stat().st_uid != os.geteuid() or folder.stat().st_mode & 0o077:
        raise NotSafe(
            f"{folder.path} is open to other users, so the owner of its files cannot be changed safely",
            "no owner was changed; close it to others (chmod go=)",
        )
    if os.geteuid() != 0:
        return
    for at, folders, names, descriptor in walk(folder.descriptor, topdown=False, onerror=_raised):
        require_ours(descriptor, folder.shown(at))
        for name in names + [one for one in folders if _is_link(one, descriptor)]:
            os.chown(name, uid, gid, dir_fd=descriptor, follow_symlinks=False)
        if at != ".":
            os.fchown(descriptor, uid, gid)


def require_ours(descriptor: int, path: str) -> None:
    """An open folder was not given away yet, nor does it belong to anybody else. Raises NotSafe."""
    if os.fstat(descriptor).st_uid != os.geteuid():
        raise NotSafe(
            f"{posixpath.normpath(path)} belongs to another user, so what is in it cannot be handed over safely",
            "no owner of what is in it was changed",
        )


def _raised(error: OSError) -> None:
    raise error


def _is_link(name: str, folder: int) -> bool:
    return stat.S_ISLNK(os.lstat(name, dir_fd=folder).st_mode)
