"""Work on files as the user whose files they are, in this thread.

For libraries that open files by path and by names of their own choice, as SQLite does with ``-wal`` and ``-journal``:
no check of ours comes between such a name and its opening. What the owner of a folder puts in its way then leads only
to what that owner may read and write anyway. It is the file system alone that sees another user (``setfsuid``, as
file servers use it), and this thread alone; signals and tracing see root as before.
"""

from __future__ import annotations

import grp
import os
import pwd
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from dysnomia_base.records import dataclass
from dysnomia_plugins.errors import NotSafe
from dysnomia_plugins.toolkit.guarded.way import NOBODY, Others, user_in_words

_current = threading.local()


@dataclass(frozen=True, slots=True)
class Actor:
    """Whom the file system sees."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()

    def __str__(self) -> str:
        return user_in_words(self.uid)

    @classmethod
    def of(cls, uid: int, gid: int) -> Actor:
        """A user with the groups that it has, as they are configured. ``gid``, a file's, comes first if it is one of
        them: ``chown redis FILE`` leaves root's group on a file of a user that is not in it.

        Of a user without an account, ``gid`` is taken where no group of this machine has that number: containers'
        users are numbered like its own groups."""
        try:
            entry = pwd.getpwuid(uid)
        except KeyError:
            return cls(uid, NOBODY if _is_group(gid) else gid)
        groups = tuple(os.getgrouplist(entry.pw_name, entry.pw_gid))
        return cls(uid, gid if gid in groups else entry.pw_gid, groups)


def actor_for(others: Others | None, owner: os.stat_result | None) -> Actor | None:
    """As whom a file is worked on that stands where ``others`` may change things; None: as ourselves.

    As its owner; where that is root, or there is none yet, as who owns the folder; where that is root as well, with
    the rights of the group alone that may write there, or with none."""
    if others is None or os.geteuid() != 0:
        return None
    if owner is not None and owner.st_uid != 0:
        return Actor.of(owner.st_uid, owner.st_gid)
    if others.uid != 0:
        return Actor.of(others.uid, others.gid)
    return Actor(NOBODY, others.gid)


def _is_group(gid: int) -> bool:
    try:
        grp.getgrgid(gid)
    except KeyError:
        return False
    return True


def as_command(actor: Actor | None) -> tuple[str, ...]:
    """What a command is put behind so that it runs as ``actor``; nothing for None."""
    if actor is None:
        return ()
    groups = f"--groups={','.join(map(str, actor.groups))}" if actor.groups else "--clear-groups"
    return ("setpriv", f"--reuid={actor.uid}", f"--regid={actor.gid}", groups, "--")


def current_actor() -> Actor | None:
    """Whom the file system sees in this thread now; None: ourselves."""
    return getattr(_current, "actor", None)


@contextmanager
def acting_as(actor: Actor | None) -> Iterator[None]:
    """Be ``actor`` for the file system, in this thread. None changes nothing. Raises NotSafe."""
    if actor is None:
        yield
        return
    with _seen_as(actor):
        yield


@contextmanager
def as_ourselves() -> Iterator[None]:
    """Inside of ``acting_as``: be ourselves again, for what is reported or asked meanwhile. Else nothing."""
    if current_actor() is None:
        yield
        return
    with _seen_as(None):
        yield


@contextmanager
def _seen_as(actor: Actor | None) -> Iterator[None]:
    before = current_actor()
    own: tuple[int, ...] = tuple(os.getgroups()) if before is None else _current.own_groups
    _current.own_groups = own
    try:
        _set(actor, own)
        _current.actor = actor
        yield
    finally:
        _set(before, own)
        _current.actor = before


def _set(actor: Actor | None, own: tuple[int, ...]) -> None:
    uid, gid, groups = (actor.uid, actor.gid, actor.groups) if actor else (os.geteuid(), os.getegid(), own)
    from dysnomia_plugins.toolkit.guarded.libc import set_file_user  # first when we are nobody else yet

    os.setgroups(groups)
    if not set_file_user(uid, gid):
        raise NotSafe(f"could not switch to the user {user_in_words(uid)}", "run it with all of root's rights")
