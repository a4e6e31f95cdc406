"""The commands on a small machine: what they end with, and what they say, when things are not as they should be."""

from __future__ import annotations

import io
import json
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dysnomia_plugins.base import Preflight
from dysnomia_tui.app.present.pins import PinNotUnderstood, parse_pin
from dysnomia_tui.app.present.times import Times, ZoneKind
from dysnomia_tui.cli.shared.parser import Usage
from dysnomia_tui.cli.tui.mark import moment
from dysnomia_tui.config.moments import TimeNotUnderstood, parse_time
from dysnomia_tui.engine.probing import client as probes
from tests.unit.cli.calling import call
from tests.unit.engine.machine import ORDERS as ORDERS_KEY
from tests.unit.engine.machine import TEXT, EngineFixture, make_machine
from tests.waiting import wait_until

ORDERS = ("-C", "sqlite", "-c", "orders")


@dataclass
class Desk:
    """The commands, at a machine of their own."""

    machine: EngineFixture
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    out: str = ""
    err: str = ""

    def call(self, prog: str, *arguments: str, status: int = 0) -> None:
        ended = call(self.monkeypatch, prog, *arguments)
        self.out, self.err = self.capsys.readouterr()
        assert ended == status, self.out + self.err

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def state(self) -> Path:
        return self.machine.root / "state"

    def snapshots(self, count: int) -> None:
        """Generations 1 to ``count`` of the orders, each another state."""
        for number in range(count):
            self.machine.insert(100 + number)
            self.call("dysnomia", "-o", "snapshot", *ORDERS)

    def link(self, number: int) -> Path:
        return self.state / "generations" / "sqlite" / "orders" / str(number)

    def config(self, text: str) -> None:
        folder = self.machine.root / "config" / "dysnomia-tui"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.toml").write_text(text)


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Desk]:
    root = Path(tempfile.mkdtemp(prefix="dysnomia-cli-"))
    machine = make_machine(root)
    monkeypatch.setenv("DYSNOMIA_STATEDIR", str(root / "state"))
    monkeypatch.setenv("DYSNOMIA_CONTAINERS_PATH", str(root / "containers"))
    monkeypatch.setenv("DYSNOMIA_COMPONENTS_PATH", str(root / "components"))
    monkeypatch.setenv("DYSNOMIA_MODULES_PATH", str(root / "modules"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(root / "config"))
    monkeypatch.setenv("HOME", str(root))
    yield Desk(machine, monkeypatch, capsys)
    shutil.rmtree(root, ignore_errors=True)


def corrupt(desk: Desk, number: int) -> None:
    """Turn a byte of a generation's dump over."""
    artefact = max((path for path in desk.link(number).resolve().iterdir()), key=lambda path: path.stat().st_size)
    data = bytearray(artefact.read_bytes())
    data[len(data) // 2] ^= 0xFF
    artefact.chmod(0o600)
    artefact.write_bytes(data)


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_a_corrupt_snapshot_is_7(desk: Desk, more: tuple[str, ...]) -> None:
    desk.call("dysnomia", "-o", "activate", *ORDERS)
    desk.snapshots(1)
    corrupt(desk, 1)
    desk.call("dysnomia", "-o", "restore", *ORDERS, "--json", *more, status=7)
    if more:
        assert desk.json["plan"]["blockers"]
    else:
        assert desk.json["exit"] == 7
        assert desk.err.rstrip().endswith(desk.json["error"])
    desk.call("dysnomia-containers", "--restore", "-y", "-C", "sqlite", "--json", *more, status=7)


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_a_server_that_is_down_is_8(desk: Desk, more: tuple[str, ...]) -> None:
    """SQLite has no server: the answer that a plan gets of one that is down is given here."""
    desk.snapshots(1)

    def down(*_: object, **__: object) -> Preflight:
        raise probes.NoAnswer("the server on port 1 does not answer")

    desk.monkeypatch.setattr(probes, "preflight", down)
    desk.call("dysnomia", "-o", "restore", *ORDERS, *more, status=8)
    assert "the server on port 1 does not answer" in desk.out + desk.err


@pytest.mark.parametrize("strange", [True, False], ids=["a strange target", "a snapshot that is gone"])
def test_restore_takes_the_newest_generation_that_has_a_snapshot(desk: Desk, strange: bool) -> None:
    desk.snapshots(2)
    if strange:
        desk.link(2).unlink()
        desk.link(2).symlink_to("nowhere")
        desk.call("dysnomia-snapshots", "--query-latest", *ORDERS)
        latest = desk.out.strip()
    else:
        shutil.rmtree(desk.link(2).resolve())
        latest = desk.link(1).resolve().name
    desk.call("dysnomia", "-o", "restore", *ORDERS, "--dry-run", "--json")
    assert desk.json["plan"]["params"]["number"] == 1
    assert latest.endswith(desk.json["plan"]["params"]["id"])
    assert "WARNING: generation 2 of sqlite/orders: " in desk.err
    desk.call("dysnomia", "-o", "restore", *ORDERS, "--generation", "2", status=5)
    assert "generation 2" in desk.err
    assert "'nowhere'" in desk.err if strange else "is missing" in desk.err
    desk.call("dysnomia", "-o", "restore", *ORDERS, "--generation", "9", status=5)
    assert "no generation 9" in desk.err
    assert desk.machine.rows() == [1, 100, 101]
    desk.call("dysnomia", "-o", "activate", *ORDERS)
    desk.call("dysnomia-containers", "--restore", "-y", "-C", "sqlite")
    assert desk.machine.rows() == [1, 100]


def test_no_link_leads_anywhere(desk: Desk) -> None:
    desk.snapshots(1)
    shutil.rmtree(desk.link(1).resolve())
    desk.call("dysnomia", "-o", "verify", *ORDERS, status=5)
    assert "no generation of sqlite/orders has a snapshot" in desk.err
    desk.call("dysnomia", "-o", "check", *ORDERS, status=5)
    assert "sqlite/orders has no snapshot" in desk.err
    desk.call("dysnomia", "-o", "restore", "-C", "sqlite", "-c", "crm")
    assert "nothing to do, it has no generation to restore" in desk.err, "as Dysnomia, whose modules then do nothing"
    desk.call("dysnomia", "-o", "restore", "-C", "sqlite", "-c", "crm", "--generation", "1", status=5)


def test_check_alone_checks_all_generations(desk: Desk) -> None:
    desk.snapshots(2)
    desk.call("dysnomia-snapshots", "--check")
    assert len(desk.out.splitlines()) == 2
    assert "2 checked: 2 ok" in desk.err
    corrupt(desk, 1)
    desk.call("dysnomia-snapshots", "--check", "--json", status=7)
    assert [one["check"] for one in desk.json] == ["corrupt", "ok"]


def test_a_dry_run_of_a_collection_names_each_generation(desk: Desk) -> None:
    desk.snapshots(3)
    orphan = desk.link(1).resolve().name
    desk.link(1).unlink()
    desk.link(9).symlink_to("../../../snapshots/sqlite/orders/gone")
    desk.call("dysnomia-snapshots", "--gc", "--keep", "1", "--dry-run", *ORDERS)
    lines = desk.out.splitlines()
    today = f"{datetime.now(UTC):%Y-}"
    (kept,) = (line for line in lines if line.startswith("KEEP    sqlite/orders 3  " + today))
    assert kept.endswith("last 1")
    (dropped,) = (line for line in lines if line.startswith("DELETE  sqlite/orders 2  " + today))
    assert dropped.split("Z  ")[1], "it is said by which rule"
    assert f"DELETE  sqlite/orders {orphan}  orphan: no generation points at it" in lines
    assert "DELETE  sqlite/orders 9  broken link: its snapshot is missing" in lines
    desk.call("dysnomia-snapshots", "--gc", "--keep", "1", "--dry-run", "--json", *ORDERS)
    review = desk.json["review"]
    found = {one["number"]: (one["keep"], bool(one["rules"]), bool(one["as_of"])) for one in review["generations"]}
    assert found == {3: (True, True, True), 2: (False, True, True)}
    assert [one["id"] for one in review["snapshots"] if one["orphan"]] == [orphan]
    assert review["broken_links"] == [{"component": "sqlite/orders", "name": "9"}]
    assert review["freed"] == sum(one["stored_size"] for one in review["snapshots"]) > 0
    assert f"{review['freed']:,} bytes" in next(line for line in lines if " snapshots, " in line)
    assert desk.link(2).is_symlink(), "nothing was changed"


def test_a_dry_run_that_would_remove_nothing_says_what_is_kept(desk: Desk) -> None:
    desk.snapshots(1)
    desk.call("dysnomia-snapshots", "--gc", "--dry-run")
    assert desk.out.startswith("KEEP    sqlite/orders 1  ")
    assert desk.err == "nothing to remove\n"


@pytest.mark.parametrize("words", [(), ("--dry-run",), ("--scheduled",)])
def test_a_collection_that_names_no_rule_is_refused_where_there_is_a_retention(
    desk: Desk, words: Sequence[str]
) -> None:
    """As Dysnomia has it, it would keep one; a timer's has to say what it keeps in any case."""
    desk.snapshots(4)
    if "--scheduled" in words:
        desk.call("dysnomia-snapshots", "--gc", *words, status=2)
        assert "--scheduled does not say what to keep: add --policy" in desk.err
    desk.config('[components."sqlite/orders".retention]\nlast = 3\n')
    desk.call("dysnomia-snapshots", "--gc", *words, status=2)
    assert "add --policy" in desk.err
    assert "--keep" in desk.err
    assert desk.link(1).is_symlink(), "nothing was removed"
    desk.call("dysnomia-snapshots", "--gc", "-c", "crm")
    desk.call("dysnomia-snapshots", "--gc", "--keep", "1")
    assert not desk.link(3).is_symlink()


def test_what_a_script_names_and_is_not_there_is_not_all_well(desk: Desk) -> None:
    desk.snapshots(1)
    for words in (
        ("dysnomia-containers", "--snapshot", "-C", "nowhere"),
        ("dysnomia-containers", "--restore", "--yes", "-C", "nowhere"),
        ("dysnomia-containers", "--collect-garbage", "-C", "nowhere"),
    ):
        desk.call(*words, status=5)
        assert "there is no container 'nowhere': configured are: " in desk.err
    for words in (
        ("dysnomia-snapshots", "--check", "-C", "nowhere"),
        ("dysnomia-snapshots", "--query-latest", "--check", "-c", "order"),
        ("dysnomia-tui", "verify", "--due", "sqlite/order"),
    ):
        desk.call(*words, status=5)
        assert "the store has no generation of " in desk.err
    desk.call("dysnomia-snapshots", "--check", "-C", "sqlite")
    assert "1 checked: 1 ok" in desk.err


def test_a_timer_that_finds_nothing_configured_fails(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYSNOMIA_CONTAINERS_PATH", "/nonexistent/containers")
    monkeypatch.setenv("DYSNOMIA_COMPONENTS_PATH", "/nonexistent/components")
    desk.call("dysnomia-containers", "--snapshot")
    assert "there is nothing to do" in desk.err, "as Dysnomia has it"
    desk.call("dysnomia-containers", "--snapshot", "--scheduled", status=5)
    assert "no container is configured: looked in /nonexistent/containers" in desk.err


def test_a_timer_whose_store_is_empty_fails(desk: Desk, tmp_path: Path) -> None:
    """As where the disk of the store was not mounted after a reboot: nothing is active there."""
    empty = ("--statedir", str(tmp_path / "mountpoint"))
    for words in (
        ("dysnomia-containers", "--snapshot"),
        ("dysnomia-snapshots", "--check"),
        ("dysnomia-tui", "verify", "--due"),
    ):
        desk.call(*words, "--scheduled", *empty, status=5)
        assert "the store is empty" in desk.err
        desk.call(*words, *empty)
    desk.call("dysnomia-containers", "--snapshot", "--scheduled", *empty, status=5)
    assert f"{tmp_path / 'mountpoint'} is not its folder, or its disk is not mounted" in desk.err
    assert not (tmp_path / "mountpoint").exists()


def test_a_collection_by_the_retention_of_config_toml(desk: Desk) -> None:
    desk.snapshots(4)
    desk.call("dysnomia-snapshots", "--gc", "--policy", status=2)
    assert "no retention is configured for sqlite/orders" in desk.err
    desk.config('[components."sqlite/orders".retention]\nlast = 3\n')
    desk.call("dysnomia-snapshots", "--gc", "--policy")
    assert [number for number in range(1, 5) if desk.link(number).is_symlink()] == [2, 3, 4]
    desk.call("dysnomia", "-o", "snapshot", "-C", "sqlite", "-c", "crm")
    desk.call("dysnomia-snapshots", "--gc", "--policy")
    assert "no retention is configured for sqlite/crm: all its generations are kept" in desk.err
    assert desk.err.endswith("nothing to remove\n")


def test_the_timeline_as_records(desk: Desk) -> None:
    desk.snapshots(1)
    desk.call("dysnomia-tui", "timeline", "--json")
    assert [entry["event"] for entry in desk.json] == ["submitted", "started", "done"]
    assert all(entry["keys"] == ["sqlite/orders"] and datetime.fromisoformat(entry["at"]) for entry in desk.json)
    desk.call("dysnomia-tui", "timeline", "sqlite/crm", "--json")
    assert desk.json == []


def test_cancel_says_whether_it_was_asked(desk: Desk) -> None:
    desk.snapshots(1)
    desk.call("dysnomia-tui", "cancel", "1", "--json")
    assert desk.json == {"asked": False, "job": "1", "state": "done"}
    desk.machine.hold()
    engine = desk.machine.engine()
    job = engine.submit(engine.plan_activity(TEXT, "activate"))
    wait_until(lambda: desk.machine.entered("activate"))
    desk.call("dysnomia-tui", "cancel", job.id, "--json")
    assert (desk.json["job"], desk.json["asked"]) == (job.id, True)
    desk.machine.hold(held=False)
    desk.machine.end(engine, job.id)
    engine.close()
    desk.call("dysnomia-tui", "cancel", "99", "--json", status=5)
    assert desk.json["exit"] == 5


def test_marks(desk: Desk) -> None:
    desk.snapshots(1)
    mark = ("mark", "sqlite/orders", "1")
    desk.call("dysnomia-tui", *mark, "--pin", "before the move", "--until", "30d", "--tag", "a", "--tag", "b", "--good")
    desk.call("dysnomia-tui", *mark, "--note", "ask alice", "--untag", "a", "--bad")
    engine = desk.machine.engine()
    marks = engine.generations(ORDERS_KEY)[0].marks
    assert [(pin.why, bool(pin.who)) for pin in marks.pins] == [("before the move", True)]
    assert marks.pins[0].until is not None
    assert timedelta(days=29) < marks.pins[0].until - datetime.now(UTC) <= timedelta(days=30)
    assert (marks.tags, marks.note, marks.verdict) == (("b",), "ask alice", "bad")
    desk.call("dysnomia-tui", *mark, "--unpin", "--untag", "b", "--no-verdict", "--note", "", "--dry-run")
    assert "unpin generation 1" in desk.out
    desk.call("dysnomia-tui", *mark, "--unpin", "--untag", "b", "--no-verdict", "--note", "")
    marks = engine.generations(ORDERS_KEY)[0].marks
    assert (marks.pins, marks.tags, marks.note, marks.verdict) == ((), (), "", None)
    desk.call("dysnomia-tui", *mark, "--unpin", status=6)
    assert "nothing would change" in desk.err
    desk.call("dysnomia-tui", "mark", "sqlite/orders", "7", "--good", status=5)


def test_trust_is_given_and_withdrawn(desk: Desk) -> None:
    desk.snapshots(1)
    desk.call("dysnomia-tui", "trust", "sqlite/orders", "1", status=6)
    assert "trusted already" in desk.err
    source = desk.link(1).resolve()
    copy = desk.machine.root / source.name
    shutil.copytree(source, copy)
    desk.call("dysnomia-snapshots", "--import", "-C", "sqlite", "-c", "crm", str(copy))
    desk.call("dysnomia-tui", "trust", "sqlite/crm", "1")
    assert "warning: it would be loaded as what was made here" in desk.err
    desk.call("dysnomia-tui", "trust", "sqlite/crm", "1", "--withdraw", "--json")
    assert desk.json["exit"] == 0
    desk.call("dysnomia-tui", "trust", "sqlite/crm", "1", "--withdraw", status=6)


def test_no_shell_in_read_only(desk: Desk) -> None:
    desk.config("read_only = true\n")
    desk.call("dysnomia", "--shell", *ORDERS, "--json", status=6)
    assert "config.toml says read_only" in desk.json["error"]


def test_a_restore_that_nobody_confirmed_is_an_object_too(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    desk.call("dysnomia-containers", "--restore", "--json", status=6)
    assert desk.json == {"error": "not confirmed: give -y", "exit": 6}


def test_text_that_turns_the_line_around_is_an_escape_in_the_timeline_and_in_the_events(desk: Desk) -> None:
    """U+202E makes a terminal draw what follows from right to left."""
    desk.call("dysnomia", "-o", "snapshot", *ORDERS, "--reason", "x\u202ey\u200bz")
    desk.call("dysnomia-tui", "timeline")
    assert "x\\u202ey\\u200bz" in desk.out
    assert not {"\u202e", "\u200b"} & set(desk.out)
    events = "".join(path.read_text() for path in desk.state.rglob("events.jsonl"))
    assert events
    assert not {"\\u202e", "\\u200b"} & set(re.findall(r"(?<!\\)\\u20..", events)), "read as JSON, they would be back"


def test_the_same_missing_file_ends_every_command_alike(desk: Desk) -> None:
    """Whether the command, the store or the operating system finds out."""
    desk.snapshots(1)
    desk.call("dysnomia-snapshots", "--import", "-C", "sqlite", "-c", "orders", "/nonexistent/folder", status=5)
    desk.call("dysnomia-snapshots", "--export", "1", "/nonexistent/folder/file", *ORDERS, status=5)


def test_how_long_a_pin_holds() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert moment("1w3d", now) == now + timedelta(days=10)
    assert moment("2026-02-01", now) == datetime(2026, 2, 1, tzinfo=UTC)
    assert moment("2026-02-01T10:00+02:00", now) == moment("2026-02-01T08:00Z", now)
    with pytest.raises(Usage, match="is not a time"):
        moment("9999-12-31T23:59-14:00", now)


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "America/Lima", "UTC+100", "UTC-100"])
@pytest.mark.parametrize("typed", ["9999-12-31 23:59", "0001-01-01 00:00", "25:00", "yesterday", "14:05"])
def test_a_time_at_the_edge_of_the_calendar_or_of_zones_is_one_or_is_refused(
    zone: str, typed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        with suppress(TimeNotUnderstood):
            assert parse_time(typed, datetime(2026, 1, 1, tzinfo=UTC)).tzinfo is UTC
        with suppress(PinNotUnderstood):
            parse_pin(f"why until {typed[:10]}", Times(ZoneKind.SERVER, datetime(2026, 1, 1, tzinfo=UTC)))
    finally:
        monkeypatch.undo()
        time.tzset()
