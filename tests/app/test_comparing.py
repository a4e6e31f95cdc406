"""The comparison: always old -> new, sections first, then the rows of one with their changed cells marked."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from dysnomia_store.model import Form, Section
from dysnomia_tui.app.present import diff as present
from dysnomia_tui.app.screens.diff import DiffScreen
from dysnomia_tui.app.screens.restore import RestoreScreen
from dysnomia_tui.engine import WAS_GONE, HistoryAsked
from dysnomia_tui.engine.engine import LIVE
from dysnomia_tui.engine.plans.plan import Kind
from dysnomia_tui.engine.records import Change, JobState, RowChange, SectionChange
from tests.app.driving import Driven, driven
from tests.app.fake_world import CRM, ORDERS, job


def section(name: str = "orders", rows: int | None = 10, **changes: object) -> Section:
    base = Section("table", name, Form.ROWS, 100, "aa", rows, columns=("id", "state"), key=("id",))
    return replace(base, **changes)  # type: ignore[arg-type]


def opened(run: Driven) -> DiffScreen:
    assert isinstance(run.screen, DiffScreen)
    return run.screen


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (SectionChange(Change.CHANGED, section(rows=10), section(rows=13)), "+3 …"),
        (SectionChange(Change.CHANGED, section(), section(), 12, 3, 7), "+12 -3 ~7"),
        (SectionChange(Change.CHANGED, section(), section(), 0, 0, 0), "order only"),
        (SectionChange(Change.ADDED, None, section(), 10, 0, 0), "+10"),
        (
            SectionChange(Change.CHANGED, section(form=Form.BYTES, size=2048), section(form=Form.BYTES, size=4096)),
            "2.0K→4.0K",
        ),
    ],
)
def test_a_section_says_what_changed_in_it(change: SectionChange, words: str) -> None:
    assert present.counts_of(change).plain == words


def test_a_changed_cell_shows_old_and_new_and_the_others_the_new_alone() -> None:
    row = RowChange(Change.CHANGED, ("1", "pending"), ("1", None), frozenset({1}))
    assert present.cell(row, 0).plain == "1"
    assert present.cell(row, 1).plain == "pending → NULL"


def test_rows_have_the_new_columns_and_then_those_that_only_the_old_one_had() -> None:
    change = SectionChange(
        Change.CHANGED, section(columns=("id", "state", "note")), section(columns=("id", "state", "total"))
    )
    assert present.columns_of(change) == ("id", "state", "total", "note")
    assert [line.plain for line in present.about(change, "")] == ["+ column total", "- column note"]


def test_attributes_that_changed_stand_above_the_content() -> None:
    change = SectionChange(
        Change.CHANGED,
        section(attributes={"mode": "0644", "owner": "www"}),
        section(attributes={"mode": "0600", "owner": "www"}),
    )
    assert [line.plain for line in present.about(change, "")] == ["mode 0644 → 0600"]


def test_a_column_is_as_wide_as_its_widest_cell_and_never_too_wide() -> None:
    change = SectionChange(Change.CHANGED, section(), section(), 1, 0, 0)
    rows = [RowChange(Change.ADDED, None, ("1", "x" * 200))]
    widths = {column.id: column.width for column in present.row_columns(change, lambda _at: rows[0], rows)}
    assert widths["c0"] == len("id key")
    assert widths["c1"] == present.CELL


async def test_two_generations_are_compared_old_to_new() -> None:
    async with driven() as run:
        run.app.go.diff(ORDERS, 213, 214)
        await run.settled()
        text = run.text()
        assert "213 as of" in text
        assert text.index("213 as of") < text.index("214 as of")
        assert "orders" in text
        assert "pending → shipped" in text
        assert "~2 changed" in text


async def test_enter_goes_into_the_rows_and_escape_comes_back() -> None:
    async with driven() as run:
        run.app.go.diff(ORDERS, 213, 214)
        await run.settled()
        await run.press("enter")
        assert opened(run).rows.has_focus
        await run.press("escape")
        assert opened(run).sections.has_focus
        await run.press("escape")
        assert run.screen is run.main


async def test_rows_load_as_one_scrolls_and_the_last_one_is_reached() -> None:
    async with driven() as run:
        run.app.go.diff(ORDERS, 213, 214)
        await run.settled()
        await run.press("enter", "G")
        screen = opened(run)
        assert screen.rows.row == screen.rows.shown[-1]
        await run.until(lambda: "1203" in run.text() or screen.rows.row < 1203, "the last row is drawn")


async def test_n_and_p_open_the_next_section_and_the_one_before() -> None:
    async with driven() as run:
        run.app.go.diff(ORDERS, 213, 214)
        await run.settled()
        await run.press("n")
        item = opened(run).sections.item
        assert item is not None
        assert item.section.name == "users"
        await run.press("p")
        item = opened(run).sections.item
        assert item is not None
        assert item.section.name == "orders"


async def test_hostile_rows_are_shown_as_text() -> None:
    async with driven() as run:
        run.app.go.diff(ORDERS, 213, 214)
        await run.settled()
        assert "[b]x[/y]\\x1b[2" in run.text(), "the column ends there"


async def test_r_restores_the_older_side() -> None:
    async with driven() as run:
        run.app.go.diff(ORDERS, 213, 214)
        await run.settled()
        await run.press("r")
        assert isinstance(run.screen, RestoreScreen)
        assert "generation 213" in run.text()


async def test_marked_rows_are_put_back_by_r_and_escape_takes_the_marks_away() -> None:
    async with driven() as run:
        run.app.go.diff(ORDERS, 213, 214)
        await run.settled()
        await run.press("enter", "space", "space", "space")
        assert "3 rows marked: r puts them back into live" in run.text()
        await run.press("r")
        screen = await run.confirmation()
        assert screen.plan.params["asked"] == [
            # Changed and come since: whatever live holds. Gone: nothing, or the key is another row's by now.
            {"section": "table:orders", "keys": [["0"], ["1"], ["2"]], "seen": ["", "", WAS_GONE], "texts": [],
             "lacking": False}
        ]  # fmt: skip
        await run.press("3", "enter")
        (plan,) = run.engine.submitted
        assert (plan.kind, plan.confirm) == (Kind.PUT_BACK, "3")
        assert opened(run).rows.marks == frozenset(), "done"
        await run.press("space", "escape")
        assert opened(run).rows.marks == frozenset()
        await run.press("space", "left", "n", "p")
        assert opened(run).rows.marks == frozenset(), "marks are of one section's rows"


async def test_what_is_live_is_compared_again_once_a_job_has_changed_it() -> None:
    """Rows that were put back were still listed as lost."""
    async with driven() as run:
        run.app.go.diff(ORDERS, 213, LIVE)
        await run.settled()
        await run.press("n")
        first, on = opened(run)._diff, opened(run).sections.item
        later = run.app.services.clock() + timedelta(seconds=5)
        for change in ({"kind": "verify"}, {"keys": (CRM,)}, {"ended": later - timedelta(hours=1)}):
            about = {"kind": "put-back", "keys": (ORDERS,), "ended": later} | change
            run.engine.world.jobs = (job(90, JobState.DONE, **about), *run.engine.world.jobs)
            run.app.actions.perform_id("refresh")
            await run.settled()
            assert opened(run)._diff is first, about
        run.engine.world.jobs = (job(91, JobState.DONE, kind="put-back", keys=(ORDERS,), ended=later),)
        run.app.actions.perform_id("refresh")
        await run.settled()
        assert opened(run)._diff is not first
        assert opened(run)._diff is not None
        assert opened(run).sections.item == on


async def test_while_it_is_compared_again_nothing_is_claimed() -> None:
    """That nothing differs stood there until the first section was found, beside rows that were put back by then."""
    async with driven() as run:
        run.app.go.diff(ORDERS, 213, LIVE)
        await run.settled()
        await run.press("enter")
        screen = opened(run)
        assert screen.rows.items
        screen._forget()
        await run.pilot.pause()
        shown = run.text()
        assert "dumping what is live…" in shown
        assert "nothing differs" not in shown
        assert (list(screen.sections.items), list(screen.rows.items)) == ([], [])
        assert "changed table" not in shown


@pytest.mark.parametrize("where", ["diff", "history"])
async def test_u_undoes_a_put_back_where_its_end_is_told(where: str) -> None:
    async with driven() as run:
        if where == "diff":
            run.app.go.diff(ORDERS, 213, LIVE)
        else:
            run.app.go.history(ORDERS, HistoryAsked("", "table:orders", ("7",)), "orders 7")
        await run.settled()
        await run.press("u")
        assert "undo" in (await run.confirmation()).plan.title


async def test_marked_sections_are_put_back_whole() -> None:
    """Files and folders; of a table the plan says that its rows are to be marked."""
    async with driven() as run:
        run.app.go.diff(ORDERS, 213, 214)
        await run.settled()
        await run.press("space", "space")
        assert "2 sections marked: r puts them back into live" in run.text()
        marked = [change.section for change in opened(run).sections.items[:2]]
        await run.press("r")
        screen = await run.confirmation()
        assert [(one["section"], one["keys"]) for one in screen.plan.params["asked"]] == [
            (f"{one.kind}:{one.name}", [[]]) for one in marked
        ]
        await run.press("escape", "escape")
        assert opened(run).sections.marks == frozenset()


async def test_closing_the_screen_ends_the_comparison() -> None:
    async with driven() as run:
        run.app.go.diff(ORDERS, 213, 214)
        await run.settled()
        diff = opened(run)._diff
        assert diff is not None
        await run.press("q")
        await run.until(lambda: getattr(diff, "closed", False), "the comparing process is ended")
