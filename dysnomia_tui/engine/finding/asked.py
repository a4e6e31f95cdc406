"""What is looked for: a text in rows, and one row through the generations. JSON on its way to another process."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dysnomia_store.model import Section

Cells = tuple[str | None, ...]
BETWEEN = " | "
"""Between the cells of a row that is given as one text, as ``--diff --rows`` prints them."""
NULL = "NULL"


@dataclass(frozen=True, slots=True)
class HistoryAsked:
    """One row, line or section of a component, to be followed through its generations."""

    text: str
    """The name of a section; or a key, its cells separated by commas; or a whole line."""
    section: str = ""
    """``KIND:NAME`` or the name alone; ``""`` for every section whose rows have keys."""
    row: Cells | None = None
    """The cells instead of the text: those of the key where the section has one, else all of them."""

    def to_json(self) -> Mapping[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> HistoryAsked:
        row = data["row"]
        return cls(data["text"], data["section"], None if row is None else tuple(row))

    def key_in(self, section: Section) -> tuple[str, ...] | None:
        """The cells of the key that is meant, in the order of ``section.key``; None where it is not one of these.
        ``sku=lamp,shelf=1`` says their names as well."""
        if self.row is not None:
            cells = [cell for cell in self.row if cell is not None]
            return tuple(cells) if len(cells) == len(section.key) == len(self.row) else None
        typed = key_typed(section, self.text)
        if typed is None:
            return None
        named = [cell.partition("=") for cell in typed]
        if all(before == name and is_there for (before, is_there, _), name in zip(named, section.key, strict=True)):
            return tuple(value for _, _, value in named)
        return typed

    def is_line(self, cells: Sequence[str | None]) -> bool:
        """Whether this is the row of a section without a key."""
        return tuple(cells) == self.row if self.row is not None else as_text(cells) == self.text


def key_typed(section: Section, text: str) -> tuple[str, ...] | None:
    """The cells of a key as they are typed; None where the section's key has fewer or more."""
    cells = [text] if len(section.key) == 1 else _separated(text)
    return tuple(cells) if len(cells) == len(section.key) else None


def _separated(text: str) -> list[str]:
    """Cells separated by commas, in quotation marks where they hold one; a text that is not written so (with a line
    break outside of them, say) is cut at each comma."""
    if '"' not in text:  # a line break at its end, which would be taken for the end of the record, is of the last cell
        return text.split(",")
    try:
        return next(csv.reader([text]), [])
    except csv.Error:
        return text.split(",")


@dataclass(frozen=True, slots=True)
class FindAsked:
    """A text in the rows and lines of one generation."""

    number: int
    text: str
    """``TEXT``, ``COLUMN=VALUE``, either with a leading ``!`` for the rows that do not have it."""
    section: str = ""

    def to_json(self) -> Mapping[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> FindAsked:
        return cls(data["number"], data["text"], data["section"])


class Wanted:
    """Which rows of one section a text asks for. Upper and lower case are the same, as in every list."""

    def __init__(self, text: str, columns: Sequence[str]) -> None:
        self._inverse = text.startswith("!")
        text = text.removeprefix("!")
        names = [name.casefold() for name in columns]
        name, equals, value = text.partition("=")
        self._at = names.index(name.casefold()) if equals and name.casefold() in names else None
        self._text = (value if self._at is not None else text).casefold()

    def __call__(self, cells: Sequence[str | None]) -> bool:
        if self._at is None:
            matches = any(cell is not None and self._text in cell.casefold() for cell in cells)
        else:
            cell = cells[self._at] if self._at < len(cells) else None
            matches = (NULL if cell is None else cell).casefold() == self._text
        return matches != self._inverse

    def in_name(self, name: str) -> bool:
        """Whether a text, with neither a column nor a ``!``, is in a section's name, or in its remark."""
        return self._at is None and not self._inverse and self._text in name.casefold()


def as_text(cells: Sequence[str | None]) -> str:
    """A row as one line."""
    return BETWEEN.join(NULL if cell is None else cell for cell in cells)
