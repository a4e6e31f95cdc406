"""The members of a tree as it stands on disk, in the order they are stored.

Folders are opened part by part and no link is followed, so that somebody who may write in it cannot make a
snapshot taken by root read outside of it.
"""

from __future__ import annotations

import grp
import os
import posixpath
import pwd
import stat
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.guarded.system import LinkInTheWay, folder_at, open_folder, proc_path, read_xattrs
from dysnomia_plugins.toolkit.trees.member import Kind, Member, kind_of
from dysnomia_plugins.toolkit.trees.names import RootAt, own_name

_TRIES = 3


@dataclass(frozen=True, slots=True)
class Seen:
    """One member on disk. ``descriptor`` is valid until the next is asked for."""

    member: Member
    descriptor: int
    """A file's own, open for reading; a folder's own; -1 for all others."""
    stat: os.stat_result
    path: str
    """Absolute, for messages."""


@dataclass(frozen=True, slots=True)
class _Frame:
    """A folder that is being gone through."""

    name: str
    descriptor: int
    path: str
    names: Iterator[str]
    seen: os.stat_result


@dataclass
class Walk:
    """Goes over the roots of a tree at one place.

    ``open_files``: whether files are opened (a snapshot) or only looked at (a check). ``skip``: names right in a root
    that are no part of it.
    """

    roots: Sequence[RootAt]
    open_files: bool = True
    skip: Collection[str] = ()
    changed: list[str] = field(default_factory=list)
    """What vanished or changed while it was looked at, in words."""
    left_out: list[str] = field(default_factory=list)
    """What cannot be stored, in words."""
    missing: list[str] = field(default_factory=list)
    """Roots that are not there."""
    _names: dict[tuple[str, int], str] = field(default_factory=dict)
    _first: dict[tuple[int, int], str] = field(default_factory=dict)
    """The stored name of each file that has several, by device and inode."""

    def __iter__(self) -> Iterator[Seen]:
        for root in self.roots:
            try:
                with _opened_root(root) as descriptor:
                    yield from self._tree(root, descriptor)
            except FileNotFoundError:
                self.missing.append(root.root)
            except OSError as error:
                raise self._unreadable(str(error.filename or root.path), error) from error

    def _tree(self, root: RootAt, descriptor: int) -> Iterator[Seen]:
        """Depth first, without recursion: folders may be nested deeper than Python's stack is."""
        frames = [self._frame(root.root, os.dup(descriptor), root.path)]
        try:
            yield self._folder(frames[0])
            while frames:
                frame = frames[-1]
                entry = next(frame.names, None)
                if entry is None:
                    self._leave(frames.pop())
                    continue
                if len(frames) == 1 and (entry in self.skip or own_name(entry)):
                    continue
                name = entry if frame.name == "." else f"{frame.name}/{entry}"
                path = posixpath.join(frame.path, entry)
                try:
                    deeper = yield from self._entry(name, entry, frame.descriptor, path)
                except FileNotFoundError:
                    self.changed.append(f"{name} vanished")
                    continue
                if deeper is not None:
                    frames.append(self._frame(name, deeper, path))
                    yield self._folder(frames[-1])
        finally:
            for frame in frames:
                os.close(frame.descriptor)

    def _frame(self, name: str, descriptor: int, path: str) -> _Frame:
        """A folder to go through. Its names are read again where it changed meanwhile."""
        for _ in range(_TRIES):
            before = os.fstat(descriptor)
            names = sorted(os.listdir(descriptor), key=os.fsencode)
            if os.fstat(descriptor).st_mtime_ns == before.st_mtime_ns:
                break
        return _Frame(name, descriptor, path, iter(names), before)

    def _folder(self, frame: _Frame) -> Seen:
        member = self._member(frame.name, frame.descriptor, frame.seen, Kind.FOLDER)
        return Seen(member, frame.descriptor, frame.seen, frame.path)

    def _leave(self, frame: _Frame) -> None:
        try:
            if os.fstat(frame.descriptor).st_mtime_ns != frame.seen.st_mtime_ns:
                self.changed.append(f"{frame.name} got or lost files")
        finally:
            os.close(frame.descriptor)

    def _entry(self, name: str, entry: str, parent: int, path: str) -> Generator[Seen, None, int | None]:
        """What one name in a folder is; the descriptor of a folder is returned, and the caller's to close."""
        seen = os.lstat(entry, dir_fd=parent)
        kind = kind_of(seen.st_mode)
        if kind is None:
            self.left_out.append(f"{name} is a socket, which cannot be stored")
        elif kind is Kind.FOLDER:
            try:
                return open_folder(entry, parent)
            except LinkInTheWay:
                self.changed.append(f"{name} became something else")
            except PermissionError as error:
                raise self._unreadable(path, error) from error
        elif seen.st_nlink > 1 and (seen.st_dev, seen.st_ino) in self._first:
            link = self._first[seen.st_dev, seen.st_ino]
            yield Seen(self._member(name, proc_path(entry, parent), seen, Kind.HARDLINK, link), -1, seen, path)
        elif kind is Kind.FILE and self.open_files:
            yield from self._file(name, entry, parent, path)
        else:
            self._remember(name, seen)
            link = os.readlink(entry, dir_fd=parent) if kind is Kind.SYMLINK else ""
            yield Seen(self._member(name, proc_path(entry, parent), seen, kind, link), -1, seen, path)
        return None

    def _file(self, name: str, entry: str, parent: int, path: str) -> Iterator[Seen]:
        try:
            descriptor = os.open(entry, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise self._unreadable(path, error) from error
        try:
            seen = os.fstat(descriptor)
            if not stat.S_ISREG(seen.st_mode):
                self.changed.append(f"{name} became something else")
                return
            self._remember(name, seen)
            yield Seen(self._member(name, descriptor, seen, Kind.FILE), descriptor, seen, path)
        finally:
            os.close(descriptor)

    def _remember(self, name: str, seen: os.stat_result) -> None:
        if seen.st_nlink > 1:
            self._first[seen.st_dev, seen.st_ino] = name

    def _member(self, name: str, attributes: int | str, seen: os.stat_result, kind: Kind, link: str = "") -> Member:
        return member_of(
            name, seen, kind, link, () if kind is Kind.HARDLINK else read_xattrs(attributes),
            self._owner("user", seen.st_uid), self._owner("group", seen.st_gid),
        )  # fmt: skip

    def _owner(self, what: str, number: int) -> str:
        key = (what, number)
        if key not in self._names:
            try:
                name = pwd.getpwuid(number).pw_name if what == "user" else grp.getgrgid(number).gr_name
            except KeyError:
                name = ""
            self._names[key] = name
        return self._names[key]

    def _unreadable(self, path: str, error: OSError) -> PluginError:
        hint = "run it as root, or as the owner" if isinstance(error, PermissionError) else ""
        return PluginError(f"{path} cannot be read ({error.strerror})", hint)


def member_of(
    name: str,
    seen: os.stat_result,
    kind: Kind,
    link: str,
    xattrs: tuple[tuple[str, bytes], ...],
    user: str = "",
    group: str = "",
) -> Member:
    """A member from what ``lstat`` saw."""
    device = (os.major(seen.st_rdev), os.minor(seen.st_rdev)) if kind in (Kind.CHAR, Kind.DISK) else (0, 0)
    return Member(
        kind=kind,
        name=name,
        mode=0o777 if kind is Kind.SYMLINK else stat.S_IMODE(seen.st_mode),
        uid=seen.st_uid,
        gid=seen.st_gid,
        user=user,
        group=group,
        size=seen.st_size if kind is Kind.FILE else 0,
        mtime=seen.st_mtime_ns,
        link=link,
        device=device,
        xattrs=xattrs,
    )


@contextmanager
def _opened_root(root: RootAt) -> Iterator[int]:
    """Open a root. Below the target folder no part of its path may be a link.

    Raises PluginError for a link, FileNotFoundError where the root is not there."""
    try:
        with folder_at(root.path) as descriptor:
            yield descriptor
    except LinkInTheWay as error:
        raise PluginError(
            f"{root.path} goes through a link, or is not a folder",
            "name the real folder in .dysnomia-fileset, or make the link the target folder",
        ) from error
