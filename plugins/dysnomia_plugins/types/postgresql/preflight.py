"""What a restore would need and meet, asked before anything is touched: within a second, without reading the data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dysnomia_plugins.base import Context, Finding, Preflight, Severity, Stored
from dysnomia_plugins.errors import UNAVAILABLE, PluginError
from dysnomia_plugins.toolkit.findings import free_bytes, of_snapshot
from dysnomia_plugins.types.postgresql import rights, untrusted
from dysnomia_plugins.types.postgresql.client import Client
from dysnomia_plugins.types.postgresql.differing import differing
from dysnomia_plugins.types.postgresql.names import check_database, literal
from dysnomia_plugins.types.postgresql.needs import Needs, needs_of
from dysnomia_plugins.types.postgresql.surroundings import REORDERED, Surroundings, read
from dysnomia_plugins.types.postgresql.surroundings import roles as roles_around

GLOBALS = "restore them first, from a component of type postgresql-globals, or create them"
"""What brings roles and tablespaces to a server that lacks them."""


def preflight(ctx: Context, client: Client, stored: Stored, *, replace: bool) -> Preflight:
    """The findings of a restore of ``stored``. Raises ServerDown, WrongCredentials, ToolMissing."""
    live = ctx.component.key.component
    try:
        check_database(live)
        facts = _facts(client, live)
        around_live = read(client, live)
        around = around_live or _recorded(stored)
        needs = needs_of(stored)
        findings = [
            *_standby(facts, client),
            *_may_create(facts),
            *of_snapshot(_missing(client, stored, needs, given=not replace and ctx.made_here and not around_live)),
            *of_snapshot(_versions(client, stored)),
            *of_snapshot(_trust(ctx, client, needs)),
            *(of_snapshot(_rights(client, needs, around)) if ctx.made_here else ()),
            *(_about_live(facts, live) if replace else ()),
            *(differing(around_live, _recorded(stored)) if replace and around_live else ()),
        ]
    except UNAVAILABLE:
        raise
    except PluginError as error:
        return Preflight(findings=(Finding(Severity.BLOCKER, str(error)),))
    metadata = stored.metadata
    size = facts["size"]
    need = max(metadata.content_size if metadata else 0, size or 0)
    clients = facts["clients"]
    return Preflight(
        findings=tuple(findings),
        live_bytes=size,
        needs=(("the server's disk", need, _free(client, facts["data_directory"])),) if need else (),
        swap=(
            f"both databases would change names in one transaction; {clients} connection{'' if clients == 1 else 's'}"
            " would be ended"
        ),
        guard=(
            "the original database itself would be set aside at the swap, so that no acknowledged write is lost, and"
            " dumped as a generation after it"
        ),
    )


def _recorded(stored: Stored) -> Mapping[str, Any]:
    return stored.metadata.surroundings if stored.metadata is not None else {}


def _free(client: Client, folder: str) -> int | None:
    """Free bytes where the server keeps its data; None where that is a path inside a container."""
    return free_bytes(folder) if client.server.container is None else None


def _facts(client: Client, live: str) -> Mapping[str, Any]:
    name = literal(live)
    facts: Mapping[str, Any] = client.ask(
        f"""SELECT json_build_object(
          'size', (SELECT CASE WHEN has_database_privilege(oid, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'USAGE')
              THEN pg_database_size(oid) END FROM pg_database WHERE datname = {name}),
          'standby', pg_is_in_recovery(),
          'exists', EXISTS (SELECT FROM pg_database WHERE datname = {name}),
          'closed', EXISTS (SELECT FROM pg_database WHERE datname = {name} AND NOT datallowconn),
          'invalid', EXISTS (SELECT FROM pg_database WHERE datname = {name} AND datconnlimit = -2),
          'owned', (SELECT pg_has_role(datdba, 'USAGE') FROM pg_database WHERE datname = {name}),
          'createdb', (SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user),
          'user', current_user::text,
          'clients', (SELECT count(*) FROM pg_stat_activity WHERE datname = {name} AND backend_type = 'client backend'),
          'prepared', (SELECT json_agg(gid) FROM pg_prepared_xacts WHERE database = {name}),
          'slots', (SELECT json_agg(slot_name::text) FROM pg_replication_slots WHERE database = {name}),
          'subscriptions', (SELECT json_agg(s.subname::text) FROM pg_subscription s JOIN pg_database d
              ON d.oid = s.subdbid WHERE d.datname = {name} AND s.subenabled),
          'hidden', (SELECT json_agg(s.subname::text) FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
              WHERE d.datname = {name} AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)),
          'data_directory', (SELECT setting FROM pg_settings WHERE name = 'data_directory'))"""
    )
    return facts


def _standby(facts: Mapping[str, Any], client: Client) -> Iterator[Finding]:
    if facts["standby"]:
        yield Finding(
            Severity.BLOCKER,
            f"the server at {client.server} is a standby, which takes no writes: restore on its primary",
        )


def _may_create(facts: Mapping[str, Any]) -> Iterator[Finding]:
    if not facts["createdb"]:
        yield Finding(Severity.BLOCKER, f"the role {facts['user']} lacks CREATEDB: grant it, or configure another role")


def _rights(client: Client, needs: Needs, around: Surroundings | None) -> Iterator[Finding]:
    for line in rights.beyond(client, needs, around):
        yield Finding(Severity.BLOCKER, f"{line}: configure a superuser (postgresqlUsername) for the restore")


def _missing(client: Client, stored: Stored, needs: Needs, *, given: bool) -> Iterator[Finding]:
    """Roles, extensions and tablespaces that are not on this server: the load would fail, live untouched.

    ``given``: a copy would be given what its original had, since nothing of that name is live on this server."""
    available: Mapping[str, Any] = client.ask(
        """SELECT json_build_object(
          'roles', (SELECT json_agg(rolname::text) FROM pg_roles),
          'extensions', (SELECT json_agg(name::text) FROM pg_available_extensions),
          'tablespaces', (SELECT json_agg(spcname::text) FROM pg_tablespace))"""
    )
    around = stored.metadata.surroundings if stored.metadata is not None else {}
    for what, wanted in (
        ("roles", needs.real_roles | (roles_around(around) if given and around else set())),
        ("extensions", needs.extensions),
        ("tablespaces", needs.tablespaces | ({around.get("tablespace", "pg_default")} if given and around else set())),
    ):
        missing = sorted(wanted - set(available[what] or ()))
        if missing:
            names = ", ".join(missing[:10]) + (f" and {len(missing) - 10} more" if len(missing) > 10 else "")
            one = what if len(missing) > 1 else what[:-1]
            way = "" if what == "extensions" else f": {GLOBALS}"
            yield Finding(Severity.BLOCKER, f"the dump needs the {one} {names}, which this server lacks{way}")
    if around and not given:
        missing_roles = sorted(roles_around(around) - set(available["roles"]) - needs.real_roles)
        if missing_roles:
            yield Finding(
                Severity.WARNING,
                f"when it was dumped, the database was owned by roles that no longer exist: {missing_roles}",
            )
    if needs.large_objects:
        yield Finding(Severity.NOTE, f"{needs.large_objects} large objects would be restored under their numbers")
    if needs.subscriptions:
        names = ", ".join(sorted(needs.subscriptions))
        yield Finding(Severity.NOTE, f"subscriptions would be restored as disabled: {names}")


def _versions(client: Client, stored: Stored) -> Iterator[Finding]:
    if client.psql.major != client.major:
        yield Finding(Severity.WARNING, f"psql {client.psql.major} is used for a server of version {client.major}")
    metadata = stored.metadata
    versions = metadata.tool_versions if metadata is not None else {}
    dumped = re.match(r"\d+", versions.get("postgresql", ""))
    if dumped and int(dumped[0]) > client.major:
        yield Finding(
            Severity.WARNING,
            f"it was dumped from PostgreSQL {versions['postgresql']}, and this server is {client.major}: the load may"
            " fail (live stays as it is)",
        )
    tables = metadata.surroundings.get(REORDERED) if metadata is not None else None
    if tables:
        yield Finding(Severity.WARNING, reordered(tables))


def reordered(tables: Sequence[str]) -> str:
    """What is said of tables whose columns come back in another order."""
    names = ", ".join(tables[:10]) + (f" and {len(tables) - 10} more" if len(tables) > 10 else "")
    return (
        f"the columns of {names} come back in another order, that of the table they inherit from (pg_dump cannot give"
        " theirs): SELECT * and INSERT without column names would mean something else"
    )


def _trust(ctx: Context, client: Client, needs: Needs) -> Iterator[Finding]:
    if ctx.made_here:
        return
    refused = tuple(untrusted.refusals(client, needs))
    for text in refused:
        yield Finding(Severity.BLOCKER, text)
    if not refused:
        yield Finding(
            Severity.DANGEROUS,
            "this snapshot was imported and is not trusted: it would be loaded by a role made for the job, which can do"
            f" nothing outside of its database, and all in it would belong to {untrusted.OWNER} (to whoever owns the"
            " database) until it is trusted; its functions and triggers would still run in the sessions of its users",
        )
    if client.psql.warning:
        yield Finding(Severity.WARNING, client.psql.warning)


def _about_live(facts: Mapping[str, Any], live: str) -> Iterator[Finding]:
    if not facts["exists"]:
        yield Finding(Severity.NOTE, f"there is no database {live}: it would be created")
    if facts["exists"] and not facts["owned"]:
        yield Finding(Severity.BLOCKER, f"the role {facts['user']} does not own the database {live}")
    if facts["invalid"]:
        yield Finding(
            Severity.BLOCKER,
            f"{live} is what an interrupted DROP DATABASE left, and nobody can connect to it: drop it, then restore",
        )
    if facts["closed"]:
        yield Finding(
            Severity.BLOCKER,
            f"{live} lets nobody connect (ALLOW_CONNECTIONS false), so no guard could be dumped: set that to true;"
            " CONNECTION LIMIT 0 keeps out all but superusers",
        )
    if facts["hidden"]:
        names = ", ".join(facts["hidden"])
        yield Finding(
            Severity.BLOCKER,
            f"only a superuser is shown how {live} subscribes ({names}), so the guard would lack that: configure a"
            " superuser (postgresqlUsername) for the restore",
        )
    for gid in facts["prepared"] or ():
        yield Finding(Severity.BLOCKER, f"the prepared transaction {gid!r} holds {live}: commit or roll it back first")
    for slot in facts["slots"] or ():
        yield Finding(
            Severity.BLOCKER,
            f"the logical replication slot {slot} is on {live} and would be lost: drop it first (its readers need a new"
            " start)",
        )
    for name in facts["subscriptions"] or ():
        yield Finding(Severity.BLOCKER, f"the subscription {name} writes to {live}: disable it first")
