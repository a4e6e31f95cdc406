"""A component with a short history that tests know by heart: who of the customers was there when."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dysnomia_store.names import ComponentKey
from dysnomia_tui.config import Settings
from dysnomia_tui.demo.chronicle import Chronicle

SHOP = ComponentKey("databases", "shop")
PAPERS = ComponentKey("files", "papers")
BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)
"""Generation N is as of N hours later."""
STEPS = (
    "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT); CREATE TABLE items (sku TEXT, shelf INT, n INT,"
    " PRIMARY KEY (sku, shelf)) WITHOUT ROWID; INSERT INTO customers VALUES (1, 'Ada'), (2, 'Ben');"
    " INSERT INTO items VALUES ('lamp', 1, 10), ('lamp, oak', 2, NULL)",
    "UPDATE customers SET name = 'Bea' WHERE id = 2",
    "ALTER TABLE customers ADD COLUMN city TEXT DEFAULT 'Lyon'",
    "DELETE FROM customers WHERE id = 2; UPDATE items SET n = 11 WHERE shelf = 1",
    "UPDATE items SET n = 12 WHERE shelf = 1",
    "INSERT INTO customers VALUES (2, 'Cem', NULL)",
)


@dataclass
class Ledger:
    """Where it is."""

    root: Path
    chronicle: Chronicle

    @property
    def settings(self) -> Settings:
        return Settings(
            statedir=self.root / "state",
            containers_path=(self.root / "containers",),
            components_path=(self.root / "components",),
            modules_path=(),
            user_config=self.root / "config",
        )

    @property
    def environment(self) -> dict[str, str]:
        """For the commands."""
        return {
            "DYSNOMIA_STATEDIR": str(self.root / "state"),
            "DYSNOMIA_CONTAINERS_PATH": str(self.root / "containers"),
            "DYSNOMIA_COMPONENTS_PATH": str(self.root / "components"),
            "DYSNOMIA_MODULES_PATH": "",
            "XDG_CONFIG_HOME": str(self.root / "config"),
        }

    def enter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let the commands that are called in this process be about it."""
        for name, value in self.environment.items():
            monkeypatch.setenv(name, value)

    @property
    def database(self) -> Path:
        return self.root / "live" / "shop"

    def step(self, sql: str) -> int:
        """Change the shop, and make a generation of it. Returns its number."""
        with closing(sqlite3.connect(self.database)) as db:
            db.executescript(sql)
        return self.snapshot(SHOP)

    def snapshot(self, key: ComponentKey) -> int:
        self.chronicle.clock.now += timedelta(hours=1)
        return self.chronicle.snapshot(key).number


def make_ledger(root: Path) -> Ledger:
    """The shop with six generations, and three of a text beside it."""
    chronicle = Chronicle.begin(root / "state", BEGAN)
    ledger = Ledger(root, chronicle)
    given = {
        SHOP: {"type": "sqlite-database", "sqliteDir": str(root / "live")},
        PAPERS: {"type": "fileset", "targetDir": str(root / "live")},
    }
    (root / "live" / "papers").mkdir(parents=True)
    (root / "containers").mkdir()
    for key, properties in given.items():
        lines = (f"{name}='{value}'\n" for name, value in properties.items())
        (root / "containers" / key.container).write_text("".join(lines))
        path = root / "components" / key.container / key.component
        path.mkdir(parents=True)
        (path / ".dysnomia-fileset").write_text("mkdir papers\n")
        chronicle.know(key, path, properties)
    for sql in STEPS:
        ledger.step(sql)
    chronicle.clock.now = BEGAN
    for text in ("first\n", "first\nsecond\n", "second\n"):
        (root / "live" / "papers" / "list.txt").write_text(text)
        ledger.snapshot(PAPERS)
    return ledger
