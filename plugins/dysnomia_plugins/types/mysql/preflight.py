"""What a restore would need and meet, asked before anything is touched: within a second, without reading the data."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from dysnomia_plugins.base import Context, Finding, Preflight, Severity, Stored
from dysnomia_plugins.errors import NotSafe, ProcessFailed
from dysnomia_plugins.toolkit.findings import free_bytes, of_snapshot
from dysnomia_plugins.types.mysql import accounts, confined, engines, session
from dysnomia_plugins.types.mysql.client import Client
from dysnomia_plugins.types.mysql.names import check_database, identifier, literal
from dysnomia_plugins.types.mysql.surroundings import look

_FOR_A_COPY = ("SELECT", "INSERT", "CREATE", "DROP", "ALTER", "INDEX", "TRIGGER", "CREATE VIEW", "CREATE ROUTINE")
_FOR_A_SWAP = (*_FOR_A_COPY, "ALTER ROUTINE", "EVENT", "PROCESS", "CREATE USER")
_NEXT = "--next--"
OLDEST = (10, 4)
"""The first MariaDB that can lock accounts."""
GLOBALS = "restore the accounts, from a component of type mysql-globals, or create them"
"""What brings accounts to a server that lacks them."""


def preflight(ctx: Context, client: Client, stored: Stored, *, replace: bool) -> Preflight:
    """Raises ServerDown, WrongCredentials."""
    live = check_database(ctx.component.key.component)
    findings = [*_rights(client, replace), *_rights_for_code(ctx, client, stored, live, replace)]
    refused = any(finding.severity is Severity.BLOCKER for finding in findings)
    findings += [*of_snapshot(_versions(client, stored)), *of_snapshot(_trust(ctx, client, stored, live))]
    findings += of_snapshot([*_missing_engines(client, stored), *_definers_missing(client, stored)])
    if replace and not refused:
        findings += [*refusals(client, live), *_who(client, live), *_engines(client, live)]
    facts = _facts(client, live)
    if not facts["exists"]:
        findings.append(Finding(Severity.NOTE, f"there is no database {live}: it would be created"))
    size = facts["size"]
    need = max(stored.metadata.content_size if stored.metadata else 0, size or 0)
    clients = facts["clients"]
    return Preflight(
        findings=tuple(findings),
        live_bytes=size,
        needs=(("the server's disk", need, _free(client, facts["datadir"])),) if need else (),
        swap=(
            "the accounts with rights on it would be locked for a moment and their sessions ended"
            f" ({clients} connection{'' if clients == 1 else 's'} now), all tables would change places in one RENAME,"
            " then its triggers, views, routines and events would be made anew; grants stay, they go by name"
        ),
        guard=(
            "the original tables themselves would be set aside with all their code, after the last session has ended,"
            " so that no acknowledged write is lost, and dumped as a generation after the swap"
        ),
    )


def _free(client: Client, folder: str) -> int | None:
    """Free bytes where the server keeps its data; None where that is a path inside a container."""
    return free_bytes(folder) if client.server.container is None else None


def _facts(client: Client, live: str) -> dict[str, Any]:
    name = literal(live)
    answer = client.ask(
        f"""SELECT JSON_ARRAY(
          (SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = {name}),
          (SELECT SUM(data_length + index_length) FROM information_schema.tables WHERE table_schema = {name}),
          (SELECT COUNT(*) FROM information_schema.processlist WHERE db = {name}), @@datadir)"""
    )
    return {
        "exists": bool(answer[0]),
        "size": None if answer[1] is None else int(answer[1]),
        "clients": answer[2],
        "datadir": answer[3],
    }


def _rights(client: Client, replace: bool) -> Iterator[Finding]:
    """Can we do it at all?"""
    if replace and not (client.mariadb and client.version >= OLDEST):
        yield Finding(
            Severity.BLOCKER,
            f"this server is {client.version_text}: replacing needs MariaDB {OLDEST[0]}.{OLDEST[1]} or later, which can"
            " lock accounts while it swaps; restore a copy instead",
        )
        return
    held = accounts.own_privileges(client)
    if not held - {"USAGE"} and not replace:
        return
    needed = _FOR_A_SWAP if replace else _FOR_A_COPY
    missing = [] if "SUPER" in held and not replace else [one for one in needed if one not in held]
    if replace and not held & {"SUPER", "CONNECTION ADMIN"}:
        missing.append("CONNECTION ADMIN")
    if replace and not held & {"SUPER", "SLAVE MONITOR", "REPLICATION CLIENT"}:
        missing.append("SLAVE MONITOR")
    if missing:
        user, host = client.account
        what = ", ".join(missing)
        yield Finding(
            Severity.BLOCKER,
            f"the account {user}@{host} lacks {what} on *.*: grant it, or name another in mysqlUsername",
        )


def _rights_for_code(ctx: Context, client: Client, stored: Stored, live: str, replace: bool) -> Iterator[Finding]:
    """What an account without SUPER may not make: code of others, code on a server with a binary log, anything on one
    that is read-only."""
    held = accounts.own_privileges(client)
    if "SUPER" in held:
        return
    user, host = client.account
    asked = f"""SELECT JSON_ARRAY(@@read_only + 0, @@log_bin AND NOT @@log_bin_trust_function_creators,
        (SELECT COUNT(*) FROM information_schema.triggers WHERE trigger_schema = {literal(live)})
        + (SELECT COUNT(*) FROM information_schema.routines WHERE routine_schema = {literal(live)}
           AND routine_type = 'FUNCTION'))"""
    read_only, logged, count = client.ask(asked)
    if read_only and not held & {"READ_ONLY ADMIN", "READ ONLY ADMIN"}:
        yield Finding(Severity.BLOCKER, f"the server is read_only: {user}@{host} needs READ_ONLY ADMIN")
    engine = client.ask(f"SELECT JSON_ARRAY({session.ENFORCED})")[0] if client.mariadb else None
    if engine is not None:
        yield Finding(
            Severity.BLOCKER,
            f"the server makes every table one of {engine} (enforce_storage_engine), and {user}@{host} lacks SUPER to"
            " be free of it: grant it, or SET GLOBAL enforce_storage_engine = NULL",
        )
    definers = confined.definers_of(stored)
    code = any(kind in ("trigger", "function") for kind, _ in definers) or (replace and count)
    if logged and code:
        yield Finding(
            Severity.BLOCKER,
            f"the server keeps a binary log, and {user}@{host} lacks SUPER: it may make no trigger or function; grant"
            " it, or SET GLOBAL log_bin_trust_function_creators = 1",
        )
    others = sorted({f"{one[0]}@{one[1]}" for one, _ in definers.values() if one and one != (user, host)})
    if others and ctx.made_here and not held & {"SET USER", "DEFINER"}:
        yield Finding(
            Severity.BLOCKER,
            f"the definer of some views, triggers, routines or events in the snapshot is {some(others)}, and"
            f" {user}@{host} may not make what runs as another account: GRANT SET USER ON *.* TO"
            f" {identifier(user)}@{identifier(host)}, or name an account in mysqlUsername that has it",
        )


def _definers_missing(client: Client, stored: Stored) -> Iterator[Finding]:
    """Code whose definer the server lacks is restored, and fails when it runs."""
    definers = {f"{one[0]}@{one[1]}" for one, _ in confined.definers_of(stored).values() if one}
    if not definers:
        return
    names = ", ".join(map(literal, sorted(definers)))
    sql = f"SELECT JSON_ARRAY(CONCAT(user, '@', host)) FROM mysql.user WHERE CONCAT(user, '@', host) IN ({names})"
    try:
        present = client.rows(sql)
    except ProcessFailed:  # the account may not read the others
        return
    missing = sorted(definers - {str(name) for (name,) in present})
    if missing:
        yield Finding(
            Severity.WARNING,
            f"the definer of some triggers, routines or events in the snapshot is {some(missing)}, which this"
            f" server lacks, and these fail when they run: {GLOBALS}",
        )


def refusals(client: Client, live: str) -> Iterator[Finding]:
    """What would make a swap lose something."""
    asked = f"""SELECT JSON_ARRAY(constraint_schema, table_name, constraint_name)
        FROM information_schema.referential_constraints
        WHERE unique_constraint_schema = {literal(live)} AND constraint_schema <> {literal(live)} LIMIT 20;
      SELECT {literal(_NEXT)}; XA RECOVER; SELECT {literal(_NEXT)}; SHOW ALL SLAVES STATUS; SELECT {literal(_NEXT)};
      SHOW GLOBAL STATUS LIKE 'wsrep_cluster_size';"""
    keys, prepared, replica, cluster = re.split(rb"^" + _NEXT.encode() + rb"\n", client.script(asked), flags=re.M)
    for schema, table, name in map(json.loads, keys.splitlines()):
        yield Finding(
            Severity.BLOCKER,
            f"the foreign key {name} of {schema}.{table} refers to a table here, and would follow the old one: drop it"
            " first, and add it again afterwards",
        )
    if prepared.strip():
        yield Finding(
            Severity.BLOCKER,
            "prepared XA transactions may hold its tables: commit or roll back what XA RECOVER lists",
        )
    if replica.strip():
        yield Finding(Severity.BLOCKER, "this server is a replica: restore on its primary")
    if cluster.strip().split(b"\t")[-1] not in (b"", b"0"):
        yield Finding(
            Severity.BLOCKER, "this server is in a Galera cluster: sessions on its other nodes could not be kept out"
        )


def refuse(client: Client, live: str) -> None:
    """Raises NotSafe where a swap would lose something."""
    findings = list(refusals(client, live))
    if findings:
        raise NotSafe("; ".join(finding.text for finding in findings))


def _who(client: Client, live: str) -> Iterator[Finding]:
    """Who will be kept out, and who cannot be."""
    held = accounts.read(client, live)
    user, host = client.account
    unlocked = [*held.admins, (user, host)]
    if held.lockable:
        yield Finding(Severity.NOTE, f"locked for a moment: {accounts.shown(held.lockable)}")
    yield Finding(
        Severity.WARNING,
        f"not locked (an administrator must always get in): {accounts.shown(unlocked)}; an application that uses such"
        " an account could see the restored tables before their triggers and views",
    )


def _engines(client: Client, live: str) -> Iterator[Finding]:
    looked = look(client, live)
    odd, floats = looked.not_transactional, looked.floats
    if odd:
        yield Finding(
            Severity.NOTE, f"not transactional: {some(odd)}; their snapshots may mix states of different moments"
        )
    if floats:
        yield Finding(
            Severity.WARNING,
            f"a dump keeps six digits of FLOAT columns: the guard would round those of {some(floats)}",
        )


def some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _missing_engines(client: Client, stored: Stored) -> Iterator[Finding]:
    """The server would make such a table with another engine, and say nothing."""
    for engine, tables in engines.missing_for(client, stored).items():
        yield Finding(
            Severity.BLOCKER,
            f"the server lacks the storage engine {engine}, which the snapshot needs for {some(tables)}:"
            f" {engines.HINT}",
        )


def _versions(client: Client, stored: Stored) -> Iterator[Finding]:
    versions = stored.metadata.tool_versions if stored.metadata is not None else {}
    dumped = re.match(r"(\d+)\.(\d+)", versions.get("server", ""))
    if dumped and (int(dumped[1]), int(dumped[2])) > client.version:
        yield Finding(
            Severity.WARNING,
            f"it was dumped from {versions['server']}, and this server is {client.version_text}: the load may fail"
            " (live stays as it is)",
        )


def _trust(ctx: Context, client: Client, stored: Stored, live: str) -> Iterator[Finding]:
    if ctx.made_here:
        return
    yield Finding(
        Severity.DANGEROUS,
        "this snapshot was imported and is not trusted: an account made for it, with rights on the new schema alone,"
        " would load it",
    )
    held = client.rows(
        "SELECT JSON_ARRAY(privilege_type, is_grantable) FROM information_schema.user_privileges"
        f" WHERE grantee = {literal(accounts.grantee(*client.account))}"
    )
    if not {("CREATE USER", "YES"), ("SELECT", "YES")} <= {(str(one), str(grantable)) for one, grantable in held}:
        yield Finding(
            Severity.BLOCKER,
            f"such an account cannot be made: give {'@'.join(client.account)} CREATE USER and GRANT OPTION on *.*, or"
            f" {confined.TRUST}",
        )
        return
    try:
        confined.refuse_powerful(client, live, confined.definers_of(stored))
    except NotSafe as error:
        yield Finding(Severity.BLOCKER, str(error))
