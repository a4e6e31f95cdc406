"""Stale where nothing is configured: after three usual distances, or a day where a timer is."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from dysnomia_tui.engine.machine.health import SHORTEST, TIMED, UNKNOWN_RHYTHM, silence
from dysnomia_tui.engine.schedule import is_daily
from tests.app.fake_world import fake_settings

HOUR = timedelta(hours=1)


def test_a_timer_shortens_what_is_waited_for_and_never_lengthens_it() -> None:
    assert silence(None) == UNKNOWN_RHYTHM
    assert silence(None, timed=True) == TIMED
    assert silence(HOUR, timed=True) == SHORTEST
    assert silence(48 * HOUR) == 144 * HOUR
    assert silence(48 * HOUR, timed=True) == TIMED


@pytest.mark.parametrize(
    ("when", "daily"),
    [("02:00", True), ("hourly", True), ("Sun 05:00", False), ("weekly", False), ("*-*-1 02:00", False), ("", False)],
)
def test_only_a_written_timer_that_runs_each_day_counts(tmp_path: Path, when: str, daily: bool) -> None:
    settings = replace(fake_settings(), schedule={"snapshot": when})
    assert not is_daily(settings, tmp_path)
    (tmp_path / "dysnomia-tui-snapshot.timer").write_text("", "utf-8")
    assert is_daily(settings, tmp_path) is daily
