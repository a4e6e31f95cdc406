"""What a restore would need and meet, asked before anything is touched: within a second, without reading the data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dysnomia_plugins.base import Context, Finding, Preflight, Severity, Stored
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.findings import free_bytes, of_snapshot
from dysnomia_plugins.pg.client import Client
from dysnomia_plugins.pg.contents import LARGE_OBJECT, SCHEMA
from dysnomia_plugins.pg.names import check_database, identifiers, literal
from dysnomia_plugins.pg.scanner import DumpScanner, Part
from dysnomia_plugins.pg.surroundings import roles as roles_around
from dysnomia_plugins.sqldump.reader import Readable
from dysnomia_store.errors import NotFound

SCHEMA_LIMIT = 64 << 20
"""Bytes of definitions that are looked through; a load names what is missing beyond them."""
UNINDEXED_LIMIT = 16 << 20
"""Bytes of a dump without an index that are looked through."""

_NAME = rb'((?:"(?:[^"]|"")*"|[A-Za-z_\x80-\xff][A-Za-z0-9_$\x80-\xff]*))'
_OWNER = re.compile(rb"ALTER .* OWNER TO " + _NAME + rb";\Z", re.DOTALL)
_GRANT = re.compile(rb"(?:GRANT|REVOKE) .* (?:TO|FROM) " + _NAME + rb"(?: WITH GRANT OPTION)?;\Z", re.DOTALL)
_DEFAULTS = re.compile(rb"ALTER DEFAULT PRIVILEGES FOR ROLE " + _NAME)
_MAPPING = re.compile(rb"CREATE USER MAPPING FOR " + _NAME + rb" SERVER ")
_POLICY = re.compile(
    rb"CREATE POLICY .*? TO ((?:[^()'$]|\"(?:[^\"]|\"\")*\")+?)(?: USING | WITH CHECK |;\Z)", re.DOTALL
)
_SESSION = re.compile(rb"SET SESSION AUTHORIZATION " + _NAME + rb";\Z")
_EXTENSION = re.compile(rb"CREATE EXTENSION (?:IF NOT EXISTS )?" + _NAME)
_TABLESPACE = re.compile(rb"SET default_tablespace = " + _NAME + rb";\Z")
_SUBSCRIPTION = re.compile(rb"CREATE SUBSCRIPTION " + _NAME)


@dataclass
class Needs:
    """What a dump's definitions refer to and do not define."""

    roles: set[str] = field(default_factory=set)
    extensions: set[str] = field(default_factory=set)
    tablespaces: set[str] = field(default_factory=set)
    subscriptions: set[str] = field(default_factory=set)
    large_objects: int = 0
    """How many the snapshot holds."""

    def look(self, statement: bytes) -> None:
        """Take note of one statement."""
        for pattern in (_OWNER, _GRANT, _DEFAULTS, _MAPPING, _POLICY, _SESSION):
            if match := pattern.match(statement):
                self.roles |= set(identifiers(match[1]))
        for pattern, found in (
            (_EXTENSION, self.extensions),
            (_TABLESPACE, self.tablespaces),
            (_SUBSCRIPTION, self.subscriptions),
        ):
            if match := pattern.match(statement):
                found |= set(identifiers(match[1]))

    @property
    def real_roles(self) -> set[str]:
        """Without the words that stand where a role may."""
        return {role for role in self.roles if role.lower() not in ("public", "current_user", "session_user")}


def needs_of(stored: Stored) -> Needs:
    """What the snapshot needs, from its index and its sections of kind schema alone.

    Where no index was written (another tool's snapshot), from as much of the dump as can be read at once."""
    needs = Needs()
    try:
        _look_by_index(stored, needs)
    except NotFound:
        with stored.open() as stream:
            _look(_Bounded(stream, UNINDEXED_LIMIT), needs)
    return needs


def _look_by_index(stored: Stored, needs: Needs) -> None:
    left = SCHEMA_LIMIT
    for section in stored.sections():
        needs.large_objects += section.kind == LARGE_OBJECT
        if section.kind != SCHEMA or section.offset is None or section.length is None or left <= 0:
            continue
        with stored.open_range(section.artefact, section.offset, min(section.length, left)) as stream:
            _look(stream, needs)
        left -= section.length


def _look(stream: Readable, needs: Needs) -> None:
    for part, data in DumpScanner(stream).pieces():
        if part is Part.STATEMENT:
            needs.look(data)


class _Bounded:
    """The first bytes of a stream."""

    def __init__(self, stream: Readable, limit: int) -> None:
        self._stream = stream
        self._left = limit

    def read(self, size: int, /) -> bytes:
        data = self._stream.read(min(size, self._left))
        self._left -= len(data)
        return data


def preflight(ctx: Context, client: Client, stored: Stored, *, replace: bool) -> Preflight:
    """The findings of a restore of ``stored``. A server that does not answer is a finding, too."""
    live = ctx.component.key.component
    try:
        check_database(live)
        facts = _facts(client, live)
        findings = [
            *of_snapshot(_missing(client, stored)),
            *of_snapshot(_versions(client, stored)),
            *of_snapshot(_trust(ctx, client)),
            *(_about_live(facts, live) if replace else ()),
        ]
    except PluginError as error:
        return Preflight(findings=(Finding(Severity.BLOCKER, str(error)),))
    metadata = stored.metadata
    size = facts["size"]
    need = max(metadata.content_size if metadata else 0, size or 0)
    clients = facts["clients"]
    return Preflight(
        findings=tuple(findings),
        live_bytes=size,
        needs=(("the server's disk", need, free_bytes(facts["data_directory"])),) if need else (),
        swap=(
            f"both databases would change names in one transaction; {clients} connection{'' if clients == 1 else 's'}"
            " would be ended"
        ),
        guard=(
            "the original database itself would be set aside at the swap, so that no acknowledged write is lost, and"
            " dumped as a generation after it"
        ),
    )


def _facts(client: Client, live: str) -> Mapping[str, Any]:
    name = literal(live)
    found: Mapping[str, Any] = client.ask(
        f"""SELECT json_build_object(
          'size', (SELECT CASE WHEN has_database_privilege(oid, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'USAGE')
              THEN pg_database_size(oid) END FROM pg_database WHERE datname = {name}),
          'exists', EXISTS (SELECT FROM pg_database WHERE datname = {name}),
          'owned', (SELECT pg_has_role(datdba, 'USAGE') FROM pg_database WHERE datname = {name}),
          'createdb', (SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user),
          'user', current_user::text,
          'clients', (SELECT count(*) FROM pg_stat_activity WHERE datname = {name} AND backend_type = 'client backend'),
          'prepared', (SELECT json_agg(gid) FROM pg_prepared_xacts WHERE database = {name}),
          'slots', (SELECT json_agg(slot_name::text) FROM pg_replication_slots WHERE database = {name}),
          'subscriptions', (SELECT json_agg(s.subname::text) FROM pg_subscription s JOIN pg_database d
              ON d.oid = s.subdbid WHERE d.datname = {name} AND s.subenabled),
          'data_directory', (SELECT setting FROM pg_settings WHERE name = 'data_directory'))"""
    )
    return found


def _missing(client: Client, stored: Stored) -> Iterator[Finding]:
    """Roles, extensions and tablespaces that are not on this server: the load would fail, live untouched."""
    needs = needs_of(stored)
    there: Mapping[str, Any] = client.ask(
        """SELECT json_build_object(
          'roles', (SELECT json_agg(rolname::text) FROM pg_roles),
          'extensions', (SELECT json_agg(name::text) FROM pg_available_extensions),
          'tablespaces', (SELECT json_agg(spcname::text) FROM pg_tablespace))"""
    )
    for what, wanted in (
        ("roles", needs.real_roles),
        ("extensions", needs.extensions),
        ("tablespaces", needs.tablespaces),
    ):
        missing = sorted(wanted - set(there[what] or ()))
        if missing:
            names = ", ".join(missing[:10]) + (f" and {len(missing) - 10} more" if len(missing) > 10 else "")
            one = what if len(missing) > 1 else what[:-1]
            yield Finding(Severity.BLOCKER, f"the dump needs the {one} {names}, which this server lacks")
    if stored.metadata is not None and stored.metadata.surroundings:
        gone = sorted(roles_around(stored.metadata.surroundings) - set(there["roles"]) - needs.real_roles)
        if gone:
            yield Finding(Severity.WARNING, f"when it was dumped, the database was of roles that are gone: {gone}")
    if needs.large_objects:
        yield Finding(Severity.NOTE, f"{needs.large_objects} large objects would be restored under their numbers")
    if needs.subscriptions:
        names = ", ".join(sorted(needs.subscriptions))
        yield Finding(Severity.NOTE, f"subscriptions would be restored as disabled: {names}")


def _versions(client: Client, stored: Stored) -> Iterator[Finding]:
    if client.tool_warning:
        yield Finding(Severity.WARNING, client.tool_warning)
    versions = stored.metadata.tool_versions if stored.metadata is not None else {}
    dumped = re.match(r"\d+", versions.get("postgresql", ""))
    if dumped and int(dumped[0]) > client.major:
        yield Finding(
            Severity.WARNING,
            f"it was dumped from PostgreSQL {versions['postgresql']}, and this server is {client.major}: the load may"
            " fail (live stays as it is)",
        )


def _trust(ctx: Context, client: Client) -> Iterator[Finding]:
    if ctx.made_here:
        return
    if client.superuser:
        yield Finding(
            Severity.DANGEROUS,
            f"this snapshot was imported and is not trusted, and {client.server.user!r} is a superuser: its statements"
            " could run programs on the server",
        )
    if client.psql.warning:
        yield Finding(Severity.WARNING, client.psql.warning)


def _about_live(facts: Mapping[str, Any], live: str) -> Iterator[Finding]:
    if not facts["exists"]:
        yield Finding(Severity.NOTE, f"there is no database {live}: it would be created")
    if not facts["createdb"]:
        yield Finding(Severity.BLOCKER, f"the role {facts['user']} may not create databases")
    if facts["exists"] and not facts["owned"]:
        yield Finding(Severity.BLOCKER, f"the role {facts['user']} does not own the database {live}")
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
