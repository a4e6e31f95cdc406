"""Users of this machine, by number."""

from __future__ import annotations

import pwd


def user_name(uid: int) -> str:
    """What a user is called; the number where it has no name."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
