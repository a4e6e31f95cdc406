"""What stands against putting rows back beside what else is live: keys in use, references that would lead nowhere.

Asked before (of what is live, with the wanted rows laid over it in thought) and again within the transaction, under its
lock. Rows that a conflict keeps out are taken out of what is laid over, so what else is found follows from that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from dysnomia_plugins.base import PutRow
from dysnomia_plugins.types.sqlite.cells import Value, encode_row, quoted
from dysnomia_plugins.types.sqlite.contents import parse_row
from dysnomia_plugins.types.sqlite.live_rows import LiveRows
from dysnomia_plugins.types.sqlite.reader import Table, text_of
from dysnomia_store.model import Section

Cells = dict[str, Value]
Name = tuple[str, tuple[str | None, ...]]
"""A row: its table in small letters, and the cells of its key."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key."""

    child: Table
    columns: tuple[str, ...]
    """In small letters, as all columns here."""
    parent: str
    to: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Change:
    """One row with its values before and after."""

    name: Name
    table: Table
    before: Cells | None
    after: Cells | None
    words: str


@dataclass
class _Over:
    """The rows that are laid over what is live, in thought."""

    changes: dict[Name, _Change]
    _values: dict[tuple[str, tuple[str, ...]], set[bytes]] = field(default_factory=dict)

    def __contains__(self, name: Name) -> bool:
        return name in self.changes

    def get(self, name: Name) -> _Change | None:
        return self.changes.get(name)

    def holds(self, table: str, columns: tuple[str, ...], values: list[Value]) -> bool:
        """Whether one of them will have these values."""
        known = self._values.get((table, columns))
        if known is None:
            rows = [one.after for one in self.changes.values() if one.after is not None and one.name[0] == table]
            known = self._values[table, columns] = {_alike([row.get(name) for name in columns]) for row in rows}
        return _alike(values) in known


@dataclass
class Conflicts:
    """Finds them for rows and what live holds in their places."""

    live: LiveRows
    sections: dict[str, Section] = field(default_factory=dict)
    _references: list[Reference] = field(default_factory=list)
    _indexes: dict[str, list[tuple[list[str], list[str]]]] = field(default_factory=dict)
    """The unique indexes of each table that was asked for."""

    def __post_init__(self) -> None:
        self._references = list(self._declared())

    def find(self, rows: Sequence[PutRow], now: Sequence[bytes | None]) -> dict[int, str]:
        """By the place of a row in ``rows``: why it cannot be put back, with those that can."""
        self.sections = {row.section.name.lower(): row.section for row in rows}
        changes = {at: self._change(row, raw) for at, (row, raw) in enumerate(zip(rows, now, strict=True))}
        conflicts: dict[int, str] = {}
        while True:
            left = {at: change for at, change in changes.items() if at not in conflicts}
            over = _Over({change.name: change for change in left.values()})
            more = {at: reason for at, change in left.items() if (reason := self._against(change, over))}
            if not more:
                return conflicts
            conflicts |= more

    def _change(self, row: PutRow, raw: bytes | None) -> _Change:
        table = self.live.table(row.section)
        return _Change(
            (table.name.lower(), row.key),
            table,
            None if raw is None else self.live.cells(table, raw),
            None if row.wanted is None else self.live.cells(table, row.wanted),
            f"{','.join(row.key)} of table {table.name}",
        )

    def _against(self, change: _Change, over: _Over) -> str:
        return self._taken(change, over) or self._without_parent(change, over) or self._with_children(change, over)

    # Keys in use.

    def _taken(self, change: _Change, over: _Over) -> str:
        """Whether a unique key of the row is another row's by now."""
        if change.after is None:
            return ""
        if change.name[0] not in self._indexes:
            self._indexes[change.name[0]] = list(self._unique(change.table))
        for columns, collations in self._indexes[change.name[0]]:
            values = [change.after[name] for name in columns]
            if any(value is None for value in values):
                continue
            compared = [f"{quoted(name)} COLLATE {coll}" for name, coll in zip(columns, collations, strict=True)]
            for raw in self.live.where(change.table, compared, values):
                name = self._name(change.table, raw)
                if name != change.name and name not in over:  # what is in it goes away, or has another key
                    return f"{' and '.join(columns)} of {change.words} is in use by the row {_key(name)}"
        return ""

    def _unique(self, table: Table) -> Iterator[tuple[list[str], list[str]]]:
        """The columns of each unique index with their collations. What only a transaction can tell is left to it:
        indexes on expressions, and on some rows."""
        for _, index, unique, _, partial in self.live.db.execute(f"PRAGMA index_list({quoted(table.name)})").fetchall():
            if unique and not partial:
                info = self.live.db.execute(f"PRAGMA index_xinfo({quoted(text_of(index))})").fetchall()
                parts = [(text_of(name).lower(), text_of(coll)) for _, at, name, _, coll, key in info if key]
                if all(at >= 0 for _, at, *_, key in info if key) and {name for name, _ in parts} <= _shown(table):
                    yield [name for name, _ in parts], [quoted(coll) for _, coll in parts]

    # References.

    def _declared(self) -> Iterator[Reference]:
        for table in self.live.tables.values():
            info = self.live.db.execute(f"PRAGMA foreign_key_list({quoted(table.name)})").fetchall()
            for number in {row[0] for row in info}:
                parts = sorted((row for row in info if row[0] == number), key=lambda row: int(row[1]))
                parent = text_of(parts[0][2]).lower()
                referred = self.live.tables.get(parent)
                to = tuple(text_of(part[4]).lower() for part in parts if part[4] is not None)
                to = to or tuple(name.lower() for name in (referred.key if referred is not None else ()))
                columns = tuple(text_of(part[3]).lower() for part in parts)
                if len(to) == len(columns) and set(columns) <= _shown(table):
                    yield Reference(table, columns, parent, to)

    def _without_parent(self, change: _Change, over: _Over) -> str:
        """Whether the row would refer to one that is not there. One that did so before may do so still."""
        if change.after is None:
            return ""
        for reference in self._references:
            if reference.child.name.lower() != change.name[0]:
                continue
            values = [change.after[name] for name in reference.columns]
            if any(value is None for value in values):
                continue
            if change.before is not None and [change.before[name] for name in reference.columns] == values:
                continue
            if not self._is_there(reference.parent, reference.to, values, over):
                return f"{change.words} refers to {_shown_values(values)} of {reference.parent}, which is not there"
        return ""

    def _is_there(self, name: str, columns: Sequence[str], values: list[Value], over: _Over) -> bool:
        table = self.live.tables.get(name)
        if table is None:
            return False
        if over.holds(name, tuple(columns), values):
            return True
        rows = self.live.where(table, [quoted(column) for column in columns], values)
        return any(self._name(table, raw) not in over for raw in rows)

    def _with_children(self, change: _Change, over: _Over) -> str:
        """Whether rows refer to what the row holds now and would not any more."""
        if change.before is None:
            return ""
        for reference in self._references:
            if reference.parent != change.name[0]:
                continue
            values = [change.before.get(name) for name in reference.to]
            if any(value is None for value in values):
                continue
            if change.after is not None and [change.after.get(name) for name in reference.to] == values:
                continue
            children = self.live.where(reference.child, [quoted(name) for name in reference.columns], values)
            for raw in children:
                name = self._name(reference.child, raw)
                changed = over.get(name)
                stays = changed is None or (
                    changed.after is not None and [changed.after[one] for one in reference.columns] == values
                )
                if stays and not self._is_there(change.name[0], reference.to, values, over):
                    return f"the row {_key(name)} of table {reference.child.name} refers to {change.words}"
        return ""

    def _name(self, table: Table, raw: bytes) -> Name:
        """Which row it is. Of a table of which none is asked for, the key is of no matter but for words."""
        section = self.sections.get(table.name.lower())
        if section is None:
            values = self.live.cells(table, raw)
            return table.name.lower(), tuple(_shown_values([values.get(name.lower())]) for name in table.key)
        return table.name.lower(), parse_row(section, raw).key


def _alike(values: Sequence[Value]) -> bytes:
    """Equal for values that are: a whole number is the same in any of the two ways."""
    return encode_row([int(one) if isinstance(one, float) and one.is_integer() else one for one in values])


def _shown(table: Table) -> set[str]:
    return {name.lower() for name in table.shown_columns}


def _key(name: Name) -> str:
    return ",".join("NULL" if cell is None else cell for cell in name[1])


def _shown_values(values: Sequence[Value]) -> str:
    return ",".join(
        value.decode("utf-8", "replace") if isinstance(value, bytearray) else str(value) for value in values
    )
