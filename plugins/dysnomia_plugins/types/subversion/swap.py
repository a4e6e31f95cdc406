"""The swap: what is live and what was loaded beside it change places while nobody can write to either.

``svnadmin freeze`` holds the repository's write lock. A commit that is under way ends before; one that waits for the
lock finds its transaction gone afterwards and fails, so nothing that was acknowledged is in neither. What was live is
the guard, whole, since nobody can reach it by its path any more.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from dysnomia_plugins.base import Context, Place
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.guarded.folder import Folder, hand_over
from dysnomia_plugins.toolkit.guarded.system import LinkInTheWay, write_all
from dysnomia_plugins.toolkit.repositories.places import make_wrapper, refuse_mount, tidy
from dysnomia_plugins.toolkit.trees.exchange import BEGUN, RootSwap, identity, recover_swap, swap_roots
from dysnomia_plugins.types.subversion.places import Layout
from dysnomia_plugins.types.subversion.repository import Repository

_POLL = 0.05
_COUNTER = "txn-current"
_MAKING = f".dysnomia-{_COUNTER}"
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def swap(ctx: Context, layout: Layout, beside: Place, aside: Place) -> None:
    """Raises with live as it was, or leaves a journal that ``recover`` finishes."""
    live = Repository(layout.live, ctx.runner)
    if live.there:
        refuse_mount(live.path)
    make_wrapper(aside)
    try:
        _exchange(ctx, live, beside, aside)
    finally:
        tidy(beside, aside)


def _exchange(ctx: Context, live: Repository, beside: Place, aside: Place) -> None:
    with _frozen(ctx, live):
        _pass_counter(live.path, beside.name)
        root = RootSwap(
            root=".",
            live=live.path,
            beside=beside.name,
            aside=aside.name,
            old=identity(live.path),
            new=identity(beside.name),
            move=False,
        )
        swap_roots([root], ctx.journal)


def recover(ctx: Context) -> bool:
    """Finish the exchange of a dead job, or forget it. Idempotent."""
    swapped = recover_swap(ctx.journal)
    for name, data in ctx.journal.steps():
        if name == BEGUN:
            tidy(*(Place(str(root[where])) for root in data["roots"] for where in ("beside", "aside")))
    return swapped


@contextmanager
def _frozen(ctx: Context, live: Repository) -> Iterator[None]:
    """No commit, no lock, no change of a revision's properties inside.

    Where nothing is live, or what is there is no repository that anyone could write to, there is nothing to freeze."""
    if not live.there or not usable(live):
        yield
        return
    frozen = threading.Event()
    # ``cat`` answers from inside the freeze, and ends when we close its input, or die.
    with live.freezing(["cat"], lambda _: frozen.set()) as stdin:
        while not frozen.is_set():
            ctx.cancel.check()
            stdin.write(b"\n")
            stdin.flush()
            frozen.wait(_POLL)
        yield


def usable(repository: Repository) -> bool:
    """Whether Subversion can open it."""
    try:
        repository.youngest()
    except PluginError:
        return False
    return True


def _pass_counter(live: str, beside: str) -> None:
    """Names of transactions go on where live's end: a client that began one before the swap must not find another's
    under the same name."""
    counters = [_read(f"{path}/db") for path in (live, beside)]
    if counters[0] <= counters[1]:
        return
    with Folder.at(f"{beside}/db") as folder:
        owner, seen = folder.stat(), folder.seen(_COUNTER)
        if seen is not None and not stat.S_ISREG(seen.st_mode):
            raise NotSafe(f"{folder.shown(_COUNTER)} is not a file of Subversion", "nothing was replaced")
        # A new file, as Subversion itself makes it: what has the name may be somebody else's (of who committed last, in
        # a repository of a group), or have been put there, and is not written into.
        folder.unlink(_MAKING)
        with folder.new_file(_MAKING) as descriptor:
            write_all(descriptor, _base36(counters[0] + 1).encode() + b"\n")
            hand_over(descriptor, owner.st_uid, owner.st_gid, (seen.st_mode if seen else 0o644) & 0o666)
            os.fsync(descriptor)
        folder.move_over(_MAKING, folder, _COUNTER)
        folder.sync()


def _read(path: str) -> int:
    try:
        with Folder.at(path) as folder:
            return int(folder.read_bytes(_COUNTER, 64).strip(), 36)
    except (OSError, ValueError, LinkInTheWay):
        return 0


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits or "0"
