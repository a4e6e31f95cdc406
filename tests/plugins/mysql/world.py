"""The conformance world of MariaDB: one schema on a shared server, read and changed with its own clients."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from random import Random

from dysnomia_plugins.base import Component, Place
from dysnomia_plugins.types.mysql.plugin import MysqlDatabase
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine import RowsAsked
from tests.plugins.conformance.sql_world import DATABASE, SqlWorld
from tests.plugins.conformance.world import ProgramWriter, Writer
from tests.plugins.mysql.changes import CHANGES, SEED
from tests.plugins.servers.mariadb import MariadbServer

PASSWORD = "not a secret"
CREATE = f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci"
INITIAL = """CREATE TABLE greeting (id int AUTO_INCREMENT PRIMARY KEY, text text);
INSERT INTO greeting (text) VALUES ('hello;');
DELIMITER //
CREATE TRIGGER greets BEFORE INSERT ON greeting FOR EACH ROW BEGIN SET NEW.text = 'x'; END//
CREATE EVENT later ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01' DO DELETE FROM greeting//
DELIMITER ;
CREATE VIEW all_of_it AS SELECT * FROM greeting;
"""
PLAIN_WORDS = ("--single-transaction", "--order-by-primary", "--hex-blob", "--skip-comments")
"""Options of every dump of the tests' own. A lock would want the definer of every view to be there."""
WRITER = r"""
n=0
log=$1; shift
while :; do
  while :; do
    printf 'INSERT INTO log VALUES(%d);\nSELECT %d;\n' $n $n
    n=$((n+1))
    [ $((n % 50)) -eq 0 ] && break
  done | "$@" 2>/dev/null >>"$log"
  n=$(( (n / 50 + 1) * 50 ))
done
"""


class MariadbWriter(ProgramWriter):
    """The client in a loop, as an application's account, connecting anew for each fifty numbers: a number is logged
    by the statement after its INSERT."""

    def __init__(self, server: MariadbServer, log: Path) -> None:
        client = server.argv("--unbuffered", f"--database={DATABASE}", user="shop", password=PASSWORD)
        super().__init__(log, ["bash", "-c", WRITER, "writer", str(log), *client])


class MariadbWorld(SqlWorld):
    """The schema ``orders`` on a server that others share, and the account ``shop`` that has rights on it."""

    def __init__(self, server: MariadbServer, folder: Path) -> None:
        self.plugin = MysqlDatabase()
        super().__init__(server)
        self.server = server
        initial = folder / "component" / "mysql-databases"
        initial.mkdir(parents=True)
        (initial / "greeting.sql").write_text(INITIAL)
        key = ComponentKey.of("mysql", DATABASE)
        self.component = Component(key, initial.parent, server.properties)
        server.sql(
            f"CREATE OR REPLACE USER shop@localhost IDENTIFIED BY '{PASSWORD}';"
            f" GRANT ALL ON {DATABASE}.* TO shop@localhost"
        )

    def close(self) -> None:
        assert not self.server.locked(), "an account was left locked"
        lent = "SELECT User, Db FROM mysql.{} WHERE Db LIKE 'dysnomia%'"
        assert not self.server.sql(";".join(map(lent.format, ("db", "tables_priv", "columns_priv")))), (
            "rights were left"
        )
        for name in self.server.databases():
            self.server.drop(name)
        self.server.sql("DROP USER shop@localhost")

    def seed(self) -> None:
        self.server.sql(CREATE)
        self.server.sql(SEED, DATABASE)

    def whole(self, place: Place | None = None) -> object:
        """mariadb-dump's own words, each row a statement; the events of a place that is not live from where they are
        kept."""
        name = place.name if place else DATABASE
        if name not in self.server.databases():
            return None
        options = ("--routines", "--triggers", "--skip-extended-insert", "--dump-history", "--skip-add-locks")
        lines = [
            line.replace(f"ALTER DATABASE `{name}`", "ALTER DATABASE ``").replace(f"nextval(`{name}`.", "nextval(")
            for line in self._dumped(name, *options, f"--ignore-table={name}.dysnomia_kept")
        ]
        # An operator's own words for a trigger may name its schema.
        return [re.sub(r"\b(TRIGGER|ON) orders\.", r"\1 ", line) for line in lines], self._events(name)

    def _events(self, name: str) -> list[str]:
        if self.server.sql(f"SHOW TABLES IN `{name}` LIKE 'dysnomia_kept'"):
            body = self.server.sql(f"SELECT HEX(body) FROM `{name}`.dysnomia_kept WHERE what = 'events' ORDER BY n")
            lines = bytes.fromhex(body.replace("\n", "")).decode().split("\n")
            assert not self.server.sql(f"SHOW EVENTS IN `{name}`"), "no event may run where it is not live"
        else:
            lines = self._dumped(name, "--events", "--no-data", "--no-create-info", "--skip-triggers")
        inside = False
        found = []
        for line in lines:
            inside = inside or line.startswith("/*!50106 SET @save_time_zone=")
            if inside:
                found.append(line)
            inside = inside and not line.startswith("/*!50106 SET TIME_ZONE= @save_time_zone")
        return found

    def _dumped(self, name: str, *options: str, tables: Sequence[str] = ()) -> list[str]:
        first = [self.server.dumper, "--no-defaults", "--user=root", f"--socket={self.server.socket}"]
        if self.server.calm:
            first.append(f"--host=user=root;socket={self.server.socket};init-command={{{self.server.calm}}}")
        done = subprocess.run(
            [*first, *PLAIN_WORDS, *options, name, *tables],
            stdout=subprocess.PIPE,
            check=True,
        )
        return done.stdout.decode("utf-8", "surrogateescape").split("\n")

    def changes(self) -> Sequence[str]:
        return tuple(CHANGES)

    def change(self, name: str, random: Random) -> str:
        word = "".join(random.choices("bcdfghjklmnpqrstvwxz", k=12))
        number = random.randrange(10**6, 10**8)
        sql = CHANGES[name].replace("{word}", word).replace("{n}", str(number)).replace("{id}", str(1 + number % 40))
        self.server.sql(sql, DATABASE)
        return f"{name}: {sql}"

    def touch(self) -> str:
        self.server.sql("ANALYZE TABLE customers, orders; OPTIMIZE TABLE orders, loved; FLUSH TABLES", DATABASE)
        self.server.sql("START TRANSACTION; UPDATE customers SET name = 'x'; DELETE FROM loose; ROLLBACK", DATABASE)
        self.server.sql("INSERT INTO log VALUES (-1); DELETE FROM log WHERE n = -1", DATABASE)
        return "ANALYZE, OPTIMIZE, FLUSH, a rollback, a row that came and went"

    def grow(self, size: int) -> None:
        self.server.sql(
            f"""CREATE TABLE big (id int PRIMARY KEY, a text, b blob);
            INSERT INTO big SELECT seq, REPEAT(MD5(seq), 20), UNHEX(REPEAT(MD5(-seq), 5))
              FROM seq_1_to_{size // 810};""",
            DATABASE,
        )

    def some_sections(self) -> tuple[str, ...]:
        return ("table:orders", """table:Odd `T"'; able""")

    def part(self, place: Place | None = None) -> object:
        name = place.name if place else DATABASE
        tables = ("orders", """Odd `T"'; able""")
        rows = self._dumped(name, "--no-create-info", "--skip-triggers", "--skip-extended-insert", tables=tables)
        return rows, self.server.sql("SELECT next_not_cached_value FROM counter", name)

    def lose(self) -> Sequence[RowsAsked]:
        return self._lose_prices("table:prices")

    def writer(self, log: Path) -> Writer:
        return MariadbWriter(self.server, log)
