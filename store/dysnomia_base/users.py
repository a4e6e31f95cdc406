"""Users of this machine, by number."""

from __future__ import annotations

import pwd

FIRST_OF_PEOPLE = 1000
"""User ids below are system accounts (Debian policy 9.2.2, UID_MIN of login.defs)."""


def user_name(uid: int) -> str:
    """What a user is called; the number where it has no name."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def is_others_own_group(gid: int, uid: int) -> bool:
    """Whether a group is the own one of some user besides root and ``uid``: no list of its members names them."""
    return any(other.pw_gid == gid and other.pw_uid not in (0, uid) for other in pwd.getpwall())
