"""Keys in the order they were typed, each acting where the one before it left things.

Textual hands a key to the widget that has the focus and goes on to the next one; what the first does comes to pass
some messages later. Somebody who types ``2j`` fast would move in pane 1. So a key's binding runs at once, a character
goes into its field at once, and the next key waits until the effects (a focus, a screen that opens) have settled. No
wait is ever longer than ``PATIENCE``, which only something that hangs takes.
"""

from __future__ import annotations

import asyncio

from textual import events
from textual.dom import DOMNode
from textual.message_pump import MessagePump
from textual.screen import Screen
from textual.widgets import Input

from dysnomia_tui.app.terminal.painted import PaintsChanges

PATIENCE = 3.0
"""Seconds that a key waits at most for the one before it: long, for on a loaded machine a key that did not wait would
act on the wrong screen."""


class TypingAhead(PaintsChanges):
    """An app whose keys keep their order."""

    async def on_event(self, event: events.Event) -> None:
        if not isinstance(event, events.Key) or event.is_forwarded:
            await super().on_event(event)
        elif self.screen_stack and not await self._at_once(event) and self.screen_stack:
            # While the app closes, its screens are gone before its messages are: a key has nowhere to go then.
            await super().on_event(event)

    async def _at_once(self, event: events.Key) -> bool:
        """Run the key's binding now; False leaves the key to Textual."""
        # Imported here: the confirmation is not needed for the first frame.
        from dysnomia_tui.app.screens.confirm import ConfirmScreen

        screen = self.screen
        if isinstance(screen, ConfirmScreen) and screen.takes(event):
            # It looks at every key itself, and drops those that were typed before it could be read.
            return True
        await self._until_open(screen)
        if self.screen_stack:
            await self._settle()
        if not self.screen_stack:
            return True
        if isinstance(self.focused, Input) and event.is_printable and event.character:
            type_into(self.focused, event.character)
            return True
        key = event.key
        if not (await self._check_bindings(key, priority=True) or await self._check_bindings(key)):
            return False
        if self.screen_stack:
            await self._settle()
        return True

    async def _until_open(self, screen: Screen[object]) -> None:
        """Wait until a screen that has just been opened has its widgets and its focus."""
        wants_focus = screen.AUTO_FOCUS is None or bool(screen.AUTO_FOCUS)
        end = asyncio.get_running_loop().time() + PATIENCE
        while not screen.is_mounted or (wants_focus and screen.focused is None and _could_focus(screen)):
            if asyncio.get_running_loop().time() > end:
                return
            await asyncio.sleep(0.002)

    async def _settle(self) -> None:
        """Wait until the focused widget, and what stands around it up to the screen, did what they were told."""
        node: DOMNode = self.focused or self.screen
        for pump in node.ancestors_with_self:
            if pump is self or not await _handled(pump):
                return


def type_into(field: Input, character: str) -> None:
    """Put a character into a field at once, as the field does when its turn comes."""
    if field.selection.is_empty:
        field.insert_text_at_cursor(character)
    else:
        field.replace(character, *field.selection)


def _could_focus(screen: Screen[object]) -> bool:
    """False for a screen that has nothing to focus (too small a terminal hides everything)."""
    return not screen.is_mounted or bool(screen.focus_chain)


async def _handled(pump: MessagePump) -> bool:
    """Wait until the pump has handled what it was sent so far; False if it takes too long."""
    done = asyncio.Event()
    if not pump.call_later(done.set):
        return False
    try:
        await asyncio.wait_for(done.wait(), PATIENCE)
    except TimeoutError:
        return False
    return True
