# ruff: noqa: PTH112, PTH114
# Paths are plain strings here: names may be no UTF-8, and most calls go by descriptor.
"""What a restore of a fileset would need and meet, without changing anything."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence

from dysnomia_plugins.base import Context, Finding, Preflight, Severity, Stored
from dysnomia_plugins.toolkit.filesets.places import MOUNT_POINTS, ONE_STEP, Layout
from dysnomia_plugins.toolkit.findings import FOR_THE_GUARD, existing, free_bytes, of_snapshot, on_fixed, on_read_only
from dysnomia_plugins.toolkit.trees.names import root_of
from dysnomia_plugins.toolkit.trees.not_root import not_root
from dysnomia_plugins.toolkit.trees.size import measure
from dysnomia_plugins.toolkit.trees.users import users_of

_BUDGET = 0.4
"""Seconds to count what is live."""


def restore_preflight(
    ctx: Context,
    layout: Layout,
    stored: Stored,
    *,
    replace: bool,
    besides: Callable[[str], bool] = lambda path: False,
) -> Preflight:
    """Findings, space, and how the swap would be made. ``besides``: which files do not count as written."""
    metadata = stored.metadata
    paths = [root.path for root in layout.roots_at(layout.live)]
    live, whole = measure(paths, deadline=time.monotonic() + _BUDGET)
    needed = metadata.content_size if metadata is not None else None
    needs: list[tuple[str, int, int | None]] = []
    findings = [*on_read_only(layout.target), *not_root(stored), *of_snapshot(_always(ctx, layout))]
    if needed is not None:
        free = free_bytes(existing(layout.target))
        needs.append((f"beside {layout.target}", needed, free))
        if free is not None and free < needed:
            text = f"{layout.target} has {free:,} bytes free, and the snapshot needs {needed:,}"
            findings.append(Finding(Severity.BLOCKER, text, of_snapshot=True))
    if replace and whole:
        needs.append((FOR_THE_GUARD, live, free_bytes(existing(str(ctx.staging)))))
    if replace:
        findings += _not_mounted(ctx, layout, stored)
        findings += _in_the_way(layout, stored, paths, besides)
        findings += _left_without(layout, stored, paths)
    return Preflight(
        findings=tuple(findings),
        live_bytes=live if whole else None,
        needs=tuple(needs),
        swap=_swap(layout) if replace else "nothing would be replaced",
        guard=_guard() if replace else "",
    )


def _always(ctx: Context, layout: Layout) -> Iterator[Finding]:
    if not ctx.made_here:
        text = "not made here: setuid bits, capabilities and devices in it are left out"
        if layout.spec.owner:
            text += f", and all files will belong to {layout.spec.owner}"
        yield Finding(Severity.NOTE, text)


def _not_mounted(ctx: Context, layout: Layout, stored: Stored) -> Iterator[Finding]:
    """A disk that is not mounted looks like state that is gone, and a restore would fill the one below it."""
    surroundings = stored.metadata.surroundings if stored.metadata is not None else {}
    mounted = {mount.point for mount in layout.mounts}
    for point in surroundings.get(MOUNT_POINTS, ()) if ctx.made_here else ():
        if point not in mounted and point != "/":  # in a chroot no line tells of it
            below = layout.mount_of(point).point
            text = f"nothing is mounted on {point}, where this was when it was snapshotted: mount that file system"
            yield Finding(Severity.WARNING, f"{text}, or the restore would write to the one on {below}")


def _in_the_way(
    layout: Layout, stored: Stored, paths: Sequence[str], besides: Callable[[str], bool]
) -> Iterator[Finding]:
    for root, path in zip(layout.roots, paths, strict=True):
        if os.path.islink(path):
            yield Finding(Severity.BLOCKER, f"{path} is a link: name the real folder in .dysnomia-fileset")
        elif os.path.lexists(path) and not os.path.isdir(path):
            yield Finding(Severity.BLOCKER, f"{path} is not a folder, and no guard could be made of it: move it away")
        elif not layout.swapped_inside(root):
            yield from on_fixed(path)
            for point in layout.mounts_below(path):
                yield Finding(Severity.BLOCKER, f"{point} is mounted inside {path}: unmount it first")
    ours = frozenset(layout.roots)
    for root in _roots_of(stored):
        if root_of(root, ours) is None:
            text = f"the snapshot holds {root}, which .dysnomia-fileset does not name any more: restore it as a copy"
            yield Finding(Severity.BLOCKER, text, of_snapshot=True)
    for user in users_of(paths, besides=besides)[:10]:
        if user.writes:
            text = f"{user}: it goes on writing to the old files until it is restarted; they are kept until then"
            yield Finding(Severity.WARNING, text)
        elif user.stands:
            yield Finding(Severity.NOTE, f"{user}: that will be the old folder")
        else:
            yield Finding(Severity.NOTE, f"{user}: it will see the old files until it opens them again")


def _left_without(layout: Layout, stored: Stored, paths: Sequence[str]) -> Iterator[Finding]:
    """Folders that are live and that the snapshot lacks: the exchange takes them away."""
    lacks = stored.metadata.lacks if stored.metadata is not None else ()
    for root, path in zip(layout.roots, paths, strict=True):
        if root in lacks and os.path.lexists(path):
            text = f"{path} would be set aside, with nothing in its place: it was not there when this was snapshotted"
            yield Finding(Severity.WARNING, text, of_snapshot=True)


def _roots_of(stored: Stored) -> Sequence[str]:
    metadata = stored.metadata
    roots = metadata.surroundings.get("roots", ()) if metadata is not None else ()
    return [root for root in roots if isinstance(root, str)]


def _swap(layout: Layout) -> str:
    inside = [root for root in layout.roots if layout.swapped_inside(root)]
    kinds = {layout.mount_of(root.path).kind for root in layout.roots_at(layout.live)}
    if inside:
        return (
            f"{', '.join(inside)} is a mount point, which cannot be exchanged: its entries would be moved out one by "
            "one and the new ones in; for a moment programs would see only some of them"
        )
    if kinds - ONE_STEP:
        return (
            f"on {', '.join(sorted(kinds - ONE_STEP))} folders cannot always be exchanged: they would be where that "
            "works, else their entries would be moved one by one"
        )
    if len(layout.roots) > 1:
        return f"{len(layout.roots)} folders would be exchanged, each in one step that cannot be seen half done"
    return "the folder would be exchanged in one step that cannot be seen half done"


def _guard() -> str:
    seen = "" if os.geteuid() == 0 else " (only your own can be seen)"
    return (
        "what is live would be set aside whole, and become a generation once no program writes in it any more"
        f"{seen}; until then undo would bring back the very files. A program that only has its working directory "
        "there, and opens files later without their path, is not waited for"
    )
