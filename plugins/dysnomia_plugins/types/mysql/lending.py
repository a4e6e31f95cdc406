"""Rights on a schema of a job's own, lent to the definers of the views in it.

A view reads as its definer. Where a view is made on another one, the server asks whether *that* one's definer may read
its tables: an account that has rights on the live schema alone (any application's) has none on the schema that is
loaded beside it, and the load would end there. So each definer is lent, on the schema of the job, what it has on the
live one. It goes with the schema (``taking_back``); from a copy it is taken back as soon as it is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO

from dysnomia_plugins.toolkit.sqldump.names import encode
from dysnomia_plugins.types.mysql import vetting
from dysnomia_plugins.types.mysql.accounts import Account, grantee
from dysnomia_plugins.types.mysql.client import Client
from dysnomia_plugins.types.mysql.created import VIEW, Created, created
from dysnomia_plugins.types.mysql.names import identifier, literal, pattern
from dysnomia_plugins.types.mysql.scanner import DumpScanner, Part

_READS = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "SHOW VIEW", "EXECUTE"})
"""What a view may do as its definer."""
_EVERYBODY = grantee("PUBLIC", "")


@dataclass
class Lender:
    """Who has which rights on the live schema, and the SQL that lends them on another one."""

    target: str
    """The schema they are lent on."""
    _held: dict[str, list[str]] = field(default_factory=dict)
    """For each account that has any, as ``information_schema`` writes it: ``SELECT ON `t``` and the like."""
    _lent: set[Account] = field(default_factory=set)

    @classmethod
    def of(cls, client: Client, live: str, target: str) -> Lender:
        """An account that has rights on ``target`` already has its own there, and gets and loses none."""
        lender = cls(target)
        if not client.mariadb:
            return lender
        name, schema = literal(live), identifier(target)
        answers = client.several(
            there=f"SELECT JSON_ARRAY(grantee) FROM information_schema.schema_privileges WHERE table_schema IN"
            f" ({literal(target)}, {literal(pattern(target))})",
            everything=f"SELECT JSON_ARRAY(grantee, privilege_type) FROM information_schema.schema_privileges"
            f" WHERE {name} LIKE table_schema",
            table="SELECT JSON_ARRAY(grantee, privilege_type, table_name) FROM information_schema.table_privileges"
            f" WHERE table_schema = {name}",
            column="SELECT JSON_ARRAY(grantee, privilege_type, table_name, column_name) FROM"
            f" information_schema.column_privileges WHERE table_schema = {name}",
        )
        for who, privilege in answers["everything"]:
            lender._note(who, privilege, f"{privilege} ON {identifier(pattern(target))}.*")
        for who, privilege, table in answers["table"]:
            lender._note(who, privilege, f"{privilege} ON {schema}.{identifier(table)}")
        for who, privilege, table, column in answers["column"]:
            lender._note(who, privilege, f"{privilege} ({identifier(column)}) ON {schema}.{identifier(table)}")
        for (who,) in answers["there"]:
            lender._held.pop(who, None)
        return lender

    def _note(self, who: str, privilege: str, right: str) -> None:
        if privilege in _READS:
            self._held.setdefault(who, []).append(right)

    def lending(self, made: Created | None) -> bytes:
        """The SQL to be run before a view is made; nothing where its definer needs nothing, or has it by now. What
        cannot be lent (a table that this dump lacks) is left out: the server says itself what it misses."""
        account = vetting.definer(made) if made is not None and made.kind == VIEW and not made.stands_in else None
        if account is None or account in self._lent:
            return b""
        rights = [*self._held.get(grantee(*account), ()), *self._held.get(_EVERYBODY, ())]
        if not rights:
            return b""
        self._lent.add(account)
        who = identifier(account[0]) + (f"@{identifier(account[1])}" if account[1] else "")
        return encode(_tried(f"GRANT {right} TO {who}" for right in dict.fromkeys(rights)))

    def lending_for(self, text: bytes) -> bytes:
        """The same for all views in a stretch of a dump."""
        return b"".join(
            self.lending(created(piece.data))
            for piece in DumpScanner(BytesIO(text)).pieces()
            if piece.part is Part.STATEMENT
        )

    @property
    def borrowers(self) -> list[str]:
        """To whom something was lent."""
        return sorted(f"{user}@{host}" for user, host in self._lent)


def _tried(statements: Iterator[str]) -> str:
    """Statements of which each may fail."""
    body = "".join(f"  {one};\n" for one in statements)
    return (
        "DELIMITER //\n/*M!100400 BEGIN NOT ATOMIC\n  DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END;\n"
        f"{body}END */ //\nDELIMITER ;\n"
    )


def taking_back(database: str, borrowers: Sequence[str] = ()) -> str:
    """The SQL that takes every right on a schema of a job's own from whoever has any; or on a copy from those alone to
    whom it was lent."""
    whose = f" AND CONCAT(User, '@', Host) IN ({', '.join(map(literal, borrowers))})" if borrowers else ""
    name, escaped = literal(database), literal(pattern(database))
    table = f"CONCAT({literal(identifier(database))}, '.`', REPLACE(Table_name, '`', '``'), '`')"
    everything = literal(identifier(pattern(database)) + ".*")
    account = "QUOTE(one.u), IF(one.h = '', '', CONCAT('@', QUOTE(one.h)))"
    # Who revokes all of a schema needs to have all of it: an account with few rights takes back one by one what it
    # could give. This loop goes on after an error; one that an error ends leaves its cursor open, and comes last.
    blocks = f"""  BEGIN
    DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END;
    FOR one IN (SELECT User AS u, Host AS h, PRIVILEGE_TYPE AS p FROM mysql.db
        JOIN information_schema.SCHEMA_PRIVILEGES
        ON TABLE_SCHEMA = Db AND GRANTEE = CONCAT('''', User, '''@''', Host, '''')
        WHERE Db IN ({name}, {escaped}){whose}) DO
      EXECUTE IMMEDIATE CONCAT('REVOKE ', one.p, ' ON ', {everything}, ' FROM ', {account});
    END FOR;
  END;
  BEGIN
    DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN END;
    FOR one IN (SELECT DISTINCT User AS u, Host AS h, {table} AS w FROM mysql.tables_priv
        WHERE Db IN ({name}, {escaped}){whose}) DO
      EXECUTE IMMEDIATE CONCAT('REVOKE ALL PRIVILEGES ON ', one.w, ' FROM ', {account});
    END FOR;
  END;
"""
    return f"DELIMITER //\n/*M!100400 BEGIN NOT ATOMIC\n{blocks}END */ //\nDELIMITER ;\n"
