"""Rules that every layer shares: what an operator writes or reads is the same in every command and on every screen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dysnomia_base.durations import format_duration, format_keeping, parse_duration, parse_keeping
from dysnomia_base.escape import visible
from dysnomia_base.sizes import parse_size, size
from dysnomia_tui.app.present.gc import PolicyNotUnderstood, parse_policy
from dysnomia_tui.app.present.pins import PinNotUnderstood, parse_pin
from dysnomia_tui.app.present.times import Times, ZoneKind
from dysnomia_tui.cli.shared.parser import Usage
from dysnomia_tui.cli.tui.mark import moment
from dysnomia_tui.engine import audit
from dysnomia_tui.engine.jobs.events import EventLog, read_events
from dysnomia_tui.engine.redact import Redactor

NOW = datetime(2026, 1, 1, tzinfo=UTC)
UNSEEN = ["\x1b", "\x07", "\x9b", "\u202e", "\u2066", "\u200b", "\u200f", "\ufeff", "\u00ad", "\u061c", "\U000e0041"]
UNSEEN += ["\udc9b", "\ud800", "\u2028", "\ue000", "\u3164", "\ufe0f", "\n"]


@pytest.mark.parametrize("char", UNSEEN, ids=ascii)
def test_what_is_not_drawn_is_shown_as_an_escape(char: str) -> None:
    shown = visible(f"a{char}b")
    assert char not in shown
    assert shown.isascii()
    assert visible(shown) == shown


def test_words_in_any_script_stay_as_they_are() -> None:
    for word in ("naïve", "Ωμέγα", "日本語", "שלום", "e\u0301"):
        assert visible(word) == word


@pytest.mark.parametrize("char", UNSEEN, ids=ascii)
def test_the_timeline_and_the_events_of_a_job_show_it(char: str, tmp_path: Path) -> None:
    audit.append(tmp_path, NOW, {"job": "1", "event": "submitted", "title": f"x{char}y", "why": char, "keys": []})
    text = audit.timeline(tmp_path, "host")
    assert char not in text.replace("\n", "") if char != "\n" else "x\\ny" in text
    EventLog(tmp_path / "events", Redactor(), lambda: NOW).write("log", line=f"x{char}y")
    events, _ = read_events(tmp_path / "events", 0)
    assert events[0].data["line"] == f"x{visible(char)}y"


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("1w3d", timedelta(days=10)),
        ("1.5d", timedelta(hours=36)),
        ("0.5h", timedelta(minutes=30)),
        ("90s", timedelta(seconds=90)),
    ],
)
def test_a_duration_is_the_same_wherever_it_is_written(text: str, span: timedelta) -> None:
    assert parse_duration(text) == span
    assert parse_duration(format_duration(span)) == span
    policy = parse_policy(f"within {text}")
    assert policy is not None
    assert policy.within == span
    assert parse_pin(f"why until {text}", Times(ZoneKind.UTC, NOW)) == ("why", NOW + span)
    assert moment(text, NOW) == NOW + span


@given(st.integers(0, 10**9))
def test_how_long_something_is_kept_goes_there_and_back_without_minutes(seconds: int) -> None:
    text = format_keeping(timedelta(seconds=seconds))
    assert parse_keeping(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["6m", "6M", "1h30m"])
def test_minutes_are_no_time_to_keep_something_for(text: str) -> None:
    """restic and borg take ``6m`` for six months there."""
    with pytest.raises(ValueError, match="minutes or months"):
        parse_keeping(text)
    with pytest.raises(PolicyNotUnderstood):
        parse_policy(f"within {text}")
    with pytest.raises(PinNotUnderstood):
        parse_pin(f"why until {text}", Times(ZoneKind.UTC, NOW))
    with pytest.raises(Usage):
        moment(text, NOW)


@pytest.mark.parametrize("text", ["1e9d", "d", "", "-1d", "²d", "9" * 5000 + "d", "999999999w", "101w" * 60])
def test_a_duration_that_is_none_or_leaves_the_calendar_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a duration|is too long"):
        parse_duration(text)
    if text:
        with pytest.raises((PolicyNotUnderstood, ValueError)):
            parse_policy(f"within {text}")
        with pytest.raises(PinNotUnderstood):
            parse_pin(f"why until {text}", Times(ZoneKind.UTC, NOW))


def test_bytes_have_one_form() -> None:
    assert [size(count) for count in (None, 0, 999, 1000, 10 * 1024, 10190, 1 << 30)] == [
        "?", "0B", "999B", "1.0K", "10K", "10K", "1.0G",
    ]  # fmt: skip
    assert len(size(10**400)) > 0


@pytest.mark.parametrize(("text", "count"), [("500M", 500 << 20), ("1.5TiB", 3 << 39), ("4096B", 4096), ("2 KB", 2048)])
def test_a_size_has_its_unit(text: str, count: int) -> None:
    assert parse_size(text) == count


@pytest.mark.parametrize("text", ["500", "1.5", "M", "-1M", "1Q"])
def test_a_size_without_a_unit_is_refused(text: str) -> None:
    """A budget of 500 bytes would keep next to nothing."""
    with pytest.raises(ValueError, match="write 500M"):
        parse_size(text)
