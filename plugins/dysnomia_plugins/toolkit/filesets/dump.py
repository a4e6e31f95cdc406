# Paths are plain strings here: names may be no UTF-8, and most calls go by descriptor.
"""The snapshot of folders of files: one tar, what changed while it was made, and a guard that nobody writes in."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

from dysnomia_plugins.base import Context, Draft, Dumped, Place, Purpose
from dysnomia_plugins.errors import NothingKept, NotSafe
from dysnomia_plugins.toolkit.filesets.places import MOUNT_POINTS, Layout
from dysnomia_plugins.toolkit.filesets.spec import SPEC_FILE
from dysnomia_plugins.toolkit.trees.contents import ARTEFACT
from dysnomia_plugins.toolkit.trees.dump import TICK, TreeDump
from dysnomia_plugins.toolkit.trees.known import FILE_SYSTEMS, JUST, LEAST, MAPPED, Known, Noting
from dysnomia_plugins.toolkit.trees.names import RootAt, purpose_of
from dysnomia_plugins.toolkit.trees.second_look import Began, changed_since
from dysnomia_plugins.toolkit.trees.users import users_of

MEMORY = {"tmpfs"}
SETTLE = 5.0
"""Seconds that a guard waits for programs to close files they still write in what was set aside."""


def dump(ctx: Context, layout: Layout, place: Place, draft: Draft) -> Dumped:
    """Raises NothingKept where the component lists links alone, NotSafe for what was set aside while somebody still
    writes in it: then it must stand."""
    roots = layout.roots_at(place)
    if not roots:
        raise NothingKept(f"{ctx.component.key} keeps nothing: no mkdir line of {SPEC_FILE} names a folder")
    aside = purpose_of(place) == Purpose.ASIDE
    if aside:
        wait_for_writers(ctx, layout, place)
    began, as_of = Began(), datetime.now(UTC)
    names = [root.root for root in roots]
    kinds = layout.kinds_below(roots)
    tells = place == layout.live and kinds <= FILE_SYSTEMS
    with ExitStack() as stack:
        tree = TreeDump(
            ctx,
            lambda: stack.enter_context(draft.artefact(ARTEFACT)),
            roots,
            known=Known(ctx.earlier, names) if tells and ctx.earlier is not None else None,
            noting=Noting() if tells else None,
        )
        tree.run()
    own_clock = kinds <= FILE_SYSTEMS | MEMORY
    changed = changed_since(roots, *began.until_now(own_clock=own_clock, before=int(TICK * 1e9) if aside else 0))
    if aside and (changed or tree.changed):
        raise written_meanwhile((changed or tree.changed)[0], place)
    mounted = [point for root in roots for point in layout.mounts_below(root.path)]
    return Dumped(
        as_of=as_of,
        end=datetime.now(UTC),
        complete=True,
        surroundings=surroundings_of(layout, roots),
        warnings=(*tree.warnings, *_changed_in_words(tree.changed, changed), *map(mounted_in_words, mounted)),
        lacks=tuple(tree.missing),
        unchanged=tree.unchanged,
        note=_note(tree, names, began.at),
    )


def wait_for_writers(
    ctx: Context, layout: Layout, place: Place, besides: Callable[[str], bool] = lambda path: False
) -> None:
    """A program that had a file open when live was exchanged goes on writing to the old one. ``besides``: which files
    do not count as written. Raises NotSafe where one is written for too long."""
    deadline = time.monotonic() + SETTLE
    while writers := users_of(layout.bases(place), writers_only=True, besides=besides):
        if time.monotonic() > deadline:
            raise NotSafe(
                f"{writers[0]}: what was live before still takes its writes",
                f"restart it; {place.name} is kept until then, and undo brings it back with all of them",
            )
        ctx.cancel.check()
        time.sleep(TICK)
    time.sleep(2 * TICK)


def written_meanwhile(name: str, place: Place) -> NotSafe:
    """Why no guard was made of what was set aside."""
    return NotSafe(
        f"{name} was written to in {place.name} while its guard was made",
        "nothing is lost: it is kept there, and the next job on the component tries again",
    )


def _note(tree: TreeDump, names: Sequence[str], began: int) -> bytes | None:
    """What the next dump should know; None where a dump that reads everything takes no longer."""
    if tree.noting is None or tree.unchanged or tree.members < LEAST:
        return None
    writes = users_of([root.path for root in tree.roots], writers_only=True)
    return tree.noting.note(names, began - (MAPPED if writes else JUST))


def surroundings_of(layout: Layout, roots: Sequence[RootAt]) -> dict[str, Any]:
    """Where it was, and whose: what belongs to the folders, and not to what is in them."""
    return {
        "target": layout.spec.target,
        "roots": list(layout.roots),
        "owner": layout.spec.owner,
        "file system": layout.mount_of(layout.target).kind,
        MOUNT_POINTS: sorted({layout.mount_of(root.path).point for root in roots}),
    }


def _changed_in_words(torn: Sequence[str], changed: Sequence[str]) -> Iterator[str]:
    yield from torn[:10]
    if len(torn) > 10:
        yield f"…and {len(torn) - 10:,} more changed while they were read"
    if changed:
        shown = ", ".join(changed[:3]) + ("…" if len(changed) > 3 else "")
        yield (
            f"{len(changed):,} changed while the snapshot was taken ({shown}): "
            "it holds files as they were at different moments"
        )


def mounted_in_words(point: str) -> str:
    """What a snapshot says of a mount point inside what it holds."""
    return f"{point} is a file system of its own inside it: it is in the snapshot, but must be unmounted to replace"
