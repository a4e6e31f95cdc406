"""The swap: what is live and what was loaded beside it change places in one step, and what was live is sealed.

A push runs in the repository's folder by its working directory: one that is under way at the exchange would go on in
what was set aside, and be acknowledged there after its guard was made. So what was set aside is moved out of the folder
that such a push works in. Its ``refs`` go first, in one exchange with a plain file: a push that has not updated its
references by then cannot any more, and its client is told; one that has is in what was set aside, and so in the guard.
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from contextlib import suppress

from dysnomia_plugins.base import Context, Place
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.guarded.folder import Folder
from dysnomia_plugins.toolkit.guarded.removal import remove_tree
from dysnomia_plugins.toolkit.guarded.system import copy_attributes
from dysnomia_plugins.toolkit.guarded.walking import walk
from dysnomia_plugins.toolkit.repositories.places import make_wrapper, refuse_mount, tidy, wrapper_made
from dysnomia_plugins.toolkit.trees.exchange import BEGUN, RootSwap, identity, recover_swap, swap_roots
from dysnomia_plugins.types.git.places import Layout
from dysnomia_plugins.types.git.repository import locks_in

SEAL = "git-seal"
SEALED = "git-sealed"
"""Written in journals, of jobs before an upgrade too: not to be renamed."""
_NO_EXCHANGE = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})
"""What file systems answer that cannot exchange two names: those of FUSE, as a rule."""
_SEALING = "sealing"
_REFS = "refs"


def swap(ctx: Context, layout: Layout, beside: Place, aside: Place) -> None:
    """Raises with live as it was, or leaves a journal that ``recover`` finishes."""
    old = identity(layout.live)
    if old is not None:
        refuse_mount(layout.live)
    make_wrapper(aside)
    try:
        root = RootSwap(
            root=".",
            live=layout.live,
            beside=beside.name,
            aside=aside.name,
            old=old,
            new=identity(beside.name),
            move=False,
        )
        swap_roots([root], ctx.journal)
        _seal_once(ctx, aside)
    finally:
        tidy(beside, aside)


def recover(ctx: Context) -> bool:
    """Finish the exchange of a dead job and the sealing after it, or forget it. Idempotent."""
    swapped = recover_swap(ctx.journal)
    for name, data in ctx.journal.steps():
        if name == BEGUN:
            places = [Place(str(root[where])) for root in data["roots"] for where in ("beside", "aside")]
            if swapped:
                _seal_once(ctx, places[1])
            tidy(*places)
    return swapped


def _seal_once(ctx: Context, aside: Place) -> None:
    if any(name == SEALED for name, _ in ctx.journal.steps()) or not os.path.lexists(wrapper_made(aside)):
        return
    try:
        with Folder.at(wrapper_made(aside)) as wrapper:
            if wrapper.seen(posixpath.basename(aside.name)) is None and wrapper.seen(_SEALING) is None:
                return
            ctx.journal.step(SEAL, aside=aside.name)
            seal(wrapper, posixpath.basename(aside.name))
    except OSError as error:
        raise PluginError(
            f"what was live could not be closed to pushes that are under way ({error.strerror})",
            f"it is kept in {aside.name}; the next job on the component tries again",
        ) from error
    ctx.journal.step(SEALED)


def seal(wrapper: Folder, name: str) -> None:
    """Move all of a repository into a new folder of its name. Can be done again from wherever it stopped.

    Raises OSError."""
    if wrapper.seen(name) is not None:
        with wrapper.folder(name) as old:
            if _is_folder(old, _REFS) or wrapper.seen(_SEALING) is not None:
                _move_all(wrapper, old)
            else:
                return
        remove_tree(name, wrapper.descriptor)
    wrapper.move(_SEALING, wrapper, name)
    wrapper.sync()


def _move_all(wrapper: Folder, old: Folder) -> None:
    if wrapper.seen(_SEALING) is None:
        wrapper.make_folder(_SEALING).close()
    with wrapper.folder(_SEALING) as new:
        _close(old, new)
        for name in old.names():
            if name == _REFS:
                continue
            if new.seen(name) is None:
                old.move(name, new, name)
        copy_attributes(old.descriptor, new.descriptor)
        _remove_locks(new)
        new.sync()


def _close(old: Folder, new: Folder) -> None:
    """Have a file where the old repository has its references, and these in the new one."""
    if not _is_folder(new, _REFS):
        if new.seen(_REFS) is None:
            new.write_new(_REFS, b"")
        try:
            new.exchange(_REFS, old, _REFS)
        except OSError as error:
            if error.errno not in _NO_EXCHANGE:
                raise
            new.unlink(_REFS)
            old.move(_REFS, new, _REFS)
    while (seen := old.seen(_REFS)) is None or stat.S_ISDIR(seen.st_mode):  # in two steps, or cut off between them
        if seen is not None:  # a push made it anew in that moment
            with old.folder(_REFS) as late, new.folder(_REFS) as refs:
                _merge(late, refs)
            remove_tree(_REFS, old.descriptor)
        with suppress(FileExistsError):
            old.write_new(_REFS, b"")


def _merge(late: Folder, refs: Folder) -> None:
    """Move files to where others of their names may be."""
    for name in late.names():
        if not _is_folder(late, name):
            late.move_over(name, refs, name)
            continue
        if refs.seen(name) is None:
            refs.make_folder(name).close()
        with late.folder(name) as deeper, refs.folder(name) as into:
            _merge(deeper, into)


def _remove_locks(top: Folder) -> None:
    """Of pushes that were refused: they can no longer remove them themselves."""
    for name in locks_in(top):
        top.unlink(name)
    with top.folder(_REFS) as refs:
        for _, _, names, folder in walk(refs.descriptor):
            for name in names:
                if name.endswith(".lock"):
                    with suppress(FileNotFoundError):
                        os.unlink(name, dir_fd=folder)


def _is_folder(folder: Folder, name: str) -> bool:
    seen = folder.seen(name)
    return seen is not None and stat.S_ISDIR(seen.st_mode)
