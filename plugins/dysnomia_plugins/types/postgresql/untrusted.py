"""Loading a dump that was imported and is not trusted: by a role that can do nothing but fill its own database.

The role is made for the job and gone after it. It may log in, and owns the database that is loaded; it is no
superuser, may make no roles and no databases, and is a member of nothing. So whatever the dump's statements are, and
whatever functions, triggers, defaults and indexes run while it is loaded, they reach no program, no file, no other
database and no role. What only a superuser can make is refused before anything is touched.

Afterwards all of it belongs to ``pg_database_owner``: a role that nobody can log in as, that has no rights beyond the
database, and whose only member is whoever owns the database. It is not given to the owners that the dump names: code
of a stranger (an index on an expression, at the next autovacuum; a SECURITY DEFINER function, at the next call) runs
with its owner's rights. Once the snapshot is trusted it is restored with all its owners.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from dysnomia_plugins.base import Context, Purpose
from dysnomia_plugins.errors import NotSafe, PluginError, WrongCredentials
from dysnomia_plugins.toolkit.servers import namesake
from dysnomia_plugins.toolkit.sqldump.names import job_place
from dysnomia_plugins.types.postgresql.client import Client
from dysnomia_plugins.types.postgresql.names import MAX_BYTES, identifier, identifiers, literal
from dysnomia_plugins.types.postgresql.needs import Needs
from dysnomia_plugins.types.postgresql.server import Server
from dysnomia_plugins.types.postgresql.statements import Statements
from dysnomia_plugins.types.postgresql.surroundings import ABSENT, Surroundings, setting

HINT = "look at it, trust it (dysnomia-tui trust), and restore it then"
OWNER = "pg_database_owner"
OLDEST = 14
"""The first version that has it."""
EXTENSIONS = frozenset(
    {
        *("address_standardizer", "pg_stat_statements", "pg_visibility", "pgrowlocks", "pgstattuple"),
        *("postgis", "postgis_raster", "postgis_topology", "vector"),
    }
)
"""Extensions of which it is known that they give their users nothing beyond the database: a superuser makes them for a
dump that needs them. (Those that PostgreSQL itself calls trusted are made by the role.)"""

_SKIPPED = re.compile(rb"ALTER .* OWNER TO (?:\"(?:[^\"]|\"\")*\"|[^\s;]+);\Z|COMMENT ON EXTENSION\s", re.DOTALL)
_SCHEMA = re.compile(rb"CREATE SCHEMA ([^;]+);\Z")
_ITERATIONS = 4096


@dataclass(frozen=True, slots=True)
class JobRole:
    """The role of a job, and the client that is it."""

    name: str
    client: Client


@dataclass
class UntrustedStatements(Statements):
    """The rules where a stranger made the dump."""

    made: frozenset[str] = frozenset()
    """Schemas that were made beforehand."""

    def skips(self, statement: bytes) -> bool:
        if statement.decode("ascii", "replace") in ABSENT or _SKIPPED.match(statement):
            return True
        if (match := _SCHEMA.match(statement)) and set(identifiers(match[1])) <= self.made:
            return True
        return super().skips(statement)

    def before(self, statement: bytes, *, standard: bool) -> bytes:
        return self._as_we_read(standard) + super().before(statement, standard=standard)

    def before_rows(self, *, standard: bool) -> bytes:
        return self._as_we_read(standard) + super().before_rows(standard=standard)

    def _as_we_read(self, standard: bool) -> bytes:
        """A function may have changed how psql reads what follows: then it would find other statements."""
        on = "on" if standard else "off"
        return f"SET standard_conforming_strings = {on};\nSET client_encoding = '{self.encoding}';\n".encode()


def role_name(ctx: Context) -> str:
    """What the role of a job is called: always the same for the same job."""
    return job_place(ctx.tag, Purpose.BESIDE, MAX_BYTES).name + "_role"


def refusals(client: Client, needs: Needs) -> Iterator[str]:
    """Why a dump that is not trusted cannot be loaded here, as far as it can be told beforehand."""
    if not client.superuser:
        yield (
            f"it is not trusted, and {client.server.user!r} cannot make the role that it would be loaded by (only a"
            f" superuser can): {HINT}"
        )
        return
    if client.major < OLDEST:
        yield f"it is not trusted, and PostgreSQL {client.major} has no role {OWNER} to own what is loaded: {HINT}"
    if not client.psql.restricts:
        yield (
            f"it is not trusted, and {client.psql.path} is too old to be kept from running commands out of a dump:"
            " update the PostgreSQL client"
        )
    facts = _asked(client, needs)
    unknown = sorted(needs.extensions - set(facts["trusted"] or ()) - EXTENSIONS)
    beyond = [*sorted(needs.privileged), *(f"the extension {name}" for name in unknown)]
    if beyond:
        names = ", ".join(beyond[:6]) + (f" and {len(beyond) - 6} more" if len(beyond) > 6 else "")
        yield f"it is not trusted, and only a superuser can make what it holds ({names}): {HINT}"
    if not client.server.host and not _lets_in(facts["rules"] or (), facts["listens"]):
        yield (
            "it is not trusted, and pg_hba.conf lets no role in by a password (socket or 127.0.0.1), so that a role"
            f" made for it could not log in: {HINT}"
        )


def _asked(client: Client, needs: Needs) -> Mapping[str, Any]:
    names = ", ".join(map(literal, sorted(needs.extensions))) or "NULL"
    answer: Mapping[str, Any] = client.ask(
        f"""SELECT json_build_object(
          'trusted', (SELECT json_agg(DISTINCT name::text) FROM pg_available_extension_versions
              WHERE trusted AND name IN ({names})),
          'listens', current_setting('listen_addresses') <> '',
          'rules', (SELECT json_agg(json_build_array(type, database, user_name, address, auth_method)
              ORDER BY line_number) FROM pg_hba_file_rules WHERE error IS NULL))"""
    )
    return answer


def _lets_in(rules: Iterable[Any], listens: bool) -> bool:
    """Whether a role that no rule names can log in by a password, through the socket or by 127.0.0.1."""
    open_ways = {"local": True, "host": listens}
    for kind, databases, users, address, method in rules:
        way = "local" if kind == "local" else "host"
        here = way == "local" or address in ("127.0.0.1", "0.0.0.0", "all", "samehost", "samenet", "localhost")
        if not open_ways[way] or not here or "all" not in (users or ()) or "all" not in (databases or ()):
            continue
        if method in ("trust", "scram-sha-256", "md5", "password"):
            return True
        open_ways[way] = False
    return False


@contextmanager
def lent(ctx: Context, client: Client) -> Iterator[JobRole]:
    """The role of this job while it loads. It is dropped afterwards, once nothing belongs to it.

    Raises NotSafe where it cannot log in."""
    name = role_name(ctx)
    drop_role(client, ctx)
    password = secrets.token_urlsafe(24)
    client.script(
        f"CREATE ROLE {identifier(name)} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
        f" CONNECTION LIMIT 4 PASSWORD {literal(_verifier(password))};"
    )
    yield JobRole(name, _logged_in(ctx, client, name, password))
    # Where it fails, the engine drops what was loaded, and the role with it: it cannot go before that.
    drop_role(client, ctx)


def _logged_in(ctx: Context, client: Client, name: str, password: str) -> Client:
    server = client.server
    same = replace(server, user=name, password=password, passfile="", run_as=_runs_as(server))
    ways = [same]
    if not server.host:
        port = server.port or str(client.ask("SELECT current_setting('port')::int"))
        ways.append(replace(same, host="127.0.0.1", port=port, run_as="" if server.inside else "nobody"))
    refused: PluginError | None = None
    for way in ways:
        made = Client(way, ctx.runner, application=client.application, avoid=ctx.component.key.component)
        try:
            made.note(client.version, superuser=False)
            made.ask("SELECT 1")
        except PluginError as error:
            refused = refused or error
            continue
        return made
    assert refused is not None
    raise NotSafe(
        f"the role made for a dump that is not trusted could not log in ({refused.message})",
        f"{'let it in by a password in pg_hba.conf, or ' if isinstance(refused, WrongCredentials) else ''}{HINT}",
    ) from refused


def _runs_as(server: Server) -> str:
    """Whom psql runs as: never root."""
    return "" if server.inside else server.os_user or namesake("nobody") or ""


def _verifier(password: str) -> str:
    """What the server keeps of a password (``src/common/scram-common.c``): the password itself is in no log."""
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    stored = hashlib.sha256(client_key).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    salt64, stored64, server64 = (base64.b64encode(one).decode() for one in (salt, stored, server_key))
    return f"SCRAM-SHA-256${_ITERATIONS}:{salt64}${stored64}:{server64}"


def prepare(client: Client, role: str, database: str, needs: Needs) -> None:
    """What the role cannot do itself in its new database."""
    schemas = made_before(needs)
    lines = [f"CREATE SCHEMA {identifier(name)} AUTHORIZATION {identifier(role)};" for name in sorted(schemas)]
    for name in sorted(needs.extensions & EXTENSIONS):
        lines.append(f"CREATE EXTENSION {identifier(name)} SCHEMA {identifier(needs.schemas.get(name, 'public'))};")
    if client.major < 15:
        lines.append(f"ALTER SCHEMA public OWNER TO {identifier(role)};")
    lines += needs.absent
    if lines:
        client.script("\n".join(lines), database)


def made_before(needs: Needs) -> frozenset[str]:
    """Schemas that extensions of the list are in: made with these, and not by the dump."""
    schemas = {needs.schemas[name] for name in needs.extensions & EXTENSIONS if name in needs.schemas}
    return frozenset(name for name in schemas if name != "public" and not name.startswith("pg_"))


def take_over(client: Client, role: str, database: str, around: Surroundings | None) -> None:
    """Take the database from the role, and all in it. Nothing of it runs meanwhile: owners and rights are changed, and
    no statement reads a table. The role's sessions are ended first."""
    name, whom = identifier(database), identifier(role)
    client.script(
        f"""ALTER ROLE {whom} NOLOGIN;
        ALTER DATABASE {name} CONNECTION LIMIT 0;
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = {literal(role)};
        ALTER DATABASE {name} OWNER TO CURRENT_USER;
        ALTER DATABASE {name} RESET ALL;
        GRANT CONNECT, TEMPORARY ON DATABASE {name} TO PUBLIC;
        {setting(around, database) if around else ""}"""
    )
    client.script(f"REASSIGN OWNED BY {whom} TO {OWNER};\nDROP OWNED BY {whom};", database)


def drop_role(client: Client, ctx: Context) -> None:
    """Drop the role of a job, where it is there. What it owned must be gone."""
    name = role_name(ctx)
    client.script(
        f"""DO $do$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = {literal(name)}) THEN
          PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = {literal(name)};
          EXECUTE {literal(f"DROP ROLE {identifier(name)}")};
        END IF; END $do$;"""
    )


def is_there(client: Client, ctx: Context) -> bool:
    """Whether the role of a job is there."""
    return bool(client.ask(f"SELECT count(*) FROM pg_roles WHERE rolname = {literal(role_name(ctx))}"))
