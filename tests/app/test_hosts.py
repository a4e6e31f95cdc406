"""The screen of hosts, on a stand-in for ssh: each answer or its reason, work over the marked, the terminal lent."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dysnomia_tui.app.screens.confirm import ConfirmScreen
from dysnomia_tui.app.screens.hosts import HostsScreen
from dysnomia_tui.cli.tui import command, hosts
from dysnomia_tui.config import HostSettings, Settings
from dysnomia_tui.engine import HostTalk, HostTask
from dysnomia_tui.engine.plans.plan import Grade
from dysnomia_tui.engine.records import Opening
from tests.app.driving import Driven, driven
from tests.app.fake_hosts import HOSTS, FakeDesk, FakeTalk
from tests.app.fake_world import fake_settings
from tests.unit.cli.calling import call

STAND_IN = r"""#!/bin/sh
echo "$*" >> "$0.called"
while [ "$1" != -- ]; do shift; done
host=$2; shift 2
case "$host $*" in
    "db2 dysnomia-containers --snapshot") echo "shop/orders: the disk is full" >&2; exit 1;;
    *--snapshot|*--due*) exit 0;;
    gone*) echo "ssh: connect to host gone port 22: Connection refused" >&2; exit 255;;
    db2*) cat "$0.bad"; exit 2;;
    *) cat "$0.good";;
esac
"""
GOOD = {"level": "ok", "components": [{"key": "shop/orders", "level": "ok", "health": "ok", "age": 7200.0,
                                       "stored_size": 1 << 20}]}  # fmt: skip
BAD = {"level": "critical", "components": [{"key": "shop/orders", "level": "critical", "health": "FAILED"},
                                           {"key": "-rf/--x", "level": "critical", "health": "FAILED"}]}  # fmt: skip


@pytest.fixture
def ssh(tmp_path: Path) -> Path:
    program = tmp_path / "ssh"
    program.write_text(STAND_IN)
    program.chmod(0o755)
    Path(f"{program}.good").write_text(json.dumps(GOOD))
    Path(f"{program}.bad").write_text(json.dumps(BAD))
    return program


def settings_of(ssh: Path, *labels: str) -> Settings:
    found = {name: HostSettings(name, name, labels=labels, ssh=str(ssh)) for name in ("db1", "db2", "db3", "gone")}
    return replace(fake_settings(), hosts=found)


async def opened(run: Driven) -> HostsScreen:
    await run.press("M")
    screen = run.screen
    assert isinstance(screen, HostsScreen)
    await run.until(lambda: str(screen.table.border_title) == "4 hosts, 2 need a person", "all have answered")
    await run.settled()
    return screen


def called(ssh: Path, words: str) -> int:
    return sum(1 for line in Path(f"{ssh}.called").read_text().splitlines() if line.endswith(words))


async def test_the_worst_is_first_and_each_says_why(ssh: Path) -> None:
    async with driven(settings=settings_of(ssh), size=(100, 24)) as run:
        screen = await opened(run)
        assert [row.host.name for row in screen.table.shown] == ["db2", "gone", "db1", "db3"]
        text = run.text()
        assert "CRITICAL" in text
        assert "shop/orders FAILED" in text
        assert "Connection refused" in text
        assert "Enter open" in text
        await run.press("slash", *"refused", "enter")
        assert [row.host.name for row in screen.table.shown] == ["gone"]
        await run.press("escape", "i")
        await run.until(lambda: called(ssh, "gone dysnomia-tui status --json") == 2, "it was asked again")
        await run.press("M", "q")
        assert not isinstance(run.screen, HostsScreen)


async def test_work_stops_at_the_first_failure_and_the_rest_is_not_begun(ssh: Path) -> None:
    async with driven(settings=settings_of(ssh), size=(100, 24)) as run:
        screen = await opened(run)
        await run.press("asterisk", "s")
        confirm = await run.confirmation()
        assert confirm.plan.grade is Grade.ADDS
        await run.press("enter")
        await run.until(lambda: "4 hosts, 3 failed or not begun" in run.toasts(), "it has ended")
        by_name = {row.host.name: row.ended for row in screen.table.items}
        assert by_name["db1"] == ""
        assert by_name["db2"] == "shop/orders: the disk is full"
        assert by_name["gone"] == by_name["db3"] == "not begun: it failed on db2"
        assert called(ssh, "dysnomia-containers --snapshot") == 2
        assert not run.engine.submitted


async def test_prod_asks_for_the_count_to_be_typed(ssh: Path) -> None:
    async with driven(settings=settings_of(ssh, "web", "PROD")) as run:
        await opened(run)
        await run.press("g", "j", "j", "space", "space", "v")
        confirm = await run.confirmation()
        assert (confirm.plan.grade, confirm.plan.confirm) == (Grade.UNDOABLE, "2")
        await run.press("enter")
        await run.until(lambda: not isinstance(run.screen, ConfirmScreen), "Enter alone confirms nothing")
        assert called(ssh, "--within 1h") == 0
        await run.press("v")
        await run.confirmation()
        await run.press("2", "enter")
        await run.until(lambda: called(ssh, "dysnomia-tui verify --due --within 1h") == 2, "both were verified")
        await run.until(lambda: "verify has ended" in run.toasts(), "it has ended")


async def test_enter_lends_the_terminal_and_comes_back(ssh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lent: list[Sequence[str]] = []
    async with driven(settings=settings_of(ssh)) as run:

        def client(argv: Sequence[str], env: Mapping[str, str]) -> int:
            lent.append(argv)
            return 0

        monkeypatch.setattr(run.app, "run_client", client)
        monkeypatch.setattr(run.app, "suspend", nullcontext)
        screen = await opened(run)
        await run.press("g", "enter")
        assert lent[0][-3:] == ["--", "db2", "dysnomia-tui shop/orders"]
        assert "-t" in lent[0]
        assert run.screen is screen
        await run.until(lambda: called(ssh, "db2 dysnomia-tui status --json") == 2, "it was asked again")
        await run.press("c")
        assert lent[1][-3:] == ["--", "db2", "true"]


async def test_read_only_begins_nothing(ssh: Path) -> None:
    async with driven(settings=settings_of(ssh), read_only=True) as run:
        await opened(run)
        await run.press("s")
        assert "read-only" in run.toasts()


async def test_without_hosts_it_says_where_to_write_them() -> None:
    async with driven() as run:
        await run.press("M")
        assert "[hosts.db1]" in run.text()


class SlowDesk(FakeDesk):
    """Its hosts answer one after the other, when they are told to; work on them never ends by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.gates = {host.name: threading.Event() for host in HOSTS}
        self.ended = threading.Event()

    def look(self, hosts: Sequence[HostSettings], *, at_once: int = 50, limit: float = 15.0) -> HostTalk:
        return SlowTalk(hosts, self.gates)

    def work(
        self, hosts: Sequence[HostSettings], task: HostTask, *, serial: int, max_fail_percentage: int = 0
    ) -> HostTalk:
        return EndlessTalk(hosts, self.ended)


class SlowTalk(FakeTalk):
    def __init__(self, hosts: Sequence[HostSettings], gates: Mapping[str, threading.Event]) -> None:
        super().__init__(hosts)
        self._gates = gates

    def answers(self) -> Iterator[Mapping[str, Any]]:
        for answer in super().answers():
            self._gates[answer["host"]["name"]].wait(30)
            yield answer


class EndlessTalk(FakeTalk):
    def __init__(self, hosts: Sequence[HostSettings], ended: threading.Event) -> None:
        super().__init__(hosts)
        self._ended = ended

    def answers(self) -> Iterator[Mapping[str, Any]]:
        self._ended.wait(30)
        yield from ()

    def end(self) -> None:
        self._ended.set()


def answered(screen: HostsScreen, name: str) -> bool:
    return any(row.report is not None for row in screen.table.items if row.host.name == name)


async def test_the_cursor_stays_on_its_host_while_answers_come_in() -> None:
    async with driven(size=(100, 24)) as run:
        desk = SlowDesk()
        screen = HostsScreen(desk)
        run.app.push_screen(screen)
        await run.settled()
        await run.until(lambda: screen.table.items, "the hosts are listed")
        first = screen.table.item
        assert first is not None
        for host, gate in desk.gates.items():
            gate.set()
            await run.until(partial(answered, screen, host))
            assert screen.table.item is not None
            assert screen.table.item.host == first.host
        assert screen.table.row > 0, "worse ones stand above it by now"


async def test_a_jump_away_from_hosts_with_work_is_refused_aloud() -> None:
    async with driven(size=(100, 24)) as run:
        desk = SlowDesk()
        for gate in desk.gates.values():
            gate.set()
        screen = HostsScreen(desk)
        run.app.push_screen(screen)
        await run.settled()
        await run.until(lambda: screen.table.items and all(row.report for row in screen.table.items))
        await run.press("asterisk", "s")
        await run.confirmation()
        await run.press(*"6", "enter") if (await run.confirmation()).plan.confirm else await run.press("enter")
        await run.until(lambda: screen._work is not None)
        await run.press("colon", *"orders", "enter")
        assert run.screen is screen
        assert "work on hosts is under way: stop it first (x)" in run.toasts()
        await run.press("x")
        await run.until(lambda: screen._work is None)
        await run.press("colon", *"orders", "enter")
        assert not isinstance(run.screen, HostsScreen)


async def test_by_command_it_has_the_hosts_that_were_named_and_changes_nothing_read_only(
    ssh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(ssh)
    settings = replace(settings, hosts={**settings.hosts, "db3": replace(settings.hosts["db3"], labels=("files",))})
    given: list[tuple[bool, Opening]] = []

    def run_app(settings: Settings, *, read_only: bool, opening: Opening) -> int:
        given.append((read_only, opening))
        return 0

    monkeypatch.setattr(command, "run_app", run_app)
    monkeypatch.setattr(hosts, "load", lambda _: settings)
    assert call(monkeypatch, "dysnomia-tui", "--read-only", "hosts", "--screen", "gone", "files") == 0
    assert call(monkeypatch, "dysnomia-tui", "hosts", "--screen", "nobody") != 0
    ((read_only, opening),) = given
    assert read_only
    async with driven(settings=settings, opening=opening, read_only=read_only, size=(100, 24)) as run:
        await run.until(lambda: isinstance(run.screen, HostsScreen), "the screen is there")
        screen = run.screen
        assert isinstance(screen, HostsScreen)
        await run.until(lambda: str(screen.table.border_title) == "2 hosts, 1 needs a person", "both have answered")
        assert [row.host.name for row in screen.table.shown] == ["gone", "db3"]
        await run.press("s")
        assert "read-only" in run.toasts()
    assert called(ssh, "db1 dysnomia-tui status --json") == 0
