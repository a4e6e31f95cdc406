"""Messages: in the lines above the footer, one an event, gone with their screen, and kept to be read again."""

from __future__ import annotations

from tests.app.driving import driven
from tests.app.fake_world import ORDERS


async def test_a_message_covers_no_row() -> None:
    async with driven() as run:
        await run.press("2")
        before = run.text().splitlines()
        run.app.notify("something long " * 20, title="Snapshot", severity="error")
        await run.settled()
        after = run.text().splitlines()
        assert before[:-3] == after[:-3]
        assert "Snapshot: something long" in after[-3]
        assert "L shows all" in after[-2]
        assert before[-1] == after[-1]


async def test_a_message_is_gone_with_its_screen_and_the_end_of_a_job_is_not() -> None:
    async with driven() as run:
        run.app.go.browse(ORDERS, 214)
        await run.settled()
        run.app.notify("of the job", everywhere=True)
        run.app.notify("of the browser")
        await run.settled()
        assert "of the browser" in run.text()
        await run.press("q")
        assert "of the browser" not in run.text()
        assert "of the job" in run.text()


async def test_a_newer_message_takes_the_place_of_an_older_one_and_the_list_has_both() -> None:
    async with driven() as run:
        run.app.notify("the first")
        run.app.notify("the second")
        await run.settled()
        assert "the first" not in run.text()
        assert "the second" in run.text()
        await run.press("L")
        assert "the first" in run.text()
        await run.press("escape")
        assert run.screen is run.main


async def test_what_was_not_seen_does_not_grow_old() -> None:
    async with driven() as run:
        messages = run.app.messages
        run.app.notify("seen", timeout=2)
        screen = id(run.main)
        assert not messages.passed(5, screen + 1)
        assert messages.passed(5, screen)
        assert messages.front(screen) == ()
