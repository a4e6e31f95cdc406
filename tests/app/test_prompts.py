"""Whatever is typed into a prompt, the app goes on: what cannot be taken is said in the prompt."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from textual.widgets import Input

from dysnomia_tui.app.present.gc import PolicyNotUnderstood, parse_policy
from dysnomia_tui.app.present.pins import PinNotUnderstood, parse_pin
from dysnomia_tui.app.present.times import TimeNotUnderstood, parse_time
from tests.app.driving import Driven, driven
from tests.app.fake_world import ORDERS
from tests.app.test_times import times
from tests.thorough import often

TIMES = times()

WORDS = (
    *("last", "daily", "within", "until", "yesterday", "utc", "now", "nov", "@", "-", "!", ":", "=", "~", "~/x"),
    *("~nobody9/x", "../..", "\0", "\x1b[2J", "\u202e", "\ud800", "é", "²", "٣", "7", "2d", "1w3d", "9" * 5000, "-2h"),
    *("1000000000d", "800000d", "9999999d", "999999999w", "1e9d", "0001-01-01", "9999-12-31", "2026-02-30"),
    *("00:00", "23:59:59", "24:61", "0001-01-01t00:00", "211", "orders", "q"),
)
TEXT = st.one_of(
    st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=6)), max_size=6).map(" ".join),
    st.lists(st.sampled_from(WORDS), max_size=4).map("".join),
    st.text(max_size=40),
)


@given(TEXT)
def test_any_text_is_a_policy_or_is_refused(text: str) -> None:
    try:
        policy = parse_policy(text)
    except PolicyNotUnderstood:
        return
    assert policy is None or policy.within is None or policy.within >= timedelta(0)


@given(TEXT)
def test_any_text_is_a_time_or_is_refused(text: str) -> None:
    try:
        when = parse_time(text, TIMES)
    except TimeNotUnderstood:
        return
    assert TIMES.full(when)
    assert when <= TIMES.now


@given(TEXT)
def test_any_text_is_a_pin_or_is_refused(text: str) -> None:
    try:
        _why, until = parse_pin(text, TIMES)
    except PinNotUnderstood:
        return
    assert until is None or (TIMES.full(until) and until > TIMES.now)


@pytest.mark.parametrize("typed", ["@ -800000d", "@ 0001-01-01 00:00", "0001-01-01", "-" + "9" * 400 + "d"])
def test_a_time_out_of_range_is_refused(typed: str) -> None:
    with pytest.raises(TimeNotUnderstood):
        parse_time(typed, TIMES)


@pytest.mark.parametrize("typed", ["until 9999999d", "x until 9999-12-31", "until 99999999999999999w"])
def test_a_pin_out_of_range_is_refused(typed: str) -> None:
    with pytest.raises(PinNotUnderstood):
        parse_pin(typed, TIMES)


@pytest.mark.parametrize("typed", ["within 1000000000d", "last " + "9" * 5000, "within " + "9" * 400 + "d"])
def test_a_policy_out_of_range_is_refused(typed: str) -> None:
    with pytest.raises(PolicyNotUnderstood):
        parse_policy(typed)


async def _action(run: Driven, action: str) -> None:
    run.app.actions.perform_id(action)


async def _policy(run: Driven) -> None:
    run.app.go.gc([ORDERS])
    await run.settled()
    run.app.actions.perform_id("gc-policy")


async def _copy(run: Driven) -> None:
    run.app.go.restore(ORDERS, 211)
    await run.settled()
    await run.press("tab", "enter")


async def _confirmation(run: Driven) -> None:
    run.app.confirm(run.engine.plan_restore(ORDERS, 211))
    await run.confirmation()
    await run.press("9")


async def _why(run: Driven) -> None:
    await _confirmation(run)
    await run.press("tab")


def _by(action: str) -> Callable[[Driven], Awaitable[None]]:
    return lambda run: _action(run, action)


PROMPTS: dict[str, Callable[[Driven], Awaitable[None]]] = {
    **{name: _by(name) for name in ("filter", "palette", "help", "time", "pin", "bad", "good")},
    **{name: _by(name) for name in ("note", "tags", "export")},
    "policy": _policy,
    "copy": _copy,
    "confirmation": _confirmation,
    "why": _why,
}


TEXTS = often(6, 3)
"""Typed one after the other, in one app."""


@pytest.mark.parametrize("prompt", PROMPTS)
@settings(max_examples=often(3, 1), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(TEXT, min_size=TEXTS, max_size=TEXTS))
async def test_no_text_in_any_prompt_ends_the_app(
    prompt: str, texts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    async with driven() as run:
        monkeypatch.setattr(run.app, "exit", lambda *_args, **_more: None)
        for text in texts:
            while len(run.app.screen_stack) > 1:
                run.app.pop_screen()
            await run.press("2", "g")
            await PROMPTS[prompt](run)
            await run.settled()
            field = run.app.focused
            assert isinstance(field, Input), f"{prompt} takes no text"
            field.value = text
            await run.press("enter")
            assert run.app.is_running
        assert run.app._exception is None
