"""What the server does not show to an account: a dump made by it comes to its end, and lacks that without a word.

Without a right on views or events mariadb-dump fails. Triggers and routines are otherwise: to an account without the
right there seem to be none.
"""

from __future__ import annotations

from collections.abc import Sequence

from dysnomia_plugins.errors import NotSafe
from dysnomia_plugins.types.mysql.client import Client
from dysnomia_plugins.types.mysql.granted import scopes
from dysnomia_plugins.types.mysql.names import identifier, literal, pattern

ROUTINE_RIGHTS = ("EXECUTE", "CREATE ROUTINE", "ALTER ROUTINE", "SHOW CREATE ROUTINE")
"""Whoever has one of these is shown that there are routines: mariadb-dump fails where it may not read them."""
_ALL = {"SELECT", "TRIGGER"}
_HOST = "SUBSTRING_INDEX(CURRENT_USER(), '@', -1)"
OWN_RIGHTS = (
    "SELECT JSON_ARRAY(privilege_type) FROM information_schema.user_privileges"
    f" WHERE privilege_type IN ({', '.join(map(literal, sorted(_ALL)))})"
    " AND grantee = CONCAT('\\'', LEFT(CURRENT_USER(), CHAR_LENGTH(CURRENT_USER())"
    f" - CHAR_LENGTH({_HOST}) - 1), '\\'@\\'', {_HOST}, '\\'')"
)
"""Those of the rights on everything that show all there is, as far as we have them."""


def refuse_unseen(client: Client, database: str, own_rights: Sequence[str]) -> None:
    """Raises NotSafe where there may be something in the schema that we are not shown.

    Args:
        client: its account is the one that dumps.
        database: the schema.
        own_rights: what ``OWN_RIGHTS`` gave.
    """
    if set(own_rights) >= _ALL:
        return
    grants = client.script("SHOW GRANTS;").splitlines()
    if not client.mariadb and any(b" ON " not in line for line in grants):
        return  # a role of MySQL's, whose rights SHOW GRANTS does not tell
    missing = {
        "tables": not _held(grants, "SELECT", database),
        "triggers": not _held(grants, "TRIGGER", database),
        "procedures and functions": not _sees_routines(grants, database),
    }
    unseen = [what for what, lacks in missing.items() if lacks]
    if not unseen:
        return
    user, host = client.account
    account = f"{identifier(user)}@{identifier(host)}"
    on_schema = f"GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON {identifier(pattern(database))}.* TO {account}"
    on_routines = f"GRANT SELECT ON {'mysql.proc' if client.mariadb else '*.*'} TO {account}"
    ways = [on_schema] if missing["tables"] or missing["triggers"] else []
    ways += [on_routines] if missing["procedures and functions"] else []
    raise NotSafe(
        f"{user}@{host} is not shown all {' and '.join(unseen)} of {database}: a dump would lack them", "; ".join(ways)
    )


def _held(grants: Sequence[bytes], privilege: str, database: str) -> bool:
    return any(scope.table == "*" and scope.covers(database, "") for scope in scopes(grants, privilege))


def _sees_routines(grants: Sequence[bytes], database: str) -> bool:
    if any(scope.covers("mysql", "proc") for scope in scopes(grants, "SELECT")):
        return True
    return any(_held(grants, right, database) for right in ROUTINE_RIGHTS)
