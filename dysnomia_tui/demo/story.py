"""What happened in the sixty days before the demo is opened, moment by moment.

A shop. Its orders are snapshotted every few nights and before each release; six days ago a clean-up went wrong and
was undone by a restore. The settings hardly change, the documents are a few days behind, the old site was taken out
of service and its state is still there, and nobody ever thought of the uploads.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from dysnomia_store.model import Generation, Reason, Verdict
from dysnomia_store.names import ComponentKey
from dysnomia_tui.demo import documents, orders, small
from dysnomia_tui.demo.chronicle import Chronicle

DAYS = 60

ORDERS = ComponentKey("sqlite-database", "orders")
CRM = ComponentKey("sqlite-database", "crm")
SETTINGS = ComponentKey("sqlite-database", "settings")
DOCUMENTS = ComponentKey("fileset", "documents")
SITE = ComponentKey("fileset", "old-site")
UPLOADS = ComponentKey("fileset", "uploads")

SCHEMAS = {ORDERS: orders.SCHEMA, CRM: small.CRM_SCHEMA, SETTINGS: small.SETTINGS_SCHEMA}
"""Initial state of the databases."""

_NIGHTS = (60, 57, 54, 51, 48, 45, 43, 41, 39, 37, 35, 33, 31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11)
_LATELY = (10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)

Act = Callable[[], None]


@dataclass(order=True)
class Moment:
    """Something that happens at a time."""

    at: datetime
    turn: int
    act: Act = field(compare=False)


@dataclass
class Story:
    """The moments, and the folders they happen in."""

    chronicle: Chronicle
    live: Path
    now: datetime
    dice: random.Random = field(default_factory=lambda: random.Random(20_04))
    _moments: list[Moment] = field(default_factory=list)
    _known: dict[str, Generation] = field(default_factory=dict)

    def tell(self, on_moment: Callable[[int, int], None]) -> None:
        """Live through all of it, in order of time. ``on_moment(done, of)`` after each."""
        for plan in (self._begin, self._orders, self._crm, self._settings, self._documents, self._site):
            plan()
        self._moments.sort()
        for count, moment in enumerate(self._moments, 1):
            self.chronicle.clock.now = moment.at
            moment.act()
            on_moment(count, len(self._moments))
        self.chronicle.clock.now = self.now
        self._since_then()

    # When.

    def _night(self, days: int) -> datetime:
        """Two o'clock that many days ago, a few seconds past; the last one is hours ago at most."""
        jitter = timedelta(seconds=self.dice.randrange(2, 50))
        at = (self.now - timedelta(days=days)).replace(hour=2, minute=0, second=0) + jitter
        return min(at, self.now - timedelta(hours=2, minutes=self.dice.randrange(1, 30)))

    def _day(self, days: int, hour: int, minute: int) -> datetime:
        second = self.dice.randrange(60)
        return (self.now - timedelta(days=days)).replace(hour=hour, minute=minute, second=second)

    def _at(self, when: datetime, act: Act) -> None:
        self._moments.append(Moment(when, len(self._moments), act))

    # What.

    def _begin(self) -> None:
        first = self.now - timedelta(days=DAYS + 1)
        for turn, key in enumerate((ORDERS, CRM, SETTINGS, DOCUMENTS, SITE, UPLOADS)):
            self._at(first + timedelta(minutes=turn), lambda key=key: self.chronicle.do(key, "activate"))  # type: ignore[misc]
        # Before the first night's trade, also where the story ends just before midnight.
        filled = first + timedelta(minutes=15)
        self.shop = orders.Orders(self.live / "databases" / "orders", self.dice)
        self.crm = small.Crm(self.live / "databases" / "crm", self.dice)
        self.papers = documents.Documents(self.live / "files" / "documents", self.dice)
        self._at(filled, lambda: self.shop.fill(filled))
        self._at(filled, lambda: self.crm.fill(filled))
        self._at(filled, lambda: self.papers.fill(filled))
        self._at(filled, lambda: documents.uploads(self.live / "files" / "uploads", self.dice))

    def _nightly(self, key: ComponentKey, days: int, before: Callable[[datetime], None]) -> None:
        at = self._night(days)
        self._at(at - timedelta(minutes=90), lambda: before(at))
        self._at(at, lambda: self._keep(f"{key.component} {days}", self.chronicle.snapshot(key)))

    def _keep(self, name: str, generation: Generation) -> None:
        self._known[name] = generation

    def _orders(self) -> None:
        for days in (*_NIGHTS, *_LATELY):
            self._nightly(ORDERS, days, lambda at: self.shop.day(at, self.dice.randrange(40, 160)))
        self._by_hand(44, 14, 12, "before release 2.3", "2.3")
        self._at(self._day(44, 14, 20), lambda: self.shop.add_refunds(self.now - timedelta(days=44)))
        self._by_hand(20, 10, 5, "before release 2.4", "2.4")
        self._at(self._day(20, 10, 7), lambda: self.chronicle.pin(self._known["2.4"], "before release 2.4"))
        self._at(self._day(20, 10, 16), self.shop.add_channel)
        self._at(self._day(16, 9, 31), lambda: self._judge("orders 17", Verdict.GOOD, "checked against the books"))
        self._by_hand(6, 13, 0, "before the clean-up", "sound")
        self._at(self._day(6, 13, 55), self.shop.bad_clean_up)
        self._by_hand(6, 14, 0, "after the clean-up", "damaged")
        self._at(self._day(6, 14, 29), lambda: self._judge("damaged", Verdict.BAD, "open orders are gone"))
        self._at(self._day(6, 14, 31), self._put_right)

    def _by_hand(self, days: int, hour: int, minute: int, text: str, name: str) -> None:
        def act() -> None:
            made = self.chronicle.snapshot(ORDERS, who="root(alice)", reason=Reason.MANUAL, text=text)
            self._keep(name, made)

        at = self._day(days, hour, minute)
        self._at(at - timedelta(minutes=3), lambda: self.shop.day(at, 12))
        self._at(at, act)

    def _judge(self, name: str, verdict: Verdict, note: str) -> None:
        self.chronicle.judge(self._known[name], verdict, note)

    def _put_right(self) -> None:
        number = self._known["sound"].number
        self.chronicle.restore(ORDERS, number, who="root(alice)", text="the clean-up took open orders with it")

    def _crm(self) -> None:
        for days in dict.fromkeys((*_NIGHTS[::2], *_NIGHTS[1::3], *_LATELY)):
            self._nightly(CRM, days, self.crm.day)

    def _settings(self) -> None:
        path = self.live / "databases" / "settings"
        self._nightly(SETTINGS, DAYS, lambda _: None)
        for days, statement in zip((55, 49, 42, 38, 34, 28, 26, 20, 14, 9, 4), small.SETTINGS_CHANGES, strict=True):
            self._at(self._day(days, 11, 40), lambda statement=statement: small.change(path, statement))  # type: ignore[misc]
            self._nightly(SETTINGS, days - 1, lambda _: None)
        for days in (2, 1, 0):
            self._nightly(SETTINGS, days, lambda _: None)

    def _documents(self) -> None:
        for days in (*_NIGHTS, 9, 6, 4):
            self._nightly(DOCUMENTS, days, self.papers.day)

    def _site(self) -> None:
        folder = self.live / "files" / "old-site"
        for release, days in enumerate((60, 57, 54, 51, 48, 45, 43, 41), 1):
            self._nightly(SITE, days, lambda _, release=release: documents.site(folder, release))  # type: ignore[misc]
        self._at(self._day(35, 16, 2), lambda: self.chronicle.do(SITE, "deactivate"))

    def _since_then(self) -> None:
        """What the last snapshots have not seen yet: a comparison with live has something to show, and
        rows to be put back: refunds that somebody deleted."""
        self.shop.day(self.now, 25)
        self.papers.day(self.now)
        with closing(sqlite3.connect(self.live / "databases" / "orders")) as db, db:
            db.execute("UPDATE customers SET city = 'Delft' WHERE id = 17")
            db.execute("DELETE FROM refunds WHERE id IN (SELECT id FROM refunds ORDER BY id LIMIT 99)")
