"""What stands against putting rows back beside what else is live: keys in use, references that would lead nowhere.

Asked before (of what is live, with the wanted rows laid over it in thought) and again within the transaction, under its
locks. Rows that a conflict keeps out are taken out of what is laid over, so what else is found follows from that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from dysnomia_plugins.base import PutRow
from dysnomia_plugins.types.postgresql.live_rows import AT, NULL, LiveRows, Wanted
from dysnomia_plugins.types.postgresql.live_tables import Part, Reference, Table
from dysnomia_plugins.types.postgresql.names import identifier
from dysnomia_plugins.types.postgresql.rows import unescaped
from dysnomia_store.model import Section

Cells = Mapping[str, bytes]
"""The fields of a row by the names of its columns."""
Fields = tuple[bytes, ...]
Name = tuple[str, Fields]
"""A row of live: its table, as SQL has it, and the fields of its key."""


@dataclass(frozen=True, slots=True)
class Change:
    """One row that is asked for, with what live holds in its place."""

    row: PutRow
    wanted: Wanted
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


def conflicts(live: LiveRows, changes: Over) -> dict[int, str]:
    """By the place of a row: why it cannot be put back, with those that can.

    What only the transaction can tell is left to it: unique indexes on expressions or on some rows, exclusions, checks.
    """
    reasons: dict[int, list[tuple[str, Check]]] = defaultdict(list)
    for at, text, stands in _Finder(live, changes).found():
        reasons[at].append((text, stands))
    found: dict[int, str] = {}
    while True:
        laid = Laid({at: change for at, change in changes.items() if at not in found})
        more = {
            at: text
            for at in laid.over
            if (text := next((text for text, stands in reasons.get(at, ()) if stands(laid)), ""))
        }
        if not more:
            return found
        found |= more


def referred(live: LiveRows, changes: Sequence[Change]) -> set[int]:
    """The places of those to whose rows in live others refer."""
    return _Finder(live, {one.wanted.at: one for one in changes}).referred()


@dataclass
class _Finder:
    """Asks live once for whatever may stand against the rows of each table."""

    live: LiveRows
    changes: Over

    def _by_table(self) -> Iterator[tuple[Section, Table, list[Change]]]:
        tables: dict[str, list[Change]] = defaultdict(list)
        for change in self.changes.values():
            tables[change.row.section.name].append(change)
        for changes in tables.values():
            yield changes[0].row.section, changes[0].table, changes

    def referred(self) -> set[int]:
        found: set[int] = set()
        for section, table, changes in self._by_table():
            for reference in table.children:
                asked = _with_values(changes, reference.columns, _before)
                tests = _tests(reference, "w", reference.columns, "t", reference.theirs)
                found |= {at for at, _ in self._asked(section, asked, reference.columns, reference.source, (), tests)}
        return found

    def found(self) -> Iterator[tuple[int, str, Check]]:
        for section, table, changes in self._by_table():
            for parts in table.unique:
                if tuple(part.column for part in parts) != table.key_columns:
                    yield from self._taken(section, table, parts, changes)
            for reference in table.parents:
                yield from self._without_parent(section, reference, changes)
            for reference in table.children:
                yield from self._with_children(section, reference, changes)

    def _taken(
        self, section: Section, table: Table, parts: Sequence[Part], changes: Sequence[Change]
    ) -> Iterator[tuple[int, str, Check]]:
        """Unique values that are another row's by now."""
        columns = tuple(part.column for part in parts)
        asked = _with_values(changes, columns, _after)
        tests = [part.test(f"t.{identifier(part.column)}", f"w.{identifier(part.column)}") for part in parts]
        for at, key in self._asked(section, asked, columns, f"ONLY {table.name}", table.key_columns, tests):
            name, change = (table.name, key), self.changes[at]
            if name not in change.names():
                text = f"{' and '.join(columns)} of {change.words} is in use by the row {self._shown(key)}"
                yield at, text, partial(_not_laid, name)

    def _without_parent(
        self, section: Section, reference: Reference, changes: Sequence[Change]
    ) -> Iterator[tuple[int, str, Check]]:
        """References to what is not there. A row that had this one before may have it still."""
        columns = reference.columns
        asked = _with_values([one for one in changes if _differ(one, columns)], columns, _after)
        tests = _tests(reference, "t", reference.theirs, "w", columns)
        there = dict(self._asked(section, asked, columns, reference.source, reference.key, tests))
        for at, cells in asked:
            values = picked(cells, columns)
            text = f"{self.changes[at].words} refers to {self._shown(values)} of {reference.other}, which is not there"
            yield at, text, partial(_no_parent, reference, values, there.get(at))

    def _with_children(
        self, section: Section, reference: Reference, changes: Sequence[Change]
    ) -> Iterator[tuple[int, str, Check]]:
        """Rows that refer to what a row holds now, and would not any more."""
        columns = reference.columns
        asked = _with_values([one for one in changes if _differ(one, columns)], columns, _before)
        tests = _tests(reference, "w", columns, "t", reference.theirs)
        most = 1 + sum(reference.other in (one.table.name, *one.table.ancestors) for one in self.changes.values())
        for at, key in self._asked(section, asked, columns, reference.source, reference.key, tests, most=most):
            one = self.changes[at]
            who = f"the row {self._shown(key)}" if key else "a row"
            text = f"{who} of table {reference.other} refers to {one.words}"
            values = picked(one.before or {}, columns)
            yield at, text, partial(_child_stays, (reference.other, key), reference, one.table.name, values)

    def _asked(
        self,
        section: Section,
        asked: Sequence[tuple[int, Cells]],
        columns: Sequence[str],
        source: str,
        key: Sequence[str],
        tests: Sequence[str],
        *,
        most: int = 1,
    ) -> Iterator[tuple[int, Fields]]:
        """The place of a row and the key of what was found for it in ``source``, at most so many for each."""
        if not asked:
            return
        rows = [Wanted(at, picked(cells, section.columns)) for at, cells in asked]
        values = self.live.values(section, rows, tuple(dict.fromkeys(columns)))
        listed = ", ".join(f"t.{identifier(name)}" for name in key)
        inner = f"SELECT {listed} FROM {source} t WHERE {' AND '.join(tests)} LIMIT {most:d}"
        outer = ", ".join((f"w.{AT}", *(f"t.{identifier(name)}" for name in key)))
        for fields in self.live.talk.rows(f"SELECT {outer} FROM {values}, LATERAL ({inner}) t"):
            yield int(fields[0]), tuple(fields[1:])

    def _shown(self, values: Fields) -> str:
        codec = self.live.talk.codec
        return ",".join("NULL" if one == NULL else unescaped(one).decode(codec, "backslashreplace") for one in values)


# What stands, beside the rows that are laid over.


def _not_laid(name: Name, laid: Laid) -> bool:
    """What is laid over goes away, or gets values that were beside each other in the snapshot."""
    return laid.change(name) is None


def _no_parent(reference: Reference, values: Fields, there: Fields | None, laid: Laid) -> bool:
    if laid.holds(reference.other, reference.theirs, values):
        return False
    return there is None or laid.change((reference.other, there)) is not None


def _child_stays(name: Name, reference: Reference, table: str, values: Fields, laid: Laid) -> bool:
    change = laid.change(name)
    stays = change is None or (change.after is not None and picked(change.after, reference.theirs) == values)
    return stays and not laid.holds(table, reference.columns, values)


def _tests(reference: Reference, parent: str, keys: Sequence[str], child: str, columns: Sequence[str]) -> list[str]:
    return [
        f"{parent}.{identifier(key)} {equals} {child}.{identifier(column)}"
        for key, equals, column in zip(keys, reference.equals, columns, strict=True)
    ]


def picked(cells: Cells, columns: Sequence[str]) -> Fields:
    return tuple(cells[name] for name in columns)


def _before(change: Change) -> Cells | None:
    return change.before


def _after(change: Change) -> Cells | None:
    return change.after


def _with_values(
    changes: Sequence[Change], columns: Sequence[str], side: Callable[[Change], Cells | None]
) -> list[tuple[int, Cells]]:
    """The places and rows of those that have all of the columns. One that has a NULL refers to nothing, and is equal
    to nothing."""
    rows = ((one.wanted.at, side(one)) for one in changes)
    return [(at, cells) for at, cells in rows if cells is not None and NULL not in picked(cells, columns)]


def _differ(change: Change, columns: Sequence[str]) -> bool:
    """Whether the columns become others, or there is no row before or after."""
    before, after = change.before, change.after
    return before is None or after is None or picked(before, columns) != picked(after, columns)
