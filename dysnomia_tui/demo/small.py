"""The two smaller databases: ``crm``, which grows every day, and ``settings``, which hardly ever changes."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

CRM_SCHEMA = """\
CREATE TABLE companies (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, sector TEXT NOT NULL, rating REAL);
CREATE TABLE contacts (
    id INTEGER PRIMARY KEY, company INTEGER NOT NULL REFERENCES companies (id), name TEXT NOT NULL, phone TEXT
);
CREATE TABLE calls (id INTEGER PRIMARY KEY, contact INTEGER NOT NULL, at TEXT NOT NULL, minutes INTEGER, outcome TEXT);
"""

SETTINGS_SCHEMA = """\
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE feature_flags (name TEXT PRIMARY KEY, enabled INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO settings VALUES ('currency', 'EUR'), ('mail.from', 'shop@example.org'), ('page.size', '50'),
    ('shipping.free_from', '7500'), ('tax.rate', '0.21'), ('theme', 'plain'), ('timezone', 'Europe/Amsterdam');
INSERT INTO feature_flags VALUES ('gift-cards', 0), ('new-checkout', 0), ('search-2', 1);
"""

_NAMES = "Noor Iris Tom Bram Lotte Finn Sara Milan Julia Daan Emma Levi Nora Luuk Vera Stijn".split()
_SECTORS = ("retail", "building", "schools", "hotels", "care", "transport")
_OUTCOMES = ("no answer", "call back", "offer sent", "won", "lost")


@dataclass
class Crm:
    """The customer contacts and the dice that change them."""

    path: Path
    dice: random.Random

    def fill(self, now: datetime) -> None:
        with closing(sqlite3.connect(self.path)) as db, db:
            for number in range(1, 241):
                row = (
                    f"{self.dice.choice(_NAMES)} & Co {number}",
                    self.dice.choice(_SECTORS),
                    self.dice.randrange(50) / 10,
                )
                db.execute("INSERT INTO companies (name, sector, rating) VALUES (?, ?, ?)", row)
            for _ in range(900):
                self._contact(db)
            for _ in range(2_500):
                self._call(db, now - timedelta(hours=self.dice.randrange(1, 4_000)))

    def day(self, now: datetime) -> None:
        with closing(sqlite3.connect(self.path)) as db, db:
            for _ in range(self.dice.randrange(2, 9)):
                self._contact(db)
            for _ in range(self.dice.randrange(20, 70)):
                self._call(db, now - timedelta(minutes=self.dice.randrange(1, 1_400)))
            for _ in range(5):
                change = (self.dice.randrange(50) / 10, self.dice.randrange(1, 241))
                db.execute("UPDATE companies SET rating = ? WHERE id = ?", change)
            db.execute("DELETE FROM contacts WHERE id = ?", (self.dice.randrange(1, 900),))

    def _contact(self, db: sqlite3.Connection) -> None:
        phone = f"+31 6 {self.dice.randrange(10_000_000, 99_999_999)}"
        row = (self.dice.randrange(1, 241), f"{self.dice.choice(_NAMES)} {self.dice.choice(_NAMES)}son", phone)
        db.execute("INSERT INTO contacts (company, name, phone) VALUES (?, ?, ?)", row)

    def _call(self, db: sqlite3.Connection, when: datetime) -> None:
        row = (self.dice.randrange(1, 901), f"{when:%F %R}", self.dice.randrange(1, 50), self.dice.choice(_OUTCOMES))
        db.execute("INSERT INTO calls (contact, at, minutes, outcome) VALUES (?, ?, ?, ?)", row)


SETTINGS_CHANGES = (
    "UPDATE settings SET value = '100' WHERE name = 'page.size'",
    "UPDATE feature_flags SET enabled = 1 WHERE name = 'gift-cards'",
    "INSERT INTO settings VALUES ('mail.reply_to', 'help@example.org')",
    "UPDATE settings SET value = '9900' WHERE name = 'shipping.free_from'",
    "INSERT INTO feature_flags VALUES ('wish-list', 0)",
    "UPDATE settings SET value = 'dark' WHERE name = 'theme'",
    "UPDATE settings SET value = 'plain' WHERE name = 'theme'",
    "UPDATE feature_flags SET enabled = 1 WHERE name = 'wish-list'",
    "DELETE FROM feature_flags WHERE name = 'search-2'",
    "UPDATE settings SET value = '5000' WHERE name = 'shipping.free_from'",
    "UPDATE feature_flags SET enabled = 1 WHERE name = 'new-checkout'",
)
"""What was changed in ``settings``, one a time."""


def change(path: Path, statement: str) -> None:
    """Run one statement on a database."""
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(statement)
