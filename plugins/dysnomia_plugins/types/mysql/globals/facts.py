"""Which facts make up the globals of a MariaDB server, and how they are read.

An account is what ``mysql.global_priv`` says of it, taken apart; a privilege is one that GRANT gives, at its level. The
server's own account (``mariadb.sys``) is none of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dysnomia_plugins.toolkit.globals.document import (
    Cell,
    Check,
    Document,
    Kind,
    from_rows,
    number,
    text,
    yes_or_no,
)
from dysnomia_plugins.types.mysql.client import Client

_PLUGINS = re.compile(r"[A-Za-z0-9_]+(?: or [A-Za-z0-9_]+)*")
_WORDS = re.compile(r"[A-Z][A-Z_ ]*")
_SECONDS = re.compile(r"[0-9]+(?:\.[0-9]+)?")
LEVELS = ("server", "database", "table", "column", "function", "procedure", "package", "package body", "proxy")
PUBLIC = "PUBLIC"


def _matching(pattern: re.Pattern[str]) -> Check:
    return lambda cell: cell is not None and pattern.fullmatch(cell) is not None


def _texts(cell: Cell) -> bool:
    """A list of texts, as JSON."""
    try:
        values = json.loads(cell or "")
    except (ValueError, RecursionError):
        return False
    return isinstance(values, list) and all(isinstance(one, str) and "\0" not in one for one in values)


def _tls(cell: Cell) -> bool:
    return _texts(cell) and len(values := json.loads(cell or "")) == 4 and values[0] in _TLS[1:]


_TLS = ("", "NONE", "SSL", "X509", "SPECIFIED")
ACCOUNTS = Kind(
    "accounts",
    {
        "user": text, "host": text, "authentication": _matching(_PLUGINS), "password": _texts, "tls": _tls,
        "queries": number, "updates": number, "connections": number, "at once": number,
        "seconds": _matching(_SECONDS), "locked": yes_or_no, "lifetime": lambda cell: cell is None or number(cell),
        "expired": yes_or_no, "default role": text,
    },
    keys=2,
    secret=frozenset({"password"}),
)  # fmt: skip
"""``tls``: the kind, cipher, issuer, subject. ``lifetime``: days; 0 is for ever, none is what the server says."""
ROLES = Kind("roles", {"role": text}, keys=1)
MEMBERSHIPS = Kind("memberships", {"role": text, "user": text, "host": text, "admin": yes_or_no}, keys=3)
"""No host: the member is a role."""
PRIVILEGES = Kind(
    "privileges",
    {
        "level": lambda cell: cell in LEVELS, "database": text, "object": text, "column": text, "user": text,
        "host": text, "privilege": _matching(_WORDS),
    },
    keys=7,
)  # fmt: skip
"""Of a proxy, "database" and "object" are host and user of the account that it stands for."""
KINDS = (ACCOUNTS, ROLES, MEMBERSHIPS, PRIVILEGES)

GRANT_OPTION = "GRANT OPTION"
_BITS = (
    "SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "RELOAD", "SHUTDOWN", "PROCESS", "FILE", GRANT_OPTION,
    "REFERENCES", "INDEX", "ALTER", "SHOW DATABASES", "SUPER", "CREATE TEMPORARY TABLES", "LOCK TABLES", "EXECUTE",
    "REPLICATION SLAVE", "BINLOG MONITOR", "CREATE VIEW", "SHOW VIEW", "CREATE ROUTINE", "ALTER ROUTINE",
    "CREATE USER", "EVENT", "TRIGGER", "CREATE TABLESPACE", "DELETE HISTORY", "SET USER", "FEDERATED ADMIN",
    "CONNECTION ADMIN", "READ_ONLY ADMIN", "REPLICATION SLAVE ADMIN", "REPLICATION MASTER ADMIN", "BINLOG ADMIN",
    "BINLOG REPLAY", "SLAVE MONITOR", "SHOW CREATE ROUTINE",
)  # fmt: skip
"""The bits of a role's ``access`` (``sql/privilege.h``): information_schema tells those of accounts only."""
_NOT_OURS = "User <> 'mariadb.sys'"
_IN_DATABASES = (
    "Select", "Insert", "Update", "Delete", "Create", "Drop", "Grant", "References", "Index", "Alter",
    "Create_tmp_table", "Lock_tables", "Create_view", "Show_view", "Create_routine", "Alter_routine", "Execute",
    "Event", "Trigger", "Delete_history",
)  # fmt: skip
"""The columns of ``mysql.db``, without their ending."""
_OTHER_NAMES = {
    "GRANT": GRANT_OPTION,
    "CREATE TMP TABLE": "CREATE TEMPORARY TABLES",
    "DELETE VERSIONING ROWS": "DELETE HISTORY",
}
_GRANTEE = "GRANTEE <> '''mariadb.sys''@''localhost'''"
_QUESTIONS = {
    "accounts": f"SELECT JSON_ARRAY(User, Host, Priv) FROM mysql.global_priv WHERE {_NOT_OURS}",
    "mapping": f"SELECT JSON_ARRAY(Role, User, Host, Admin_option) FROM mysql.roles_mapping WHERE {_NOT_OURS}",
    "server": "SELECT JSON_ARRAY(GRANTEE, '', '', '', PRIVILEGE_TYPE, IS_GRANTABLE)"
    f" FROM information_schema.user_privileges WHERE {_GRANTEE}",
    "tables": f"SELECT JSON_ARRAY(Db, Table_name, '', User, Host, Table_priv) FROM mysql.tables_priv WHERE {_NOT_OURS}",
    "columns": "SELECT JSON_ARRAY(Db, Table_name, Column_name, User, Host, Column_priv) FROM mysql.columns_priv"
    f" WHERE {_NOT_OURS}",
    "routines": "SELECT JSON_ARRAY(Routine_type, Db, Routine_name, User, Host, Proc_priv) FROM mysql.procs_priv"
    f" WHERE {_NOT_OURS}",
    "proxies": "SELECT JSON_ARRAY(Proxied_host, Proxied_user, User, Host, With_grant) FROM mysql.proxies_priv"
    f" WHERE {_NOT_OURS}",
}


def _databases(version: tuple[int, int]) -> str:
    columns = (*_IN_DATABASES, *(("Show_create_routine",) if version >= (11, 3) else ()))
    given = ", ".join(f"IF({name}_priv = 'Y', '{name.replace('_', ' ')}', NULL)" for name in columns)
    return f"SELECT JSON_ARRAY(Db, '', '', User, Host, CONCAT_WS(',', {given})) FROM mysql.db WHERE {_NOT_OURS}"


def read(client: Client) -> Document:
    """All of it. Raises PluginError.

    Of roles, information_schema shows what they have by others, too: so the tables themselves are read."""
    answers = client.several(**_QUESTIONS, databases=_databases(client.version))
    privs = [
        (user, host, json.loads(priv) if isinstance(priv, str) else priv) for user, host, priv in answers["accounts"]
    ]
    roles = [(user, priv) for user, _, priv in privs if priv.get("is_role")]
    rows: dict[str, list[Sequence[Cell]]] = {
        "accounts": [_account(user, host, priv) for user, host, priv in privs if not priv.get("is_role")],
        "roles": [(name,) for name, _ in roles if name.upper() != PUBLIC],
        "memberships": [(role, user, host, _yes(admin == "Y")) for role, user, host, admin in answers["mapping"]],
        "privileges": [*_privileges(answers), *_of_roles(roles)],
    }
    return from_rows(KINDS, rows)


def _yes(value: object) -> str:
    return "yes" if value else "no"


def _account(user: str, host: str, priv: Mapping[str, Any]) -> tuple[Cell, ...]:
    ways = [one or priv for one in priv.get("auth_or") or [priv]]
    lifetime = int(priv.get("password_lifetime", -1))
    tls = [_TLS[int(priv.get("ssl_type", 0)) + 1], *(str(priv.get(name, "")) for name in _TLS_PARTS)]
    return (
        user,
        host,
        " or ".join(str(way.get("plugin") or "mysql_native_password") for way in ways),
        json.dumps([str(way.get("authentication_string", "")) for way in ways]),
        json.dumps(tls),
        *(str(int(priv.get(name, 0))) for name in ("max_questions", "max_updates", "max_connections")),
        str(int(priv.get("max_user_connections", 0))),
        _seconds(priv.get("max_statement_time", 0)),
        _yes(priv.get("account_locked")),
        None if lifetime < 0 else str(lifetime),
        _yes(priv.get("password_last_changed", 1) == 0),
        str(priv.get("default_role", "")),
    )


_TLS_PARTS = ("ssl_cipher", "x509_issuer", "x509_subject")


def _seconds(value: Any) -> str:
    return f"{float(value):.6f}".rstrip("0").rstrip(".")


def _privileges(answers: Mapping[str, Sequence[Sequence[Any]]]) -> Iterator[Sequence[Cell]]:
    facts: set[tuple[Cell, ...]] = set()
    for grantee, *where, privilege, grantable in answers["server"]:
        user, _, host = str(grantee)[1:-1].rpartition("'@'")
        if privilege != "USAGE":
            facts.add(("server", *where, user, host, privilege))
        if grantable == "YES":
            facts.add(("server", *where, user, host, GRANT_OPTION))
    for level, rows in (("database", "databases"), ("table", "tables"), ("column", "columns")):
        for *where, privileges in answers[rows]:
            facts |= {(level, *where, one) for one in _names(privileges)}
    for kind, database, name, user, host, privileges in answers["routines"]:
        facts |= {(str(kind).lower(), database, name, "", user, host, one) for one in _names(privileges)}
    for of_host, of_user, user, host, grantable in answers["proxies"]:
        facts.add(("proxy", of_host, of_user, "", user, host, "PROXY"))
        if int(grantable):
            facts.add(("proxy", of_host, of_user, "", user, host, GRANT_OPTION))
    yield from facts


def _names(privileges: str) -> Iterator[str]:
    """Of a set, as a column of the server's tables has it."""
    for one in filter(None, str(privileges).upper().split(",")):
        yield _OTHER_NAMES.get(one, one)


def _of_roles(roles: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterator[Sequence[Cell]]:
    for name, priv in roles:
        access = int(priv.get("access", 0))
        for bit, privilege in enumerate(_BITS):
            if access >> bit & 1:
                yield ("server", "", "", "", name, "", privilege)
