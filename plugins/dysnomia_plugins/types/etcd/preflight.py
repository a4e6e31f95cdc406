"""What a restore of a prefix would need and meet, without changing anything."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from dysnomia_plugins.base import Context, Finding, Preflight, Severity, Stored
from dysnomia_plugins.toolkit.findings import existing, free_bytes, on_read_only
from dysnomia_plugins.types.etcd.api import Session
from dysnomia_plugins.types.etcd.facts import Facts
from dysnomia_plugins.types.etcd.keyspace import Keyspace
from dysnomia_plugins.types.etcd.records import shown

_LOOKED_AT, _NAMED = 2000, 5
SWAP = (
    "what differs is written in transactions of up to 128 keys, each only while it is what was set aside; with more "
    "keys than that, clients see some old and some new ones meanwhile. What is written gets new revisions, versions "
    "and no lease: those are not in snapshots"
)
GUARD = (
    "all keys at one revision, set aside before the first is written, and what clients changed until the exchange came "
    "to their keys"
)
NOTHING = "nothing is live, so there is nothing to guard"


def preflight(ctx: Context, session: Session, prefix: str, stored: Stored, *, replace: bool) -> Preflight:
    """Raises PluginError where the server does not answer."""
    facts = Facts.of(session, quota=True)
    keyspace = Keyspace.of(session, prefix)
    count = keyspace.count(serializable=True)
    copies = session.server.copies
    findings = [Finding(Severity.BLOCKER, text) for text in facts.against_writes()]
    findings += on_read_only(copies)
    if replace:
        findings += _leased(keyspace)
    size = stored.metadata.content_size if stored.metadata is not None else 0
    free = None if facts.quota is None else max(0, facts.quota - facts.size)
    if free is not None and size > free:
        text = "etcd may come to its quota half-way, and take no more writes then: compact and defragment it before"
        findings.append(Finding(Severity.WARNING, text))
    return Preflight(
        findings=tuple(findings),
        live_bytes=None if count else 0,
        needs=((f"on etcd at {session.server}", size, free), (copies, 2 * size, free_bytes(existing(copies)))),
        swap=SWAP if replace else "nothing would be replaced",
        guard=(GUARD if count else NOTHING) if replace else "",
    )


def _leased(keyspace: Keyspace) -> Iterator[Finding]:
    keys = [pair for pair in islice(keyspace.pairs(keys_only=True), _LOOKED_AT) if pair.lease]
    if keys:
        names = ", ".join(shown(pair.key) for pair in keys[:_NAMED]) + (", …" if len(keys) > _NAMED else "")
        text = (
            f"keys that are attached to a lease stay as they are, unless the snapshot has a key of that name; an undo "
            f"brings such a one back without its lease: {names}"
        )
        yield Finding(Severity.WARNING, text)
