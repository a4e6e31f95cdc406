"""Pane 1: the tree of containers and components, and what is on this machine and not adopted."""

from __future__ import annotations

from rich.text import Text

from dysnomia_store.names import ComponentKey
from dysnomia_tui.app.present import components, welcome
from dysnomia_tui.app.present.components import TreeRow
from dysnomia_tui.app.present.text import escaped
from dysnomia_tui.app.present.times import Times
from dysnomia_tui.app.state import AppState
from dysnomia_tui.app.widgets.virtual_table import VirtualTable
from dysnomia_tui.engine.records import ComponentView, Found


class ComponentsPane(VirtualTable[TreeRow]):
    """Rows of the tree; containers fold."""

    def __init__(self) -> None:
        super().__init__(
            key=lambda row: row.key,
            words=components.words,
            head=False,
            markable=True,
            widget_id="tree",
            empty="reading the store…",
        )
        self._folded: set[str] = set()

    def fill(self, state: AppState) -> None:
        """Show what the state has, the cursor at first on the first component."""
        rows = components.tree(state, self._folded)
        first = self.item is None
        to = (
            next((row.key for row in rows if row.is_component or row.found is not None or row.application), None)
            if first
            else None
        )
        self.set_empty(Text(welcome.waiting(state), style="dim"))
        if rows != list(self.items):
            self.set_items(rows, to=to)
        self.border_title = "1 Components"

    def show_filter(self) -> None:
        """Write under the tree what it is filtered by: a component that is hidden may need someone."""
        self.border_subtitle = escaped(f"filter: {self.filter_text}") if self.filter_text else ""

    @property
    def meant(self) -> tuple[tuple[ComponentView, ...], tuple[Found, ...]]:
        """The components that are marked, and what was found and is."""
        return components.meant(self.items, self.marks) if self.marks else ((), ())

    def fold(self, row: TreeRow, state: AppState) -> None:
        """Fold a container, or unfold it."""
        self._folded ^= {str(row.key)}
        self.fill(state)

    def find(self, key: ComponentKey, state: AppState) -> bool:
        """Put the cursor on a component, whatever is folded or filtered; False where it is not in the tree."""
        self._folded.discard(key.container)
        self.set_filter("")
        self.fill(state)
        return self.go_to(key)

    def find_group(self, name: str, state: AppState) -> bool:
        """Put the cursor on a group; False where it is not in the tree."""
        self.set_filter("")
        self.fill(state)
        return self.go_to(components.group_key(name))

    def lay_out(self, times: Times) -> None:
        """Lay the columns out for the pane's width."""
        self.set_columns_by_width(lambda cells: components.columns(cells, times))
