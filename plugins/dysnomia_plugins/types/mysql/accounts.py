"""Who may reach a schema: the accounts that are kept out while it is swapped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dysnomia_plugins.types.mysql.client import Client, killing
from dysnomia_plugins.types.mysql.names import identifier, literal
from dysnomia_plugins.types.mysql.views_and_routines import in_its_mode

Account = tuple[str, str]
"""User and host."""
_HARMLESS = frozenset({"USAGE", "PROCESS", "SHOW DATABASES", "REPLICATION CLIENT", "BINLOG MONITOR", "SLAVE MONITOR"})


@dataclass(frozen=True, slots=True)
class Accounts:
    """The accounts that have rights on a schema."""

    lockable: tuple[Account, ...] = ()
    """Can be kept out: neither ours nor an administrator's, and not locked already."""
    admins: tuple[Account, ...] = ()
    """Have SUPER: never locked out, since whoever must put things right may be one of them."""


def read(client: Client, database: str) -> Accounts:
    """All accounts with any right on ``database``: their own, a role's, everybody's."""
    answers = client.several(
        ours="SELECT JSON_ARRAY(CURRENT_USER())",
        role="SELECT JSON_ARRAY(User, Host, Role) FROM mysql.roles_mapping",
        everything="SELECT JSON_ARRAY(g.User, g.Host, p.privilege_type) FROM mysql.global_priv g JOIN"
        " information_schema.user_privileges p ON p.grantee = CONCAT('\\'', g.User, '\\'@\\'', g.Host, '\\'')",
        grantee=f"SELECT JSON_ARRAY(u, h) FROM ({_grantees(database)}) grantees",
        account="SELECT JSON_ARRAY(User, Host, COALESCE(JSON_VALUE(Priv, '$.is_role'), 0),"
        " COALESCE(JSON_VALUE(Priv, '$.account_locked'), 0)) FROM mysql.global_priv ORDER BY User, Host",
    )
    privileges: dict[Account, set[str]] = {}
    for user, host, privilege in answers["everything"]:
        privileges.setdefault((user, host), set()).add(privilege)
    roles: dict[Account, set[Account]] = {}
    for user, host, role in answers["role"]:
        roles.setdefault((user, host), set()).add((role, ""))
    direct = {account for account, held in privileges.items() if held - _HARMLESS}
    direct |= {(user, host) for user, host in answers["grantee"]}
    everybody = any(user in ("", "PUBLIC") for user, _ in direct)
    user, _, host = str(answers["ours"][0][0]).rpartition("@")
    lockable: list[Account] = []
    admins: list[Account] = []
    for name, where, is_role, locked in answers["account"]:
        account = (name, where)
        if _true(is_role) or _true(locked) or account == (user, host):
            continue
        held = _closure(account, roles)
        if any("SUPER" in privileges.get(one, ()) for one in held):
            admins.append(account)
        elif everybody or held & direct:
            lockable.append(account)
    return Accounts(tuple(lockable), tuple(admins))


def _true(value: object) -> bool:
    return str(value).lower() in ("1", "true")


def _closure(account: Account, roles: dict[Account, set[Account]]) -> set[Account]:
    """The account and all roles it can take."""
    accounts: set[Account] = set()
    waiting = [account]
    while waiting:
        one = waiting.pop()
        if one not in accounts:
            accounts.add(one)
            waiting.extend(roles.get(one, ()))
    return accounts


def _grantees(database: str) -> str:
    """Who has rights on the schema, or on something in it."""
    name = literal(database)
    wheres = [f"mysql.db WHERE {name} LIKE Db"]
    wheres += [f"mysql.{table} WHERE Db = {name}" for table in ("tables_priv", "columns_priv", "procs_priv")]
    return " UNION ".join(f"SELECT User AS u, Host AS h FROM {where}" for where in wheres)


def own_privileges(client: Client) -> set[str]:
    """Our privileges on everything, our roles' included as far as they are on."""
    user, host = client.account
    rows = client.rows(
        "SELECT JSON_ARRAY(privilege_type) FROM information_schema.user_privileges WHERE grantee IN"
        f" ({literal(grantee(user, host))}, CONCAT('\\'', CURRENT_ROLE(), '\\'@\\'\\''))"
    )
    return {str(one) for (one,) in rows}


def grantee(user: str, host: str) -> str:
    """How ``information_schema`` writes an account."""
    return f"'{user}'@'{host}'"


def shown(accounts: Sequence[Account], most: int = 5) -> str:
    """Some of them, for a sentence."""
    names = ", ".join(f"{user or '(anybody)'}@{host}" for user, host in accounts[:most])
    return names + (f" and {len(accounts) - most} more" if len(accounts) > most else "")


# --- keeping out -----------------------------------------------------------------------------------------------------


def alter(accounts: Sequence[Sequence[str]], what: str) -> str:
    """The SQL that locks or unlocks (``LOCK``, ``UNLOCK``) each that is still there."""
    return "".join(
        f"ALTER USER IF EXISTS {identifier(user)}@{identifier(host)} ACCOUNT {what};\n" for user, host in accounts
    )


def keep_out(client: Client, accounts: Sequence[Sequence[str]], database: str) -> None:
    """Lock the accounts and end their sessions, and whoever else stands in the schema.

    Only sessions from before the lock can have passed it: those who come later are turned away."""
    users = ", ".join(literal(user) for user in {user for user, _ in accounts})
    who = f"db = {literal(database)} OR user = 'unauthenticated user'" + (f" OR user IN ({users})" if users else "")
    client.script(alter(accounts, "LOCK"), held=True)
    client.script("SET @here = CONNECTION_ID();\n" + killing(f"id < @here AND ({who})"))


# --- grants on routines ----------------------------------------------------------------------------------------------


def routine_grants(client: Client, database: str) -> list[list[str]]:
    """``[kind, routine, user, host, privileges]`` each. The server forgets them when a routine is dropped."""
    return client.rows(
        "SELECT JSON_ARRAY(Routine_type, Routine_name, User, Host, Proc_priv) FROM mysql.procs_priv"
        f" WHERE Db = {literal(database)}"
    )


def regrant(client: Client, database: str, grants: Sequence[Sequence[str]]) -> str:
    """The SQL that gives them again, for the routines and accounts that are there."""
    if not grants:
        return ""
    routines = {
        (str(kind).upper(), str(name).lower())
        for kind, name in client.rows(
            "SELECT JSON_ARRAY(routine_type, routine_name) FROM information_schema.routines"
            f" WHERE routine_schema = {literal(database)}"
        )
    }
    accounts = {(user, host) for user, host in client.rows("SELECT JSON_ARRAY(User, Host) FROM mysql.global_priv")}
    lines = []
    for kind, name, user, host, held in grants:
        if (kind.upper(), name.lower()) not in routines or (user, host) not in accounts:
            continue
        privileges = [one for one in held.upper().split(",") if one != "GRANT"]
        whom = identifier(user) + (f"@{identifier(host)}" if host else "")
        option = " WITH GRANT OPTION" if "GRANT" in held.upper().split(",") else ""
        where = f"{kind} {identifier(database)}.{identifier(name)}"
        lines.append(in_its_mode(kind, f"GRANT {', '.join(privileges) or 'USAGE'} ON {where} TO {whom}{option};\n"))
    return "".join(lines)
