"""Which links on the way to a place may be followed, and who else could lead us elsewhere.

A link is followed only where nobody but root and the caller could have put it there: every folder on its way, the
link itself, and all of that again on the way of its target, belong to root or to the caller, and nobody else may
write there. Any other link could lead to a file that its maker may neither read nor write.
"""

from __future__ import annotations

import errno
import grp
import os
import posixpath
import pwd
import stat
from typing import NoReturn

from dysnomia_base.records import dataclass
from dysnomia_base.users import is_others_own_group
from dysnomia_plugins.errors import NotSafe

NOBODY = 65534
MAX_LINKS = 40
"""As many as Linux itself follows."""
_PASSING = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_ACL = "system.posix_acl_access"


class LinkOfOthers(NotSafe):
    """A link on the way that somebody else could have made."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What stands at a place: the same numbers later say that it is the same thing of the same owner."""

    device: int
    inode: int
    owner: int

    @classmethod
    def of(cls, seen: os.stat_result) -> Identity:
        return cls(seen.st_dev, seen.st_ino, seen.st_uid)

    def __str__(self) -> str:
        return f"{self.device}:{self.inode}:{self.owner}"


def user_in_words(uid: int) -> str:
    """A user's name, or its number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def is_ours(seen: os.stat_result) -> bool:
    """Whether something belongs to root or to the caller."""
    return seen.st_uid in (0, os.geteuid())


@dataclass(frozen=True, slots=True)
class Others:
    """Who besides root and the caller may change what is in a folder."""

    words: str
    uid: int
    """The folder's owner: root where it is a group, or everybody, that may write there."""
    gid: int
    """The folder's group; nobody's where everybody may write there, or those whom an access list names."""

    def __str__(self) -> str:
        return self.words


def others_in(folder: int) -> Others | None:
    """Who they are, of an open folder (``O_PATH`` will do). None: nobody."""
    seen = os.fstat(folder)
    words, gid = "", seen.st_gid
    if not is_ours(seen):
        words = f"user {user_in_words(seen.st_uid)}"
    elif seen.st_mode & stat.S_IWOTH:
        words, gid = "everybody", NOBODY
    elif seen.st_mode & stat.S_IWGRP and not (_private_group(seen.st_gid) and not _has_acl(folder)):
        words = f"group {_group_in_words(seen.st_gid)}"
    # Root's group is that of whoever an access list names, and those are not in it.
    return Others(words, seen.st_uid, gid or NOBODY) if words else None


def _private_group(gid: int) -> bool:
    """Root's group, or one of the caller's that is called as the caller and has no other member."""
    if gid == 0:
        return True
    try:
        group, user = grp.getgrgid(gid), pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    if user.pw_gid != gid or group.gr_name != user.pw_name or group.gr_mem:
        return False
    return not is_others_own_group(gid, user.pw_uid)


def _has_acl(folder: int) -> bool:
    """Whether an access list names others; the group's bits then only say the most that any of them may."""
    try:
        os.getxattr(f"/proc/self/fd/{folder}", _ACL)
    except OSError as error:
        return error.errno not in (errno.ENODATA, errno.ENOTSUP, errno.ENOSYS)
    return True


def _group_in_words(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return f"gid {gid}"


def real_path(path: str, *, setting: str = "") -> str:
    """``path`` without links: those that may be followed are. What is not there (yet) stays as it is written.

    Args:
        path: absolute.
        setting: what says this path (``targetDir``), for the message.

    Raises:
        LinkOfOthers: a link on the way could have been made by somebody else.
        NotSafe: it leads through ``..`` of a folder that is not there, or links run in a circle.
        OSError: a folder on the way may not be passed.
    """
    return _Way(path, setting).run()


@dataclass(frozen=True, slots=True)
class _Passed:
    """A folder on the way."""

    name: str
    descriptor: int
    others: Others | None
    """Who besides us could change what is in it, or replace it or a folder above it."""
    held: Others | None
    """Who could do so to an entry of ours: in a sticky folder like /tmp, nobody."""

    @classmethod
    def of(cls, name: str, descriptor: int, inherited: Others | None) -> _Passed:
        seen = os.fstat(descriptor)
        others = inherited or others_in(descriptor)
        sticky = seen.st_mode & stat.S_ISVTX and is_ours(seen)
        return cls(name, descriptor, others, inherited if sticky else others)


def others_on_the_way(path: str) -> Others | None:
    """Who besides us could change what is in a folder, or else who could put another in its place.

    Raises LinkOfOthers, NotSafe, OSError."""
    way = _Way(path, "")
    way.run()
    return way.others


class _Way:
    """One walk from ``/``, by descriptors, so that what was looked at is what is passed."""

    def __init__(self, path: str, setting: str) -> None:
        self._path = path
        self._setting = setting
        self._waiting = _parts(path)
        self._passed: list[_Passed] = []
        self._links = 0
        self.others: Others | None = None
        """Who could change what is in the last folder that is there, or replace it. Known after ``run``."""

    def run(self) -> str:
        root = os.open("/", _PASSING | os.O_DIRECTORY)
        try:
            self._passed = [_Passed.of("", root, None)]
            while self._waiting:
                if not self._step(self._waiting.pop()):
                    break
            last = self._passed[-1]
            self.others = others_in(last.descriptor) or last.others
            return posixpath.normpath(posixpath.join(self._here, *reversed(self._waiting)))
        finally:
            self._back_to(0)

    @property
    def _here(self) -> str:
        return "/" + "/".join(one.name for one in self._passed[1:])

    def _back_to(self, count: int) -> None:
        while len(self._passed) > count:
            os.close(self._passed.pop().descriptor)

    def _step(self, name: str) -> bool:
        """Go on by one name. False where there is nothing to go on into: ``_waiting`` is what is left."""
        if name == "..":
            self._back_to(max(len(self._passed) - 1, 1))
            return True
        folder = self._passed[-1]
        try:
            descriptor = os.open(name, _PASSING, dir_fd=folder.descriptor)
        except (FileNotFoundError, NotADirectoryError):
            self._waiting.append(name)
            if ".." in self._waiting:
                raise NotSafe(
                    f"{self._path} leads through '..' of a folder that does not exist", self._way_out
                ) from None
            return False
        seen = os.fstat(descriptor)
        if stat.S_ISLNK(seen.st_mode):
            try:
                self._follow(name, descriptor, seen, folder.others)
            finally:
                os.close(descriptor)
            return True
        if stat.S_ISDIR(seen.st_mode):
            self._passed.append(_Passed.of(name, descriptor, folder.held if is_ours(seen) else folder.others))
            return True
        os.close(descriptor)
        self._waiting.append(name)
        return False

    def _follow(self, name: str, link: int, seen: os.stat_result, others: Others | None) -> None:
        shown = posixpath.join(self._here, name)
        if not is_ours(seen):
            self._refuse(f"{shown} is a link of user {user_in_words(seen.st_uid)}")
        if others:
            self._refuse(f"{shown} is a link that {others} can replace")
        self._links += 1
        if self._links > MAX_LINKS:
            raise NotSafe(f"the symbolic links in the path {self._path} form a loop", self._way_out)
        target = os.readlink("", dir_fd=link)
        if target.startswith("/"):
            self._back_to(1)
        self._waiting += _parts(target)

    def _refuse(self, what: str) -> NoReturn:
        raise LinkOfOthers(f"{what}: it was not followed", self._way_out)

    @property
    def _way_out(self) -> str:
        where = f"set {self._setting} to the real path" if self._setting else "name the real path"
        return f"{where}, or give the link and the folders above it to root"


def _parts(path: str) -> list[str]:
    """The parts of a path, the next one last."""
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]
