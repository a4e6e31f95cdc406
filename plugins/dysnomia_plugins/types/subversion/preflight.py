"""What a restore of a repository would need and meet, without changing anything."""

from __future__ import annotations

import time
from collections.abc import Iterator

from dysnomia_plugins.base import Context, Finding, Preflight, Severity, Stored
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.findings import of_snapshot, on_fixed, on_read_only
from dysnomia_plugins.toolkit.repositories.files import FILES
from dysnomia_plugins.toolkit.repositories.places import mount_in_the_way
from dysnomia_plugins.toolkit.repositories.space import needed_beside
from dysnomia_plugins.toolkit.trees.not_root import not_root
from dysnomia_plugins.toolkit.trees.size import measure
from dysnomia_plugins.toolkit.trees.users import users_of
from dysnomia_plugins.types.subversion.places import Layout
from dysnomia_plugins.types.subversion.repository import Repository
from dysnomia_plugins.types.subversion.servers import serving

_BUDGET = 0.3
"""Seconds to count what is live."""


def preflight(ctx: Context, layout: Layout, stored: Stored, *, replace: bool) -> Preflight:
    """Findings, space, and how the swap would be made."""
    live = Repository(layout.live, ctx.runner)
    size, whole = measure([layout.live], deadline=time.monotonic() + _BUDGET) if live.there else (0, False)
    findings = list(of_snapshot(_of_snapshot(ctx, layout, stored)))
    needed = size if whole else (stored.metadata.content_size if stored.metadata is not None else None)
    needs, too_little = needed_beside(layout, needed)
    findings += [*on_read_only(layout.parent), *too_little]
    if replace and live.there:
        findings += _of_live(live, stored)
    return Preflight(
        findings=tuple(findings),
        live_bytes=size if whole else None,
        needs=needs,
        swap=_swap(live) if replace else "nothing would be replaced",
        guard=_guard(live) if replace else "",
    )


def _of_snapshot(ctx: Context, layout: Layout, stored: Stored) -> Iterator[Finding]:
    if FILES not in stored.artefacts():
        text = (
            "another tool's: the files as they were at one revision, which keeps its number and follows empty ones. "
            "Hooks and configuration stay those of what is live; locks are not in it"
        )
        yield Finding(Severity.WARNING, text)
    elif not ctx.made_here:
        text = (
            "not made here: its hooks are restored, but none of them may be run (links among them are left out), and "
            "its files will belong to the owner of what is live. Look at them, then chmod +x, or trust the snapshot"
        )
        yield Finding(Severity.NOTE, text)
    yield from not_root(stored)


def _of_live(live: Repository, stored: Stored) -> Iterator[Finding]:
    mounted = mount_in_the_way(live.path)
    if mounted:
        yield Finding(Severity.BLOCKER, f"{mounted}: restore a copy")
    yield from on_fixed(live.path)
    try:
        live.require()
        youngest = live.current()
    except PluginError as error:
        yield Finding(Severity.IRREVERSIBLE, f"what is live cannot be dumped ({error.message}): no guard can be made")
        return
    restored = stored.metadata.surroundings.get("youngest") if stored.metadata is not None else None
    if isinstance(restored, int) and restored < youngest:
        text = (
            f"live is at r{youngest}, the snapshot at r{restored}: what is between would go, and working copies that "
            "have seen it must be checked out anew"
        )
        yield Finding(Severity.WARNING, text, of_snapshot=True)
    for user in users_of([live.path])[:10]:
        text = f"{user}: restart it, it may go on with what it remembers of the old repository"
        yield Finding(Severity.WARNING, text)
    for server in serving(live.path)[:10]:
        text = f"{server} serves it: clients that are connected get an error, new ones the restored repository"
        yield Finding(Severity.NOTE, text)


def _swap(live: Repository) -> str:
    if not live.there:
        return "the repository would be put where none is now"
    return (
        "commits would wait (svnadmin freeze) while the two folders change places in one step; one that waits then "
        "fails and can be tried again"
    )


def _guard(live: Repository) -> str:
    if not live.there:
        return "nothing is live, so there is nothing to guard"
    return (
        "what is live would be set aside whole while nobody can write to it, and become a generation; "
        "until then undo would bring back the very files. Transactions that were never committed are not in it"
    )
