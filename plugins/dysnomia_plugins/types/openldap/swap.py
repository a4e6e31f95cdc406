"""The swap: the server is stopped, the database's file and the one that was loaded change places, the server starts.

A server keeps its database mapped into its memory, so it has to be stopped; what it has acknowledged until then is in
the file that is set aside, and becomes the guard. The exchange itself is one rename.
"""

from __future__ import annotations

from collections.abc import Callable

from dysnomia_plugins.base import Context, Place
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.guarded.folder import Folder
from dysnomia_plugins.toolkit.guarded.system import LinkInTheWay
from dysnomia_plugins.toolkit.trees.exchange import BEGUN, RootSwap, identity, recover_swap, swap_roots
from dysnomia_plugins.types.openldap.places import DATA, LOCK, begun, data_at, tidy
from dysnomia_plugins.types.openldap.programs import Directory
from dysnomia_plugins.types.openldap.server import holders, start_left, stopped


def swap(
    ctx: Context, directory: Directory, beside: Place, aside: Place, check: Callable[[], None] = lambda: None
) -> None:
    """Raises PluginError with live as it was, or leaves a journal that ``recover`` finishes.

    Args:
        check: asked when no server writes any more; raises PluginError where nothing is to be exchanged."""
    live = directory.layout.live
    try:
        begun(aside, directory.actor)
        with stopped(ctx, live.name):
            check()
            old = identity(data_at(live))
            root = RootSwap(
                root=".",
                live=data_at(live),
                beside=data_at(beside),
                aside=data_at(aside),
                old=old,
                new=identity(data_at(beside)),
                move=False,
            )
            swap_roots([root], ctx.journal)
            late = holders(aside.name)
            if late:
                ctx.progress.log(f"{late[0]}: it was started during the exchange, what it writes is lost: restart it")
            _forget_readers(live)
    except OSError as error:
        raise PluginError(f"{live.name} could not be changed ({error.strerror})", "live is unchanged") from error
    finally:
        tidy(beside, aside)


def _forget_readers(place: Place) -> None:
    """The table of readers of the database that was there: the next server makes its own."""
    try:
        with Folder.at(place.name) as folder:
            folder.unlink(LOCK)
    except LinkInTheWay:
        return


def recover(ctx: Context) -> bool:
    """Finish the exchange of a dead job, or forget it, and start the server. Idempotent."""
    swapped = recover_swap(ctx.journal)
    places = [
        Place(str(root[where]).removesuffix(f"/{DATA}"))
        for name, data in ctx.journal.steps()
        if name == BEGUN
        for root in data["roots"]
        for where in ("beside", "aside")
    ]
    start_left(ctx)
    tidy(*places)
    return swapped


def remove(ctx: Context, directory: Directory) -> None:
    """Delete what is live. A server that runs makes an empty database of its own. Raises PluginError."""
    live = directory.layout.live
    try:
        with stopped(ctx, live.name), Folder.at(live.name) as folder:
            for name in (DATA, LOCK):
                folder.unlink(name)
            folder.sync()
    except FileNotFoundError:
        return
    except OSError as error:
        raise PluginError(f"the database in {live.name} could not be removed ({error.strerror})") from error
