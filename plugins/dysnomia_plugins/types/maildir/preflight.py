"""What a restore of an account's mail would need and meet, without changing anything."""

from __future__ import annotations

from dataclasses import replace as changed

from dysnomia_plugins.base import Context, Finding, Preflight, Severity, Stored
from dysnomia_plugins.toolkit.filesets import preflight as of_files
from dysnomia_plugins.toolkit.filesets.places import Layout
from dysnomia_plugins.types.maildir import names as naming
from dysnomia_plugins.types.maildir import numbers

_CLIENTS = (
    "each mailbox would get a UIDVALIDITY that it never had: IMAP clients forget what they had kept of it and read it "
    "anew; POP3 clients that leave mail on the server may fetch all of it again"
)
_MEANWHILE = "mail that came since the snapshot would be in the guard alone: put it back from there, message by message"
_DELIVERED = "a delivery that has begun in the old folder fails for now, and its server tries again"


def restore_preflight(ctx: Context, layout: Layout, stored: Stored, *, replace: bool) -> Preflight:
    """As of a fileset, and what mail clients would see."""
    result = of_files.restore_preflight(
        ctx, layout, stored, replace=replace, besides=lambda path: not naming.counts_as_written(path)
    )
    if not replace:
        return result
    notes = [Finding(Severity.NOTE, _MEANWHILE)]
    if numbers.uidvalidity(layout.target, "."):
        notes.insert(0, Finding(Severity.NOTE, _CLIENTS))
    return changed(result, findings=(*result.findings, *notes), swap=f"{result.swap}; {_DELIVERED}")
