"""A collection that a timer plans and a person applies: exactly that one, or none where it is out of date."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path

import pytest

from dysnomia_store.model import Marks, Pin
from tests.unit.cli.calling import call
from tests.unit.engine.ledger import BEGAN, PAPERS, SHOP, Ledger, make_ledger

CONFIG = """
[schedule]
collect_mode = "review"
[components."*/*"]
stale_after = "never"
retention = { last = 3 }
"""
TIMER = ("--gc", "--policy", "--scheduled")


class Desk:
    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.ledger: Ledger = make_ledger(root)
        self.ledger.enter(monkeypatch)
        self._patch, self._capsys = monkeypatch, capsys
        (root / "config" / "dysnomia-tui").mkdir(parents=True)
        self.heard = root / "heard"
        notify = f'[notify]\ncommand = ["{shutil.which("tee")}", "-a", "{self.heard}"]\n'
        (root / "config" / "dysnomia-tui" / "config.toml").write_text(CONFIG + notify)
        self.plan = root / "state" / "planned" / "collect.json"

    def call(self, *words: str, status: int = 0) -> str:
        self._capsys.readouterr()
        assert call(self._patch, *words) == status
        said = self._capsys.readouterr()
        return said.out + said.err

    def snapshots(self, *words: str, status: int = 0) -> str:
        return self.call("dysnomia-snapshots", *words, status=status)

    def numbers(self) -> list[int]:
        return [one.number for one in self.ledger.chronicle.store.generations(SHOP)]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, monkeypatch, capsys)


def test_the_timer_plans_and_a_person_applies_exactly_that(desk: Desk) -> None:
    assert "3 generations" in desk.snapshots(*TIMER)
    assert desk.numbers() == [1, 2, 3, 4, 5, 6]
    assert stat.S_IMODE(desk.plan.stat().st_mode) == 0o600
    planned = desk.plan.read_bytes()
    said = desk.call("dysnomia-tui", "status", status=1)
    assert "alarm     a collection waits for a person since" in said
    assert "3 generations, " in said
    desk.snapshots(*TIMER)
    assert desk.plan.read_bytes() == planned, "the same plan waits on, since when it did"

    number = desk.ledger.step("UPDATE customers SET name = 'Dan' WHERE id = 1")
    shown = desk.snapshots("--gc", "--planned", "--dry-run")
    assert [line.split()[2] for line in shown.splitlines() if line.startswith("DELETE")] == ["1", "2", "3"]
    assert "newer than the plan that waits" in shown, "last 3 would take generation 4 now"
    desk.snapshots("--gc", "--planned", "--trash", "--reason", "looked at")
    assert desk.numbers() == [4, 5, 6, number]
    assert "waits" not in desk.call("dysnomia-tui", "status", "--scheduled")
    heard = [json.loads(line)["events"] for line in desk.heard.read_text().splitlines()]
    assert [(one["event"], one["subject"]) for (one,) in heard] == [
        ("review", "garbage collection"), ("well", "garbage collection"),
    ]  # fmt: skip
    assert not desk.plan.exists()
    assert "no collection waits" in desk.snapshots("--gc", "--planned", status=5)
    entries = json.loads(desk.call("dysnomia-tui", "timeline", "--json"))
    assert entries[-1]["event"] == "done"
    assert {one["why"] for one in entries if one["kind"] == "gc"} == {"looked at"}


def test_a_plan_that_no_longer_holds_is_said_and_not_applied(desk: Desk) -> None:
    desk.snapshots(*TIMER)
    store = desk.ledger.chronicle.store
    store.mark(SHOP, 2, Marks(pins=(Pin("evidence", "alice", BEGAN),)), who="alice")
    said = desk.snapshots("--gc", "--planned", status=6)
    assert "is out of date: generation 2 of databases/shop is kept now: pinned" in said
    assert desk.numbers() == [1, 2, 3, 4, 5, 6]
    desk.snapshots(*TIMER)
    assert "DELETE  databases/shop 2" not in desk.snapshots("--gc", "--planned", "--dry-run")
    desk.snapshots("--gc", "--keep-last", "4", "-C", SHOP.container)
    assert "generation 1 of databases/shop is no longer there" in desk.call("dysnomia-tui", "status", status=1)
    desk.snapshots("--gc", "--keep-last", "3")
    assert "nothing to remove, and no collection waits" in desk.snapshots(*TIMER)
    assert not desk.plan.exists()


def test_what_is_pinned_since_makes_the_alarm_another_at_once_and_ends_it_where_nothing_is_left(desk: Desk) -> None:
    desk.snapshots(*TIMER)
    assert "a collection waits for a person since" in desk.call("dysnomia-tui", "status", status=1)
    for number in (1, 2, 3):
        desk.call("dysnomia-tui", "mark", str(SHOP), str(number), "--pin", "evidence")
        said = desk.call("dysnomia-tui", "status", status=0 if number == 3 else 1)
        assert "waits for a person" not in said
        assert ("is out of date: generation 1 of databases/shop is kept now: pinned" in said) is (number < 3)
    assert "OK: " in said, "nothing is left that it would take"
    desk.call("dysnomia-tui", "mark", str(SHOP), "1", "--unpin")
    assert "is out of date: generation 2 of" in desk.call("dysnomia-tui", "status", status=1)
    config = desk.plan.parents[2] / "config" / "dysnomia-tui" / "config.toml"
    config.write_text(config.read_text().replace("last = 3", "last = 6"))
    assert "collection" not in desk.call("dysnomia-tui", "status"), "the retention keeps all of them now"


def test_by_hand_the_policy_is_applied_at_once_or_waits_where_it_is_said(desk: Desk) -> None:
    desk.snapshots("--gc", "--policy", "--review")
    assert desk.numbers() == [1, 2, 3, 4, 5, 6]
    desk.snapshots("--gc", "--policy")
    assert desk.numbers() == [4, 5, 6]
    assert not desk.plan.exists(), "what waited was done"
    assert [one.number for one in desk.ledger.chronicle.store.generations(PAPERS)] == [1, 2, 3]
    desk.snapshots("--gc", "--review", status=2)
    desk.snapshots("--gc", "--policy", "--planned", status=2)


def test_what_is_in_the_place_of_a_plan_and_is_none_is_an_alarm_and_is_planned_again(desk: Desk) -> None:
    desk.snapshots(*TIMER)
    for text in (b"", b"{}", b'{"made": 3}', desk.plan.read_bytes().replace(b'"lines"', b'"lien"')):
        desk.plan.write_bytes(text)
        assert "no collection waits" in desk.snapshots("--gc", "--planned", status=5)
        said = desk.call("dysnomia-tui", "status", status=1)
        assert f"a collection may wait for a person, and {desk.plan} cannot be read" in said
        assert "to plan it again: dysnomia-snapshots --gc --policy --review" in said
    desk.snapshots("--gc", "--policy", "--review")
    assert "a collection waits for a person since" in desk.call("dysnomia-tui", "status", status=1)
