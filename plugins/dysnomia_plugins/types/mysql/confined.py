"""An account made for one load of a dump that is not trusted: it can reach the schema that is loaded, and nothing else.

Whatever the dump holds runs as this account: its statements, and the triggers that fire while rows come in. It goes
when the load ends; a worker that dies leaves it in the journal, and the recovery drops it.

Views, triggers, routines and events outlive the load, and run as their definer. So a definer of such a dump must be an
account that has rights on the schema alone, or none that exists here.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from io import BytesIO

from dysnomia_plugins.base import Context, Journal, Stored
from dysnomia_plugins.errors import NotSafe, PluginError, ProcessFailed
from dysnomia_plugins.types.mysql import vetting, views_and_routines
from dysnomia_plugins.types.mysql.accounts import Account
from dysnomia_plugins.types.mysql.client import Client, killing
from dysnomia_plugins.types.mysql.created import CODE, EVENT, created
from dysnomia_plugins.types.mysql.lending import Lender
from dysnomia_plugins.types.mysql.names import identifier, literal, pattern
from dysnomia_plugins.types.mysql.rows import raw_rows
from dysnomia_plugins.types.mysql.scanner import DumpScanner, Part
from dysnomia_store.errors import NotFound

MADE, GONE = "mysql-account", "mysql-account-gone"
TRUST = "inspect the dump, then trust it: dysnomia-tui trust"
_RIGHTS = (
    "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, REFERENCES, LOCK TABLES, CREATE VIEW, SHOW VIEW,"
    " TRIGGER, CREATE ROUTINE, ALTER ROUTINE, EXECUTE"
)
_NAME_LENGTH = 32
_ASKED = 200
"""Objects whose definers a plan asks for; the load looks at all."""
DENIED = frozenset({1142, 1143, 1227, 1290, 1370, 1419})
"""What the server answers an account that lacks a right; 1419 is for code on a server that keeps a binary log."""


def _name(tag: str) -> str:
    """What the account of a job is called."""
    name = f"dysnomia_{tag}"
    return name if len(name) <= _NAME_LENGTH else f"dysnomia_{sha256(tag.encode()).hexdigest()[:23]}"


@contextmanager
def confined(ctx: Context, client: Client, database: str) -> Iterator[Client]:
    """A client that is an account of its own, with rights on ``database`` alone. Raises NotSafe where none can be
    made."""
    host = str(client.ask("SELECT JSON_ARRAY(SUBSTRING_INDEX(USER(), '@', -1))")[0])
    user, password = _name(ctx.tag), secrets.token_urlsafe(24) + "aA1-"
    ctx.journal.step(MADE, user=user, host=host)
    try:
        _create(client, (user, host), password, database)
        yield Client(
            replace(client.server, user=user, password=password), client.runner, tag=client.tag, path=client.path
        )
    finally:
        drop_left(ctx.journal, client)


def _create(client: Client, account: Account, password: str, database: str) -> None:
    who = _quoted(account)
    where = identifier(pattern(database))
    sql = f"CREATE OR REPLACE USER {who} IDENTIFIED BY {literal(password)};\nGRANT {_RIGHTS} ON {where}.* TO {who};\n"
    try:
        client.script(sql)
    except ProcessFailed as error:
        ours = "@".join(client.account)
        raise NotSafe(
            "this snapshot was imported and is not trusted, and no account can be made to load it with"
            f" ({error.message})",
            f"give {ours} CREATE USER and GRANT OPTION, or {TRUST}",
        ) from error


def refused(error: PluginError) -> NotSafe:
    """What it means that the account of a load was denied something."""
    return NotSafe(f"the dump is not trusted, and asks for more than its own schema ({error.message})", TRUST)


def drop_left(journal: Journal, client: Client) -> None:
    """Drop the account of the journal's job if it is still there, and end its sessions. Idempotent."""
    steps = journal.steps()
    made = [data for name, data in steps if name == MADE]
    if len(made) <= sum(name == GONE for name, _ in steps):
        return
    for account in {(str(one["user"]), str(one["host"])) for one in made}:
        client.script(f"DROP USER IF EXISTS {_quoted(account)};\n" + killing(f"user = {literal(account[0])}"))
    for _ in range(len(made) - sum(name == GONE for name, _ in steps)):
        journal.step(GONE)


def _quoted(account: Account) -> str:
    return f"{identifier(account[0])}@{identifier(account[1])}"


# --- definers --------------------------------------------------------------------------------------------------------


def powerful(client: Client, accounts: set[Account], database: str) -> set[Account]:
    """Which of these accounts can do more than work in ``database``. One that is not there can do nothing.

    Raises PluginError where the server does not tell the rights of the definers."""
    if not accounts:
        return set()
    wheres = [
        "SELECT User AS u, Host AS h FROM mysql.db WHERE REPLACE(REPLACE(Db, '\\\\_', '_'), '\\\\%', '%')"
        f" <> {literal(database)}",
        *(
            f"SELECT User, Host FROM mysql.{table} WHERE Db <> {literal(database)}"
            for table in ("tables_priv", "columns_priv", "procs_priv")
        ),
        "SELECT User, Host FROM mysql.roles_mapping",
        "SELECT User, Host FROM mysql.proxies_priv WHERE Proxied_user <> ''",
        "SELECT g.User, g.Host FROM mysql.global_priv g WHERE COALESCE(JSON_VALUE(g.Priv, '$.access'), 0) <> 0",
    ]
    try:
        rows = client.rows(f"SELECT JSON_ARRAY(u, h) FROM ({' UNION '.join(wheres)}) more")
    except ProcessFailed as error:
        raise PluginError(
            "the rights of the definers in this snapshot cannot be read, and it is not trusted", TRUST
        ) from error
    return accounts & {(str(user), str(host)) for user, host in rows}


Definers = Mapping[tuple[str, str], tuple[Account | None, bytes]]
"""Of each object of code (kind and name): its definer (None where the dump names none) and the clause."""


def refuse_powerful(client: Client, database: str, definers: Definers) -> None:
    """Raises NotSafe where code of a dump that is not trusted would run as an account that can do more than work in
    ``database``."""
    strong = powerful(client, {account for account, _ in definers.values() if account}, database)
    for (kind, name), (account, _) in sorted(definers.items()):
        if account is None or account in strong:
            who = f"its definer {account[0]}@{account[1]}" if account else "whoever restores it"
            raise NotSafe(
                f"this snapshot was imported and is not trusted, and its {kind} {name} would run as {who}, who has"
                f" rights beyond {database}: whatever is written in it could be done to the whole server",
                f"{TRUST}; or give the {kind} a definer with rights on {database} alone where it comes from, and"
                " snapshot that",
            )


def definers_of(stored: Stored) -> Definers:
    """The definers of the code in a snapshot, as its contents index shows it; only of so many that a plan may ask."""
    definers: dict[tuple[str, str], tuple[Account | None, bytes]] = {}
    try:
        sections = list(stored.sections())
    except NotFound:  # just imported: the load looks at all of it
        return definers
    for section in sections:
        if section.kind not in (*CODE, EVENT) or len(definers) >= _ASKED:
            continue
        lines = b"\n".join(line for batch in itertools.islice(raw_rows(stored, section), 1) for line in batch)
        if made := created(lines):
            definers[made.kind, made.name] = vetting.definer(made), made.definer
    return definers


def give_definers(client: Client, database: str, definers: Definers, lender: Lender) -> None:
    """Make the code anew that was made as the account of the load: with its own definers. The text is the server's."""
    if not any(kind != EVENT for kind, _ in definers):
        return
    parts = []
    for piece in DumpScanner(BytesIO(views_and_routines.read(client, database).objects)).pieces():
        made = created(piece.data) if piece.part is Part.STATEMENT else None
        known = definers.get((made.kind, made.name)) if made and not made.stands_in else None
        parts.append(vetting.with_definer(piece.data, known[1]) if known else piece.data)
    text = lender.lending_for(b"".join(parts)) + views_and_routines.script(b"".join(parts), database)
    client.script(views_and_routines.dropping(client, database).encode("utf-8", "surrogateescape") + text, database)
