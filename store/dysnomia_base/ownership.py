"""Whether a file or folder may be obeyed: the one rule for configuration, modules, wrappers, components and programs.

A path is obeyed where it, and every folder and link on the way to it, belongs to root or to the caller, and nobody
else may write it: who may write a folder may put another file in its place. Who calls is the effective user: under
sudo that is root, whatever HOME says.

Exceptions, each with its reason:

- A sticky folder on the way (``/tmp``, ``/nix/store``) may be writable by others: they cannot rename or remove what
  belongs to root or to the caller, and the next step looks at whose that is. As the end of a path it is not excused:
  others may add to it.
- A group may write where nobody but root and the caller is in it: a private group as Debian makes them, or one of
  those that the distribution numbers (below 100: ``root``, ``staff``) without members. A user whose own group it is
  (``www-data``, ``mail``) is in it, though no list of members has them. Not where an access list stands behind the
  group's bits.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from pathlib import Path

from dysnomia_base.users import is_others_own_group

MAX_LINKS = 40
"""As the kernel: more links on one way are a circle."""
_DISTRIBUTION_GIDS = 100
"""Groups below are numbered by the distribution (Debian policy 9.2.2); users' groups are not among them."""
_ACCESS_LIST = "system.posix_acl_access"
NAMESPACE = "this is a user namespace without the machine's root (unshare -r, PrivateUsers=); run it outside of it"
_OVERFLOW_UID, _UID_MAP = Path("/proc/sys/kernel/overflowuid"), Path("/proc/self/uid_map")
_PACKAGES = ("/nix/store/", "/usr/share/", "/usr/lib/")
"""Where packages are, whose files nobody but root changes, and which link to many others, and to data of theirs."""


def why_not_obeyed(path: str | os.PathLike[str], uid: int | None = None, *, inside: bool = False) -> str:
    """Why a path must not be obeyed, naming the file, folder or link at fault; ``""`` where it is.

    Args:
        uid: the caller; the effective user if None.
        inside: whether it is a folder in which only what is made there counts, so that a sticky one will do.

    Raises OSError where something on the way cannot be looked at, or is not there.
    """
    caller = os.geteuid() if uid is None else uid
    ahead = [part for part in os.path.abspath(os.fspath(path)).split("/") if part][::-1]  # noqa: PTH100
    at, links = "/", 0
    reason = _why_not("/", os.lstat("/"), caller, last=not ahead and not inside)
    while ahead and not reason:
        part = ahead.pop()
        if part == "..":
            at = os.path.dirname(at)  # noqa: PTH120 (strings: a path's every part is looked at)
            continue
        here = f"{at.rstrip('/')}/{part}"
        status = os.lstat(here)
        reason = _why_not(here, status, caller, last=not ahead and not inside)
        if not stat.S_ISLNK(status.st_mode):
            at = here
            continue
        links += 1
        if links > MAX_LINKS:
            return f"{here} is a link in a circle"
        target = os.readlink(here)
        if target.startswith("/"):
            at = "/"
        ahead.extend([one for one in target.split("/") if one not in ("", ".")][::-1])
    return reason


def may_hold_ours(folder: str | os.PathLike[str], uid: int | None = None) -> bool:
    """Whether nobody else can replace what we make in a folder."""
    try:
        return not why_not_obeyed(folder, uid, inside=True)
    except OSError:
        return False


def is_obeyed(path: str | os.PathLike[str], uid: int | None = None) -> bool:
    """Whether a path may be obeyed. What does not exist, or cannot be examined, may not."""
    try:
        return not why_not_obeyed(path, uid)
    except OSError:
        return False


def may_be_made(path: str | os.PathLike[str], uid: int | None = None) -> bool:
    """Whether a file or folder that may not be there yet could be made where nobody else may put one first."""
    existing = os.path.abspath(os.fspath(path))  # noqa: PTH100
    while not os.path.lexists(existing) and existing != "/":
        existing = os.path.dirname(existing)  # noqa: PTH120
    return is_obeyed(existing, uid)


def nearest_existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def refusal(path: str | os.PathLike[str], uid: int | None = None) -> str:
    """One sentence for the operator that names a path which is there and not obeyed, with the way out; ``""`` where
    it is obeyed, or is not there (what reads it says that)."""
    try:
        reason = why_not_obeyed(path, uid)
    except FileNotFoundError:
        return ""
    except OSError as error:
        reason = f"{error.filename or path} cannot be looked at ({error.strerror})"
    return f"{os.fspath(path)} is left out: {reason}" if reason else ""


def refusal_below(path: str | os.PathLike[str], uid: int | None = None) -> str:
    """The same for a folder with everything in it (a component's initial state is loaded as whoever loads it), and in
    the folders that links in it lead to: what is read or run through such a link is as good as in it."""
    refused = refusal(path, uid)
    if refused or not os.path.isdir(path):  # noqa: PTH112
        return refused
    caller = os.geteuid() if uid is None else uid
    ahead, walked = [os.fspath(path)], {os.path.realpath(path)}
    while ahead:
        for at, folders, files in os.walk(ahead.pop()):
            for name in (*folders, *files):
                here = f"{at}/{name}"
                status = os.lstat(here)
                if not stat.S_ISLNK(status.st_mode):
                    reason = _why_not(here, status, caller, last=True)
                    if reason:
                        return f"{here} is left out: it{reason.removeprefix(here)}"
                    continue
                refused = _refused_link(here, status, caller)
                if refused:
                    return refused
                led_to = _led_to(here)
                if led_to not in (*walked, ""):
                    walked.add(led_to)
                    ahead.append(led_to)
    return ""


def _refused_link(here: str, status: os.stat_result, caller: int) -> str:
    """Why a link in a folder is left out; what it leads to is looked at, but not what is in that."""
    reason = why_not_status(status, caller)
    if reason:
        return f"{here} is left out: it {reason}"
    if _is_device(here):
        return ""  # /dev/null masks a unit
    refused = refusal(here, caller)
    if refused or os.path.exists(here):  # noqa: PTH110
        return refused
    return _refused_where_others_may_make(here, caller)


def _refused_where_others_may_make(here: str, caller: int) -> str:
    """Why a link that leads nowhere yet is left out: somebody else may make what it leads to."""
    folder = os.fspath(nearest_existing(Path(os.path.realpath(here))))
    try:
        reason = why_not_obeyed(folder, caller)
    except OSError as error:
        reason = f"{error.filename or folder} cannot be looked at ({error.strerror})"
    return f"{here} is left out: it leads to a file that others may make: {reason}" if reason else ""


def _led_to(here: str) -> str:
    """The folder that a link leads to; ``""`` for anything else, and for what is in a package."""
    led_to = os.path.realpath(here)
    return led_to if os.path.isdir(led_to) and not led_to.startswith(_PACKAGES) else ""  # noqa: PTH112


def who_else_reads(status: os.stat_result, uid: int) -> str:
    """Who besides root and the caller may read a file of this status, as the end of a sentence; ``""`` for nobody."""
    if status.st_uid not in (0, uid):
        return f"belongs to {_user(status.st_uid)}"
    if status.st_mode & stat.S_IROTH:
        return "may be read by everyone"
    if status.st_mode & stat.S_IRGRP and not _only_ours(status.st_gid, uid):
        return f"may be read by group {_group(status.st_gid)}"
    return ""


def _is_device(path: str) -> bool:
    try:
        return stat.S_ISCHR(os.stat(path).st_mode)  # noqa: PTH116
    except OSError:
        return False


def why_not_status(status: os.stat_result, uid: int) -> str:
    """Why another user can write a file of this status, without its name; ``""`` where nobody may."""
    if status.st_uid not in (0, uid):
        if root_is_unmapped() and status.st_uid == os.stat("/").st_uid:  # noqa: PTH116
            return f"belongs to nobody here: {NAMESPACE}"
        return f"belongs to {_user(status.st_uid)}, neither root nor you"
    if stat.S_ISLNK(status.st_mode):
        return ""  # nobody writes a link; who may replace it is the folder's matter
    if status.st_mode & stat.S_IWOTH:
        return "may be written by everyone"
    if status.st_mode & stat.S_IWGRP and not _only_ours(status.st_gid, uid):
        return f"may be written by group {_group(status.st_gid)}"
    return ""


def root_is_unmapped() -> bool:
    """Whether root's files belong to nobody here: this process is in a user namespace that lacks the machine's root."""
    try:
        uid = os.stat("/").st_uid  # noqa: PTH116
        if uid != int(_OVERFLOW_UID.read_text()):
            return False
        lines = [line.split() for line in _UID_MAP.read_text().splitlines()]
    except (OSError, ValueError):
        return False
    return not any(int(first) <= uid < int(first) + int(count) for first, _, count in lines)


def _why_not(path: str, status: os.stat_result, uid: int, *, last: bool) -> str:
    if not last and stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX and status.st_uid in (0, uid):
        return ""
    reason = why_not_status(status, uid)
    if not reason and status.st_mode & stat.S_IWGRP and not stat.S_ISLNK(status.st_mode) and _has_access_list(path):
        reason = "may be written by others, by its access list"
    return f"{path} {reason}" if reason else ""


def _has_access_list(path: str) -> bool:
    """Where one is there, the group's bits are its mask, and say that somebody named in it may write."""
    try:
        return _ACCESS_LIST in os.listxattr(path, follow_symlinks=False)
    except OSError:
        return False  # a file system without any


def _only_ours(gid: int, uid: int) -> bool:
    """Whether nobody is in a group but root and the caller."""
    try:
        user = pwd.getpwuid(uid)
        group = grp.getgrgid(gid)
    except KeyError:
        return gid == 0
    if not {*group.gr_mem} <= {"root", user.pw_name}:
        return False
    if gid == 0:
        return True  # users of the system's own, as sync and shutdown, have it where no program of theirs ever runs
    if not (gid < _DISTRIBUTION_GIDS or (gid == user.pw_gid and group.gr_name == user.pw_name)):
        return False
    return not is_others_own_group(gid, uid)


def _user(uid: int) -> str:
    try:
        return f"user {pwd.getpwuid(uid).pw_name} ({uid})"
    except KeyError:
        return f"user {uid}"


def _group(gid: int) -> str:
    try:
        return f"{grp.getgrgid(gid).gr_name} ({gid})"
    except KeyError:
        return str(gid)
