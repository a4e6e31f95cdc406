"""What the plan of a restore must say before anything is touched: from the index, and the server's own words."""

from __future__ import annotations

import os

import psutil

from dysnomia_base.plurals import plural
from dysnomia_plugins.base import Context, Preflight, Severity, Stored
from dysnomia_plugins.errors import UNAVAILABLE, PluginError
from dysnomia_plugins.toolkit.findings import Findings, existing, free_bytes
from dysnomia_plugins.types.redis import folders
from dysnomia_plugins.types.redis.contents import FUNCTIONS, keys_by_database
from dysnomia_plugins.types.redis.programs import Program, fitting
from dysnomia_plugins.types.redis.resp import Connection
from dysnomia_plugins.types.redis.server import Server
from dysnomia_plugins.types.redis.server_info import ServerInfo, beyond, obstacles, read
from dysnomia_plugins.types.redis.versions import REDIS, VALKEY, Format, Version
from dysnomia_store.errors import StoreError
from dysnomia_store.model import Section

SECONDS = 1.0
_SWAP = (
    "the data would be loaded by a temporary server beside live, and live would take it over in one step: writes wait "
    "for that long, and for a moment reads are answered with LOADING"
)
_GUARD = "taken while writes are held up: it holds every write that was acknowledged"


def preflight(ctx: Context, stored: Stored, server: Server, *, replace: bool) -> Preflight:
    """See ``StatePlugin.preflight``."""
    findings = Findings()
    sections = _sections(stored)
    if not ctx.made_here and any(section.kind == FUNCTIONS for section in sections):
        text = "it was not made here, and holds functions: code that runs in the server when they are loaded and called"
        findings.add(Severity.DANGEROUS, text, of_snapshot=True)
    ours = _program(ctx, server, stored, findings)
    content = stored.metadata.content_size if stored.metadata is not None else 0
    try:
        copies = existing(str(folders.real_copies(server.copies)))
    except PluginError as error:
        findings.add(Severity.BLOCKER, str(error))
        copies = existing("/")
    if not os.access(copies, os.W_OK | os.X_OK):
        findings.add(Severity.BLOCKER, f"permission denied: the folder {copies} is not writable; set redisCopiesDir")
    free = free_bytes(copies)
    if not replace:
        if ours is not None:
            _loads(findings, stored, ours.version, ours.path)
        return Preflight(findings=tuple(findings.list), needs=((str(server.copies), content, free),))
    live: ServerInfo | None = None
    try:
        with Connection.open(server, limit=SECONDS) as connection:
            live = read(connection)
            for obstacle in obstacles(connection, live):
                findings.add(Severity.BLOCKER, obstacle)
            for obstacle in beyond(connection, live, max(keys_by_database(sections), default=-1)):
                findings.add(Severity.BLOCKER, obstacle, of_snapshot=True)
    except UNAVAILABLE:
        raise
    except PluginError as error:
        findings.add(Severity.BLOCKER, f"{error.message}: what it holds can be replaced only while it runs")
    if live is None:
        return Preflight(findings=tuple(findings.list), needs=((str(server.copies), content, free),))
    ours = fitting(ctx.runner, server, live.version) if ours is not None else None
    _compare(findings, live, ours)
    _loads(findings, stored, live.version, f"the server at {server}")
    used = live.used
    return Preflight(
        findings=tuple(findings.list),
        live_bytes=used,
        needs=(
            (str(server.copies), content + used, free),
            ("memory, here and at the server", 2 * max(content, used), psutil.virtual_memory().available),
        ),
        swap=_SWAP,
        guard=_GUARD,
    )


def _compare(findings: Findings, live: ServerInfo, ours: Program | None) -> None:
    if ours is not None and (wrong := other_version(ours, live)):
        findings.add(Severity.BLOCKER, ": ".join(wrong))
    clients = int(live.info.get("connected_clients", 1)) - 1
    if clients > 0:
        findings.add(Severity.NOTE, f"{plural(clients, 'client')} connected: they stay, and their writes wait")
    replicas = int(live.info.get("connected_slaves", 0))
    if replicas:
        findings.add(Severity.WARNING, f"{plural(replicas, 'replica')} of it would copy everything anew")
    if live.max_memory:
        findings.add(
            Severity.NOTE, f"refused if what is restored takes more than its maxmemory ({live.max_memory >> 20} MiB)"
        )


def other_version(ours: Program, live: ServerInfo) -> tuple[str, str] | None:
    """Why our program cannot stand beside live, and what to do; None where it can."""
    if not live.version.series or ours.version.same_series(live.version):
        return None
    return (
        f"{ours.path} here is {ours.version}, and the live server is {live.version}",
        "it must be of the same version: install it and name its folder in redisBinDir, or restore on the server's own "
        "machine",
    )


def _program(ctx: Context, server: Server, stored: Stored, findings: Findings) -> Program | None:
    try:
        return fitting(ctx.runner, server, made_by(stored))
    except PluginError as error:
        findings.add(Severity.BLOCKER, str(error))
        return None


def made_by(stored: Stored) -> Version | None:
    """Which server a snapshot is of, where that is known."""
    versions = stored.metadata.tool_versions if stored.metadata is not None else {}
    return next((Version(product, versions[product]) for product in (VALKEY, REDIS) if product in versions), None)


def _loads(findings: Findings, stored: Stored, version: Version, who: str) -> None:
    """Say where a server cannot load the snapshot's file."""
    try:
        with stored.open() as source:
            format_ = Format.of(source.read(9))
    except StoreError:
        return  # its verification says so
    if format_ is not None and not format_.loads_in(version):
        text = f"the snapshot is an RDB file of {format_}, which {who} ({version}) does not load"
        findings.add(Severity.BLOCKER, text, of_snapshot=True)


def _sections(stored: Stored) -> list[Section]:
    """The contents index; empty for a snapshot that has none yet."""
    try:
        return list(stored.sections())
    except StoreError:
        return []
