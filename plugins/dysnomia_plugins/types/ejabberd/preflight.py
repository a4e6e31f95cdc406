"""What a restore into ejabberd would need and meet, without changing anything."""

from __future__ import annotations

from dysnomia_plugins.base import Context, Finding, Preflight, Severity, Stored
from dysnomia_plugins.errors import UNAVAILABLE, PluginError
from dysnomia_plugins.toolkit.findings import free_bytes
from dysnomia_plugins.types.ejabberd.node import Server, State


def preflight(ctx: Context, server: Server, stored: Stored, *, replace: bool) -> Preflight:
    """Findings, space, and how the swap would be made."""
    findings: list[Finding] = [
        Finding(
            Severity.NOTE,
            "what ejabberd keeps elsewhere (uploaded files, an SQL database, its configuration) is not in it",
            of_snapshot=True,
        )
    ]
    needed = stored.metadata.content_size if stored.metadata is not None else None
    free = free_bytes(server.spool)
    needs = ((server.spool, needed, free),) if needed is not None else ()
    if needed is not None and free is not None and free < needed:
        text = f"about {needed:,} bytes are needed in {server.spool}, and {free:,} are free there"
        findings.append(Finding(Severity.WARNING, text, of_snapshot=True))
    if not replace:
        return Preflight(findings=tuple(findings), needs=needs, swap="nothing would be replaced")
    size: int | None = None
    try:
        state = State.of(server, ctx.runner)
    except UNAVAILABLE:
        raise
    except PluginError as error:
        findings.append(Finding(Severity.BLOCKER, f"{error.message}: {error.hint}"))
    else:
        size = state.size
        users = (
            f"{state.users} connected user{'s' * (state.users != 1)} would be disconnected"
            if state.users
            else ("no user is connected now; who connects during the exchange would be disconnected")
        )
        findings.append(Finding(
            Severity.WARNING, f"{users}, and rooms ended: clients come back by themselves, writes wait",
        ))  # fmt: skip
        if state.nodes > 1:
            text = f"the server is one of a cluster of {state.nodes}: the tables of all would be changed"
            findings.append(Finding(Severity.WARNING, text))
    return Preflight(
        findings=tuple(findings),
        live_bytes=size,
        needs=needs,
        swap="all rows that differ would be exchanged in one transaction of the server's, which goes on to run: it is"
        " not stopped",
        guard="all rows as they were in that transaction; what was registered or sent since the snapshot is in it and"
        " no longer live. What modules write during it without a transaction is in it or stays live."
        " Tables stay, also ones that the snapshot has no rows of",
    )
