"""What the tests of rows that are put back share: a live database, and what one snapshot of it holds.

What live holds is read by mariadb-dump and the client, never by our own reader."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from dysnomia_plugins.base import LiveLook, PutRow, Stored
from dysnomia_store.model import Section
from dysnomia_tui.engine.component.rows_by_key import wanted_rows
from tests.plugins.conformance.bare import Bare
from tests.plugins.servers.mariadb import MariadbServer

CUSTOMERS = """
CREATE TABLE customers (id int PRIMARY KEY AUTO_INCREMENT, email varchar(80) UNIQUE, boss int,
  FOREIGN KEY (boss) REFERENCES customers (id) ON DELETE SET NULL);
CREATE TABLE orders (number varchar(20) PRIMARY KEY, customer int, cents int,
  FOREIGN KEY (customer) REFERENCES customers (id) ON DELETE CASCADE ON UPDATE CASCADE);
INSERT INTO customers VALUES (1, 'ada@example.org', NULL), (2, 'bob@example.org', 1);
INSERT INTO orders VALUES ('A1', 1, 100), ('B1', 2, 200), ('B2', 2, 300);
"""


@dataclass
class Shop:
    """A live database, and what one snapshot of it holds."""

    server: MariadbServer
    bare: Bare
    stored: Stored | None = None

    def sql(self, text: str) -> str:
        return self.server.sql(text, "orders")

    def create(self, script: str) -> None:
        self.server.sql("CREATE DATABASE orders CHARACTER SET utf8mb4")
        self.sql(script)
        self.keep()

    def keep(self) -> None:
        self.stored = self.bare.dump()

    def dumped(self) -> list[str]:
        """All of live as mariadb-dump has it."""
        argv = [self.server.dumper, "--no-defaults", "--user=root", f"--socket={self.server.socket}"]
        if self.server.calm:
            argv.append(f"--host=user=root;socket={self.server.socket};init-command={{{self.server.calm}}}")
        argv += ["--compact", "--hex-blob", "--order-by-primary", "--skip-extended-insert", "--routines", "orders"]
        done = subprocess.run(argv, capture_output=True, check=True)
        return done.stdout.decode("utf-8", "surrogateescape").split("\n")

    def sections(self) -> dict[str, Section]:
        assert self.stored is not None
        return {one.name: one for one in self.stored.sections() if one.kind == "table"}

    def wanted(self, table: str, *keys: str | tuple[str, ...]) -> list[PutRow]:
        assert self.stored is not None
        cells = [key if isinstance(key, tuple) else (key,) for key in keys]
        return wanted_rows(self.bare.plugin, self.stored, self.sections()[table], cells)

    def all_of(self, table: str) -> list[PutRow]:
        """Every row of the snapshot's table."""
        assert self.stored is not None
        plugin, section = self.bare.plugin, self.sections()[table]
        return [
            PutRow(section, tuple(map(str, plugin.parse_row(section, raw).key)), raw)
            for batch in plugin.raw_rows(self.stored, section)
            for raw in batch
        ]

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
