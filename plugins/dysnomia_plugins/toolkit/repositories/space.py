"""What a repository that is loaded beside another takes of the disk."""

from __future__ import annotations

from collections.abc import Sequence

from dysnomia_plugins.base import Finding, Severity
from dysnomia_plugins.toolkit.findings import existing, free_bytes
from dysnomia_plugins.toolkit.repositories.places import Layout


def needed_beside(
    layout: Layout, needed: int | None
) -> tuple[tuple[tuple[str, int, int | None], ...], Sequence[Finding]]:
    """What a plan says is needed, and a warning where that is not free."""
    if needed is None:
        return (), ()
    free = free_bytes(existing(layout.parent))
    needs = ((f"beside {layout.live}", needed, free),)
    if free is None or free >= needed:
        return needs, ()
    text = f"about {needed:,} bytes are needed beside {layout.live}, and {free:,} are free there"
    return needs, (Finding(Severity.WARNING, text, of_snapshot=True),)
