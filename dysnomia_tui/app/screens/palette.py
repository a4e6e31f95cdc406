"""Everything by name: ``:`` lists actions, components and screens; ``?`` lists the keys that work here.

Both are read from the registry; what cannot be done here is listed too, with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from dysnomia_tui.app.actions.registry import in_scope, key_name, keys_of
from dysnomia_tui.app.present import styles
from dysnomia_tui.app.present.columns import Column
from dysnomia_tui.app.present.text import plain
from dysnomia_tui.app.selection import Selection
from dysnomia_tui.app.services import Services, services_of
from dysnomia_tui.app.widgets.virtual_table import VirtualTable


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: an action, or a component to jump to."""

    id: str
    """An action's id, ``component:<container>/<component>`` or ``group:<name>``."""
    title: str
    help: str
    keys: str = ""
    where: str = ""
    why_not: str = ""

    @property
    def is_head(self) -> bool:
        """Whether it is the line above a group."""
        return not self.id

    def rank(self, typed: str) -> int | None:
        """How well it fits what was typed, 0 the best: by name before description; None where it does not."""
        title, rest = self.title.casefold(), f"{self.keys} {self.id} {self.where}".casefold()
        at = [
            title.startswith(typed),
            any(word.startswith(typed) for word in title.split()),
            typed in title,
            typed in rest,
            typed in self.help.casefold(),
        ]
        best = next((rank for rank, fits in enumerate(at) if fits), None)
        return None if best is None else best + (DISABLED if self.why_not else 0)


DISABLED = 100
"""What cannot be done here comes after all that can."""
GROUPS = {
    "search": "In what a search has found",
    "list": "In lists",
    "everywhere": "Everywhere",
    "component": "Go to",
    "group": "Go to",
}
RECENT, HERE, NOT_NOW = "Recent", "On this screen", "Not possible now"


def grouped(entries: Sequence[Entry], recent: Sequence[str]) -> list[Entry]:
    """Under heads: what was used last, then by where it works; last what cannot be done now, with the reason."""
    groups: dict[str, list[Entry]] = {RECENT: []}
    by_id = {entry.id: entry for entry in entries}
    groups[RECENT] = [by_id[one] for one in recent if one in by_id and not by_id[one].why_not]
    for entry in entries:
        kind = entry.id.partition(":")[0]
        name = NOT_NOW if entry.why_not else GROUPS.get(kind) or GROUPS.get(entry.where, HERE)
        if entry not in groups[RECENT]:
            groups.setdefault(name, []).append(entry)
    order = [RECENT, HERE, *dict.fromkeys(GROUPS.values()), NOT_NOW]
    shown: list[Entry] = []
    for name in sorted(groups, key=order.index):
        if groups[name]:
            shown += [Entry("", name, ""), *groups[name]]
    return shown


def ranked(entries: Sequence[Entry], typed: str) -> list[Entry]:
    """Those that fit what was typed, the best first."""
    fits = [(rank, at, entry) for at, entry in enumerate(entries) if (rank := entry.rank(typed.casefold())) is not None]
    return [entry for _, _, entry in sorted(fits, key=lambda one: one[:2])]


class EntryTable(VirtualTable[Entry]):
    """Entries under the heads of their groups."""

    def line_of(self, item: Entry) -> Text | None:
        return plain(item.title, "bold underline") if item.is_head else None


def _title(entry: Entry) -> Text:
    return plain(entry.title, styles.DIM if entry.why_not else styles.STRONG)


def _help(entry: Entry) -> Text:
    if entry.why_not:
        return plain(f"not here: {entry.why_not}", styles.WARN)
    return plain(entry.help)


class ActionList(ModalScreen["str | None"]):
    """A list that is filtered by typing. Dismissed with the chosen entry's id, or None."""

    NAME: ClassVar[str] = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Close", show=False),
        Binding("down,ctrl+n", "move('down')", "Down", show=False),
        Binding("up,ctrl+p", "move('up')", "Up", show=False),
        Binding("pagedown,ctrl+d", "move('page_down')", "Page down", show=False, priority=True),
        Binding("pageup,ctrl+u", "move('page_up')", "Page up", show=False, priority=True),
    ]
    DEFAULT_CSS = """
    ActionList { align: center top; }
    ActionList > Vertical {
        width: 90; max-width: 100%; height: 1fr; max-height: 40; margin: 1 1;
        border: round $primary; padding: 0 1; background: $surface;
    }
    ActionList Input { height: 1; border: none; padding: 0 1; background: $panel; }
    ActionList Input:focus { border: none; }
    ActionList VirtualTable { height: 1fr; margin-top: 1; }
    ActionList VirtualTable:nocolor > .virtual-table--cursor-blurred { text-style: reverse bold; }
    ActionList VirtualTable:ansi > .virtual-table--cursor-blurred { text-style: reverse bold; }
    ActionList #about { height: 2; margin-top: 1; color: $text-muted; }
    """

    def __init__(self, here: Selection, scopes: tuple[str, ...]) -> None:
        super().__init__()
        self._here = here
        self._scopes = scopes
        self._entries: list[Entry] = []

    @property
    def services(self) -> Services:
        """What the app does for it."""
        return services_of(self)

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = self.NAME
            yield Input(placeholder="type to filter; ↑ ↓ choose, Enter runs, Esc closes", id="line")
            yield EntryTable(
                key=lambda entry: entry.id or f"head {entry.title}",
                selectable=lambda entry: not entry.is_head,
                head=False,
                empty="nothing has that name",
                widget_id="entries",
            )
            yield Static(id="about")

    def on_mount(self) -> None:
        self._table.can_focus = False
        self._table.set_columns(self._columns())
        self._entries = self.entries()
        self._list("")

    @property
    def _table(self) -> VirtualTable[Entry]:
        return self.query_one("#entries", VirtualTable)

    def _list(self, typed: str) -> None:
        table, recent = self._table, self.services.actions.recent
        table.set_items(ranked(self._entries, typed) if typed else grouped(self._entries, recent))
        table.act_top()

    def _columns(self) -> tuple[Column[Entry], ...]:
        return (
            Column("keys", "", 9, lambda entry: plain(entry.keys, styles.KEY), gap=0),
            Column("title", "", 20, _title),
            Column("help", "", 20, _help, flex=1),
        )

    def entries(self) -> list[Entry]:
        """What is listed."""
        raise NotImplementedError

    def actions(self, *scopes: str) -> list[Entry]:
        """Entries of the actions of these scopes."""
        remapped = self.services.settings.keys
        return [
            Entry(
                action.id,
                action.title,
                action.help,
                " ".join(key_name(key) for key in keys_of(action, remapped)),
                action.scope,
                action.why_not(self._here),
            )
            for action in in_scope(*scopes)
        ]

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        self._list(event.value.strip())

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        if event.value.strip() in ("q", "q!", "quit"):
            self.dismiss("quit")
        elif self._table.item is not None and not self._table.item.is_head:
            self.dismiss(self._table.item.id)

    @on(VirtualTable.Highlighted)
    def _highlighted(self, event: VirtualTable.Highlighted) -> None:
        about = self.query_one("#about", Static)
        entry: Entry | None = event.item
        text = _help(entry) if entry is not None else Text("")
        text.no_wrap = False
        about.update(text)

    @on(VirtualTable.Chosen)
    def _chosen(self, event: VirtualTable.Chosen) -> None:
        self.dismiss(event.item.id)

    def action_leave(self) -> None:
        self.dismiss(None)

    def action_move(self, how: str) -> None:
        getattr(self._table, f"act_{how}")()


class HelpScreen(ActionList):
    """All keys that work on the screen behind."""

    NAME = "Keys that work here"

    def entries(self) -> list[Entry]:
        return self.actions(*self._scopes)


class PaletteScreen(ActionList):
    """Every action that works here and every component, by name."""

    NAME = "Commands"

    def entries(self) -> list[Entry]:
        jumps = [
            Entry(f"component:{view.key}", f"go to {view.key.component}", str(view.key), where=view.type)
            for view in self.services.state.components()
        ]
        jumps += [
            Entry(f"group:{group.name}", f"go to {group.name}", ", ".join(map(str, group.keys)), where="group")
            for group in self.services.state.groups()
        ]
        scopes = [scope for scope in self._scopes if scope != "list"]
        return [*self.actions(*scopes), *jumps]
