"""Timers that are written and start nothing are an alarm at once, which names the command that mends it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dysnomia_tui.config import Settings
from dysnomia_tui.engine import idle_timers
from dysnomia_tui.engine.engine import Engine
from dysnomia_tui.engine.schedule import MARK
from tests.unit.engine.ledger import make_ledger

TIMER = "dysnomia-tui-snapshot.timer"
SYSTEMCTL = """#!/bin/sh
echo "$@" >> {log}
printf 'Id={timer}\\nLoadState=loaded\\nActiveState={state}\\n\\n'
printf 'Id=dysnomia-tui-status.timer\\nLoadState=loaded\\nActiveState=active\\n'
"""


@pytest.fixture
def units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of units, of a machine that systemd runs: two timers are written and enabled there."""
    folder = tmp_path / "units"
    wanted = folder / "timers.target.wants"
    wanted.mkdir(parents=True)
    for task in ("snapshot", "status"):
        (folder / f"dysnomia-tui-{task}.timer").write_text(MARK)
        (folder / f"dysnomia-tui-{task}.service").write_text(MARK)
        (wanted / f"dysnomia-tui-{task}.timer").symlink_to(folder / f"dysnomia-tui-{task}.timer")
    (tmp_path / "bin").mkdir()
    monkeypatch.setattr(idle_timers, "BOOTED", tmp_path)
    monkeypatch.setattr(idle_timers, "SYSTEM", folder)
    monkeypatch.setattr("dysnomia_tui.engine.schedule.SYSTEM", folder)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    return folder


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return make_ledger(tmp_path).settings


def says(units: Path, state: str) -> Path:
    """Have systemd say of the timer that it is in a state; the log of what it was asked."""
    root = units.parent
    program = root / "bin" / "systemctl"
    program.write_text(SYSTEMCTL.format(log=root / "asked", timer=TIMER, state=state))
    program.chmod(0o755)
    return root / "asked"


def told(settings: Settings) -> list[str]:
    return [alarm for alarm in Engine(settings, read_only=True).report().alarms if ".timer" in alarm]


def shown(settings: Settings) -> list[str]:
    """What the screen has, which asks nobody."""
    alarms = Engine(settings, read_only=True).overview().alarms
    return [alarm.text for alarm in alarms if ".timer" in alarm.text]


def test_what_runs_is_no_alarm_and_a_stopped_one_is(units: Path, settings: Settings) -> None:
    asked = says(units, "active")
    assert told(settings) == []
    assert asked.read_text().count("\n") == 1, "one call for all of them"
    says(units, "inactive")
    assert told(settings) == [f"{TIMER} is stopped, and starts nothing: systemctl start {TIMER}"]
    says(units, "failed")
    assert told(settings) == [f"{TIMER} has failed, and starts nothing: systemctl start {TIMER}"]
    before = asked.read_text()
    assert shown(settings) == []
    assert asked.read_text() == before


def test_a_disabled_masked_or_lost_one_is_seen_by_its_links(units: Path, settings: Settings) -> None:
    says(units, "active")
    link, timer = units / "timers.target.wants" / TIMER, units / TIMER
    timer.unlink()
    assert shown(settings) == [f"{TIMER} is enabled, and its file is gone: dysnomia-tui schedule --write"]
    timer.symlink_to("/dev/null")
    masked = f"{TIMER} is masked, and starts nothing: systemctl unmask {TIMER}; dysnomia-tui schedule --write"
    assert shown(settings) == told(settings) == [masked]
    timer.unlink()
    timer.write_text(MARK)
    link.unlink()
    (disabled,) = shown(settings)
    assert disabled.startswith(f"{TIMER} is disabled")
    assert disabled.endswith(f": systemctl enable --now {TIMER}")
    assert told(settings) == [disabled], "one alarm, whatever systemd says besides"
    timer.unlink()
    (units / TIMER.replace(".timer", ".service")).unlink()
    assert shown(settings) == [], "who removed it wants none"


def test_where_nothing_can_be_asked_nothing_is_said(
    units: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert told(settings) == []
    monkeypatch.setenv("PATH", f"{units.parent}/bin:/usr/bin:/bin")
    says(units, "inactive").with_name("bin").joinpath("systemctl").write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(idle_timers, "PATIENCE", 0.1)
    assert told(settings) == []


def test_timers_of_another_store_do_not_count(units: Path, settings: Settings) -> None:
    says(units, "inactive")
    service = units / "dysnomia-tui-snapshot.service"
    service.write_text(f'{MARK}\n[Service]\nEnvironment="DYSNOMIA_STATEDIR={settings.statedir}"\n')
    assert len(told(settings)) == 1
    service.write_text(f"{MARK}\n[Service]\nEnvironment=DYSNOMIA_STATEDIR={settings.statedir}2\n")
    assert told(settings) == []
    assert told(replace(settings, discovers=False)) == []
