"""What carries actions out: the screens and widgets whose bindings come from the registry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from dysnomia_tui.app.actions.model import Action
from dysnomia_tui.app.actions.registry import REGISTRY
from dysnomia_tui.app.services import Services, services_of

if TYPE_CHECKING:
    from textual.widget import Widget

MIN_COLUMNS = 60
MIN_ROWS = 15
"""The least terminal in which anything is shown; below it nothing is done that could not be seen."""
WORKS_UNSEEN = frozenset({"quit", "back"})


class PaneHost:
    """A screen that may show one pane alone."""

    def show_pane(self, widget: Widget) -> None:
        """Bring the pane to the front that the widget is, or is in."""


class ActionHost:
    """Runs ``act('<id>')`` through the app's gate, then its own method ``act_<id>``.

    A plain mixin, not a ``DOMNode``: Textual takes CSS and bindings from the first base that is one, and that must be
    the widget or screen.
    """

    CARRIERS: ClassVar[tuple[type, ...]] = ()
    """What carries actions out for it, besides itself."""

    @property
    def services(self) -> Services:
        """What the app does for it."""
        return services_of(self)

    def carriers(self) -> Sequence[object]:
        """Itself, and the objects of ``CARRIERS``."""
        return (self,)

    def carrier_of(self, action: Action) -> object | None:
        """What carries an action out here; None where nothing does."""
        return next((one for one in self.carriers() if hasattr(one, action.method)), None)

    def action_act(self, action_id: str) -> None:
        size = self.services.size
        if (size.width < MIN_COLUMNS or size.height < MIN_ROWS) and action_id not in WORKS_UNSEEN:
            return
        action = REGISTRY[action_id]
        self.services.actions.perform(action, self.carrier_of(action))
