"""The palette: grouped, ranked by name before description, what cannot be done last, what was used last first."""

from __future__ import annotations

from dysnomia_tui.app.screens.palette import HERE, NOT_NOW, RECENT, ActionList, Entry, grouped, ranked
from tests.app.driving import driven

ENTRIES = [
    Entry("gc", "Collect garbage", "Review a restore plan.", where="main"),
    Entry("undo", "Undo", "Undo the last restore.", where="main", why_not="nothing to undo"),
    Entry("restore", "Restore", "Restore it.", where="main"),
    Entry("store", "Store", "Where the space is.", where="everywhere"),
]


def test_by_name_before_description_and_what_cannot_be_done_last() -> None:
    assert [entry.id for entry in ranked(ENTRIES, "RESTORE")] == ["restore", "gc", "undo"]
    assert [entry.id for entry in ranked(ENTRIES, "store")] == ["store", "restore", "gc", "undo"]
    assert ranked(ENTRIES, "xyzzy") == []


def test_grouped_with_the_recent_first() -> None:
    assert [entry.id or entry.title for entry in grouped(ENTRIES, ["gc", "undo"])] == [
        RECENT, "gc", HERE, "restore", "Everywhere", "store", NOT_NOW, "undo",
    ]  # fmt: skip


async def test_enter_runs_the_best_and_it_is_the_first_the_next_time() -> None:
    async with driven() as run:
        await run.press("colon", *"store", "enter")
        assert type(run.screen).__name__ == "StoreScreen"
        await run.press("q", "colon")
        screen = run.screen
        assert isinstance(screen, ActionList)
        assert screen._table.item is not None
        assert screen._table.item.id == "store"
        assert "Recent" in run.text()
        await run.press("escape")
