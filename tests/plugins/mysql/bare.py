"""What the tests of MariaDB share: a component on the server, and what is in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dysnomia_plugins.types.mysql.plugin import MysqlDatabase
from tests.plugins.conformance.bare import Bare, component
from tests.plugins.servers.mariadb import MariadbServer

USERS = ("shop@localhost", "other@localhost", "boss@localhost", "dumper@localhost")


def bare_component(server: MariadbServer, folder: Path, name: str = "orders") -> Iterator[Bare]:
    """A component that is not there yet; for a fixture of one line."""
    path = folder / "component"
    path.mkdir()
    yield Bare(MysqlDatabase(), folder, component(path, name, **server.properties))
    if server.running:
        assert not server.locked(), "an account was left locked"
        for found in server.databases():
            server.drop(found)
        server.sql("".join(f"DROP USER IF EXISTS {user};" for user in USERS) + "DROP ROLE IF EXISTS clerks;")


def seed(server: MariadbServer, database: str = "orders", rows: int = 1000) -> None:
    quoted = "`" + database.replace("`", "``") + "`"
    server.sql(f"CREATE DATABASE {quoted} CHARACTER SET latin1")
    server.sql(
        f"""CREATE TABLE t (id int PRIMARY KEY AUTO_INCREMENT, v varchar(200));
        INSERT INTO t SELECT seq, CONCAT('row ', seq) FROM seq_1_to_{rows};
        CREATE VIEW w AS SELECT * FROM t;
        CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET NEW.v = CONCAT('g:', NEW.v);""",
        database,
    )
