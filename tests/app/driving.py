"""Driving the app in tests: waiting for conditions, never for a time."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from textual import events
from textual.keys import REPLACED_KEYS, _character_to_key, _get_unicode_name_from_key
from textual.pilot import Pilot
from textual.screen import Screen

from dysnomia_tui.app.app import DysnomiaApp
from dysnomia_tui.app.screens.confirm import ConfirmScreen
from dysnomia_tui.app.screens.main import MainScreen
from dysnomia_tui.config import Settings
from dysnomia_tui.engine.records import Opening
from tests.app.fake_engine import FakeEngine
from tests.app.fake_world import NOW, World, fake_settings, world

DEADLINE = 60.0
"""Seconds; only a hang takes as long."""
TERMINAL = {"TERM": "xterm-256color"}


@dataclass
class Driven:
    """A running app, its engine and its pilot."""

    app: DysnomiaApp
    engine: FakeEngine
    pilot: Pilot[str]

    @property
    def screen(self) -> Screen[Any]:
        return self.app.screen

    @property
    def main(self) -> MainScreen:
        screen = self.app.screen_stack[0]
        assert isinstance(screen, MainScreen)
        return screen

    async def until(self, condition: Callable[[], object], what: str = "") -> None:
        """Go on when the condition holds."""
        end = time.monotonic() + DEADLINE
        while not condition():
            assert time.monotonic() < end, f"never: {what or condition}"
            await self.pilot.pause(0.01)

    async def burst(self, *keys: str) -> None:
        """Send keys as fast as a terminal does, with no wait between them; go on when all were handled."""
        driver = self.app._driver
        assert driver is not None
        for key in keys:
            event = events.Key(key, character_of(key))
            event.set_sender(self.app)
            driver.send_message(event)
        await self.pilot.pause()

    async def settled(self) -> None:
        """Go on when no read is under way and every message was handled."""
        await self.pilot.pause()
        await self.until(lambda: self.app.client.idle, "no read under way")
        await self.pilot.pause()
        await self.until(lambda: self.app.client.idle, "no read under way")
        await self.pilot.pause()

    async def press(self, *keys: str) -> None:
        """Press keys, each once the one before had its effect."""
        for key in keys:
            await self.pilot.press(key)
            await self.settled()

    async def confirmation(self) -> ConfirmScreen:
        """The confirmation in front, once it is armed."""
        await self.until(lambda: isinstance(self.screen, ConfirmScreen), "a confirmation")
        screen = self.screen
        assert isinstance(screen, ConfirmScreen)
        await self.until(lambda: screen.armed, "the confirmation is armed")
        await self.pilot.pause()
        return screen

    def text(self) -> str:
        """What stands on the screen, line by line."""
        return "\n".join(line.text.rstrip() for line in self.screen._compositor.render_strips())

    def toasts(self) -> str:
        """What was said."""
        return "\n".join(f"{one.title} {one.text}" for one in self.app.messages.shown)


def character_of(key: str) -> str | None:
    """The character that a key types, if any."""
    if len(key) == 1:
        return key
    try:
        return unicodedata.lookup(_get_unicode_name_from_key(REPLACED_KEYS.get(key, key)))
    except KeyError:
        return None


def key_of(character: str) -> str:
    """The key that types a character."""
    return _character_to_key(character)


def make_app(
    engine: FakeEngine,
    settings: Settings | None = None,
    *,
    clock: Callable[[], datetime] = lambda: NOW,
    opening: Opening | None = None,
    memory: Path | None = None,
) -> DysnomiaApp:
    """An app on a fake engine, with a fixed time, that looks only when it is told to."""
    return DysnomiaApp(
        lambda: engine,
        settings or engine.settings,
        clock=clock,
        environ=TERMINAL,
        poll=False,
        opening=opening,
        memory=memory,
    )


@asynccontextmanager
async def driven(
    of: World | None = None,
    *,
    size: tuple[int, int] = (80, 24),
    settings: Settings | None = None,
    read_only: bool = False,
    wait: bool = True,
    opening: Opening | None = None,
    memory: Path | None = None,
) -> AsyncIterator[Driven]:
    """Run the app on a world."""
    engine = FakeEngine(of or world(), settings or fake_settings(), read_only=read_only)
    app = make_app(engine, opening=opening, memory=memory)
    async with app.run_test(size=size, notifications=True) as pilot:
        run = Driven(app, engine, pilot)
        if wait:
            await run.until(lambda: app.state.overview is not None, "the first overview")
            await run.settled()
        yield run
        engine.gate.set()
