"""Columns of a table: what a cell of an item looks like, how they share the width there is, and the lines they make."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from rich.text import Text

from dysnomia_tui.app.present.text import fit

T = TypeVar("T")
MARK = "*"


@dataclass(frozen=True, slots=True)
class Order:
    """Sorted by which column; ``""`` leaves the order that was given."""

    column: str = ""
    reverse: bool = False


@dataclass(frozen=True)
class Column(Generic[T]):
    """One column."""

    id: str
    title: str
    """Of its head, and in the list of what can be sorted by."""
    width: int
    """Cells; the least where ``flex`` is set."""
    cell: Callable[[T], Text]
    sort: Callable[[T], Any] | None = None
    """What to sort by; None where it makes no sense."""
    align: str = "left"
    flex: int = 0
    """Its share of the width that is left over."""
    gap: int = 1
    """Blanks before it."""
    descending: bool = False
    """Whether the first sort by it starts with the largest."""
    is_mark: bool = False
    """Whether ``*`` stands here for a marked item."""

    @property
    def order(self) -> Order:
        """By this column, as it is sorted at first."""
        return Order(self.id, self.descending)


def lay_out(columns: Sequence[Column[Any]], cells: int) -> tuple[int, ...]:
    """The width of each column in a table of ``cells`` cells; more than that together where there is no room."""
    spare = cells - sum(column.gap + column.width for column in columns)
    shares = sum(column.flex for column in columns)
    widths = [column.width for column in columns]
    if spare <= 0 or not shares:
        return tuple(widths)
    left = spare
    flexible = [index for index, column in enumerate(columns) if column.flex]
    for index in flexible:
        part = spare * columns[index].flex // shares
        widths[index] += part
        left -= part
    widths[flexible[0]] += left
    return tuple(widths)


@dataclass(frozen=True)
class Layout(Generic[T]):
    """Columns of a certain width each, and the lines they make."""

    columns: tuple[Column[T], ...] = ()
    widths: tuple[int, ...] = ()

    @classmethod
    def of(cls, columns: tuple[Column[T], ...], cells: int) -> Layout[T]:
        """In a table of ``cells`` cells."""
        return cls(columns, lay_out(columns, cells))

    @property
    def width(self) -> int:
        """Cells of a whole line."""
        return sum(column.gap + width for column, width in zip(self.columns, self.widths, strict=True))

    def titles(self, order: Order) -> Text:
        """The head of a table in this order."""
        line = Text(no_wrap=True, end="")
        for column, width in zip(self.columns, self.widths, strict=True):
            title = Text(column.title)
            if column.id == order.column and column.sort is not None:
                # The arrow is always seen: a title that fills its column gives way to it.
                title.truncate(max(width - 1, 0))
                title.append(arrow(order))
            line.append(" " * column.gap)
            line.append_text(fit(title, width, column.align))
        return line

    def cells(self, item: T, marked: bool) -> Text:
        """The line of an item."""
        line = Text(no_wrap=True, end="")
        for column, width in zip(self.columns, self.widths, strict=True):
            line.append(" " * column.gap)
            cell = column.cell(item)
            if column.is_mark and marked:
                cell = Text(MARK, style="bold magenta")
            line.append_text(fit(cell, width, column.align))
        return line

    def at(self, x: int) -> Column[T] | None:
        """The column at cell ``x`` of a line, with the gap before it; None behind the last."""
        end = 0
        for column, width in zip(self.columns, self.widths, strict=True):
            end += column.gap + width
            if x < end:
                return column
        return None


def arrow(order: Order) -> str:
    """Which way a column is sorted."""
    return "▼" if order.reverse else "▲"


def order_by(column: Column[Any], order: Order) -> Order:
    """By this column; the other way round where the list is sorted by it already."""
    return Order(column.id, not order.reverse) if column.id == order.column else column.order
