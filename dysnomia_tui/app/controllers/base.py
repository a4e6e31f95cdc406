"""Controllers of the main screen: objects with actions of the registry, each about one subject.

A screen names them in ``CONTROLLERS``; an action is carried out by whichever has the method of its name. The gate has
been passed by then: what an action needs under the cursor is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from dysnomia_store.model import Generation, Section
from dysnomia_store.names import ComponentKey
from dysnomia_tui.app.selection import Selection
from dysnomia_tui.app.services import Services


class Front(Protocol):
    """The screen, as its controllers see it."""

    @property
    def services(self) -> Services:
        """What the app does for it."""

    def here(self) -> Selection:
        """Where the operator is."""

    def listed(self) -> Sequence[Generation]:
        """The generations that are listed."""

    def section(self) -> Section | None:
        """The section whose line the cursor is on, where what is in a generation has the focus."""

    def unmark_tree(self) -> None:
        """Take the marks of the tree away: what they stood for has been taken."""

    def show_component(self, key: ComponentKey, number: int | None = None) -> None:
        """Put the cursor on a component, and on one of its generations."""


class Controller:
    """Carries out some of a screen's actions."""

    def __init__(self, front: Front) -> None:
        self._front = front

    @property
    def services(self) -> Services:
        """What the app does for it."""
        return self._front.services

    def here(self) -> Selection:
        """Where the operator is."""
        return self._front.here()

    def on_generation(self) -> tuple[ComponentKey, Generation]:
        """The component and the generation under the cursor; the gate has seen that there are both."""
        here = self.here()
        assert here.key is not None
        assert here.generation is not None
        return here.key, here.generation
