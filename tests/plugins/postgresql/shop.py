"""What the tests of rows that are put back share: a live database, and what one snapshot of it holds.

What live holds is read by pg_dump and psql, never by our own reader."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dysnomia_plugins.base import LiveLook, PutRow, Stored
from dysnomia_store.model import Section
from dysnomia_tui.engine.component.rows_by_key import wanted_rows
from tests.plugins.conformance.bare import Bare
from tests.plugins.servers.postgresql import PostgresServer

CUSTOMERS = """
CREATE TABLE customers (id int PRIMARY KEY, email text UNIQUE, boss int REFERENCES customers);
CREATE TABLE orders (number text PRIMARY KEY, customer int REFERENCES customers ON DELETE CASCADE, cents int);
INSERT INTO customers VALUES (1, 'ada@example.org', NULL), (2, 'bob@example.org', 1);
INSERT INTO orders VALUES ('A1', 1, 100), ('B1', 2, 200), ('B2', 2, 300);
"""


CLIENT = "-c search_path=public -c default_transaction_read_only=off"


@dataclass
class Shop:
    """A live database, and what one snapshot of it holds."""

    server: PostgresServer
    bare: Bare
    stored: Stored | None = None

    def sql(self, text: str) -> str:
        return self.server.sql(text, "orders", PGOPTIONS=CLIENT)

    def create(self, script: str) -> None:
        self.server.sql("CREATE DATABASE orders")
        self.create_in(script)

    def create_in(self, script: str) -> None:
        """The same in a database that is there."""
        self.sql(script)
        self.keep()

    def keep(self) -> None:
        self.stored = self.bare.dump()

    def dumped(self) -> list[str]:
        """All of live as pg_dump has it, in an order that no update changes."""
        argv: list[str | Path] = [self.server.bin / "pg_dump", "--inserts", "orders"]
        done = subprocess.run(argv, env=self.server.client_environment(), capture_output=True, check=True)
        return sorted(line for line in done.stdout.decode().splitlines() if "restrict " not in line)

    def sections(self) -> dict[str, Section]:
        assert self.stored is not None
        return {one.name: one for one in self.stored.sections() if one.kind == "table"}

    def wanted(self, table: str, *keys: str | tuple[str, ...]) -> list[PutRow]:
        assert self.stored is not None
        cells = [key if isinstance(key, tuple) else (key,) for key in keys]
        return wanted_rows(self.bare.plugin, self.stored, self.sections()[table], cells)

    def lacking(self, section: Section) -> list[PutRow]:
        assert self.stored is not None
        plugin = self.bare.plugin
        batches = iter(plugin.raw_rows(self.stored, section))
        return [
            PutRow(section, tuple(map(str, plugin.parse_row(section, raw).key)), raw)
            for raw in plugin.lacking(self.bare.context(), section, batches)
        ]

    def look(self, rows: Sequence[PutRow]) -> LiveLook:
        return self.bare.plugin.look_at_rows(self.bare.context(), rows)

    def put(self, rows: Sequence[PutRow], look: LiveLook | None = None) -> Sequence[int]:
        """Of those that the look says can be."""
        look = look or self.look(rows)
        assert look.refusals == ()
        chosen = [at for at, row in enumerate(look.rows) if row.digest != row.wanted and at not in look.conflicts]
        seen = [look.rows[at].digest for at in chosen]
        return self.bare.plugin.put_back(self.bare.context(), [rows[at] for at in chosen], seen)
