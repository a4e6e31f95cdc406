"""What the tests of rows that are put back share: a live database, and what one snapshot of it holds.

What live holds is read by mariadb-dump and the client, never by our own reader."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

from tests.plugins.servers.mariadb import MariadbServer
from tests.plugins.sql_shop import SqlShop

CUSTOMERS = """
CREATE TABLE customers (id int PRIMARY KEY AUTO_INCREMENT, email varchar(80) UNIQUE, boss int,
  FOREIGN KEY (boss) REFERENCES customers (id) ON DELETE SET NULL);
CREATE TABLE orders (number varchar(20) PRIMARY KEY, customer int, cents int,
  FOREIGN KEY (customer) REFERENCES customers (id) ON DELETE CASCADE ON UPDATE CASCADE);
INSERT INTO customers VALUES (1, 'ada@example.org', NULL), (2, 'bob@example.org', 1);
INSERT INTO orders VALUES ('A1', 1, 100), ('B1', 2, 200), ('B2', 2, 300);
"""


@dataclass(kw_only=True)
class Shop(SqlShop):
    """A live database, and what one snapshot of it holds."""

    server: MariadbServer

    def sql(self, text: str) -> str:
        return self.server.sql(text, "orders")

    def create(self, script: str) -> None:
        self.server.sql("CREATE DATABASE orders CHARACTER SET utf8mb4")
        self.sql(script)
        self.keep()

    def dumped(self) -> list[str]:
        """All of live as mariadb-dump has it."""
        argv = [self.server.dumper, "--no-defaults", "--user=root", f"--socket={self.server.socket}"]
        if self.server.calm:
            argv.append(f"--host=user=root;socket={self.server.socket};init-command={{{self.server.calm}}}")
        argv += ["--compact", "--hex-blob", "--order-by-primary", "--skip-extended-insert", "--routines", "orders"]
        done = subprocess.run(argv, capture_output=True, check=True)
        return done.stdout.decode("utf-8", "surrogateescape").split("\n")
