"""PostgreSQL set up as nobody here would set it up: the other worlds of its conformance suite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from dysnomia_plugins.base import Place
from tests.plugins.conformance.sql_world import DATABASE
from tests.plugins.postgresql.changes import CHANGES, SEED
from tests.plugins.postgresql.world import PostgresqlWorld
from tests.plugins.postgresql.zoo import ZOO
from tests.plugins.servers.postgresql import PostgresServer

HOSTILE = {
    "client_encoding": "LATIN1",
    "TimeZone": "Asia/Kathmandu",
    "DateStyle": "SQL, DMY",
    "IntervalStyle": "sql_standard",
    "bytea_output": "escape",
    "extra_float_digits": "-15",
    "array_nulls": "off",
    "statement_timeout": "1",
    "lock_timeout": "1",
    "idle_in_transaction_session_timeout": "1",
    "idle_session_timeout": "1",
    "default_transaction_read_only": "on",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "synchronize_seqscans": "on",
    "backslash_quote": "off",
    "standard_conforming_strings": "off",
    "xmloption": "document",
    "xmlbinary": "hex",
    "quote_all_identifiers": "on",
    "session_replication_role": "replica",
    "transform_null_equals": "on",
    "lo_compat_privileges": "on",
    "zero_damaged_pages": "on",
    "client_min_messages": "error",
    "row_security": "off",
    "exit_on_error": "on",
    "default_text_search_config": "pg_catalog.german",
    "default_toast_compression": "lz4",
    "temp_tablespaces": "",
}
"""What a server, a database or a role may set for every session, each to a value that hurts."""
OWN_OPTIONS = (
    "-c statement_timeout=0 -c lock_timeout=0 -c idle_session_timeout=0 -c idle_in_transaction_session_timeout=0"
    " -c default_transaction_read_only=off -c exit_on_error=off -c role=none -c search_path=public"
    " -c standard_conforming_strings=on -c array_nulls=on -c xmloption=content -c session_replication_role=origin"
)
"""What the tests' own clients need on such a server."""
HOSTILE_SEED = (
    SEED
    + """
CREATE TABLE shaped (id int PRIMARY KEY, at timestamptz, took interval, b bytea, f float8, tags text[], x xml,
  day date, word text, CHECK (day = at::date));
SET TimeZone = 'Asia/Kathmandu';
INSERT INTO shaped VALUES (1, '2026-06-01 20:30+00', '-1 day +2 hours', '\\x00ff5c', 0.1::float8 + 0.2,
  ARRAY['NULL', NULL, 'null'], 'two<a/>parts', '2026-06-02', '€ is in no LATIN1, and a back\\slash');
CREATE MATERIALIZED VIEW daily AS SELECT at::date AS day, to_tsvector(word) AS words FROM shaped;
"""
)


class HostileWorld(PostgresqlWorld):
    """Everything that shapes a session is set three times over: for the server, the database and the role."""

    seed_sql = HOSTILE_SEED

    def seed(self) -> None:
        super().seed()
        for name, value in HOSTILE.items():
            self.server.sql(f"ALTER DATABASE {DATABASE} SET {name} = {_value(name, value)}")
        self.server.sql(f"ALTER DATABASE {DATABASE} SET search_path = nowhere")
        self.server.sql(f"ALTER ROLE postgres IN DATABASE {DATABASE} SET role = dysnomia_bob")


def hostile_server() -> PostgresServer:
    """A server that sets all of it, and whose superuser has it set as well."""
    settings = {name: value for name, value in HOSTILE.items() if value}
    return PostgresServer(settings=settings, own_options=OWN_OPTIONS)


def set_for_role(server: PostgresServer) -> None:
    for name, value in HOSTILE.items():
        server.sql(f"ALTER ROLE postgres SET {name} = {_value(name, value)}")


def _value(name: str, value: str) -> str:
    return value if name in ("DateStyle", "temp_tablespaces") and value else f"'{value}'"


PLAIN_ROLE = "dysnomia_plain"
NOT_FOR_ALL = (
    *("event trigger", "language", "owner of a table", "schema", "user mapping", "foreign server's option"),
    *("large object's owner", "default privileges"),
)


class PlainRoleWorld(PostgresqlWorld):
    """A role that may create databases, and nothing else."""

    user = PLAIN_ROLE
    seed_sql = "\n".join(
        line
        for line in SEED.split("\n")
        if not line.startswith(("ALTER DEFAULT PRIVILEGES", "CREATE FOREIGN", "CREATE SERVER"))
    )
    possible: Mapping[str, str] = {name: sql for name, sql in CHANGES.items() if name not in NOT_FOR_ALL}

    def __init__(self, server: PostgresServer, folder: Path, **properties: str) -> None:
        server.sql(f"CREATE ROLE {PLAIN_ROLE} LOGIN CREATEDB")
        super().__init__(server, folder, postgresqlUsername=PLAIN_ROLE, **properties)

    def close(self) -> None:
        super().close()
        self.server.sql(f"DROP ROLE IF EXISTS {PLAIN_ROLE}")


class OtherOwnerWorld(PostgresqlWorld):
    """The database is one role's, what is in it another's, rights on it are given by a third; we are a superuser."""

    seed_sql = (
        SEED
        + """
    CREATE FUNCTION theirs() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';
    ALTER FUNCTION theirs() OWNER TO dysnomia_bob;
    ALTER TABLE customers OWNER TO dysnomia_alice;
    ALTER TABLE prices OWNER TO dysnomia_bob;
    ALTER VIEW rich OWNER TO dysnomia_alice;
    ALTER MATERIALIZED VIEW totals OWNER TO dysnomia_bob;
    ALTER SCHEMA "Odd Schema" OWNER TO dysnomia_bob;
    ALTER LARGE OBJECT 4711 OWNER TO dysnomia_alice;
    GRANT SELECT ON orders TO dysnomia_bob;
    GRANT SELECT ON orders TO dysnomia_alice WITH GRANT OPTION;
    GRANT SELECT ON prices TO dysnomia_bob;
    """
    )

    def seed(self) -> None:
        super().seed()
        self.server.sql(
            f"""ALTER DATABASE {DATABASE} OWNER TO dysnomia_bob;
            GRANT CREATE ON DATABASE {DATABASE} TO dysnomia_alice WITH GRANT OPTION;
            GRANT SELECT ON orders TO dysnomia_bob;""",
            DATABASE,
        )


class WideWorld(PostgresqlWorld):
    """One of every kind of object that a server has."""

    seed_sql = SEED + ZOO

    def close(self) -> None:
        for name in self.server.databases() - {"postgres"}:
            self.server.sql(
                "DO $$ BEGIN IF EXISTS (SELECT FROM pg_subscription WHERE subname = 'zoo_news') THEN"
                " ALTER SUBSCRIPTION zoo_news SET (slot_name = NONE); END IF; END $$",
                name,
            )
            self.server.sql("DROP SUBSCRIPTION IF EXISTS zoo_news", name)
        super().close()


class NewestWorld(PostgresqlWorld):
    """The newest server. (Since version 18 NOT NULL constraints have names, and its own dump gives a table another one
    where a table made LIKE it comes first.)"""

    possible: Mapping[str, str] = {
        **CHANGES,
        "partition": "CREATE TABLE {word} (item text, day date, price numeric, PRIMARY KEY (day, item))",
    }


class UpdatedWorld(PostgresqlWorld):
    """After a tenth of the rows were updated and a tenth deleted: rows stand in other places than a load puts them.
    Their order is no state."""

    keeps_order = False

    def changes(self) -> Sequence[str]:
        return tuple(name for name in super().changes() if name != "order of rows")

    def whole(self, place: Place | None = None) -> object:
        found = super().whole(place)
        return sorted(found) if isinstance(found, list) else found

    def seed(self) -> None:
        super().seed()
        self.server.sql(
            """CREATE TABLE used (id int PRIMARY KEY, v text);
            INSERT INTO used SELECT g, repeat(md5(g::text), g % 40) FROM generate_series(1, 2000) g;
            UPDATE used SET v = v || 'longer than it was' WHERE id % 10 = 3;
            DELETE FROM used WHERE id % 10 = 7;
            UPDATE customers SET name = name || ' ' || repeat('x', 300) WHERE id % 10 = 3;
            DELETE FROM loose WHERE v % 10 = 7;
            VACUUM;
            INSERT INTO used SELECT g, repeat('y', g % 90) FROM generate_series(3001, 3100) g;""",
            DATABASE,
        )
