"""What a table tells its screen. Handlers are named for the table: ``on_virtual_table_chosen``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.message import Message

if TYPE_CHECKING:
    from dysnomia_tui.app.widgets.virtual_table import VirtualTable


class TableMessage(Message):
    """Something of a table."""

    def __init__(self, table: VirtualTable[Any]) -> None:
        super().__init__()
        self.table = table

    @property
    def control(self) -> VirtualTable[Any]:
        return self.table


class Highlighted(TableMessage, namespace="virtual_table"):
    """The cursor is on another item (or on none)."""

    def __init__(self, table: VirtualTable[Any], item: Any) -> None:
        super().__init__(table)
        self.item = item


class Chosen(TableMessage, namespace="virtual_table"):
    """Enter, or a click on the line under the cursor."""

    def __init__(self, table: VirtualTable[Any], item: Any) -> None:
        super().__init__(table)
        self.item = item


class MarksChanged(TableMessage, namespace="virtual_table"):
    """The set of marked keys is another."""


class Edge(TableMessage, namespace="virtual_table"):
    """Left or right was pressed where there is nothing more to scroll to: -1 or +1."""

    def __init__(self, table: VirtualTable[Any], direction: int) -> None:
        super().__init__(table)
        self.direction = direction


class FilterAsked(TableMessage, namespace="virtual_table"):
    """``/`` was pressed."""


class SortAsked(TableMessage, namespace="virtual_table"):
    """``S`` was pressed."""
