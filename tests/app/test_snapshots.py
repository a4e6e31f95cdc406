"""What every screen looks like, at 80x24 and 120x40: SVG pictures, with a fixed clock, host and world.

After a change that is meant, look at the new pictures and take them with ``pytest tests/app --snapshot-update``.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Button

from dysnomia_tui.app.app import DysnomiaApp
from dysnomia_tui.app.screens.group import GroupScreen
from dysnomia_tui.app.screens.hosts import HostsScreen
from dysnomia_tui.engine import HistoryAsked
from dysnomia_tui.engine.plans.plan import Grade
from dysnomia_tui.engine.records import JobState
from tests.app.driving import TERMINAL, Driven, make_app
from tests.app.fake_engine import FakeEngine
from tests.app.fake_hosts import FakeDesk
from tests.app.fake_world import NOW, ORDERS, SETTINGS, World, fake_settings, job, shop_world, world
from tests.thorough import seldom

pytestmark = pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason="the pictures are taken with one version of Python"
)
Compare = Callable[..., bool]
Opener = Callable[[Driven], Awaitable[None]]
SIZES = [(80, 24), pytest.param((120, 40), marks=pytest.mark.worlds)]


async def _main(run: Driven) -> None:
    await run.press("2", "j", "space", "j", "space")
    await run.until(lambda: "to trash: 119M" in run.text())


async def _components(run: Driven) -> None:
    await run.press("k")


async def _help(run: Driven) -> None:
    await run.press("question_mark")


async def _palette(run: Driven) -> None:
    await run.press("colon", *"res")


async def _browse(run: Driven) -> None:
    run.app.go.browse(ORDERS, 214)
    await run.settled()
    await run.press("j", "l")


async def _diff(run: Driven) -> None:
    run.app.go.diff(ORDERS, 213, 214)
    await run.settled()


async def _history(run: Driven) -> None:
    run.app.go.history(ORDERS, HistoryAsked("", "table:orders", ("7",)), "orders 7")
    await run.settled()
    await run.press("j")


async def _restore(run: Driven) -> None:
    run.app.go.restore(ORDERS, 211)
    await run.settled()


async def _group_line(run: Driven) -> None:
    await run.press("g")


async def _group(run: Driven) -> None:
    run.app.go.whole("shop", NOW - timedelta(hours=30))
    await run.settled()
    await run.press("j")


async def _group_confirm(run: Driven) -> None:
    await _group(run)
    await run.press("r")
    await run.confirmation()


async def _group_job(run: Driven) -> None:
    await _group(run)
    members = run.engine.members("shop")
    part = {"part_of": "92", "kind": "restore", "who": "alice"}
    whole = job(92, JobState.RUNNING, kind="group", title="restore group shop to 2025-11-21 08:22:07 UTC", keys=members,
                phase="2 of 2: sqlite/settings", done=0, total=None, message="job 94", who="alice")  # fmt: skip
    one = job(94, JobState.RUNNING, title="restore generation 30 of sqlite/settings", keys=(SETTINGS,), **part)
    run.engine.world.jobs = (whole, one, *run.engine.world.jobs)
    screen = run.screen
    assert isinstance(screen, GroupScreen)
    screen._submitted(whole)
    run.app.poller.look_at_jobs()
    await run.settled()


async def _group_lacks(run: Driven) -> None:
    run.app.go.whole("all", NOW)
    await run.settled()
    await run.press("G")


async def _undo_which(run: Driven) -> None:
    members = run.engine.members("shop")
    whole = job(92, JobState.DONE, kind="group", title="restore group shop to 2025-11-21 08:22:07 UTC", keys=members,
                undoable=True, details={"group": "shop", "action": "restore"}, created=NOW)  # fmt: skip
    one = job(93, JobState.DONE, kind="restore", keys=(ORDERS,), undoable=True, part_of="92", created=NOW)
    run.engine.world.jobs = (one, whole, *run.engine.world.jobs)
    run.app.poller.look_at_jobs()
    await run.settled()
    run.app.clear_notifications()
    await run.press("u")


async def _gc(run: Driven) -> None:
    run.app.go.gc([ORDERS], [(ORDERS, 205), (ORDERS, 204)])
    await run.settled()


async def _store(run: Driven) -> None:
    run.app.go.store()
    await run.settled()


async def _deploy(run: Driven) -> None:
    await run.press("w")
    await run.settled()


async def _hosts(run: Driven) -> None:
    screen = HostsScreen(FakeDesk())
    run.app.push_screen(screen)
    await run.settled()
    await run.until(lambda: screen.table.items and all(row.report for row in screen.table.items), "all have answered")
    await run.press("j", "j", "space")


async def _jobs(run: Driven) -> None:
    run.app.go.jobs()
    await run.settled()


async def _confirm_2(run: Driven) -> None:
    run.app.confirm(run.engine.plan_restore(ORDERS, 211))
    await run.confirmation()


async def _put_back(run: Driven) -> None:
    await _diff(run)
    await run.press("enter", "j", "space", "space", "space", "r")
    await run.confirmation()


async def _confirm_3(run: Driven) -> None:
    plan = replace(run.engine.plan_empty_trash(), warnings=("it cannot be brought back",))
    assert plan.grade is Grade.FINAL
    run.app.confirm(plan)
    await run.confirmation()


async def _prompt(run: Driven) -> None:
    await run.press("2", "at")
    await run.press("minus", "2", "h")


async def _choice(run: Driven) -> None:
    await run.press("2", "v")


async def _search(run: Driven) -> None:
    await _diff(run)
    await run.press("enter", "slash", *"pending", "enter")
    await run.until(lambda: "1 of 803" in run.text())
    await run.press("n", "n")


async def _row(run: Driven) -> None:
    await _diff(run)
    await run.press("enter", "j", "j", "enter")


async def _messages(run: Driven) -> None:
    run.app.notify("J12 restore of postgresql/orders: done", title="J12", markup=False)
    run.app.notify("permission denied: /srv/wiki", severity="error", markup=False)
    await run.press("L")


async def _marks(run: Driven) -> None:
    for key in (ORDERS, SETTINGS):
        run.main.units.go_to(key)
        await run.settled()
        await run.press("space")


async def _adopt(run: Driven) -> None:
    run.engine.world.found = tuple(replace(one, readable=True) for one in run.engine.world.found)
    run.app.look_again()
    await run.settled()
    run.main.units.go_to("?")
    await run.press("space", "A")
    await run.confirmation()


async def _save(run: Driven) -> None:
    run.app.go.gc([ORDERS])
    await run.settled()
    await run.press("e", *"last", "space", *"7", "space", *"daily", "space", *"14", "enter", "W")


async def _theme(run: Driven) -> None:
    await run.press("T", "j")


SCREENS: dict[str, Opener] = {
    "main": _main,
    "container": _components,
    "help": _help,
    "palette": _palette,
    "browse": _browse,
    "diff": _diff,
    "history": _history,
    "restore": _restore,
    "gc": _gc,
    "store": _store,
    "deploy": _deploy,
    "jobs": _jobs,
    "hosts": _hosts,
    "confirm-2": _confirm_2,
    "confirm-3": _confirm_3,
    "put-back": _put_back,
    "prompt": _prompt,
    "choice": _choice,
    "search": _search,
    "row": _row,
    "messages": _messages,
    "marks": _marks,
    "adopt": _adopt,
    "save": _save,
    "theme": _theme,
}


GROUPS: dict[str, Opener] = {
    "group-line": _group_line,
    "group": _group,
    "group-confirm": _group_confirm,
    "group-job": _group_job,
    "group-lacks": _group_lacks,
    "group-undo-which": _undo_which,
}


def _opened(app: DysnomiaApp, engine: FakeEngine, opener: Opener) -> Callable[[Pilot[Any]], Awaitable[None]]:
    async def before(pilot: Pilot[Any]) -> None:
        run = Driven(app, engine, pilot)
        await run.until(lambda: app.state.overview is not None and app.state.found is not None)
        await run.settled()
        await opener(run)
        await run.settled()
        for field in app.screen.query("Input"):
            field.cursor_blink = False  # type: ignore[attr-defined]
        app.clear_notifications()
        await run.settled()

    return before


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x40"])
@pytest.mark.parametrize("name", SCREENS)
def test_screen(name: str, size: tuple[int, int], snap_compare: Compare) -> None:
    engine = FakeEngine(world())
    app = make_app(engine)
    assert snap_compare(app, terminal_size=size, run_before=_opened(app, engine, SCREENS[name]))


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x40"])
@pytest.mark.parametrize("name", GROUPS)
def test_group(name: str, size: tuple[int, int], snap_compare: Compare) -> None:
    engine = FakeEngine(shop_world())
    app = make_app(engine)
    assert snap_compare(app, terminal_size=size, run_before=_opened(app, engine, GROUPS[name]))


NEW = ("history", "hosts", "put-back", "search", "row", "marks", "adopt", "save", "theme", *GROUPS)
"""Those that are looked at on a light ground, and as wide as a wall, too."""
VERY_LARGE = ("main", "history", "hosts", "search", "group")
"""Of these the pictures at 200x60 that each run takes."""


def _any(name: str) -> tuple[FakeEngine, Opener]:
    return (FakeEngine(shop_world()), GROUPS[name]) if name in GROUPS else (FakeEngine(world()), SCREENS[name])


@pytest.mark.worlds
@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
@pytest.mark.parametrize("name", NEW)
def test_on_a_light_ground(name: str, size: tuple[int, int], snap_compare: Compare) -> None:
    engine, opener = _any(name)
    app = make_app(engine, fake_settings(theme="dysnomia-light"))
    assert snap_compare(app, terminal_size=size, run_before=_opened(app, engine, opener))


@pytest.mark.parametrize("theme", ["dysnomia-dark", pytest.param("dysnomia-light", marks=pytest.mark.worlds)])
@pytest.mark.parametrize(
    "name", [*VERY_LARGE, *(pytest.param(one, marks=pytest.mark.worlds) for one in NEW if one not in VERY_LARGE)]
)
def test_as_wide_as_a_wall(name: str, theme: str, snap_compare: Compare) -> None:
    engine, opener = _any(name)
    app = make_app(engine, fake_settings(theme=theme))
    assert snap_compare(app, terminal_size=(200, 60), run_before=_opened(app, engine, opener))


@pytest.mark.parametrize("name", ["restore", "history"])
def test_small_screens(name: str, snap_compare: Compare) -> None:
    engine, opener = _any(name)
    app = make_app(engine)
    assert snap_compare(app, terminal_size=(60, 15), run_before=_opened(app, engine, opener))


# --- without colours -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", seldom([*SCREENS, *GROUPS], *list(SCREENS)[::2], *list(GROUPS)[::2]))
async def test_without_colours_everything_is_told_all_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No colour reaches the terminal, and what has the focus is still seen."""
    monkeypatch.setenv("NO_COLOR", "1")
    engine, opener = _any(name)
    app = DysnomiaApp(
        lambda: engine, fake_settings(), clock=lambda: NOW, environ={**TERMINAL, "NO_COLOR": "1"}, poll=False
    )
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await _opened(app, engine, opener)(pilot)
        strips = app.screen._compositor.render_strips()
        for one in app._filters:
            if one.enabled:
                strips = [strip.apply_filter(one, app.screen.background_colors[1]) for strip in strips]
        styles = [segment.style for strip in strips for segment in strip if segment.style is not None]
        coloured = {str(style) for style in styles for color in (style.color, style.bgcolor)
                    if color is not None and not color.is_default}  # fmt: skip
        assert not coloured
        seen = [segment.text for strip in strips for segment in strip
                if segment.style is not None and (segment.style.reverse or segment.style.underline)
                and (name == "prompt" or segment.text.strip())]  # fmt: skip
        assert seen, "nothing shows where one is"
        text = "\n".join(strip.text for strip in strips)
        assert all(str(button.label) in text for button in app.screen.query(Button))


@pytest.mark.parametrize("name", ["group-line", "group"])
def test_small_group(name: str, snap_compare: Compare) -> None:
    engine = FakeEngine(shop_world())
    app = make_app(engine)
    assert snap_compare(app, terminal_size=(60, 15), run_before=_opened(app, engine, GROUPS[name]))


@pytest.mark.parametrize("size", [(60, 15), (40, 10)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_small(size: tuple[int, int], snap_compare: Compare) -> None:
    engine = FakeEngine(world())
    app = make_app(engine)

    async def pane_2(run: Driven) -> None:
        await run.press("2")

    assert snap_compare(app, terminal_size=size, run_before=_opened(app, engine, pane_2))


async def _nothing(run: Driven) -> None:
    return None


def test_first_start(snap_compare: Compare) -> None:
    engine = FakeEngine(World(found=world().found, labels=(), notice="you are not root: only alice's are listed"))
    app = make_app(engine)
    assert snap_compare(app, terminal_size=(80, 24), run_before=_opened(app, engine, _nothing))


def test_read_only(snap_compare: Compare) -> None:
    engine = FakeEngine(world(), read_only=True)
    app = make_app(engine)
    assert snap_compare(app, terminal_size=(80, 24), run_before=_opened(app, engine, _nothing))


@pytest.mark.parametrize(
    "environ", [{"NO_COLOR": "1"}, {"TERM": "linux"}, {"COLORFGBG": "0;15"}], ids=lambda e: next(iter(e))
)
def test_poor_and_light_terminals(
    environ: dict[str, str], snap_compare: Compare, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "NO_COLOR" in environ:
        monkeypatch.setenv("NO_COLOR", "1")
    engine = FakeEngine(world())
    app = DysnomiaApp(lambda: engine, fake_settings(), clock=lambda: NOW, environ={**TERMINAL, **environ}, poll=False)
    assert snap_compare(app, terminal_size=(80, 24), run_before=_opened(app, engine, _main))
