"""A component that holds no state: how it is and what it logged stands where generations would."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from dysnomia_store.names import ComponentKey
from dysnomia_tui.app.present import components, condition
from dysnomia_tui.app.present.times import Times, ZoneKind
from dysnomia_tui.engine.records import Condition, ContainerView, Fact, Health, Probe, Status, Tone
from tests.app.driving import Driven, driven
from tests.app.fake_world import NOW, ORDERS, World, component, world

WEB = ComponentKey("units", "web")
WHY = "a unit holds no state of its own"
TIMES = Times(ZoneKind.UTC, NOW)
STATUS = Status(
    "active",
    Tone.GOOD,
    (
        Fact(
            "web.service active (running), pid 812 and 2 more, since", NOW - timedelta(hours=3), 12_582_912, Tone.GOOD
        ),
        Fact("web.socket failed (failed), since", NOW - timedelta(days=400), tone=Tone.BAD),
    ),
    tuple(Fact(f"web[812]: line {at} [b]\x1b[2J", NOW - timedelta(minutes=30 - at)) for at in range(30)),
    "last lines of the journal",
)
UP = Condition(Probe(True, "252.38"), STATUS)


def unit(**changes: object) -> World:
    view = component(WEB, Health.OK, type="systemd-unit", can=frozenset({"activate", "deactivate"}), stateless=WHY)
    view = replace(view, **changes)  # type: ignore[arg-type]
    box = ContainerView("units", "systemd-unit", "systemd unit", {"systemdTargetDir": "/etc/systemd/system"}, (view,))
    base = world()
    return replace(
        base, containers=(*base.containers, box), probes=base.probes | {"units": UP.probe}, conditions={WEB: UP}
    )


async def on_web(run: Driven) -> None:
    run.main.show_component(WEB)
    await run.settled()


async def test_its_state_and_its_last_lines_stand_in_the_place_of_generations() -> None:
    async with driven(unit(), size=(80, 24)) as run:
        await on_web(run)
        text = run.text()
        assert "2 web: active" in text
        assert "● web.service active (running), pid 812 and 2" in text
        assert "12M memory" in text
        assert "✗ web.socket failed" in text
        assert "last lines of the journal, newest first" in text
        assert "line 29 [b]\\x1b[2J" in text, "what it logged moves no cursor and is no markup"
        assert WHY in text
        assert "no generation yet" not in text
        assert "takes the first snapshot" not in text


async def test_the_lines_can_be_read_by_keys_and_the_list_comes_back() -> None:
    async with driven(unit(), size=(80, 24)) as run:
        await on_web(run)
        await run.press("2")
        assert run.main.told.has_focus
        await run.press("G")
        assert "line 0" in run.text()
        await run.press("tab")
        assert run.main.detail.has_focus
        await run.press("escape", "escape")
        assert run.main.units.has_focus
        run.main.show_component(ORDERS)
        await run.settled()
        await run.press("2")
        assert run.main.list.has_focus
        assert "214" in run.text() or "40" in run.text()


async def test_the_focus_stays_in_the_pane_when_what_is_in_it_changes() -> None:
    async with driven(unit(), size=(80, 24)) as run:
        await on_web(run)
        await run.press("2")
        run.engine.world.containers = tuple(
            replace(box, components=tuple(replace(view, stateless="") for view in box.components))
            if box.name == "units"
            else box
            for box in run.engine.world.containers
        )
        run.app.poller.look_at_overview()
        await run.settled()
        assert run.main.list.has_focus


async def test_what_is_told_is_told_again_without_moving_the_cursor() -> None:
    async with driven(unit(), size=(80, 24)) as run:
        await on_web(run)
        await run.press("2", "j", "j")
        row = run.main.told.row
        run.engine.world.conditions[WEB] = replace(UP, status=replace(STATUS, word="failed", tone=Tone.BAD))
        run.app.poller._ask_again()
        await run.settled()
        assert "2 web: failed" in run.text()
        assert run.main.told.row == row


async def test_a_unit_that_failed_is_seen_in_the_tree_and_needs_a_person() -> None:
    failed = Condition(Probe(True, "252.38", word="failed", broken=True), replace(STATUS, word="failed", tone=Tone.BAD))
    async with driven(replace(unit(), conditions={WEB: failed}), size=(80, 24)) as run:
        assert "! web       FAILED   -" in run.text()
        assert "3 need you" in run.text()
        await run.press("a", "a", "a")
        assert "2 web: failed" in run.text(), "the alarm leads there"
        run.engine.world.conditions[WEB] = Condition(Probe(True, "252.38", word="active"), STATUS)
        run.app.poller.look(everything=True)
        await run.settled()
        assert "● web       active   -" in run.text()
        assert "2 need you" in run.text()


async def test_a_question_that_hangs_holds_up_nothing() -> None:
    async with driven(unit(), size=(80, 24)) as run:
        run.engine.gate.clear()
        run.main.show_component(WEB)
        await run.pilot.pause()
        assert "checking its state…" in run.text()
        await run.burst("k", "k")
        assert run.main.units.item.key != WEB  # type: ignore[union-attr]
        run.engine.gate.set()
        await run.settled()


async def test_a_component_that_is_gone_is_not_asked() -> None:
    async with driven(unit(health=Health.GONE, stateless=""), size=(80, 24)) as run:
        await on_web(run)
        assert WEB not in run.engine.asked


async def test_a_container_tells_who_is_connected_where_generations_would_be() -> None:
    base = world()
    who = tuple(f"orders: web{at} 10.0.0.{at}" for at in range(7))
    async with driven(
        replace(base, probes=base.probes | {"postgresql": Probe(True, "15.4", 9_000_000_000, 7, who)})
    ) as run:
        await run.press("g")
        text = run.text()
        assert "2 postgresql: up, 15.4" in text
        assert "● up, version 15.4, 8.4G live, 7 clients" in text
        assert all(line in text for line in who)
        assert "password = •••" in text, "its settings stand below"


@pytest.mark.parametrize(("kind", "when"), [(ZoneKind.UTC, "since 22 Nov 11:22:07"), (ZoneKind.RELATIVE, "since 3h,")])
def test_times_are_in_the_zone_of_the_screen(kind: ZoneKind, when: str) -> None:
    assert when in condition.fact_line(STATUS.facts[0], replace(TIMES, kind=kind)).plain


def test_a_line_of_another_day_says_which() -> None:
    assert condition.log_line(Fact("x", NOW), TIMES).plain == "14:22:07 x"
    assert condition.log_line(Fact("x", NOW - timedelta(days=1)), TIMES).plain == "21 Nov 14:22:07 x"


def test_what_cannot_be_asked_says_so() -> None:
    (view,) = unit().containers[-1].components
    down = Condition(Probe(False, detail="systemd does not answer"))
    assert [line.plain for line in condition.told(view, down, TIMES)] == ["✗ down", "systemd does not answer"]


@pytest.mark.parametrize(
    ("active", "word", "title"),
    [
        (True, "active", "web: active"),
        (True, "failed", "web: failed"),
        (True, "", "web: up"),
        (False, "not installed", "web: inactive"),
        (False, "active", "web: inactive, and yet active"),
    ],
)
def test_the_title_says_how_it_is(active: bool, word: str, title: str) -> None:
    box = unit().containers[-1]
    view = replace(box.components[0], active=active)
    known = Condition(Probe(True, "252"), Status(word))
    assert components.heading(view, box, known.probe, known).plain == title


def test_clients_and_size_in_the_title_are_the_components_own() -> None:
    box = world().containers[0]
    whole = Probe(True, "15.4", 9_000_000_000, 7)
    assert components.heading(box.components[0], box, whole).plain == "orders: up", "7 are those of all three"
    own = Condition(Probe(True, "15.4", 4_000_000, 2))
    assert components.heading(box.components[0], box, whole, own).plain == "orders: up, 2 clients, 3.8M live"
