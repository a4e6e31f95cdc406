"""The one gate that actions pass: run on what carries them out, refused with a reason, or kept until it can be done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from dysnomia_store.names import ComponentKey
from dysnomia_tui.app.actions.model import Action
from dysnomia_tui.app.actions.reasons import is_waiting
from dysnomia_tui.app.actions.registry import REGISTRY
from dysnomia_tui.app.kept_key import KeptKey
from dysnomia_tui.app.screens.base import DysnomiaScreen
from dysnomia_tui.app.selection import Selection
from dysnomia_tui.app.widgets.host import ActionHost

if TYPE_CHECKING:
    from textual.screen import Screen

    from dysnomia_tui.app.services import Services

RECENT = 5
"""Actions that the palette lists first: those that were chosen in it last."""


class ActionRunner:
    """Runs actions of an app."""

    def __init__(self, app: Services) -> None:
        self._app = app
        self._kept: KeptKey | None = None
        self.recent: list[str] = []
        """Ids of actions in the order in which they were chosen in the palette last, the last first."""

    def perform(self, action: Action, carrier: object) -> None:
        """Run an action on what carries it out, or say why it cannot be done."""
        here = self._app.here()
        reason = action.why_not(here)
        self._kept = None
        if is_waiting(reason) and not action.asks_for_text:
            self._kept = KeptKey(action, carrier, id(self._app.screen), here.key, self._app.clock())
            self._app.notify(f"{action.title}: waits, {reason.removeprefix('read-only: ')}", timeout=4, markup=False)
        elif reason and action.asks_for_text:
            self.refuse_text(action, reason)
        elif reason:
            self._app.notify(f"{action.title}: {reason}", severity="warning", markup=False, timeout=4)
        else:
            action.run(carrier)

    def run_kept(self) -> None:
        """Run the key that waits, where what it needs has been read meanwhile."""
        kept = self._kept
        if kept is None or not self._app.screen.is_mounted:
            return
        here = self._app.here()
        if not kept.is_due(here, id(self._app.screen), self._app.clock()):
            self._kept = None
        elif not is_waiting(kept.action.why_not(here)):
            self._app.clear_notifications()
            self.perform(kept.action, kept.carrier)
        elif kept.of is None and here.key is not None:
            self._kept = replace(kept, of=here.key)  # from now on this one is meant

    def refuse_text(self, action: Action, reason: str) -> None:
        """Say why an action that asks for text cannot be done, in a prompt that takes the text all the same: whoever
        types on must not run other actions by it."""
        from dysnomia_tui.app.screens.prompt import PromptScreen

        self._app.push_screen(
            PromptScreen(action.title, f"Not possible: {reason}.", accept="closes this, nothing is done")
        )

    def perform_id(self, action_id: str) -> None:
        """Run an action by id on whatever in front has it: the focused widget first, then up to the screen."""
        action = REGISTRY[action_id]
        node = self._app.focused or self._app.screen
        for host in node.ancestors_with_self:
            carrier = host.carrier_of(action) if isinstance(host, ActionHost) else None
            if carrier is not None:
                self.perform(action, carrier)
                return
        self._app.notify(f"{action.title}: not on this screen", severity="warning", markup=False)

    def open_list(self, make: Callable[[Selection, tuple[str, ...]], Screen[str | None]]) -> None:
        """Open help or palette over the screen in front; what is chosen there runs here."""
        screen = self._app.screen
        scopes = (screen.SCOPE, *screen.SCOPES) if isinstance(screen, DysnomiaScreen) else ("everywhere",)

        def chosen(answer: str | None) -> None:
            if answer and answer.startswith("component:"):
                self._app.show_component(ComponentKey.parse(answer.removeprefix("component:")))
            elif answer and answer.startswith("group:"):
                self._app.show_group(answer.removeprefix("group:"))
            elif answer:
                self.recent = [answer, *(before for before in self.recent if before != answer)][:RECENT]
                self.perform_id(answer)

        self._app.push_screen(make(self._app.here(), scopes), chosen)
