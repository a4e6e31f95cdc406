"""What differs between two states, and what was found in one: frozen records of sections and rows."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import TYPE_CHECKING

from dysnomia_base.records import dataclass

if TYPE_CHECKING:
    from dysnomia_store.model import Section


class Change(enum.StrEnum):
    ADDED = "+"
    REMOVED = "-"
    CHANGED = "~"
    SAME = "="


@dataclass(frozen=True, slots=True)
class SectionChange:
    """One section in a diff, old -> new."""

    change: Change
    old: Section | None
    new: Section | None
    added: int | None = None
    """Rows (or lines), once they were compared; None until then."""
    removed: int | None = None
    changed: int | None = None
    remark: str = ""
    """What tells a person which section it is, besides its name; ``""`` where nothing does, or it is not known yet."""

    @property
    def section(self) -> Section:
        section = self.new or self.old
        assert section is not None
        return section


@dataclass(frozen=True, slots=True)
class RowChange:
    """One row in a diff: ``old`` and ``new`` cells, and which of them changed."""

    change: Change
    old: tuple[str | None, ...] | None
    new: tuple[str | None, ...] | None
    cells: frozenset[int] = frozenset()
    """Indexes of changed cells of a CHANGED row."""
    line: int | None = None
    """For TEXT sections: the line's number (new, else old)."""


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One change in the history of a row, a line or a section: what a generation made of it."""

    kind: str
    """Of the section it is in (or that it is)."""
    name: str
    generation: int
    """The first one in which it is as it was then."""
    as_of: datetime
    before: int | None
    """The generation before it, or the next older one that can be read; None: nothing older is there."""
    before_as_of: datetime | None
    columns: tuple[str, ...]
    """Of the cells; empty for a line."""
    row: RowChange
    whole: bool = False
    """Whether it is the section itself: its cells are how large it is, and its digest."""


@dataclass(frozen=True, slots=True)
class FoundRow:
    """A row or a line that was looked for."""

    kind: str
    """Of its section."""
    name: str
    columns: tuple[str, ...]
    number: int
    """Its place in the section, from 1; 0 for a section that was found by its name, or by what tells which it is."""
    cells: tuple[str | None, ...]
    """Of a section what tells a person which it is (of a message its subject), where something does."""
