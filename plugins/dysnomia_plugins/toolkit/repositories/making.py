"""Making a repository in a job's own folder, without root following what its owner puts in the way.

The programs of such a type open files by path, so they run as the repository's owner: what that one puts in their way
leads only to what it may use anyway, and a dump of a stranger is read with its rights alone. Before root works on what
they made it is taken back: from then on nobody else can change a name in it. It is handed over when it is whole.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Sequence

from dysnomia_plugins.base import Place
from dysnomia_plugins.errors import NotSafe
from dysnomia_plugins.toolkit.guarded.acting import Actor, actor_for
from dysnomia_plugins.toolkit.guarded.folder import PRIVATE_FOLDER, Folder, current_umask, hand_over
from dysnomia_plugins.toolkit.guarded.way import others_on_the_way
from dysnomia_plugins.toolkit.repositories.places import let_in, make_wrapper, wrapper_made

_ENTRY = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def maker_for(place: Place, uid: int, gid: int) -> Actor | None:
    """Who runs a type's own programs at a place that a job makes. None: root, where nobody else can be in the way."""
    if os.geteuid() != 0:
        return None
    if uid > 0:
        return Actor.of(uid, gid)
    return actor_for(others_on_the_way(posixpath.dirname(wrapper_made(place))), None)


def begin(place: Place, maker: Actor | None) -> None:
    """An empty folder for a repository, which its maker may work in. Raises NotSafe, FileExistsError, OSError."""
    make_wrapper(place)
    with Folder.at(wrapper_made(place)) as wrapper, wrapper.make_folder(posixpath.basename(place.name)) as made:
        if maker is not None:
            hand_over(made.descriptor, maker.uid, maker.gid, PRIVATE_FOLDER)
            let_in(place, maker.gid)


def reclaim(place: Place, maker: Actor | None, own: Sequence[str]) -> None:
    """The folders ``own`` in it, in which root works after the type's own programs have, are ours again.

    Raises NotSafe for what such programs do not make, OSError."""
    if maker is None:
        return
    with Folder.at(wrapper_made(place)) as wrapper:
        if wrapper.stat().st_uid != os.geteuid():
            raise NotSafe(f"{wrapper.path} was replaced by another process during the job", "nothing was replaced")
        os.fchmod(wrapper.descriptor, PRIVATE_FOLDER)
        with wrapper.folder(posixpath.basename(place.name)) as made:
            os.fchown(made.descriptor, os.geteuid(), os.getegid())
            for name in own:
                with made.folder(name) as folder:
                    _take_back(folder)


def _take_back(top: Folder) -> None:
    for at, _, names, folder in os.fwalk(".", follow_symlinks=False, dir_fd=top.descriptor):
        os.fchown(folder, os.geteuid(), os.getegid())
        for name in names:
            shown = posixpath.normpath(posixpath.join(top.path, at, name))
            try:
                descriptor = os.open(name, _ENTRY, dir_fd=folder)
            except OSError as error:
                raise NotSafe(f"{shown} is not a plain file of one name", "nothing was replaced") from error
            try:
                seen = os.fstat(descriptor)
                if not stat.S_ISREG(seen.st_mode) or seen.st_nlink != 1:
                    raise NotSafe(f"{shown} is not a plain file of one name", "nothing was replaced")
                os.fchown(descriptor, os.geteuid(), os.getegid())
            finally:
                os.close(descriptor)


def open_top(path: str) -> None:
    """Let whoever the umask lets pass a repository's own folder, as one that its own program makes: it was closed
    to all others while it was made. Raises OSError."""
    with Folder.at(path) as top:
        os.fchmod(top.descriptor, 0o777 & ~current_umask())


def hand_over_top(path: str, uid: int, gid: int) -> None:
    """The repository's own folder goes to its owner, unless its files have said whose it is. Raises OSError."""
    with Folder.at(path) as top:
        seen = top.stat()
        if seen.st_uid == os.geteuid():
            hand_over(top.descriptor, uid, gid, stat.S_IMODE(seen.st_mode))
