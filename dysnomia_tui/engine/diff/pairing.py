"""Rows of one side only, made into changes: paired by key where there is one, in the order of the key."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Protocol

from dysnomia_plugins.base import Row, Stored
from dysnomia_store import Excerpt, StoredSnapshot, unshared
from dysnomia_store.model import Form, Section
from dysnomia_tui.engine.diff.spill import sorted_records

RawChange = tuple[bytes | None, bytes | None]
"""A row as it was and as it is, in the plugin's own bytes; None where it was not, or is no longer."""

_ORDER_CHARS = 200
"""How much of a key's text decides the order; the whole of it decides which rows belong together."""

Cells = tuple[str | None, ...]


class Reader(Protocol):
    """What a diff needs of a plugin; what shows a snapshot of no known type has it as well."""

    @property
    def rows_by_line(self) -> bool:
        """Whether every line of a section of rows is a row, but for its beginning and its end."""

    def raw_rows(self, stored: Stored, section: Section) -> Iterator[Sequence[bytes]]: ...

    def parse_row(self, section: Section, raw: bytes) -> Row: ...


@dataclass(frozen=True, slots=True)
class Shape:
    """How the rows of a section on both sides are laid side by side."""

    columns: tuple[str, ...]
    """The new side's columns, then those only the old side had."""
    key: tuple[int, ...]
    """Which of them identify a row; empty where none do."""
    same: bool
    """True where both sides have the same columns, so that equal bytes are equal rows."""

    @classmethod
    def of(cls, old: Section, new: Section) -> Shape:
        columns = new.columns + tuple(name for name in old.columns if name not in new.columns)
        common = set(old.columns) & set(new.columns)
        key = new.key or old.key
        usable = bool(key) and all(name in common for name in key)
        return cls(columns, tuple(columns.index(name) for name in key) if usable else (), old.columns == new.columns)


@dataclass(frozen=True, slots=True)
class Side:
    """The rows of one side."""

    reader: Reader
    stored: Stored
    section: Section
    shape: Shape

    @property
    def size(self) -> int:
        """Bytes that are read."""
        return self.stored.kept if isinstance(self.stored, Excerpt) else self.section.size

    def batches(self) -> Iterator[Sequence[bytes]]:
        """Its rows as bytes that are equal where the rows are: the plugin's own, or, where the columns of the two
        sides differ, their cells laid out alike."""
        batches = self.reader.raw_rows(self.stored, self.section)
        if self.shape.same:
            return batches
        return ([json.dumps(self._laid_out(raw)).encode() for raw in batch] for batch in batches)

    def cells(self, row: bytes) -> Cells:
        """The cells of a row of ``batches``, in the order of the shape's columns."""
        if self.shape.same:
            return self.reader.parse_row(self.section, row).cells
        return tuple(json.loads(row))

    def key(self, row: bytes) -> Cells:
        cells = self.cells(row)
        return tuple(cells[index] if index < len(cells) else None for index in self.shape.key)

    def _laid_out(self, raw: bytes) -> Cells:
        """A column that this side does not have is NULL: so a row changes only where its values do."""
        held = dict(zip(self.section.columns, self.reader.parse_row(self.section, raw).cells, strict=False))
        return tuple(held.get(name) for name in self.shape.columns)


def sides_of(
    old: tuple[Reader, Stored, Section], new: tuple[Reader, Stored, Section], shape: Shape
) -> tuple[Side, Side]:
    """Both sides of a section, without what is stored once for both of them, where that can be left out.

    Raises NotFound, Corrupt."""
    (reader, before, was), (other, after, is_) = old, new
    if (
        shape.same
        and was.form is is_.form is Form.ROWS
        and reader.rows_by_line
        and other.rows_by_line
        and isinstance(before, StoredSnapshot)
        and isinstance(after, StoredSnapshot)
    ):
        kept = unshared(before, was, after, is_)
        if kept is not None:
            return Side(reader, kept[0], was, shape), Side(other, kept[1], is_, shape)
    return Side(reader, before, was, shape), Side(other, after, is_, shape)


def changes(
    old: Side, new: Side, removed: Iterable[bytes], added: Iterable[bytes], folder: Path
) -> Iterator[RawChange]:
    """Every row that differs, once. With a key: a row that both sides have is one change; in order of the key.

    Without one, removed and added rows in the order of their cells, so that alike rows stand near each other.
    """
    before = _sorted(old, removed, folder)
    after = _sorted(new, added, folder)
    if old.shape.key:
        yield from _merged(before, after)
        return
    first, second = next(before, None), next(after, None)
    while first is not None or second is not None:
        if second is None or (first is not None and first[:2] <= second[:2]):
            assert first is not None
            yield first[2], None
            first = next(before, None)
        else:
            yield None, second[2]
            second = next(after, None)


def _merged(before: Iterator[Any], after: Iterator[Any]) -> Iterator[RawChange]:
    first, second = next(before, None), next(after, None)
    while first is not None and second is not None:
        if first[:2] == second[:2]:
            yield first[2], second[2]
            first, second = next(before, None), next(after, None)
        elif first[:2] < second[:2]:
            yield first[2], None
            first = next(before, None)
        else:
            yield None, second[2]
            second = next(after, None)
    while first is not None:
        yield first[2], None
        first = next(before, None)
    while second is not None:
        yield None, second[2]
        second = next(after, None)


def _sorted(side: Side, rows: Iterable[bytes], folder: Path) -> Iterator[Any]:
    """(order, exact, row): ``order`` sorts numbers as numbers, ``exact`` tells keys apart that are cut in it."""
    by = side.key if side.shape.key else side.cells
    records = (_record(by(row), row) for row in rows)
    return sorted_records(records, folder, weight=_weight)


def _record(values: Cells, row: bytes) -> tuple[Any, ...]:
    digest = blake2b(digest_size=16)
    for value in values:
        text = b"" if value is None else value.encode("utf-8", "surrogatepass")
        digest.update(f"{-1 if value is None else len(text)}:".encode() + text)
    return tuple(map(_ordered, values)), digest.digest(), row


def _ordered(value: str | None) -> tuple[int, int, str]:
    """NULL first, then whole numbers by value, then text."""
    if value is None:
        return (0, 0, "")
    if len(value) <= 38 and value.isascii() and value.lstrip("-").isdigit() and value.count("-") <= 1:
        return (1, int(value), "")
    return (2, 0, value[:_ORDER_CHARS])


def _weight(record: Any) -> int:
    return 3 * len(record[2]) + 400


def changed_cells(old: Cells, new: Cells) -> frozenset[int]:
    """Indexes of the cells that differ."""
    longest = max(len(old), len(new))
    return frozenset(
        index for index in range(longest) if index >= len(old) or index >= len(new) or old[index] != new[index]
    )
