"""Members of a stored tree onto the disk, below one folder and nowhere else.

Every folder is opened part by part below the folder's descriptor and no link is followed, whatever the archive says.
What was not made here may not bring setuid bits, capabilities, privileged attributes or devices.
"""

from __future__ import annotations

import errno
import grp
import os
import posixpath
import pwd
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.guarded.groups import give_group, own_groups
from dysnomia_plugins.toolkit.guarded.system import (
    LinkInTheWay,
    chmod_pinned,
    chown_pinned,
    open_below,
    open_folder,
    pinned,
    pinned_path,
    proc_path,
    read_xattrs,
    write_xattrs,
)
from dysnomia_plugins.toolkit.trees.member import Kind, Member
from dysnomia_plugins.toolkit.trees.plain_members import PlainMember
from dysnomia_plugins.toolkit.trees.tarheader import BadArchive
from dysnomia_plugins.toolkit.trees.tarread import Entry

MAX_DEPTH = 400
"""Folders inside each other: each takes a descriptor while something is extracted into it."""

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
KEPT = 10_000
"""Things that were left out and are kept by name; an archive of a stranger's may hold millions."""


@dataclass(frozen=True, slots=True)
class Trust:
    """How far an archive is trusted, and whose its files become."""

    made_here: bool
    """Owners by number, setuid bits, capabilities, devices: as stored, as far as we may set them."""
    owner: tuple[int, int] | None = None
    """For what was not made here: whose all files become (-1: as stored); None takes owners by name, where there
    are such here."""
    exact: bool = False
    """Whether it is an error where something cannot be set here (a proof would call it damage)."""
    root: bool = field(default_factory=lambda: os.geteuid() == 0)
    """Whether owners can be set at all."""
    groups: frozenset[int] = field(default_factory=own_groups)
    """Which groups can be set where that is not so."""

    def apply(self, member: Member) -> Member | None:
        """The member as it may be extracted; None where it may not be.

        Raises PluginError for an owner that this user cannot set."""
        uid, gid = self._owner(member)
        if self.exact and member.kind is not Kind.HARDLINK and (uid, gid) != (member.uid, member.gid):
            raise PluginError(
                f"{member.name} belongs to {member.uid}:{member.gid}, which only root can set", "run it as root"
            )
        stored = member
        if (uid, gid) != (member.uid, member.gid):
            member = replace(member, uid=uid, gid=gid)
        if self.made_here:
            return member if stored is member or member.kind is Kind.FOLDER else _without_rights(member, stored)
        if member.kind in (Kind.CHAR, Kind.DISK):
            return None
        mode = member.mode & 0o1777 if member.kind is not Kind.FOLDER else member.mode & ~stat.S_ISUID
        safe = tuple((name, value) for name, value in member.xattrs if not name.startswith(("security.", "trusted.")))
        return replace(member, mode=mode, xattrs=safe)

    def wanted(self, member: Member) -> Member | None:
        """What files like this one are made as by ``extract_plain``; None where each of them takes a closer look.

        Raises PluginError as ``apply``."""
        made = self.apply(member)
        return made if made is not None and made.mode == member.mode and not member.xattrs else None

    def _owner(self, member: Member) -> tuple[int, int]:
        uid, gid = self._as_root(member)
        if self.root:
            return uid, gid
        return os.geteuid(), gid if gid in self.groups else os.getegid()

    def _as_root(self, member: Member) -> tuple[int, int]:
        if self.made_here:
            return member.uid, member.gid
        if self.owner is not None:
            uid, gid = self.owner
            return (member.uid if uid < 0 else uid, member.gid if gid < 0 else gid)
        return _by_name(member)

    @property
    def why_not(self) -> str:
        """Why something is left out."""
        return "you are not root" if self.made_here else "the snapshot was not made here"


def _without_rights(member: Member, stored: Member) -> Member:
    """A set-id bit gives the rights of whom the file belonged to, and of nobody else."""
    lost = (stat.S_ISUID if member.uid != stored.uid else 0) | (stat.S_ISGID if member.gid != stored.gid else 0)
    return replace(member, mode=member.mode & ~lost) if member.mode & lost else member


def _by_name(member: Member) -> tuple[int, int]:
    uid, gid = member.uid, member.gid
    try:
        uid = pwd.getpwnam(member.user).pw_uid if member.user else uid
    except (KeyError, ValueError):
        pass
    try:
        gid = grp.getgrnam(member.group).gr_gid if member.group else gid
    except (KeyError, ValueError):
        pass
    return uid, gid


@dataclass
class _Open:
    """A folder that is being filled. What it should be like is set when it is left."""

    name: str
    descriptor: int
    wanted: Member | os.stat_result | None
    """As stored; or as it was when it was entered again; None for one that the archive does not name."""


@dataclass(frozen=True, slots=True)
class _Born:
    """What a file is like that was just made: by who makes it, the umask, and the folder it is in (its group, its
    default ACL). So one of a folder speaks for all that are asked for with the same mode."""

    uid: int
    gid: int
    mode: int
    xattrs: bool

    @classmethod
    def of(cls, descriptor: int) -> _Born:
        seen = os.fstat(descriptor)
        return cls(seen.st_uid, seen.st_gid, stat.S_IMODE(seen.st_mode), bool(read_xattrs(descriptor)))


@dataclass
class Extractor:
    """Extracts members, in any order, below an open folder. Close it to set what folders should be like."""

    base: int
    trust: Trust
    log: Callable[[str], None]
    left_out: list[str] = field(default_factory=list)
    """What was not taken because the archive is not trusted, in words: the first of them."""
    left_out_count: int = 0
    members: int = 0
    lost_xattrs: int = 0
    top: Member | None = None
    """What the base itself should be like. It is the last thing that is set: until then nobody else may enter it."""
    _stack: list[_Open] = field(default_factory=list)
    _filled: str | None = None
    """Which folder is the last of the open ones; None where that is not known."""
    _born: _Born = _Born(-1, -1, -1, xattrs=True)
    """What the system makes small files as in that folder,"""
    _born_like: Member | None = None
    """and of which kind; None where that is not known."""

    def extract(
        self, entry: Entry, member: Member | None = None, on_bytes: Callable[[int], None] | None = None
    ) -> None:
        """Make one member; ``member`` may stand for the entry's own, under another name.

        Raises BadArchive, PluginError; OSError as the system gives it (a full disk)."""
        stored = member or entry.member
        wanted = self.trust.apply(stored)
        if wanted is None:
            self._leave_out(f"{stored.name}: a {stored.kind}")
            entry.skip()
            return
        if stored.kind is not Kind.HARDLINK and (wanted.mode, wanted.xattrs) != (stored.mode, stored.xattrs):
            self._leave_out(f"{stored.name}: setuid, setgid or privileged attributes")
        try:
            self._make(wanted, entry, on_bytes)
        except LinkInTheWay as error:
            raise _through_a_link(stored.name) from error
        self.members += 1

    def extract_plain(self, plain: PlainMember) -> None:
        """Make a small file, like one that ``wanted`` has said of. Raises as ``extract``.

        It has its mode before its owner: nobody else may enter the base while something is extracted into it."""
        folder, name, data, mtime, like = plain
        mode = like.mode & 0o777
        try:
            if folder != self._filled:
                self._enter(folder.split("/") if folder else [])
                self._filled = folder
            parent = self._stack[-1].descriptor if self._stack else self.base
            try:
                descriptor = os.open(name, _NEW, mode, dir_fd=parent)
            except FileExistsError:
                self._clear(name, parent, replace(like, name=posixpath.join(folder, name)))
                descriptor = os.open(name, _NEW, mode, dir_fd=parent)
        except LinkInTheWay as error:
            raise _through_a_link(posixpath.join(folder, name)) from error
        try:
            if data and (written := os.write(descriptor, data)) < len(data):
                _write_at(descriptor, data[written:], written)
            if like is not self._born_like:
                self._born, self._born_like = _Born.of(descriptor), like
            born = self._born
            if (born.uid, born.gid) != (like.uid, like.gid):
                self._own(descriptor, like)
            if born.xattrs:
                self._xattrs(descriptor, replace(like, name=posixpath.join(folder, name)))
            if born.xattrs or born.mode != like.mode:
                os.fchmod(descriptor, like.mode)
            os.utime(descriptor, ns=(mtime, mtime))
        finally:
            os.close(descriptor)
        self.members += 1

    def _leave_out(self, what: str) -> None:
        self.left_out_count += 1
        if len(self.left_out) < KEPT:
            self.left_out.append(what)

    def close(self, *, hand_over: bool = True) -> None:
        """Leave every folder. Must be called in the end, and is safe to call after an error.

        ``hand_over``: whether the base becomes what it should be like; else that is left to ``hand_over_base``."""
        while self._stack:
            self._leave(self._stack.pop())
        if hand_over:
            self.hand_over_base(self.base)

    def hand_over_base(self, base: int) -> None:
        """Owner, attributes and mode of the base, as the archive has them: nobody but the caller could enter it yet."""
        if self.top is not None:
            self._set_folder(base, self.top)

    def abandon(self) -> None:
        """Close every descriptor and set nothing."""
        while self._stack:
            os.close(self._stack.pop().descriptor)

    def _make(self, member: Member, entry: Entry, on_bytes: Callable[[int], None] | None) -> None:
        if member.kind is Kind.FOLDER:
            folder = self._enter([] if member.name == "." else member.name.split("/"))
            if folder is not None:
                folder.wanted = member
            else:
                self.top = member
            return
        if member.name == ".":
            raise BadArchive(f"the archive's topmost member is a {member.kind}")
        *folders, name = member.name.split("/")
        folder = self._enter(folders)
        parent = self.base if folder is None else folder.descriptor
        if member.kind is Kind.HARDLINK:
            self._hard_link(member, name, parent)
            return
        if member.kind is Kind.FILE:
            self._file(member, entry, name, parent, on_bytes)
        else:
            self._clear(name, parent, member)
            self._special(member, name, parent)

    def _enter(self, parts: Sequence[str]) -> _Open | None:
        """Have the folder open, with those above it; None is the base itself."""
        self._filled = self._born_like = None
        if len(parts) > MAX_DEPTH:
            raise PluginError(f"the archive holds folders nested deeper than {MAX_DEPTH}")
        common = 0
        for opened, part in zip(self._stack, parts, strict=False):
            if opened.name != part:
                break
            common += 1
        while len(self._stack) > common:
            self._leave(self._stack.pop())
        for part in parts[common:]:
            parent = self._stack[-1].descriptor if self._stack else self.base
            self._stack.append(self._opened(part, parent))
        return self._stack[-1] if self._stack else None

    def _opened(self, name: str, parent: int) -> _Open:
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
        except FileExistsError:
            descriptor = open_folder(name, parent)
            seen = os.fstat(descriptor)
            if seen.st_mode & 0o700 != 0o700:
                os.fchmod(descriptor, stat.S_IMODE(seen.st_mode) | 0o700)
            return _Open(name, descriptor, seen)
        return _Open(name, open_folder(name, parent), None)

    def _leave(self, folder: _Open) -> None:
        try:
            wanted = folder.wanted
            if isinstance(wanted, Member):
                self._set_folder(folder.descriptor, wanted)
            elif wanted is None:
                write_xattrs(folder.descriptor, ())
                os.fchmod(folder.descriptor, 0o755)
            else:
                os.fchmod(folder.descriptor, stat.S_IMODE(wanted.st_mode))
                os.utime(folder.descriptor, ns=(wanted.st_atime_ns, wanted.st_mtime_ns))
        finally:
            os.close(folder.descriptor)

    def _set_folder(self, descriptor: int, member: Member) -> None:
        self._own(descriptor, member)
        self._xattrs(descriptor, member)
        os.fchmod(descriptor, member.mode)
        os.utime(descriptor, ns=(member.mtime, member.mtime))

    def _own(self, target: int, member: Member) -> None:
        if self.trust.root:
            os.fchown(target, member.uid, member.gid)
        else:
            give_group(target, member.gid)

    def _xattrs(self, target: int | str, member: Member) -> None:
        try:
            write_xattrs(target, member.xattrs)
        except OSError as error:
            if error.errno not in (errno.ENOTSUP, errno.EPERM, errno.EACCES) or self.trust.exact:
                raise
            if not self.lost_xattrs:
                self.log(f"extended attributes of {member.name} cannot be set here: {error.strerror}")
            self.lost_xattrs += 1

    def _clear(self, name: str, parent: int, member: Member) -> None:
        """What an archive names twice is what it says last, as tar has it; a folder never gives way."""
        try:
            os.unlink(name, dir_fd=parent)
        except FileNotFoundError:
            pass
        except (IsADirectoryError, PermissionError) as error:
            raise BadArchive(f"the archive holds {member.name!r} as a folder and as a {member.kind}") from error

    def _file(
        self, member: Member, entry: Entry, name: str, parent: int, on_bytes: Callable[[int], None] | None
    ) -> None:
        try:
            descriptor = os.open(name, _NEW, 0o600, dir_fd=parent)
        except FileExistsError:
            self._clear(name, parent, member)
            descriptor = os.open(name, _NEW, 0o600, dir_fd=parent)
        try:
            end = 0
            for offset, data in entry.content():
                _write_at(descriptor, data, offset)
                end = offset + len(data)
                if on_bytes is not None:
                    on_bytes(len(data))
            if end != member.size:
                os.ftruncate(descriptor, member.size)
            self._own(descriptor, member)
            self._xattrs(descriptor, member)
            os.fchmod(descriptor, member.mode)
            os.utime(descriptor, ns=(member.mtime, member.mtime))
        finally:
            os.close(descriptor)

    def _hard_link(self, member: Member, name: str, parent: int) -> None:
        if member.link == member.name:
            return
        *folders, target = member.link.split("/")
        try:
            source = open_below(self.base, folders)
        except FileNotFoundError as error:
            raise BadArchive(f"the archive links {member.name!r} to {member.link!r}, which is not in it") from error
        try:
            if stat.S_ISDIR(os.lstat(target, dir_fd=source).st_mode):
                raise BadArchive(f"the archive holds {member.name!r} as a hard link to a folder")
            self._clear(name, parent, member)
            os.link(target, name, src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError as error:
            raise BadArchive(f"the archive links {member.name!r} to {member.link!r}, which is not in it") from error
        finally:
            os.close(source)

    def _special(self, member: Member, name: str, parent: int) -> None:
        """Links, FIFOs, devices: made by name in a folder that nobody else may write yet."""
        if member.kind is Kind.SYMLINK:
            os.symlink(member.link, name, dir_fd=parent)
        elif member.kind is Kind.FIFO:
            os.mkfifo(name, 0o600, dir_fd=parent)
        elif not self.trust.root:
            if self.trust.exact:
                raise PluginError(f"{member.name} is a {member.kind}, which only root can make", "run it as root")
            self._leave_out(f"{member.name}: a {member.kind}, which only root can make")
            return
        else:
            kind = stat.S_IFCHR if member.kind is Kind.CHAR else stat.S_IFBLK
            os.mknod(name, kind | 0o600, os.makedev(*member.device), dir_fd=parent)
        with pinned(name, parent) as made:
            if self.trust.root:
                chown_pinned(made, member.uid, member.gid)
            else:
                give_group(pinned_path(made), member.gid)
            self._xattrs(proc_path(name, parent), member)  # a link's own
            if member.kind is not Kind.SYMLINK:
                chmod_pinned(made, member.mode)
            os.utime(pinned_path(made), ns=(member.mtime, member.mtime))


def _through_a_link(name: str) -> BadArchive:
    return BadArchive(f"the archive writes {name!r} through a link", "nothing was extracted")


def _write_at(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view = view[written:]
        offset += written
