"""Columns of a table: what a cell of an item looks like, and how the columns share the width there is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from rich.text import Text

T = TypeVar("T")


@dataclass(frozen=True)
class Column(Generic[T]):
    """One column."""

    id: str
    title: str
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
