"""What a restore of a system would need and meet, without changing anything."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from dysnomia_plugins.base import Context, Finding, Preflight, Severity, Stored
from dysnomia_plugins.toolkit.findings import free_bytes
from dysnomia_plugins.types.nixos.commands import System
from dysnomia_plugins.types.nixos.tree import all_sections


def preflight(ctx: Context, system: System, stored: Stored, *, replace: bool) -> Preflight:
    """Findings, space, and how the restore would be made. Raises PluginError."""
    where = posixpath.dirname(system.statedir)
    size = stored.metadata.stored_size if stored.metadata is not None else None
    needs = ((where, size, free_bytes(where)),) if size is not None else ()
    if not replace:
        return Preflight(needs=needs, swap="nothing would be replaced")
    return Preflight(
        findings=tuple(_findings(ctx, system, stored)),
        needs=needs,
        swap="each component would be restored by its own type, one after the other; if one fails, those before it"
        " are undone",
        guard=f"the guards of its components, taken by each of their restores in {system.statedir}",
    )


def _findings(ctx: Context, system: System, stored: Stored) -> Iterator[Finding]:
    active = {str(key) for key in system.active(ctx.runner)}
    held = [name for name, _ in all_sections(stored)]
    missing = [name for name in held if name not in active]
    if held and len(missing) == len(held):
        text = f"none of its components is deployed in {system.statedir}: activate the system they belong to first"
        yield Finding(Severity.BLOCKER, text)
        return
    for name in missing:
        text = f"{name} is not deployed in {system.statedir}: its snapshot would be left out"
        yield Finding(Severity.WARNING, text)
    for name in sorted(active.difference(held)):
        yield Finding(Severity.NOTE, f"{name} is not in the snapshot: it would stay as it is")
    yield Finding(
        Severity.NOTE,
        "whether each component can be restored is found when its turn comes;"
        f" beforehand: DYSNOMIA_STATEDIR={system.statedir} dysnomia -o restore --dry-run",
    )
    if not ctx.made_here:
        text = "neither it nor its components' snapshots were made here: each would be loaded as a stranger's is"
        yield Finding(Severity.DANGEROUS, text, of_snapshot=True)
