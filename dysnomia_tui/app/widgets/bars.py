"""The lines around every screen: head, alarms, job strip, path bar, footer. Each draws what its presenter says."""

from __future__ import annotations

from rich.text import Text
from textual import events
from textual.reactive import reactive
from textual.widget import Widget

from dysnomia_tui.app.actions.model import Action
from dysnomia_tui.app.actions.reasons import is_waiting
from dysnomia_tui.app.actions.registry import in_scope, key_name, keys_of
from dysnomia_tui.app.messages import Said
from dysnomia_tui.app.present import header, jobs, said, styles
from dysnomia_tui.app.present.text import plain
from dysnomia_tui.app.selection import Selection
from dysnomia_tui.app.widgets.host import ActionHost
from dysnomia_tui.app.widgets.virtual_table import VirtualTable


class Bar(ActionHost, Widget):
    """One line across the screen."""

    DEFAULT_CSS = "Bar { height: 1; width: 100%; }"


class HeadBar(Bar):
    """Host, who, store, space; the clock."""

    DEFAULT_CSS = "HeadBar { background: $panel; }"

    def render(self) -> Text:
        app = self.services
        return header.head(app.state, app.times, self.size.width)


class AlarmBar(Bar):
    """What needs a person. A click goes to the next."""

    def render(self) -> Text:
        return header.alarms(self.services.state, self.services.key_of("alarm"), self.size.width)

    def on_click(self) -> None:
        self.services.actions.perform_id("alarm")


class JobStrip(Bar):
    """What runs. A click opens the jobs."""

    def render(self) -> Text:
        app = self.services
        return jobs.strip(app.state, app.times, app.key_of("jobs"), self.size.width)

    def on_click(self) -> None:
        self.services.actions.perform_id("jobs")


class MessageBar(Bar):
    """What was said last, over the job strip and the path; gone by itself. Rows are never covered."""

    DEFAULT_CSS = """
    MessageBar { layer: cover; dock: bottom; display: none; height: auto; max-height: 2; margin-bottom: 1;
        background: $panel; }
    """

    def say(self) -> None:
        """Show what there is to be said on this screen."""
        self.display = bool(self._messages())
        self.refresh(layout=True)

    def _messages(self) -> tuple[Said, ...]:
        return self.services.messages.front(id(self.screen))

    def render(self) -> Text:
        return said.bar(self._messages(), self.services.key_of("messages"), self.app.size.width)


class PathBar(Bar):
    """The marks and what they would free; the path of the selection."""

    path = reactive("", init=False)
    marks: reactive[Text] = reactive(Text, init=False)

    def render(self) -> Text:
        return header.marks_and_path(self.marks, self.path, self.size.width)


class FooterBar(Bar):
    """The keys that matter most of those that work here now, as many as fit; each can be clicked."""

    DEFAULT_CSS = "FooterBar { background: $panel; }"
    LAST = ("help", "quit")
    """Always shown: whoever is lost finds these two."""

    def __init__(self, *scopes: str, widget_id: str | None = None) -> None:
        super().__init__(id=widget_id)
        self._scopes = scopes
        self._spans: list[tuple[int, int, str]] = []

    def _entries(self) -> list[Action]:
        here = self.services.here()
        table = self.screen.focused
        marks = isinstance(table, VirtualTable) and table.markable
        shown = [
            action
            for action in in_scope(*self._scopes)
            if action.footer and action.keys and (marks or action.id != "mark") and _works(action, here)
        ]
        last = [action for action in shown if action.id in self.LAST]
        return [action for action in shown if action.id not in self.LAST] + last

    def render(self) -> Text:
        app = self.services
        entries = self._entries()
        keys = {a.id: key_name(keys_of(a, app.settings.keys)[0]) for a in entries if keys_of(a, app.settings.keys)}
        entries = [action for action in entries if action.id in keys]
        while len(entries) > 2 and sum(_cells(keys[a.id], a) for a in entries) > self.size.width:
            del entries[-3]
        line = Text(no_wrap=True, end="")
        self._spans = []
        for action in entries:
            start = line.cell_len
            line.append(" ")
            line.append_text(plain(keys[action.id], styles.KEY))
            line.append(" ")
            line.append_text(plain(action.footer))
            self._spans.append((start, line.cell_len, action.id))
        return line

    def on_click(self, event: events.Click) -> None:
        for start, end, action_id in self._spans:
            if start <= event.x < end:
                self.services.actions.perform_id(action_id)


def _works(action: Action, here: Selection) -> bool:
    """Whether it can be done now, or as soon as something has been read."""
    reason = action.why_not(here)
    return not reason or is_waiting(reason)


def _cells(key: str, action: Action) -> int:
    return len(key) + len(action.footer) + 2
