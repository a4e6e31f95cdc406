"""Enter on a row shows all of it; ``c`` copies the cell, the row or the path."""

from __future__ import annotations

import os

import pytest
from textual.screen import ModalScreen

from dysnomia_tui.app.app import DysnomiaApp
from dysnomia_tui.app.present import whole_row
from dysnomia_tui.app.screens.diff import DiffScreen
from dysnomia_tui.app.screens.reading import RowScreen
from dysnomia_tui.engine.records import Change, RowChange
from tests.app.driving import TERMINAL, Driven, driven
from tests.app.fake_engine import FakeEngine
from tests.app.fake_world import NOW, ORDERS, fake_settings, world


def copied(run: Driven) -> str:
    """What was put on the clipboard last, as the message says."""
    return next(one.text for one in reversed(run.app.messages.said) if one.title.startswith("copied"))


async def test_enter_on_a_row_shows_all_of_it_and_c_copies_the_cell() -> None:
    async with driven() as run:
        run.app.go.browse(ORDERS, 214)
        await run.settled()
        await run.press("enter", "j", "enter")
        screen = run.screen
        assert isinstance(screen, RowScreen)
        text = run.text()
        assert "row 2" in text
        await run.press("j", "c")
        cell = copied(run)
        assert cell in text
        await run.press("escape", "c")
        assert cell in copied(run).split("\\t")
        await run.press("h", "c")
        assert copied(run).startswith("postgresql/orders/214/")


async def test_what_was_copied_is_said_below_the_window_of_a_small_terminal() -> None:
    async with driven(size=(60, 15)) as run:
        run.app.go.browse(ORDERS, 214)
        await run.settled()
        await run.press("enter", "j", "enter", "c")
        assert isinstance(run.screen, RowScreen)
        window = run.screen.lines.region
        assert window.bottom <= 13
        assert copied(run) in run.toasts()


async def test_columns_of_rows_are_laid_out_before_they_are_painted() -> None:
    """Painted for the titles alone they became wider as soon as the first rows were there."""
    async with driven() as run:
        run.engine.rows_gate.clear()
        run.app.go.diff(ORDERS, 213, 214)
        await run.until(lambda: isinstance(run.screen, DiffScreen) and run.screen.is_mounted)
        await run.until(lambda: "~ changed table" in run.text(), "the sections")
        screen = run.screen
        assert isinstance(screen, DiffScreen)
        assert [column.id for column in screen.rows.columns] == ["waiting"]
        run.engine.rows_gate.set()
        await run.settled()
        assert "note" in [column.title for column in screen.rows.columns]


@pytest.mark.parametrize(("dim", "opacity"), [(True, 0.6), (False, 0)])
async def test_what_is_around_a_window_is_darkened_unless_config_says_no(dim: bool, opacity: float) -> None:
    """Over a slow line each cell that gets another colour is waited for."""
    async with driven(settings=fake_settings(dim=dim)) as run:
        await run.press("@")
        assert isinstance(run.screen, ModalScreen)
        assert run.screen.styles.background.a == opacity


@pytest.mark.parametrize(
    ("dim", "opacity"), [(None, 0), (True, 0.6), (False, 0)], ids=["by itself", "configured", "configured not to"]
)
async def test_over_ssh_it_is_darkened_only_where_config_says_so(dim: bool | None, opacity: float) -> None:
    environ = {**TERMINAL, "SSH_CONNECTION": "192.0.2.1 50022 192.0.2.2 22"}
    engine = FakeEngine(world())
    app = DysnomiaApp(lambda: engine, fake_settings(dim=dim), clock=lambda: NOW, environ=environ, poll=False)
    async with app.run_test(size=(80, 24)) as pilot:
        run = Driven(app, engine, pilot)
        await run.settled()
        await run.press("question_mark")
        assert isinstance(run.screen, ModalScreen)
        assert run.screen.styles.background.a == opacity


async def test_words_are_found_in_a_whole_row_and_run_nothing() -> None:
    async with driven() as run:
        run.app.go.browse(ORDERS, 214)
        await run.settled()
        await run.press("enter", "j", "enter")
        screen = run.screen
        assert isinstance(screen, RowScreen)
        count = len(screen.lines.shown)
        lines, first = screen.lines, screen.lines.items[0].text.plain
        await run.press("slash", *first, "enter")
        assert next(line.text.plain for line in lines.shown) == first
        assert len(lines.shown) < count
        await run.press("escape")
        assert run.app.screen_stack[-1] is screen
        assert len(lines.shown) == count
        await run.press("slash", *"qc", "escape", "escape")
        assert screen not in run.app.screen_stack
        assert not run.app.messages.said


async def test_enter_on_a_changed_row_shows_both_sides() -> None:
    async with driven() as run:
        run.app.go.diff(ORDERS, 213, 214)
        await run.settled()
        await run.press("enter", "enter")
        assert isinstance(run.screen, RowScreen)
        assert "row" in run.text()
        await run.press("q")
        await run.press("c")
        assert copied(run)


def test_a_cell_of_many_lines_is_shown_whole_and_null_is_no_text() -> None:
    lines = whole_row.of_row(("id", "note", "gone"), ("7", "a\nb\x1b", None))
    assert [line.text.plain for line in lines] == ["id", "  7", "note", "  a", "  b\\x1b", "gone", "  NULL"]
    assert lines[3].cell == "a\nb\x1b"


def test_a_changed_cell_is_shown_as_it_was_and_is() -> None:
    row = RowChange(Change.CHANGED, ("7", "a"), ("7", "b"), frozenset({1}))
    assert [line.text.plain for line in whole_row.of_change(("id", "note"), row)] == [
        "id",
        "  7",
        "note",
        "- a",
        "+ b",
    ]
    assert whole_row.changed_as_text(row) == "7\tb"


async def test_control_z_suspends(monkeypatch: pytest.MonkeyPatch) -> None:
    async with driven() as run:
        assert "suspend_process" in {
            binding.action for keys in run.app._bindings.key_to_bindings.values() for binding in keys
        }
        sent: list[tuple[int, int]] = []
        monkeypatch.setattr(os, "kill", lambda pid, number: sent.append((pid, number)))
        await run.pilot.press("ctrl+z")
        await run.settled()
        assert run.screen is run.main


async def test_the_footer_shows_only_what_works_now() -> None:
    async with driven() as run:
        assert "restore" in run.text().splitlines()[-1]
        run.main.units.go_to("fileset")
        await run.settled()
        foot = run.text().splitlines()[-1]
        assert "diff" not in foot
        assert "help" in foot
        assert "quit" in foot
