"""Owners as operators write them down."""

from __future__ import annotations

import grp
import os
import pwd

from dysnomia_plugins.errors import PluginError


def owner_ids(owner: str) -> tuple[int, int]:
    """The ids of ``user``, ``user:group`` or ``:group``; -1 where one is left as it is; the caller's for ``""``.

    Raises:
        PluginError: no such user or group here.
    """
    if not owner:
        return os.getuid(), os.getgid()
    user, colon, group = owner.partition(":")
    try:
        uid = -1 if not user else int(user) if user.isdecimal() else pwd.getpwnam(user).pw_uid
        if colon and not group and uid >= 0:
            return uid, pwd.getpwuid(uid).pw_gid
        gid = -1 if not group else int(group) if group.isdecimal() else grp.getgrnam(group).gr_gid
    except KeyError as error:
        raise PluginError(f"the owner {owner!r} is not known on this machine", str(error)) from error
    return uid, gid
