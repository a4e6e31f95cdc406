"""The size that is believed is that of the terminal."""

from __future__ import annotations

import asyncio
import os
import shutil

import pytest
from textual import events
from textual.geometry import Size

from dysnomia_tui.app.terminal.painted import PaintsChanges


@pytest.mark.parametrize("late", [Size(60, 30), Size(100, 12)])
def test_a_size_that_is_told_late_is_not_believed(late: Size, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two changes at once may be told in the wrong order: the screen stayed as narrow as the terminal had been for a
    moment, with what stood there before beside it, and a repaint did not end that."""
    now = Size(100, 30)

    async def run() -> None:
        app = PaintsChanges()
        async with app.run_test(size=now) as pilot:
            monkeypatch.setattr(PaintsChanges, "is_headless", False)
            monkeypatch.setattr(shutil, "get_terminal_size", lambda _fallback: os.terminal_size(now))
            for size in (now, late):
                app.post_message(events.Resize(size, size))
            await pilot.pause(0.1)
            assert (app.size, app.screen.size) == (now, now)

    asyncio.run(run())
