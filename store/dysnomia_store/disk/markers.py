"""The markers of a component, as Dysnomia has them: an empty file says it is active, another that it is garbage."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from dysnomia_store.disk.layout import Layout
from dysnomia_store.disk.syscalls import in_words
from dysnomia_store.disk.workspace import Workspace
from dysnomia_store.names import ComponentKey

LISTED = b"listed\n"
"""In the place of a path: nobody activated the component; a look at its server found it."""


def marked_as(layout: Layout, key: ComponentKey) -> tuple[bool, bool]:
    """(active, garbage)."""
    active, garbage = map(os.path.exists, layout.all_of(("activated", "garbage"), key))
    return active, garbage


def mark_as(workspace: Workspace, key: ComponentKey, *, active: bool, garbage: bool) -> None:
    """Make or delete the markers. What is set comes first: between the two the component is never nothing.

    Raises StoreError.
    """
    wanted = sorted((("activated", active), ("garbage", garbage)), key=lambda pair: not pair[1])
    with in_words(f"marking {key}"):
        for name, present in wanted:
            path = workspace.layout.of(name, key)
            if present and not path.exists():
                workspace.folder(path.parent)
                with suppress(FileExistsError):
                    workspace.disk.create(path).close()
                workspace.disk.fsync_path(path.parent)
            elif not present and path.exists():
                workspace.disk.unlink(path, missing_ok=True)
                workspace.disk.fsync_path(path.parent)
        if not active and not garbage:
            workspace.disk.unlink(workspace.layout.of("deployed", key), missing_ok=True)


def remember(workspace: Workspace, key: ComponentKey, component: Path) -> None:
    """Write down where the component stood that was activated: to take it out of service when it is no longer
    configured, what it consists of is needed. Raises StoreError."""
    _record(workspace, key, os.fsencode(component) + b"\n")


def remember_listed(workspace: Workspace, key: ComponentKey) -> None:
    """Write down that a look at its server found the component, and nobody activated it. Raises StoreError."""
    _record(workspace, key, LISTED)


def _record(workspace: Workspace, key: ComponentKey, content: bytes) -> None:
    path = workspace.layout.of("deployed", key)
    with in_words(f"recording the state of {key}"):
        if _recorded(workspace.layout, key) == content:
            return
        workspace.disk.unlink(path, missing_ok=True)
        with suppress(FileExistsError):
            workspace.publish(path, content)


def _recorded(layout: Layout, key: ComponentKey) -> bytes:
    """``b""`` where nothing is, or it cannot be read."""
    try:
        return layout.of("deployed", key).read_bytes()
    except OSError:
        return b""


def remembered(layout: Layout, key: ComponentKey) -> Path | None:
    """Where the component stood when it was activated; None where another tool activated it, or nobody did."""
    path = _recorded(layout, key)
    return Path(os.fsdecode(path.rstrip(b"\n"))) if path.startswith(b"/") else None


def was_listed(layout: Layout, key: ComponentKey) -> bool:
    """Whether a look at its server found the component, and nobody activated it."""
    return _recorded(layout, key) == LISTED


def listed_at(layout: Layout, key: ComponentKey) -> float | None:
    """Since when a look at its server finds the component (seconds of the epoch); None where somebody activated it."""
    if not was_listed(layout, key):
        return None
    # The record is younger than the marker where it was found before that was written down.
    times = []
    for name in ("activated", "deployed"):
        with suppress(OSError):
            times.append(layout.of(name, key).stat().st_mtime)
    return min(times, default=None)


def activated_path(layout: Layout, key: ComponentKey) -> Path | None:
    """Of an active component, or one that is garbage: where it stood when it was activated, else its marker, as
    Dysnomia hands that about. None where it is neither."""
    markers = [path for name in ("activated", "garbage") if (path := layout.of(name, key)).exists()]
    if not markers:
        return None
    known = remembered(layout, key)
    return known if known is not None and known.exists() else markers[0]
