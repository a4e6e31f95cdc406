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
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.guarded.system import LinkInTheWay, folder_at, open_folder, proc_path, read_xattrs
from dysnomia_plugins.toolkit.trees.member import Kind, Member, kind_of
from dysnomia_plugins.toolkit.trees.names import RootAt, own_name
from dysnomia_plugins.toolkit.trees.unreadable import unreadable

_TRIES = 3
_KINDS = 1000
"""Different owners and modes that are kept; more are worked out again."""
READING = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass
class Owners:
    """Names of users and groups by number, each looked up once; ``""`` where there is none."""

    _users: dict[int, str] = field(default_factory=dict)
    _groups: dict[int, str] = field(default_factory=dict)
    _shown: dict[tuple[int, int, int], Mapping[str, str]] = field(default_factory=dict)

    def user(self, number: int) -> str:
        return _name(self._users, number, lambda uid: pwd.getpwuid(uid).pw_name)

    def group(self, number: int) -> str:
        return _name(self._groups, number, lambda gid: grp.getgrgid(gid).gr_name)

    def shown(self, seen: os.stat_result) -> Mapping[str, str]:
        """The attributes of a file or folder that has no extended ones: a tree has few different ones."""
        alike = seen.st_mode, seen.st_uid, seen.st_gid
        shown = self._shown.get(alike)
        if shown is None:
            if len(self._shown) >= _KINDS:
                self._shown.clear()
            shown = self._shown[alike] = member_of("", seen, Kind.FILE, "", ()).attributes()
        return shown


def _name(known: dict[int, str], number: int, look_up: Callable[[int], str]) -> str:
    name = known.get(number)
    if name is None:
        try:
            name = look_up(number)
        except KeyError:
            name = ""
        known[number] = name
    return name


@dataclass(slots=True)
class Seen:
    """One member on disk. ``descriptor`` is valid until the next is asked for.

    There are a million of them in a large tree: what not everybody asks for is worked out when it is asked for.
    """

    name: str
    """Below the target folder, as a member's."""
    kind: Kind
    descriptor: int
    """A file's own, open for reading; a folder's own; -1 for all others."""
    stat: os.stat_result
    folder: str
    """The absolute path of the folder it is in, for messages."""
    owners: Owners
    xattrs: tuple[tuple[str, bytes], ...] = ()
    link: str = ""
    key: bytes | None = None
    """Of a file that was not opened, since it is the one that is known (``Walk.known``)."""
    _member: Member | None = None

    @property
    def member(self) -> Member:
        """As it would be stored."""
        if self._member is None:
            seen = self.stat
            self._member = member_of(
                self.name, seen, self.kind, self.link, self.xattrs,
                self.owners.user(seen.st_uid), self.owners.group(seen.st_gid),
            )  # fmt: skip
        return self._member

    @property
    def size(self) -> int:
        """As the member's."""
        return self.stat.st_size if self.kind is Kind.FILE else 0

    def attributes(self) -> Mapping[str, str]:
        """As the member's."""
        if self.kind in (Kind.FILE, Kind.FOLDER) and not self.xattrs:
            return self.owners.shown(self.stat)
        return self.member.attributes()

    @property
    def path(self) -> str:
        """Absolute, for messages."""
        return self.folder if self.kind is Kind.FOLDER else posixpath.join(self.folder, posixpath.basename(self.name))


class Taker(Protocol):
    """Deals with files by the folder, without what a ``Seen`` of each would cost."""

    def take(self, prefix: str, folder: int, entries: Sequence[tuple[str, bool]], at: int) -> int:
        """Deal with entries of an open folder, in order, from the one at ``at``. Returns the place of the first one
        that it leaves: the walk looks at that as at any other, and asks again behind it.

        Args:
            prefix: what stands before their names.
            entries: names, and whether the folder says that it is a regular file (which may be out of date).

        Raises OSError, with the name of an entry that cannot be read.
        """


class Names(Protocol):
    """The names of a tree in which other programs rename files all the time, as they were at one moment."""

    def entries(self, folder: str) -> Sequence[tuple[str, bool]]:
        """The names in a folder that are state, in order, and whether each was a regular file."""

    def renamed(self, name: str) -> int:
        """A descriptor, open for reading, of the file that had this name; -1 where it is gone. Raises OSError."""


@dataclass(slots=True)
class _Frame:
    """A folder that is being gone through."""

    name: str
    prefix: str
    """What stands before the names of its entries."""
    descriptor: int
    path: str
    entries: Sequence[tuple[str, bool]]
    """Names, and whether the folder itself says that it is a regular file: that may be out of date."""
    seen: os.stat_result
    at: int = 0
    """Which of the entries comes next."""


@dataclass
class Walk:
    """Goes over the roots of a tree at one place.

    ``open_files``: whether files are opened (a snapshot) or only looked at (a check). ``attributes``: whether
    extended attributes are read. ``skip``: names right in a root that are no part of it. ``known``: gives the key of a
    member that is as it was (name, kind, link, status), else None; such a file is not opened. ``taker``: is asked
    first, and what it takes does not come out here. ``names``: which names there are; then each of several names of one
    file is a file of its own, and what else comes or goes meanwhile is no part of it.
    """

    roots: Sequence[RootAt]
    open_files: bool = True
    attributes: bool = True
    skip: Collection[str] = ()
    known: Callable[[str, Kind, str, os.stat_result], bytes | None] | None = None
    taker: Taker | None = None
    names: Names | None = None
    changed: list[str] = field(default_factory=list)
    """What vanished or changed while it was looked at, in words."""
    left_out: list[str] = field(default_factory=list)
    """What cannot be stored, in words."""
    missing: list[str] = field(default_factory=list)
    """Roots that are not there."""
    _owners: Owners = field(default_factory=Owners)
    _first: dict[tuple[int, int], str] = field(default_factory=dict)
    """The stored name of each file that has several, by device and inode."""

    def __iter__(self) -> Iterator[Seen]:
        for root in self.roots:
            try:
                with opened_root(root) as descriptor:
                    yield from self._tree(root, descriptor)
            except FileNotFoundError:
                self.missing.append(root.root)
            except OSError as error:
                raise unreadable(str(error.filename or root.path), error) from error

    def _tree(self, root: RootAt, descriptor: int) -> Iterator[Seen]:
        """Depth first, without recursion: folders may be nested deeper than Python's stack is."""
        frames = [self._frame(root.root, os.dup(descriptor), root.path, self._not_of_it)]
        try:
            yield self._folder(frames[0])
            while frames:
                frame = frames[-1]
                if self.taker is not None:
                    frame.at = self._taken(self.taker, frame)
                if frame.at == len(frame.entries):
                    self._leave(frames.pop())
                    continue
                entry, regular = frame.entries[frame.at]
                frame.at += 1
                name = frame.prefix + entry
                if regular and self.known is not None and (same := self._same_file(name, entry, frame)) is not None:
                    yield same
                    continue
                if regular and (descriptor := _opened(entry, frame.descriptor)) >= 0:
                    try:
                        seen = self._file(name, descriptor, frame)
                        if seen is not None:
                            yield seen
                            continue
                    finally:
                        os.close(descriptor)
                if not self.open_files and (looked := self._looked_at(name, entry, frame)) is not None:
                    yield looked
                    continue
                try:
                    deeper = yield from self._entry(name, entry, frame)
                except FileNotFoundError:
                    yield from self._renamed(name, frame)
                    continue
                if deeper is not None:
                    frames.append(self._frame(name, deeper, posixpath.join(frame.path, entry)))
                    yield self._folder(frames[-1])
        finally:
            for frame in frames:
                os.close(frame.descriptor)

    def _renamed(self, name: str, frame: _Frame) -> Iterator[Seen]:
        """A file that has another name by now, as the one that it had."""
        if self.names is None:
            self.changed.append(f"{name} vanished")
            return
        descriptor = self.names.renamed(name)
        if descriptor < 0:
            return
        try:
            seen = self._file(name, descriptor, frame, first=True)
            if seen is not None:
                yield seen
        finally:
            os.close(descriptor)

    def _taken(self, taker: Taker, frame: _Frame) -> int:
        try:
            return taker.take(frame.prefix, frame.descriptor, frame.entries, frame.at)
        except OSError as error:
            raise unreadable(posixpath.join(frame.path, str(error.filename)), error) from error

    def _same_file(self, name: str, entry: str, frame: _Frame) -> Seen | None:
        """A file that is as it was, and has no other name; None for all others."""
        assert self.known is not None
        try:
            seen = os.lstat(entry, dir_fd=frame.descriptor)
        except OSError:
            return None
        if not stat.S_ISREG(seen.st_mode) or seen.st_nlink != 1:
            return None
        key = self.known(name, Kind.FILE, "", seen)
        return None if key is None else Seen(name, Kind.FILE, -1, seen, frame.path, self._owners, key=key)

    def _looked_at(self, name: str, entry: str, frame: _Frame) -> Seen | None:
        """A file that has no other name; None for all others, and for what cannot be looked at."""
        try:
            seen = os.lstat(entry, dir_fd=frame.descriptor)
            if not stat.S_ISREG(seen.st_mode) or seen.st_nlink != 1:
                return None
            xattrs = read_xattrs(proc_path(entry, frame.descriptor)) if self.attributes else ()
        except OSError:
            return None
        return Seen(name, Kind.FILE, -1, seen, frame.path, self._owners, xattrs)

    def _not_of_it(self, entry: str) -> bool:
        """Whether what is right in a root under that name is no part of it."""
        return entry in self.skip or own_name(entry)

    def _frame(
        self, name: str, descriptor: int, path: str, left_out: Callable[[str], bool] = lambda _: False
    ) -> _Frame:
        """A folder to go through, without names that are ``left_out``. It is read again where it changed meanwhile."""
        if self.names is not None:
            entries = list(self.names.entries(name))
            return _Frame(name, "" if name == "." else f"{name}/", descriptor, path, entries, os.fstat(descriptor))
        for _ in range(_TRIES):
            before = os.fstat(descriptor)
            with os.scandir(descriptor) as scanned:
                entries = [
                    (one.name, self.open_files and _said_regular(one)) for one in scanned if not left_out(one.name)
                ]
            if os.fstat(descriptor).st_mtime_ns == before.st_mtime_ns:
                break
        if all(name.isascii() for name, _ in entries):
            entries.sort()
        else:
            entries.sort(key=_by_bytes)
        return _Frame(name, "" if name == "." else f"{name}/", descriptor, path, entries, before)

    def _folder(self, frame: _Frame) -> Seen:
        xattrs = read_xattrs(frame.descriptor) if self.attributes else ()
        return Seen(frame.name, Kind.FOLDER, frame.descriptor, frame.seen, frame.path, self._owners, xattrs)

    def _leave(self, frame: _Frame) -> None:
        try:
            if self.names is None and os.fstat(frame.descriptor).st_mtime_ns != frame.seen.st_mtime_ns:
                self.changed.append(f"{frame.name} got or lost files")
        finally:
            os.close(frame.descriptor)

    def _entry(self, name: str, entry: str, frame: _Frame) -> Generator[Seen, None, int | None]:
        """What one name in a folder is; the descriptor of a folder is returned, and the caller's to close."""
        parent = frame.descriptor
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
                raise unreadable(posixpath.join(frame.path, entry), error) from error
        elif seen.st_nlink > 1 and (seen.st_dev, seen.st_ino) in self._first:
            link = self._first[seen.st_dev, seen.st_ino]
            yield Seen(name, Kind.HARDLINK, -1, seen, frame.path, self._owners, link=link)
        elif kind is Kind.FILE and self.open_files:
            yield from self._surely_file(name, entry, frame)
        else:
            self._remember(name, seen)
            link = os.readlink(entry, dir_fd=parent) if kind is Kind.SYMLINK else ""
            xattrs = read_xattrs(proc_path(entry, parent)) if self.attributes else ()
            yield Seen(name, kind, -1, seen, frame.path, self._owners, xattrs, link)
        return None

    def _surely_file(self, name: str, entry: str, frame: _Frame) -> Iterator[Seen]:
        try:
            descriptor = os.open(entry, READING, dir_fd=frame.descriptor)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise unreadable(posixpath.join(frame.path, entry), error) from error
        try:
            member = self._file(name, descriptor, frame, first=True)
            if member is None:
                self.changed.append(f"{name} became something else")
                return
            yield member
        finally:
            os.close(descriptor)

    def _file(self, name: str, descriptor: int, frame: _Frame, *, first: bool = False) -> Seen | None:
        """What was opened; None where it is no regular file, or (but for ``first``) another name of one."""
        seen = os.fstat(descriptor)
        if not stat.S_ISREG(seen.st_mode):
            return None
        if seen.st_nlink > 1:
            if not first and (seen.st_dev, seen.st_ino) in self._first:
                return None
            self._remember(name, seen)
        xattrs = read_xattrs(descriptor) if self.attributes else ()
        return Seen(name, Kind.FILE, descriptor, seen, frame.path, self._owners, xattrs)

    def _remember(self, name: str, seen: os.stat_result) -> None:
        if seen.st_nlink > 1 and self.names is None:
            self._first[seen.st_dev, seen.st_ino] = name


def _opened(name: str, folder: int) -> int:
    """A descriptor of what a folder said is a regular file; -1 where it cannot be opened: then the entry is looked at
    as any is, and that says why."""
    try:
        return os.open(name, READING, dir_fd=folder)
    except OSError:
        return -1


def _said_regular(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file(follow_symlinks=False)
    except OSError:
        return False


def _by_bytes(entry: tuple[str, bool]) -> bytes:
    return os.fsencode(entry[0])


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
def opened_root(root: RootAt) -> Iterator[int]:
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
