"""What the tests of rows that are put back share: a live database, and what one snapshot of it holds.

What live holds is read by pg_dump and psql, never by our own reader."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.plugins.servers.postgresql import PostgresServer
from tests.plugins.sql_shop import SqlShop

CUSTOMERS = """
CREATE TABLE customers (id int PRIMARY KEY, email text UNIQUE, boss int REFERENCES customers);
CREATE TABLE orders (number text PRIMARY KEY, customer int REFERENCES customers ON DELETE CASCADE, cents int);
INSERT INTO customers VALUES (1, 'ada@example.org', NULL), (2, 'bob@example.org', 1);
INSERT INTO orders VALUES ('A1', 1, 100), ('B1', 2, 200), ('B2', 2, 300);
"""


CLIENT = "-c search_path=public -c default_transaction_read_only=off"


@dataclass(kw_only=True)
class Shop(SqlShop):
    """A live database, and what one snapshot of it holds."""

    server: PostgresServer

    def sql(self, text: str) -> str:
        return self.server.sql(text, "orders", PGOPTIONS=CLIENT)

    def create(self, script: str) -> None:
        self.server.sql("CREATE DATABASE orders")
        self.create_in(script)

    def create_in(self, script: str) -> None:
        """The same in a database that is there."""
        self.sql(script)
        self.keep()

    def dumped(self) -> list[str]:
        """All of live as pg_dump has it, in an order that no update changes."""
        argv: list[str | Path] = [self.server.bin / "pg_dump", "--inserts", "orders"]
        done = subprocess.run(argv, env=self.server.client_environment(), capture_output=True, check=True)
        return sorted(line for line in done.stdout.decode().splitlines() if "restrict " not in line)
