"""A pane of prose that scrolls by the keys of a list, without a cursor."""

from __future__ import annotations

from typing import ClassVar

from textual.containers import VerticalScroll
from textual.message import Message

from dysnomia_tui.app.actions.registry import binding
from dysnomia_tui.app.widgets.host import ActionHost, PaneHost

KEYS = ("down", "up", "top", "bottom", "half-down", "half-up", "page-down", "page-up", "left")


class ReadingPane(ActionHost, VerticalScroll, can_focus=True):
    """Whatever is composed into it. Left leaves it."""

    class Left(Message):
        """The pane on the left (or above) is wanted."""

    BINDINGS: ClassVar = [binding(key) for key in KEYS]

    def show(self) -> None:
        """Take the focus; where one pane is shown alone, it is this one."""
        if isinstance(self.screen, PaneHost):
            self.screen.show_pane(self)
        self.screen.set_focus(self)

    def act_down(self) -> None:
        self.scroll_relative(y=1, animate=False)

    def act_up(self) -> None:
        self.scroll_relative(y=-1, animate=False)

    def act_top(self) -> None:
        self.scroll_home(animate=False)

    def act_bottom(self) -> None:
        self.scroll_end(animate=False)

    def act_half_down(self) -> None:
        self.scroll_relative(y=max(self.size.height // 2, 1), animate=False)

    def act_half_up(self) -> None:
        self.scroll_relative(y=-max(self.size.height // 2, 1), animate=False)

    def act_page_down(self) -> None:
        self.scroll_relative(y=self.size.height, animate=False)

    def act_page_up(self) -> None:
        self.scroll_relative(y=-self.size.height, animate=False)

    def act_left(self) -> None:
        self.post_message(self.Left())
