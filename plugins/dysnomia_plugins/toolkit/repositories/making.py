"""Making a repository in a job's own folder, without root following what its owner puts in the way.

The programs of such a type open files by path, so they run as the repository's owner: what that one puts in their way
leads only to what it may use anyway, and a dump of a stranger is read with its rights alone. Before root works on what
they made it is taken back: from then on nobody else can change a name in it. It is handed over when it is whole.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Collection, Sequence

from dysnomia_plugins.base import Context, Place
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.guarded.acting import Actor, acting_as, actor_for
from dysnomia_plugins.toolkit.guarded.folder import (
    OPEN_FOLDER,
    PRIVATE_FOLDER,
    Folder,
    current_umask,
    hand_over,
    require_ours,
)
from dysnomia_plugins.toolkit.guarded.libc import rename_new, sync_file_system
from dysnomia_plugins.toolkit.guarded.removal import why_not
from dysnomia_plugins.toolkit.guarded.system import folder_at
from dysnomia_plugins.toolkit.guarded.walking import walk
from dysnomia_plugins.toolkit.guarded.way import NOBODY, others_on_the_way
from dysnomia_plugins.toolkit.repositories.places import let_in, make_wrapper, remove_wrapper, wrapper_made

_ENTRY = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def put_live(beside: Place, live: str) -> None:
    """Give what was made beside its name, once it is durable. Raises FileExistsError, OSError."""
    with folder_at(posixpath.dirname(beside.name)) as source, folder_at(posixpath.dirname(live)) as target:
        sync_file_system(source)
        rename_new(posixpath.basename(beside.name), source, posixpath.basename(live), target)
        os.fsync(target)


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
    if maker is not None:
        _require_reach(place, maker)


def _require_reach(place: Place, maker: Actor) -> None:
    try:
        with acting_as(maker):
            Folder.at(place.name).close()
    except PermissionError as error:
        trust = ", or inspect and trust the snapshot (dysnomia-tui trust)" if maker.uid == NOBODY else ""
        raise PluginError(
            f"the user {maker} cannot reach {place.name}, and the programs that make it run as that user",
            f"let the user pass the folders above it (chmod o+x){trust}; nothing was replaced",
        ) from error


def reclaim(place: Place, maker: Actor | None, own: Sequence[str]) -> None:
    """All of it is ours again, and nobody else can change a name in it, before root works in it: the folders ``own``
    are there, and nothing is that the type's own programs do not make as their user.

    A file of another owner was moved there: it would be given to whom the repository is given to. Raises NotSafe,
    OSError."""
    if maker is None:
        return
    with Folder.at(wrapper_made(place)) as wrapper:
        if wrapper.stat().st_uid != os.geteuid():
            raise NotSafe(f"{wrapper.path} was replaced by another process during the job", "nothing was replaced")
        os.fchmod(wrapper.descriptor, PRIVATE_FOLDER)
        with wrapper.folder(posixpath.basename(place.name)) as made:
            for name in own:
                made.folder(name).close()
            _take_back(made, maker.uid)
            os.fchmod(made.descriptor, PRIVATE_FOLDER)


def _take_back(top: Folder, uid: int) -> None:
    """First every folder: from then on no name is added. Then what they hold is looked at."""
    for at, _, _, folder in walk(top.descriptor):
        if os.fstat(folder).st_uid != uid:
            raise _strange(top, at, "belongs to another user")
        os.fchown(folder, os.geteuid(), os.getegid())
        os.fchmod(folder, stat.S_IMODE(os.fstat(folder).st_mode) & OPEN_FOLDER)
    for at, _, names, folder in walk(top.descriptor, onerror=_raised):
        seen = os.fstat(folder)
        if seen.st_uid != os.geteuid() or seen.st_mode & 0o022:
            raise _strange(top, at, "was put there by another process during the job")
        for name in names:
            _take_file(top, posixpath.join(at, name), name, folder, uid)


def _take_file(top: Folder, shown: str, name: str, folder: int, uid: int) -> None:
    try:
        descriptor = os.open(name, _ENTRY, dir_fd=folder)
    except OSError as error:
        raise _strange(top, shown, "is not a plain file of one name") from error
    try:
        seen = os.fstat(descriptor)
        if not stat.S_ISREG(seen.st_mode) or seen.st_nlink != 1:
            raise _strange(top, shown, "is not a plain file of one name")
        if seen.st_uid != uid:
            raise _strange(top, shown, "belongs to another user")
        os.fchown(descriptor, os.geteuid(), os.getegid())
    finally:
        os.close(descriptor)


def _strange(top: Folder, name: str, what: str) -> NotSafe:
    return NotSafe(f"{posixpath.normpath(top.shown(name))} {what}", "nothing was replaced")


def _raised(error: OSError) -> None:
    raise error


def give_back(path: str, maker: Actor | None, own: Collection[str], taken: Collection[str]) -> None:
    """What its programs made beside ``own``, and no file of a snapshot took the place of (``taken``: names below the
    repository), is their user's again: from the bottom up, and nothing in a folder that others may write by then.

    Raises OSError."""
    if maker is None:
        return
    with Folder.at(path) as top:
        for at, _, names, folder in walk(top.descriptor, topdown=False):
            path, seen = posixpath.normpath(at), os.fstat(folder)
            if path.split("/")[0] in own or seen.st_uid != os.geteuid() or seen.st_mode & 0o022:
                continue
            for name in names:
                below = posixpath.normpath(posixpath.join(at, name))
                if below not in taken and below not in own:
                    os.chown(name, maker.uid, maker.gid, dir_fd=folder, follow_symlinks=False)
            if path != "." and path not in taken:
                os.fchown(folder, maker.uid, maker.gid)


def give_name(ctx: Context, making: Place, place: Place, step: str) -> None:
    """A copy that is whole gets its name, over nothing; which folder it is stands in the journal before.

    Raises FileExistsError, OSError."""
    with Folder.at(posixpath.dirname(making.name)) as old, Folder.at(posixpath.dirname(place.name)) as new:
        made = posixpath.basename(making.name)
        ctx.journal.step(step, place=place.name, identity=str(old.identity(made)))
        old.move(made, new, posixpath.basename(place.name))
        new.sync()
    remove_wrapper(making)


def drop_named(ctx: Context, making: Place, place: Place, step: str) -> None:
    """Remove a copy and what was made on the way to it; what has its name and is not what the job made is left.

    Idempotent. Raises PluginError."""
    remove_wrapper(making)
    noted = {
        str(data["identity"]) for name, data in ctx.journal.steps() if name == step and data["place"] == place.name
    }
    name, made = posixpath.basename(place.name), posixpath.basename(making.name)
    try:
        with Folder.at(posixpath.dirname(place.name)) as parent:
            inode = parent.identity(name)
            if inode is None:
                return
            if str(inode) not in noted:
                ctx.progress.log(f"{place.name} is not what this job made, and was left as it is")
                return
            make_wrapper(making)
            with Folder.at(wrapper_made(making)) as wrapper:
                parent.move(name, wrapper, made)
                if str(wrapper.identity(made)) not in noted:  # exchanged right before it was moved
                    wrapper.move(made, parent, name)
    except OSError as error:
        raise PluginError(f"{place.name} could not be removed", why_not(error)) from error
    remove_wrapper(making)


def open_top(path: str, more: int = 0) -> None:
    """Let whoever the umask lets, and whom ``more`` does, pass a repository's own folder, as one that its own program
    makes: it was closed to all others while it was made. Raises OSError."""
    with Folder.at(path) as top:
        os.fchmod(top.descriptor, 0o777 & ~current_umask() | more)


def hand_over_top(path: str, uid: int, gid: int) -> None:
    """The repository's own folder goes to its owner, where its files have not said whose it is. Raises NotSafe,
    OSError."""
    with Folder.at(path) as top:
        require_ours(top.descriptor, path)
        hand_over(top.descriptor, uid, gid, stat.S_IMODE(top.stat().st_mode))
