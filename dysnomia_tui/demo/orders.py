"""The ``orders`` database: some 50,000 rows of a small shop, and what its days do to them."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

SCHEMA = """\
CREATE TABLE customers (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL UNIQUE, city TEXT NOT NULL, since TEXT NOT NULL
);
CREATE TABLE products (
    sku TEXT PRIMARY KEY, title TEXT NOT NULL, price_cents INTEGER NOT NULL, stock INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE orders (
    id INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customers (id), placed TEXT NOT NULL,
    state TEXT NOT NULL, total_cents INTEGER NOT NULL, note TEXT
);
CREATE TABLE order_lines (
    id INTEGER PRIMARY KEY, "order" INTEGER NOT NULL REFERENCES orders (id), sku TEXT NOT NULL,
    quantity INTEGER NOT NULL, price_cents INTEGER NOT NULL
);
CREATE INDEX orders_by_customer ON orders (customer);
CREATE INDEX lines_by_order ON order_lines ("order");
"""

_FIRST = (
    "Ada Ben Carla Dieter Eva Farid Greta Hugo Ines Jan Karim Lena Marta Nils Olga Pavel Rosa Sven Tilda Yara".split()
)
_LAST = (
    "Abel Brandt Conti Duarte Eklund Fischer Garcia Haas Ivanov Jansen Keller Lopez Moreau Novak Olsen Petit".split()
)
_CITIES = "Utrecht Lyon Turin Graz Malmö Porto Brno Ghent Kraków Cork Bilbao Basel".split()
_THINGS = "lamp chair kettle desk shelf mug clock rug vase stool basket mirror tray hook bench jar".split()
_COLOURS = "oak ash white black red blue green copper linen grey".split()
_STATES = ("new", "paid", "packed", "sent", "done")
_NOTES = (None, None, None, None, "gift", "leave at the door", "call first", "invoice to the office")


@dataclass
class Orders:
    """The database and the dice that change it."""

    path: Path
    dice: random.Random

    def fill(self, now: datetime) -> None:
        """The first 50,000 rows, older than ``now``."""
        with closing(sqlite3.connect(self.path)) as db, db:
            db.executemany(
                "INSERT INTO customers VALUES (?, ?, ?, ?, ?)", (self._customer(n, now) for n in range(1, 4001))
            )
            db.executemany("INSERT INTO products VALUES (?, ?, ?, ?)", map(self._product, range(300)))
            for _ in range(13_500):
                self._place(db, now - timedelta(hours=self.dice.randrange(1, 24 * 300)))

    def day(self, now: datetime, orders: int) -> None:
        """A stretch of trade: new orders and customers, older orders move on, stock and a few prices change."""
        with closing(sqlite3.connect(self.path)) as db, db:
            top = int(db.execute("SELECT max(id) FROM customers").fetchone()[0])
            newcomers = range(top + 1, top + 1 + orders // 12)
            db.executemany("INSERT INTO customers VALUES (?, ?, ?, ?, ?)", (self._customer(n, now) for n in newcomers))
            for _ in range(orders):
                self._place(db, now - timedelta(minutes=self.dice.randrange(1, 24 * 60)))
            last = int(db.execute("SELECT max(id) FROM orders").fetchone()[0])
            for _ in range(orders * 2):
                moved = (self.dice.choice(_STATES), self.dice.randrange(max(1, last - 900), last + 1))
                db.execute("UPDATE orders SET state = ? WHERE id = ?", moved)
            for _ in range(orders // 6):
                deleted = self.dice.randrange(1, last)
                db.execute('DELETE FROM order_lines WHERE "order" = ?', (deleted,))
                db.execute("DELETE FROM orders WHERE id = ?", (deleted,))
            for _ in range(9):
                change = (self.dice.randrange(-4, 12), f"P{self.dice.randrange(300):04d}")
                db.execute("UPDATE products SET stock = max(0, stock + ?) WHERE sku = ?", change)

    def add_refunds(self, now: datetime) -> None:
        """Release 2.3: a table of refunds."""
        with closing(sqlite3.connect(self.path)) as db, db:
            db.execute('CREATE TABLE refunds (id INTEGER PRIMARY KEY, "order" INTEGER, cents INTEGER, day TEXT)')
            for order, total in db.execute("SELECT id, total_cents FROM orders WHERE id % 97 = 0").fetchall():
                db.execute(
                    'INSERT INTO refunds ("order", cents, day) VALUES (?, ?, ?)', (order, total // 2, f"{now:%F}")
                )

    def add_channel(self) -> None:
        """Release 2.4: a column that says where an order came from."""
        with closing(sqlite3.connect(self.path)) as db, db:
            db.execute("ALTER TABLE orders ADD COLUMN channel TEXT NOT NULL DEFAULT 'web'")
            db.execute("UPDATE orders SET channel = 'phone' WHERE id % 23 = 0")

    def bad_clean_up(self) -> None:
        """The mistake of the story: a clean-up job that took open orders with it."""
        with closing(sqlite3.connect(self.path)) as db, db:
            db.execute("""DELETE FROM order_lines WHERE "order" IN (SELECT id FROM orders WHERE state != 'done')""")
            db.execute("DELETE FROM orders WHERE state != 'done'")

    def _customer(self, number: int, now: datetime) -> tuple[int, str, str, str, str]:
        first, last = self.dice.choice(_FIRST), self.dice.choice(_LAST)
        since = now - timedelta(days=self.dice.randrange(0, 900))
        email = f"{first}.{last}{number}@example.org".lower()
        return number, f"{first} {last}", email, self.dice.choice(_CITIES), f"{since:%F}"

    def _product(self, number: int) -> tuple[str, str, int, int]:
        title = f"{self.dice.choice(_COLOURS)} {self.dice.choice(_THINGS)}"
        return f"P{number:04d}", title, self.dice.randrange(290, 24_900, 10), self.dice.randrange(0, 200)

    def _place(self, db: sqlite3.Connection, when: datetime) -> None:
        lines = [
            (f"P{self.dice.randrange(300):04d}", self.dice.randrange(1, 5), self.dice.randrange(290, 24_900, 10))
            for _ in range(self.dice.choice((1, 2, 2, 3, 4)))
        ]
        order = db.execute(
            "INSERT INTO orders (customer, placed, state, total_cents, note) VALUES (?, ?, ?, ?, ?)",
            (
                self.dice.randrange(1, 4001),
                f"{when:%F %T}",
                self.dice.choice(_STATES),
                sum(quantity * cents for _, quantity, cents in lines),
                self.dice.choice(_NOTES),
            ),
        ).lastrowid
        db.executemany(
            'INSERT INTO order_lines ("order", sku, quantity, price_cents) VALUES (?, ?, ?, ?)',
            ((order, *line) for line in lines),
        )
