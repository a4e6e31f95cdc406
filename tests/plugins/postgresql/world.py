"""The conformance world of PostgreSQL: one database on a shared server, read and changed with its own clients."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

from dysnomia_plugins.base import Component, Place
from dysnomia_plugins.types.postgresql.plugin import PostgresqlDatabase
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine import RowsAsked
from tests.plugins.conformance.sql_world import DATABASE, SqlWorld
from tests.plugins.conformance.world import ProgramWriter, Writer
from tests.plugins.postgresql.changes import CHANGES, SEED
from tests.plugins.servers.postgresql import PostgresServer

ROLES = ("dysnomia_alice", "dysnomia_bob")
INITIAL = "CREATE TABLE greeting(id serial PRIMARY KEY, text text); INSERT INTO greeting(text) VALUES('hello');"
WRITER = r"""
n=0
while :; do
  while :; do
    printf 'INSERT INTO log VALUES(%d);\n\\echo %d\n' $n $n
    n=$((n+1))
    [ $((n % 50)) -eq 0 ] && break
  done | "$1" -X -q -A -t -v ON_ERROR_STOP=1 -f - 2>/dev/null >>"$2"
  n=$(( (n / 50 + 1) * 50 ))
done
"""


class PostgresqlWriter(ProgramWriter):
    """psql in a loop, connecting anew for each fifty numbers: a number is logged after its INSERT's command tag."""

    def __init__(self, server: PostgresServer, log: Path) -> None:
        argv = ["bash", "-c", WRITER, "writer", str(server.bin / "psql"), str(log)]
        super().__init__(log, argv, env=server.client_environment(PGDATABASE=DATABASE))


class PostgresqlWorld(SqlWorld):
    """The database ``orders`` on a server that others share."""

    user = "postgres"
    """Whose role does everything."""
    seed_sql = SEED
    possible: Mapping[str, str] = CHANGES
    """The single changes, by their names."""

    def __init__(self, server: PostgresServer, folder: Path, **properties: str) -> None:
        self.plugin = PostgresqlDatabase()
        super().__init__(server)
        self.server = server
        initial = folder / "component" / "postgresql-databases"
        initial.mkdir(parents=True)
        (initial / "greeting.sql").write_text(INITIAL)
        key = ComponentKey.of("postgresql", DATABASE)
        self.component = Component(key, initial.parent, {**server.properties, **properties})
        for role in ROLES:
            server.sql(f"CREATE ROLE {role}")

    def close(self) -> None:
        for name in self.server.databases() - {"postgres"}:
            self.server.drop(name)
        for role in ROLES:
            self.server.sql(f"DROP ROLE IF EXISTS {role}")

    def seed(self) -> None:
        self.server.sql(f"CREATE DATABASE {DATABASE}", PGUSER=self.user)
        self.server.sql(self.seed_sql, DATABASE, PGUSER=self.user)

    def whole(self, place: Place | None = None) -> object:
        """pg_dump's own words, each row a statement; less the two lines that name versions."""
        name = place.name if place else DATABASE
        if name not in self.server.databases():
            return None
        return self._dumped(name, "--inserts")

    def _dumped(self, name: str, *options: str) -> list[str]:
        done = subprocess.run(
            [self.server.bin / "pg_dump", "--restrict-key=test", *options],
            env=self.server.client_environment(PGDATABASE=name),
            stdout=subprocess.PIPE,
            check=True,
        )
        lines = done.stdout.decode("utf-8", "surrogateescape").split("\n")
        versions = [line for line in lines[:10] if line.startswith("-- Dumped ")]
        assert len(versions) == 2
        return [line for line in lines if line not in versions]

    def changes(self) -> Sequence[str]:
        return tuple(self.possible)

    def change(self, name: str, random: Random) -> str:
        word = "".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=12))
        number = random.randrange(10**6, 10**9)
        sql = (
            self.possible[name]
            .replace("{word}", word)
            .replace("{n}", str(number))
            .replace("{id}", str(1 + number % 40))
        )
        self.server.sql(sql, DATABASE, PGUSER=self.user)
        return f"{name}: {sql}"

    def touch(self) -> str:
        self.server.sql("VACUUM; ANALYZE; REINDEX TABLE customers; CHECKPOINT; SELECT pg_switch_wal()", DATABASE)
        self.server.sql("BEGIN; INSERT INTO loose VALUES (99); UPDATE customers SET name = 'x'; ROLLBACK", DATABASE)
        self.server.sql("INSERT INTO log VALUES (-1); DELETE FROM log WHERE n = -1", DATABASE)
        return "VACUUM, ANALYZE, REINDEX, a rollback, a row that came and went"

    def grow(self, size: int) -> None:
        self.server.sql(
            f"""CREATE TABLE big(id int, a text, b bytea);
            INSERT INTO big SELECT g, repeat(md5(g::text), 20), decode(repeat(md5((-g)::text), 5), 'hex')
              FROM generate_series(1, {size // 970}) g;""",
            DATABASE,
        )

    def some_sections(self) -> tuple[str, ...]:
        return ("table:public.orders", 'table:"Odd Schema"."Odd ""T"" able"')

    def part(self, place: Place | None = None) -> object:
        name = place.name if place else DATABASE
        tables = ("--table=public.orders", '--table="Odd Schema"."Odd ""T"" able"')
        rows = self._dumped(name, "--inserts", "--data-only", *tables)
        return rows, self.server.sql("SELECT last_value, is_called FROM counter", name)

    def lose(self) -> Sequence[RowsAsked]:
        return self._lose_prices("table:public.prices_old", "table:public.prices_new")

    def by_key(self, whole: object) -> object:
        return sorted(whole) if isinstance(whole, list) else whole

    def writer(self, log: Path) -> Writer:
        return PostgresqlWriter(self.server, log)
