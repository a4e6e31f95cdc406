"""The whole story by keys, in a real terminal, on the demo: open, snapshot, change data, compare, find by time,
restore, undo, collect, bring back. What the keys did is looked at in the databases and the store, not on the screen."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from dysnomia_store.names import ComponentKey
from dysnomia_store.store import Store
from tests.e2e.conftest import NOW
from tests.e2e.terminal import TIMEOUT, Terminal, terminal
from tests.e2e.world import BIN, World
from tests.waiting import wait_until

pytestmark = [pytest.mark.terminal, pytest.mark.xdist_group("terminal")]

ORDERS = ComponentKey("sqlite-database", "orders")


@dataclass
class Session:
    """The program in a terminal, and the world it works on."""

    terminal: Terminal
    world: World

    def start(self, *options: str, noting: bool = False) -> None:
        """Start the program; ``noting`` has its exit status written down (tmux forgets one now and then)."""
        argv = [str(BIN / "dysnomia-tui"), *options]
        if noting:
            argv = ["sh", "-c", '"$@"; echo $? >"$HOME/status"', "sh", *argv]
        try:
            self.terminal.tmux("has-session", "-t", "test")
        except AssertionError:
            self.terminal.start(argv, self.world.environment)
        else:
            self.terminal.again(argv, self.world.environment)

    def open(self, *options: str, noting: bool = False) -> str:
        """Start the program on a demo and wait until the store was read."""
        self.start(*options, noting=noting)
        return self.terminal.wait_for("need you", "orders", "Generation ")

    def go_to(self, key: str) -> None:
        """Put the cursor on a component, through the palette."""
        self.terminal.press(":")
        self.terminal.wait_for("Commands")
        self.terminal.type(key)
        self.terminal.wait_for(f"│  {key}")
        self.terminal.press("Enter")
        self.terminal.wait_for(f"2 {key.partition('/')[2]}")

    def go_to_orders(self) -> None:
        self.go_to("sqlite-database/orders")

    def go_to_newest(self, number: int) -> None:
        """Put the cursor on the newest generation, once the list has it.

        A job line names a generation before the list has followed, and the cursor stays on the one it was on."""
        self.terminal.wait_for(f"/{number} ─╯")
        self.terminal.press("2", "g")
        self.terminal.wait_for(f"3 Generation {number} ")

    def carry_out_review(self) -> None:
        """Press X; again where the review was made anew just then, as the screen says."""
        for _ in range(5):
            self.terminal.press("X")
            try:
                self.terminal.wait_for("Cancel", timeout=10)
            except AssertionError:
                continue
            return

    def confirm(self) -> str:
        """Do what the confirmation asks for. Returns what had to be typed, ``""`` for Enter alone.

        It hears nothing within half a second of its first paint, and says so: then it says what to type, and its safe
        choice gets the focus (reverse)."""
        self.terminal.wait_for("Cancel")
        self.terminal.wait_gone("keys are ignored")
        seen = self.terminal.screen()
        asked = re.search(r"Type (\S+) and press Enter", seen)
        if asked:
            self.terminal.until(lambda: re.search(r"\x1b\[[\d;]*7m(\x1b\[[\d;]*m)? Cancel", self.terminal.styled()))
            self.terminal.type(asked[1])
            self.terminal.press("Enter")
            self.terminal.wait_gone("Cancel")
            return asked[1]
        for _ in range(20):
            self.terminal.press("Enter")
            try:
                self.terminal.wait_gone("Cancel", timeout=3)
            except AssertionError:
                continue
            return ""
        raise AssertionError(f"the confirmation heard nothing:\n{self.terminal.screen()}")

    def sql(self, statement: str) -> list[tuple[int]]:
        path = self.world.root / "live" / "databases" / "orders"
        with closing(sqlite3.connect(path, timeout=60)) as db, db:
            return db.execute(statement).fetchall()

    @property
    def customers(self) -> int:
        return self.sql("SELECT count(*) FROM customers")[0][0]

    @property
    def numbers(self) -> list[int]:
        return [generation.number for generation in Store(self.world.state).generations(ORDERS)]

    def ended(self, kind: str, count: int = 1) -> None:
        """Wait until so many jobs of a kind have ended well."""

        def there() -> bool:
            found = [job for job in self.world.jobs() if job["kind"] == kind and job["ended"]]
            assert all(job["state"] == "done" for job in found), found
            return len(found) >= count

        wait_until(there, TIMEOUT, interval=0.3)


@pytest.fixture
def session(own_demo: Callable[[], World]) -> Iterator[Session]:
    with terminal() as made:
        yield Session(made, own_demo())


def test_at_80x24_the_main_screen_shows_what_counts(session: Session) -> None:
    seen = session.open()
    session.go_to_orders()
    newest = Store(session.world.state).generations(ORDERS)[-1]
    seen = session.terminal.wait_for("2 orders", newest.id[:6], "cron")
    head = seen.splitlines()[0]
    assert re.search(r"\d\d:\d\d:\d\d \w+", head), "the time, and its zone"
    assert "DEMO" in head
    assert "RW" in head
    assert "need you" in seen.splitlines()[1]
    line = next(line for line in seen.splitlines() if newest.id[:6] in line)
    for shown in (str(newest.number), f"{newest.as_of:%H:%M}", "cron", "M", "ok"):
        assert shown in line
    assert all(len(line) <= 80 for line in seen.splitlines())


def test_the_whole_story(session: Session) -> None:
    terminal, world = session.terminal, session.world
    session.open(noting=True)
    session.go_to_orders()
    before = session.numbers

    terminal.press("s")
    assert session.confirm() == "", "a snapshot only adds: Enter is enough"
    session.ended("snapshot")
    made = before[-1] + 1
    assert session.numbers == [*before, made]
    session.go_to_newest(made)

    whole = session.customers
    session.sql("DELETE FROM customers WHERE id <= 99")
    terminal.press("D")
    terminal.wait_for(f"orders {made} → live", "customers", "-99", "~1 changed")
    terminal.press("Escape")
    terminal.wait_for("2 orders")

    when = (NOW - timedelta(days=6)).replace(hour=12, minute=59)
    sound = Store(world.state).newest_good_before(ORDERS, when)
    assert sound is not None
    terminal.press("@")
    terminal.wait_for("Newest good generation")
    terminal.type(f"{when:%F %R} UTC")
    terminal.press("Enter")
    terminal.wait_for(f"orders/{sound.number}")

    terminal.press("r")
    terminal.wait_for("Would restore", f"generation {sound.number}")
    terminal.press("Enter")
    assert session.confirm() == str(sound.number), "it can be undone: the number is typed"
    session.ended("restore")
    assert session.customers not in (whole, whole - 99)
    store = Store(world.state)
    newest, guard = store.generations(ORDERS)[-1], store.generations(ORDERS)[-2]
    assert {newest.reason.value, guard.reason.value} == {"restore", "guard"}

    terminal.press("Escape")
    terminal.wait_for("2 orders", f"restore generation {sound.number}", "● done")
    terminal.press("u")
    session.confirm()
    session.ended("undo")
    assert session.customers == whole - 99, "what was live before the restore, the lost rows included"

    many = session.numbers
    terminal.wait_for("2 orders")
    terminal.press("X")
    terminal.wait_for("WOULD", "KEEP", "DELETE")
    session.carry_out_review()
    session.confirm()
    session.ended("gc")
    kept = session.numbers
    assert set(kept) < set(many)

    terminal.wait_for("nothing would be deleted", "done")
    terminal.press("u")
    seen = terminal.wait_for("Confirm")
    assert "bring back" in seen, seen
    session.confirm()
    terminal.until(lambda: session.numbers == many)
    assert " 0 bad" in world.run("dysnomia-snapshots", "--query-all", "--check").err

    for _ in range(6):
        if terminal.dead:
            break
        terminal.press("q")
        try:
            wait_until(lambda: terminal.dead, 3)
        except AssertionError:
            continue
    assert terminal.dead
    assert (world.root / "home" / "status").read_text() == "0\n"


def test_read_only_looks_and_does_not_touch(session: Session) -> None:
    session.open("--read-only")
    session.go_to_orders()
    before = session.numbers
    for key in ("s", "u", "p", "b"):
        session.terminal.press(key)
        session.terminal.wait_for("read-only")
        session.terminal.press("Escape")
    assert session.world.jobs() == []
    assert session.numbers == before


def test_a_small_terminal_is_told_so_and_grows_again(session: Session) -> None:
    session.open()
    session.terminal.resize(40, 10)
    session.terminal.wait_for("40")
    assert all(len(line) <= 40 for line in session.terminal.screen().splitlines())
    session.terminal.resize(60, 15)
    session.terminal.wait_for("orders")
    session.terminal.resize(120, 40)
    session.terminal.wait_for("1 Components", "2 ")


def test_ctrl_c_at_any_moment_is_no_traceback(session: Session) -> None:
    session.open()
    for _ in range(3):
        session.terminal.press("C-c")
    session.terminal.press("?")
    seen = wait_until(lambda: session.terminal.dead or "Keys that work" in session.terminal.screen())
    assert seen
    assert "Traceback" not in session.terminal.screen()


def test_the_demo_command_opens_the_demo_that_is_there(own_demo: Callable[[], World], tmp_path: Path) -> None:
    made = own_demo().root
    place = tmp_path / "data" / "dysnomia-tui" / "demo"
    place.parent.mkdir(parents=True)
    place.symlink_to(made)
    world = World(tmp_path)
    with terminal() as screen:
        screen.start([str(BIN / "dysnomia-tui"), "demo"], world.environment)
        seen = screen.wait_for("need you", "orders", "Generation ")
        assert "DEMO" in seen
