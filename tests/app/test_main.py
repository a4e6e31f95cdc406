"""The main screen, driven by keys over the fake engine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dysnomia_plugins.base import Probe
from dysnomia_store.names import ComponentKey
from dysnomia_tui.app.present.generations import SIGNS
from dysnomia_tui.app.screens.prompt import ChoiceScreen, PromptScreen
from dysnomia_tui.engine.engine import SLOW
from dysnomia_tui.engine.plans.plan import Kind
from dysnomia_tui.engine.probing.client import NOT_ANSWERING
from dysnomia_tui.engine.records import ComponentView, Health, JobState
from tests.app.driving import driven
from tests.app.fake_world import (
    CRM,
    DOCUMENTS,
    ORDERS,
    SETTINGS,
    component,
    fake_settings,
    generation,
    job,
    world,
)
from tests.thorough import seldom


async def test_at_80x24_everything_that_matters_is_on_the_screen() -> None:
    async with driven() as run:
        await run.press("2")
        text = run.text()
        for part in ("db1", "PROD", "root(alice)", "RW", "UTC", "2 need you", "crm FAILED 02:00", "118G free"):
            assert part in text.splitlines()[0] + text.splitlines()[1]
        assert "214 425fc1 22 Nov 12:00  cron   1.4G  +1,159 ● ok" in text
        assert "=211" in text
        assert "✗ BAD" in text
        assert "J91 snapshot crm" in text
        assert "db1/postgresql/orders/214" in text
        assert len(text.splitlines()) == 24


async def test_the_first_frame_comes_before_the_store_is_read() -> None:
    async with driven(wait=False) as run:
        run.engine.gate.clear()
        await run.pilot.pause()
        assert "reading the store…" in run.text()
        run.engine.gate.set()
        await run.until(lambda: run.app.state.overview is not None)
        await run.settled()
        assert "orders" in run.text()


async def test_how_far_the_first_look_is_stands_on_the_screen() -> None:
    """Of a large store without a cache it takes minutes."""
    async with driven(wait=False) as run:
        run.engine.gate.clear()

        def stands() -> bool:
            run.app.poller.look_at_reading()
            return "reading the store… 57 of 300 components" in run.text()

        await run.until(stands)
        assert "│of 300 components" in run.text(), "the first pane as well"
        run.engine.gate.set()
        await run.until(lambda: run.app.state.overview is not None)
        await run.settled()
        assert "orders" in run.text()


async def test_the_cursor_stays_on_its_generation_when_another_is_made() -> None:
    async with driven() as run:
        await run.press("2", "j", "j")
        assert run.main.list.item is not None
        assert run.main.list.item.number == 212
        line = (generation(ORDERS, 215), *run.engine.world.lines[ORDERS])
        run.engine.world.lines[ORDERS] = line
        first = run.engine.world.containers[0]
        views = (replace(first.components[0], newest=line[0], generations=41), *first.components[1:])
        run.engine.world.containers = (replace(first, components=views), *run.engine.world.containers[1:])
        run.app.poller.look()
        await run.until(lambda: run.main.list.items and run.main.list.items[0].number == 215)
        assert run.main.list.item.number == 212


async def test_whoever_comes_back_to_a_component_is_on_its_newest_generation() -> None:
    """Also where that was made since: what is remembered of it is shown until it has been read again."""
    async with driven() as run:
        await run.press("j")
        await run.settled()
        run.engine.world.lines[ORDERS] = (generation(ORDERS, 215), *run.engine.world.lines[ORDERS])
        await run.press("k")
        await run.until(lambda: run.main.list.items and run.main.list.items[0].number == 215)
        assert run.main.list.item is not None
        assert run.main.list.item.number == 215


async def test_a_generation_is_gone_to_also_where_another_component_was_read_first() -> None:
    """The program is opened at a generation: the component that the cursor was on before answers in between."""
    async with driven() as run:
        pane = run.main.list
        pane.want(CRM, 20)
        pane.have(ORDERS, tuple(pane.items), run.app.times)
        assert run.main.units.find(CRM, run.app.state)
        await run.settled()
        assert pane.item is not None
        assert (pane.item.key, pane.item.number) == (CRM, 20)


async def test_the_cursor_stays_where_it_was_moved_after_a_jump_to_a_generation() -> None:
    async with driven() as run:
        await run.press("2")
        run.main.show_component(ORDERS, 210)
        await run.settled()
        await run.press("j")
        run.engine.world.lines[ORDERS] = (generation(ORDERS, 215), *run.engine.world.lines[ORDERS])
        first = run.engine.world.containers[0]
        views = (replace(first.components[0], generations=41), *first.components[1:])
        run.engine.world.containers = (replace(first, components=views), *run.engine.world.containers[1:])
        run.app.poller.look()
        await run.until(lambda: run.main.list.items and run.main.list.items[0].number == 215)
        assert run.main.list.item is not None
        assert run.main.list.item.number == 209


async def test_enter_goes_in_and_shows_the_contents_then_the_rows() -> None:
    async with driven() as run:
        await run.press("enter", "enter")
        assert run.main.detail.has_focus
        text = run.text()
        assert "~ orders" in text
        assert "+1,204" in text
        await run.press("G", "enter")
        await run.until(lambda: type(run.screen).__name__ == "BrowseScreen")
        await run.settled()
        assert "part_36" in run.text()
        await run.press("l")
        await run.until(lambda: "name [3]" in run.text())
        await run.until(lambda: "NULL" in run.text())
        await run.press("q")
        assert run.screen is run.main


async def test_next_alarm_goes_to_what_needs_a_person_from_any_screen() -> None:
    async with driven() as run:
        await run.press("a")
        assert run.main.here().key == CRM
        await run.press("a")
        assert run.main.here().key == DOCUMENTS
        await run.press("a")
        assert run.main.here().key == CRM


async def test_time_lands_on_the_newest_good_generation_before() -> None:
    async with driven() as run:
        await run.press("2", "at")
        await run.until(lambda: isinstance(run.screen, PromptScreen))
        await run.press(*"noon", "enter")
        assert "is not a time" in run.text()
        run.screen.query_one("#line").value = ""  # type: ignore[attr-defined]
        await run.press(*"22 Nov 11:59".replace(" ", "_").replace("_", "~").split("~")[0], "space", *"Nov", "space")
        await run.press(*"11", "colon", *"59", "enter")
        await run.until(lambda: run.screen is run.main)
        await run.settled()
        # 213 is older and good; 212 is bad.
        assert run.main.list.item is not None
        assert run.main.list.item.number == 213


async def test_the_zone_goes_round_everywhere() -> None:
    async with driven() as run:
        await run.press("2")
        assert "22 Nov 12:00" in run.text()
        await run.press("t")
        assert "2h ago" in run.text()
        assert "relative" in run.text().splitlines()[0]


async def test_a_server_that_hangs_is_said_to_and_nothing_waits() -> None:
    slow = world()
    slow.probes["postgresql"] = Probe(False, detail="it did not answer within 2 s")
    async with driven(slow) as run:
        await run.until(lambda: "not answering" in run.text())
        assert "orders: not answering" in run.text()


async def test_a_server_that_does_not_answer_is_an_alarm() -> None:
    gone = world()
    gone.probes["postgresql"] = Probe(False, detail="connection refused")
    async with driven(gone) as run:
        await run.until(lambda: "postgresql" in run.app.state.probes)
        assert "postgresql: the server does not answer (connection refused)" in {a.text for a in run.app.state.alarms()}


async def test_a_loaded_server_is_slow_and_no_alarm() -> None:
    loaded = world()
    loaded.probes["postgresql"] = Probe(False, detail=NOT_ANSWERING)
    loaded.patient["postgresql"] = Probe(True, "15.4", word=SLOW)
    async with driven(loaded) as run:
        await run.until(lambda: "orders: slow" in run.text())
        assert not [alarm for alarm in run.app.state.alarms() if "does not answer" in alarm.text]
        assert "not answering" not in run.text()


async def test_a_server_that_does_not_answer_in_the_longer_time_either_is_an_alarm() -> None:
    gone = world()
    gone.probes["postgresql"] = gone.patient["postgresql"] = Probe(False, detail=NOT_ANSWERING)
    async with driven(gone) as run:
        await run.until(lambda: "orders: not answering" in run.text())
        assert [alarm for alarm in run.app.state.alarms() if "does not answer" in alarm.text]


async def test_read_only_refuses_every_change_and_says_why() -> None:
    async with driven(read_only=True) as run:
        assert "READ-ONLY" in run.text().splitlines()[0]
        await run.press("2")
        for key, title in (("s", "Snapshot"), ("u", "Undo"), ("v", "Check or verify"), ("exclamation_mark", "Shell")):
            await run.press(key)
            assert f"{title}: read-only: --read-only" in run.toasts()
            assert run.screen is run.main
        for key in ("p", "b", "n"):
            await run.press(key)
            assert "read-only: --read-only" in run.text()
            await run.press(*"sXr!", "enter")
            assert run.screen is run.main
        assert run.engine.submitted == []


async def test_the_words_after_a_refused_time_run_nothing() -> None:
    async with driven() as run:
        run.main.units.go_to("fileset")
        await run.settled()
        await run.burst("at", *"yesterday", "space", "1", "4")
        await run.until(lambda: "Not possible" in run.text())
        await run.press("enter")
        assert run.screen is run.main


@pytest.mark.parametrize(("key", "field"), [("p", "pins"), ("b", "verdict"), ("n", "note")])
async def test_what_is_said_of_a_generation_becomes_a_plan(key: str, field: str) -> None:
    async with driven() as run:
        await run.press("2", "j", key)
        await run.until(lambda: isinstance(run.screen, PromptScreen))
        await run.press(*"why", "enter")
        await run.until(lambda: run.engine.submitted)
        plan = run.engine.submitted[0]
        assert plan.kind is Kind.MARK
        assert plan.params["number"] == 213
        assert plan.params[field] in (1, "bad", "why")


async def test_escape_in_a_prompt_changes_nothing() -> None:
    async with driven() as run:
        await run.press("2", "n")
        await run.until(lambda: isinstance(run.screen, PromptScreen))
        await run.press("x", "escape")
        assert run.screen is run.main
        assert run.engine.submitted == []


async def test_check_or_verify_asks_which() -> None:
    async with driven() as run:
        await run.press("2", "v")
        await run.until(lambda: isinstance(run.screen, ChoiceScreen))
        await run.press("enter")
        await run.until(lambda: run.engine.submitted)
        # Grade 0: reading needs no confirmation.
        assert run.engine.submitted[0].kind is Kind.CHECK


async def test_a_job_that_ends_is_told_and_offers_undo() -> None:
    async with driven() as run:
        done = job(
            91, JobState.DONE, title="restore 210 of orders", keys=(ORDERS,), message="live is 210", undoable=True
        )
        run.engine.world.jobs = (done,)
        run.app.poller.look_at_jobs()
        await run.until(lambda: "live is 210 (u undoes it)" in run.toasts())


async def test_nothing_is_redrawn_under_an_open_confirmation() -> None:
    async with driven() as run:
        await run.press("s")
        screen = await run.confirmation()
        before = run.app.state
        run.engine.world.alarms = ()
        run.app.poller.look()
        await run.settled()
        assert run.app.state is before
        screen.dismiss(None)
        await run.until(lambda: run.screen is run.main)
        await run.until(lambda: run.app.state.overview is not None and run.app.state.overview.alarms == ())


async def test_interrupted_jobs_are_recovered_by_who_may_write_and_only_once() -> None:
    broken = world()
    broken.jobs = (job(91, JobState.INTERRUPTED),)
    async with driven(broken) as run:
        await run.until(lambda: run.engine.recovered == 1)
        run.app.poller.look_at_jobs()
        await run.settled()
        assert run.engine.recovered == 1
    async with driven(broken, read_only=True) as run:
        await run.settled()
        assert run.engine.recovered == 0


async def test_a_store_that_cannot_be_read_says_so_and_goes_on() -> None:
    class Broken(Exception):
        pass

    async with driven(wait=False) as run:

        def fails(*_told: object) -> object:
            raise PermissionError(13, "Permission denied", "/var/state/dysnomia")

        run.engine.overview = fails  # type: ignore[assignment,method-assign]
        await run.until(lambda: run.app.state.problem)
        assert "/var/state/dysnomia: Permission denied" in run.text()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_bug_in_a_read_does_not_take_the_app_down() -> None:
    async with driven() as run:

        def fails(key: ComponentKey) -> object:
            raise ZeroDivisionError("oops [/b]")

        run.engine.generations = fails  # type: ignore[assignment,method-assign]
        await run.press("j")
        await run.until(lambda: "internal error (ZeroDivisionError" in run.text())
        await run.press("k")
        assert "orders" in run.text()


async def test_names_from_outside_do_nothing() -> None:
    nasty = world()
    keys = [ComponentKey("postgresql", name) for name in ("x[/y]", "e\x1b[2Jvil\n", "n" * 255, "\udcff\udcfe")]
    views: list[ComponentView] = [component(key, Health.OK, (generation(key, 1),)) for key in keys]
    nasty.lines |= {key: (generation(key, 1, text="[red]\x1b]0;x\x07"),) for key in keys}
    first = nasty.containers[0]
    nasty.containers = (replace(first, components=tuple(views), problem="line 3: [/oops]\x1b[0m"),)
    async with driven(nasty) as run:
        for _ in keys:
            await run.press("s")
            await run.confirmation()
            await run.press("escape", "j")
        text = run.text()
        assert "x[/y]" in text
        assert "e\\x1b[2Jvil\\n" in text
        assert "nnn…nnn" in text
        assert "\x1b" not in text


@pytest.mark.parametrize(
    "size", seldom([(60, 15), (80, 24), (120, 40), (200, 60), (40, 10), (1, 1)], (60, 15), (200, 60), (1, 1))
)
async def test_every_size_is_usable_or_says_so(size: tuple[int, int]) -> None:
    async with driven(size=size) as run:
        await run.press("2", "3", "1", "2")
        text = run.text()
        if size >= (60, 15):
            assert "214" in text
        elif size == (40, 10):
            assert "40x10 is too small" in text
        await run.pilot.resize_terminal(80, 24)
        await run.until(lambda: "is too small" not in run.text())


async def test_the_legend_has_whole_signs_however_wide_the_list_is() -> None:
    async with driven(size=(100, 30)) as run:
        shown = set()
        for width in (101, 107, 113, 120, 127, 134, 200):
            await run.pilot.resize_terminal(width, 30)
            await run.settled()
            (line,) = (line for line in run.text().splitlines() if "1/40" in line)
            legend = line.partition("1/40")[2].rstrip("─╯│ ").strip()
            assert not legend or legend.split("  ") == list(SIGNS[: legend.count("  ") + 1])
            shown.add(legend.count("  "))
        assert len(shown) > 3
        assert legend.endswith(SIGNS[-1])


async def test_a_timer_that_fires_while_it_closes_finds_no_screen_and_does_nothing() -> None:
    async with driven() as run:
        app = run.app
    assert not app.screen_stack
    app._tick()
    app.poller._tick()


async def test_q_closes_the_app_and_a_hanging_read_does_not_hold_it() -> None:
    async with driven() as run:
        run.engine.gate.clear()
        run.app.poller.look()
        await run.pilot.press("q")
        await run.until(lambda: run.app._exit)
        run.engine.gate.set()


async def test_the_palette_goes_to_components_and_runs_actions() -> None:
    async with driven() as run:
        await run.press("colon", *"settings", "enter")
        assert run.main.here().key == SETTINGS
        await run.press("colon", *"relative", "enter")
        assert "relative" in run.text().splitlines()[0]


async def test_help_lists_every_action_of_the_screen_and_why_not() -> None:
    async with driven(read_only=True, size=(120, 60)) as run:
        await run.press("question_mark", *"snapshot the")
        assert "not here: read-only" in run.text()
        await run.press("escape", "question_mark", *"half")
        assert "Half a page down" in run.text()


async def test_a_key_that_comes_before_the_generations_were_read_says_so() -> None:
    async with driven() as run:
        run.engine.gate.clear()
        await run.pilot.press("j", "d")
        await run.until(lambda: "Compare" in run.toasts())
        assert "its generations are still being read" in run.toasts()
        run.engine.gate.set()


async def test_ctrl_c_says_how_to_leave_on_any_screen() -> None:
    async with driven() as run:
        await run.press("ctrl+c")
        assert "q closes; jobs go on" in run.toasts()
        run.app.confirm(run.engine.plan_restore(ORDERS, 211))
        await run.confirmation()
        await run.press("ctrl+c")
        assert run.engine.submitted == []


@pytest.mark.parametrize(("wanted", "key"), [("f5", "s"), ("f6", "f6")])
async def test_the_footer_names_the_key_that_works_where_another_was_refused(wanted: str, key: str) -> None:
    async with driven(settings=fake_settings(keys={"snapshot": wanted}), size=(120, 40)) as run:
        assert f"{key} snap " in run.text()
        await run.press(key)
        assert (await run.confirmation()).plan.kind == "snapshot"
