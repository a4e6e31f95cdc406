"""What stands against putting rows back beside what else a server has: keys in use, references that lead nowhere.

Asked before (of what is live, with the wanted rows laid over it in thought) and again within the transaction, under its
locks. Rows that a conflict keeps out are taken out of what is laid over, so what else is found follows from that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from dysnomia_plugins.base import PutRow

Cells = Mapping[str, bytes]
"""The fields of a row by the names of its columns."""
Fields = tuple[bytes, ...]
Name = tuple[str, Fields]
"""A row of live: its table, as SQL has it, and the fields of its key."""
Asked = Sequence[tuple[int, Cells]]
"""Rows that are asked for, by their places, with the fields that they have, or would have."""


class Reference(Protocol):
    """A foreign key, seen from the table at one end."""

    @property
    def columns(self) -> tuple[str, ...]: ...
    @property
    def other(self) -> str:
        """The other table, as SQL has it."""

    @property
    def theirs(self) -> tuple[str, ...]: ...


class Table(Protocol):
    """A table of live."""

    @property
    def name(self) -> str:
        """As SQL has it."""

    @property
    def ancestors(self) -> tuple[str, ...]:
        """The partitioned tables that it is a part of, where those have names of their own."""

    @property
    def key_columns(self) -> tuple[str, ...]: ...
    @property
    def unique_columns(self) -> tuple[tuple[str, ...], ...]:
        """Of its unique keys but the primary one, by their places."""

    @property
    def references(self) -> tuple[Sequence[Reference], Sequence[Reference]]:
        """To what its rows refer, and what refers to them."""


class Live(Protocol):
    """What is asked of a server. Each answer: the place of a row, and the key of a row of live that was found for it.
    Raises PluginError."""

    @property
    def null(self) -> bytes:
        """The field of a NULL."""

    def with_values(self, table: Any, unique: int, asked: Asked) -> Iterator[tuple[int, Fields]]:
        """Rows of the table that have the same values in a unique key."""

    def parents(self, table: Any, reference: Any, asked: Asked) -> Iterator[tuple[int, Fields]]:
        """Rows to which these refer, or would."""

    def children(self, table: Any, reference: Any, asked: Asked, most: int) -> Iterator[tuple[int, Fields]]:
        """Rows that refer to these, at most so many for each; without a key where their table has none."""

    def shown(self, values: Fields) -> str:
        """Fields for a message."""


@dataclass(frozen=True, slots=True)
class Change:
    """One row that is asked for, with what live holds in its place."""

    at: int
    """Its place among all."""
    row: PutRow
    table: Table
    before: Cells | None
    after: Cells | None

    @property
    def words(self) -> str:
        return f"{','.join(self.row.key)} of table {self.row.section.name}"

    def names(self) -> Iterator[Name]:
        """Of the row that live holds: it is found in its own table, and in those whose partition that is."""
        if self.before is not None:
            key = picked(self.before, self.table.key_columns)
            yield from ((table, key) for table in (self.table.name, *self.table.ancestors))


Over = Mapping[int, Change]
Check = Callable[["Laid"], bool]
"""Whether something that was found in live stands against a row, beside those that are laid over."""


@dataclass
class Laid:
    """The rows laid over what is live, as they would be found there."""

    over: Over
    _names: dict[Name, Change] = field(init=False)
    _values: dict[tuple[str, tuple[str, ...]], set[Fields]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._names = {name: one for one in self.over.values() for name in one.names()}

    def change(self, name: Name) -> Change | None:
        """What becomes of a row of live."""
        return self._names.get(name)

    def holds(self, table: str, columns: tuple[str, ...], values: Fields) -> bool:
        """Whether one of them will have these values."""
        if (table, columns) not in self._values:
            rows = (one.after for one in self.over.values() if table in (one.table.name, *one.table.ancestors))
            self._values[table, columns] = {picked(row, columns) for row in rows if row is not None}
        return values in self._values[table, columns]


def conflicts(live: Live, changes: Over) -> dict[int, str]:
    """By the place of a row: why it cannot be put back, with those that can.

    What only the transaction can tell is left to it: unique keys of expressions or of some rows, exclusions, checks.
    """
    reasons: dict[int, list[tuple[str, Check]]] = defaultdict(list)
    for at, text, stands in _Finder(live, changes).found():
        reasons[at].append((text, stands))
    conflicts: dict[int, str] = {}
    while True:
        laid = Laid({at: change for at, change in changes.items() if at not in conflicts})
        more = {
            at: text
            for at in laid.over
            if (text := next((text for text, stands in reasons.get(at, ()) if stands(laid)), ""))
        }
        if not more:
            return conflicts
        conflicts |= more


def referred(live: Live, changes: Sequence[Change]) -> set[int]:
    """The places of those to whose rows in live others refer."""
    referred: set[int] = set()
    for table, some in by_table({one.at: one for one in changes}):
        for reference in table.references[1]:
            asked = _with_values(some, reference.columns, _before, live.null)
            referred |= {at for at, _ in live.children(table, reference, asked, 1)}
    return referred


def by_table(changes: Over) -> Iterator[tuple[Table, list[Change]]]:
    tables: dict[str, list[Change]] = defaultdict(list)
    for change in changes.values():
        tables[change.row.section.name].append(change)
    for some in tables.values():
        yield some[0].table, some


@dataclass
class _Finder:
    """Asks live once for whatever may stand against the rows of each table."""

    live: Live
    changes: Over

    def found(self) -> Iterator[tuple[int, str, Check]]:
        for table, changes in by_table(self.changes):
            for place, columns in enumerate(table.unique_columns):
                if columns != table.key_columns:
                    yield from self._taken(table, place, columns, changes)
            parents, children = table.references
            for reference in parents:
                yield from self._without_parent(table, reference, changes)
            for reference in children:
                yield from self._with_children(table, reference, changes)

    def _taken(
        self, table: Table, place: int, columns: tuple[str, ...], changes: Sequence[Change]
    ) -> Iterator[tuple[int, str, Check]]:
        """Unique values that are another row's by now."""
        asked = _with_values(changes, columns, _after, self.live.null)
        for at, key in self.live.with_values(table, place, asked):
            name, change = (table.name, key), self.changes[at]
            if name not in change.names():
                text = f"{' and '.join(columns)} of {change.words} is in use by the row {self.live.shown(key)}"
                yield at, text, partial(_not_laid, name)

    def _without_parent(
        self, table: Table, reference: Reference, changes: Sequence[Change]
    ) -> Iterator[tuple[int, str, Check]]:
        """References to what is not there. A row that had this one before may have it still."""
        columns = reference.columns
        asked = _with_values([one for one in changes if _differ(one, columns)], columns, _after, self.live.null)
        parents = dict(self.live.parents(table, reference, asked))
        for at, cells in asked:
            values = picked(cells, columns)
            shown = self.live.shown(values)
            text = f"{self.changes[at].words} refers to {shown} of {reference.other}, which is not there"
            yield at, text, partial(_no_parent, reference, values, parents.get(at))

    def _with_children(
        self, table: Table, reference: Reference, changes: Sequence[Change]
    ) -> Iterator[tuple[int, str, Check]]:
        """Rows that refer to what a row holds now, and would not any more."""
        columns = reference.columns
        asked = _with_values([one for one in changes if _differ(one, columns)], columns, _before, self.live.null)
        most = 1 + sum(reference.other in (one.table.name, *one.table.ancestors) for one in self.changes.values())
        for at, key in self.live.children(table, reference, asked, most):
            one = self.changes[at]
            who = f"the row {self.live.shown(key)}" if key else "a row"
            text = f"{who} of table {reference.other} refers to {one.words}"
            values = picked(one.before or {}, columns)
            yield at, text, partial(_child_stays, (reference.other, key), reference, one.table.name, values)


# What stands, beside the rows that are laid over.


def _not_laid(name: Name, laid: Laid) -> bool:
    """What is laid over goes away, or gets values that were beside each other in the snapshot."""
    return laid.change(name) is None


def _no_parent(reference: Reference, values: Fields, parent: Fields | None, laid: Laid) -> bool:
    if laid.holds(reference.other, reference.theirs, values):
        return False
    return parent is None or laid.change((reference.other, parent)) is not None


def _child_stays(name: Name, reference: Reference, table: str, values: Fields, laid: Laid) -> bool:
    change = laid.change(name)
    stays = change is None or (change.after is not None and picked(change.after, reference.theirs) == values)
    return stays and not laid.holds(table, reference.columns, values)


def picked(cells: Cells, columns: Sequence[str]) -> Fields:
    return tuple(cells[name] for name in columns)


def _before(change: Change) -> Cells | None:
    return change.before


def _after(change: Change) -> Cells | None:
    return change.after


def _with_values(
    changes: Sequence[Change], columns: Sequence[str], side: Callable[[Change], Cells | None], null: bytes
) -> list[tuple[int, Cells]]:
    """The places and rows of those that have all of the columns. One that has a NULL refers to nothing, and is equal
    to nothing."""
    rows = ((one.at, side(one)) for one in changes)
    return [(at, cells) for at, cells in rows if cells is not None and null not in picked(cells, columns)]


def _differ(change: Change, columns: Sequence[str]) -> bool:
    """Whether the columns become others, or there is no row before or after."""
    before, after = change.before, change.after
    return before is None or after is None or picked(before, columns) != picked(after, columns)
