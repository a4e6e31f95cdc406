"""How to get from one screen to another. Screens are imported when they are first opened."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from dysnomia_store.model import Section
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine import HistoryAsked
from dysnomia_tui.engine.engine import Side
from dysnomia_tui.engine.records import HistoryLine

if TYPE_CHECKING:
    from textual.screen import Screen

    from dysnomia_tui.app.services import Services


class Navigation:
    """Opens screens on an app."""

    def __init__(self, app: Services) -> None:
        self._app = app

    def _open(self, screen: Screen[None]) -> None:
        self._app.push_screen(screen)

    def help(self) -> None:
        """All actions that work here."""
        from dysnomia_tui.app.screens.palette import HelpScreen

        self._app.actions.open_list(HelpScreen)

    def messages(self) -> None:
        """What was said, newest first."""
        from dysnomia_tui.app.screens.reading import MessagesScreen

        self._app.push_screen(MessagesScreen())

    def themes(self) -> None:
        """Choose how everything looks."""
        from dysnomia_tui.app.screens.prompt import Choice
        from dysnomia_tui.app.screens.theme import ThemeScreen

        app = self._app
        choices = [Choice(*one) for one in app.themes()]
        if not choices:
            app.notify("NO_COLOR is set: there are no colours to choose", severity="warning", markup=False)
            return
        app.push_screen(ThemeScreen(choices, at=app.chosen_theme), app.take_theme)

    def palette(self) -> None:
        """Everything by name."""
        from dysnomia_tui.app.screens.palette import PaletteScreen

        self._app.actions.open_list(PaletteScreen)

    def browse(self, key: ComponentKey, number: int, section: Section | None = None) -> None:
        """Look into a generation: its sections, and the rows or lines of one."""
        from dysnomia_tui.app.screens.browse import BrowseScreen

        self._open(BrowseScreen(key, number, section))

    def diff(self, key: ComponentKey, old: Side, new: Side, at: HistoryLine | None = None) -> None:
        """Compare two generations, or one with what is live; the cursor on the row of ``at``."""
        from dysnomia_tui.app.screens.diff import DiffScreen

        self._open(DiffScreen(key, old, new, at))

    def history(self, key: ComponentKey, asked: HistoryAsked, title: str) -> None:
        """What became of a row, a line or a section."""
        from dysnomia_tui.app.screens.history import HistoryScreen

        self._open(HistoryScreen(key, asked, title))

    def restore(self, key: ComponentKey, number: int) -> None:
        """Choose a target, see the plan, follow the job, see how it ended."""
        from dysnomia_tui.app.screens.restore import RestoreScreen

        self._open(RestoreScreen(key, number))

    def whole(self, name: str, when: datetime | None = None) -> None:
        """Where every component of a group or container stood at a time (now, if none is given)."""
        from dysnomia_tui.app.screens.group import GroupScreen

        self._open(GroupScreen(name, self._app.clock(), now=True) if when is None else GroupScreen(name, when))

    def gc(
        self,
        keys: Collection[ComponentKey],
        drop: Collection[tuple[ComponentKey, int]] = (),
        *,
        planned: bool = False,
    ) -> None:
        """Review a collection; ``drop`` are the generations marked for it. ``planned``: the one that waits."""
        from dysnomia_tui.app.screens.gc import GcScreen

        self._open(GcScreen(tuple(keys), tuple(drop), planned=planned))

    def store(self) -> None:
        """Where the space is."""
        from dysnomia_tui.app.screens.store import StoreScreen

        self._open(StoreScreen())

    def deploy(self) -> None:
        """What a deployment would do."""
        from dysnomia_tui.app.screens.deploy import DeployScreen

        self._open(DeployScreen())

    def hosts(self, only: Sequence[str] = ()) -> None:
        """Other machines with this program; of these, if any are given, those with one of the names or labels."""
        from dysnomia_tui.app.screens.hosts import HostsScreen
        from dysnomia_tui.engine import HostDesk

        if not any(isinstance(screen, HostsScreen) for screen in self._app.screen_stack):
            self._open(HostsScreen(HostDesk(self._app.settings, os.environ, only)))

    def jobs(self, job_id: str = "") -> None:
        """All jobs, the cursor on ``job_id``."""
        from dysnomia_tui.app.screens.jobs import JobsScreen

        self._open(JobsScreen(job_id))
