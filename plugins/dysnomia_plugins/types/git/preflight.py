"""What a restore of a repository would need and meet, without changing anything."""

from __future__ import annotations

import time
from collections.abc import Iterator

from dysnomia_plugins.base import Context, Finding, Preflight, Severity, Stored
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.findings import of_snapshot, on_fixed, on_read_only
from dysnomia_plugins.toolkit.repositories.places import mount_in_the_way
from dysnomia_plugins.toolkit.repositories.space import needed_beside
from dysnomia_plugins.toolkit.trees.not_root import not_root
from dysnomia_plugins.toolkit.trees.size import measure
from dysnomia_plugins.toolkit.trees.users import users_of
from dysnomia_plugins.types.git.places import Layout
from dysnomia_plugins.types.git.repository import Repository

_BUDGET = 0.3
"""Seconds to count what is live."""


def preflight(ctx: Context, layout: Layout, stored: Stored, *, replace: bool) -> Preflight:
    """Findings, space, and how the swap would be made."""
    live = Repository(layout.live, ctx.runner)
    size, whole = measure([layout.live], deadline=time.monotonic() + _BUDGET) if live.there else (0, False)
    findings = list(of_snapshot(_of_snapshot(ctx, stored)))
    needed = stored.metadata.content_size if stored.metadata is not None else None
    needs, too_little = needed_beside(layout, needed)
    findings += [*on_read_only(layout.parent), *too_little]
    if replace and live.there:
        findings += _of_live(live)
    return Preflight(
        findings=tuple(findings),
        live_bytes=size if whole else None,
        needs=needs,
        swap=_swap(live) if replace else "nothing would be replaced",
        guard=_guard(live) if replace else "",
    )


def _of_snapshot(ctx: Context, stored: Stored) -> Iterator[Finding]:
    if not ctx.made_here:
        text = (
            "not made here: its configuration and links are left out, since git obeys them (the configuration stays "
            "that of what is live), and none of its hooks may be run. Look at them, then chmod +x, or trust the "
            "snapshot"
        )
        yield Finding(Severity.NOTE, text)
    borrowed = stored.metadata.surroundings.get("alternates") if stored.metadata is not None else ""
    if isinstance(borrowed, str) and borrowed:
        text = f"it borrowed objects from {borrowed}; the restored one would have them itself"
        yield Finding(Severity.NOTE, text)
    yield from not_root(stored)


def _of_live(live: Repository) -> Iterator[Finding]:
    mounted = mount_in_the_way(live.path)
    if mounted:
        yield Finding(Severity.BLOCKER, f"{mounted}: restore a copy")
    yield from on_fixed(live.path)
    try:
        live.require()
        live.require_plain()
        live.refs()
    except PluginError as error:
        reason = f"{error.message}; {error.hint}" if error.hint else error.message
        yield Finding(Severity.IRREVERSIBLE, f"what is live cannot be dumped ({reason}): no guard can be made")
        return
    for user in users_of([live.path])[:10]:
        yield Finding(Severity.WARNING, f"{user}: a push that is under way would be refused, and can be tried again")


def _swap(live: Repository) -> str:
    if not live.there:
        return "the repository would be put where none is now"
    return (
        "the two folders would change places in one step; a push that is under way then fails and can be tried again, "
        "later ones go into the restored repository"
    )


def _guard(live: Repository) -> str:
    if not live.there:
        return "nothing is live, so there is nothing to guard"
    return (
        "what is live would be set aside whole, closed to pushes that are under way, and become a generation; until "
        "then undo would bring back the very files. Objects that no reference and no reflog leads to are not in it: "
        "other repositories that borrow them (alternates) would miss them"
    )
