"""The rows of a live database by their keys, in a session that holds whatever locks it needs.

Each row is asked for by a statement of its own, so that the server's own comparison finds it, by an index. An index is
named in each: a server refuses that for a view, whatever has become of a table since it was looked at, before it runs
anything of its owner's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from dysnomia_plugins.base import PutRow
from dysnomia_plugins.errors import NotSafe
from dysnomia_plugins.toolkit.sqldump.conflicts import Asked, Change, Fields, conflicts, picked
from dysnomia_plugins.toolkit.sqldump.names import encode
from dysnomia_plugins.types.mysql.literals import NULL, Column, cells_of, record, shown
from dysnomia_plugins.types.mysql.live_tables import PRIMARY, Reference, Schema, Table
from dysnomia_plugins.types.mysql.names import identifier
from dysnomia_plugins.types.mysql.talk import Talk
from dysnomia_store.model import Section

_ALWAYS_ON = "MariaDB cannot switch it off for one session"


@dataclass
class LiveRows:
    """What is asked of a live database. Raises PluginError where it cannot be read."""

    talk: Talk
    lock: str = ""
    """What each question for others' rows ends with, within a transaction that changes something."""
    schema: Schema = field(init=False)
    tables: dict[str, Table] = field(default_factory=dict)
    """By the name of the section."""
    refused: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.schema = Schema(self.talk)

    def refusal(self, section: Section) -> str:
        """Why no row of a section can be put back into the table that is there now; ``""`` where they can."""
        name = section.name
        if name not in self.tables and name not in self.refused:
            table, reason = self.schema.table(section)
            if table is None:
                self.refused[name] = reason
            else:
                self.tables[name] = table
        return self.refused.get(name, "")

    def cells(self, row: PutRow) -> tuple[bytes, ...] | None:
        """The literals of a row that is wanted. Raises NotSafe where the snapshot's record is not plain and whole."""
        if row.wanted is None:
            return None
        cells = cells_of(row.wanted, self.tables[row.section.name].columns)
        if cells is None:
            raise NotSafe(
                f"the row {','.join(row.key)} of table {row.section.name} is too large to be put back by itself, or"
                " holds more than plain values",
                "restore a copy beside what is live, and take it from there",
            )
        return cells

    def key(self, row: PutRow) -> tuple[bytes, ...]:
        """The literals of its key."""
        table, cells = self.tables[row.section.name], self.cells(row)
        by_name = {one.name: one for one in table.columns}
        if cells is not None:
            mapped = dict(zip(row.section.columns, cells, strict=True))
            return tuple(mapped[name] for name in table.key_columns)
        return tuple(by_name[name].typed(cell) for name, cell in zip(row.section.key, row.key, strict=True))

    def now(self, rows: Mapping[int, PutRow], section: Section, lock: str = "") -> dict[int, tuple[bytes, ...]]:
        """What live holds under the keys of these rows, by their places."""
        table = self.tables[section.name]
        asked = [(at, _where(table.key_columns, self.key(row))) for at, row in rows.items()]
        return dict(self._found(table.name, PRIMARY, table.columns, asked, lock))

    def missing(self, section: Section, batch: Sequence[bytes]) -> Iterator[bytes]:
        """Those of the snapshot's records whose key no row of live has.

        Raises NotSafe for a row that cannot be looked up."""
        table = self.tables[section.name]
        places = [section.columns.index(name) for name in table.key_columns]
        asked = []
        for at, raw in enumerate(batch):
            cells = cells_of(raw, table.columns)
            if cells is None:
                raise NotSafe(
                    f"a row of table {section.name} is too large to be looked up, or holds more than plain values",
                    "name the rows that are to be put back",
                )
            asked.append((at, _where(table.key_columns, [cells[place] for place in places])))
        present = {at for at, _ in self._found(table.name, PRIMARY, (), asked, "")}
        yield from (raw for at, raw in enumerate(batch) if at not in present)

    def _found(
        self,
        source: str,
        index: str,
        columns: Sequence[Column],
        asked: Sequence[tuple[int, bytes]],
        lock: str,
        most: int = 1,
    ) -> Iterator[tuple[int, Fields]]:
        """For each condition the rows that are found, at most so many."""
        if not asked:
            return
        listed = "".join(f", {one.read(identifier(one.name))}" for one in columns)
        tail = encode(f" LIMIT {most:d}{lock};\n")
        source = f"{source} FORCE INDEX ({identifier(index)})"
        statements = (encode(f"SELECT {at:d}{listed} FROM {source} WHERE ") + where + tail for at, where in asked)
        for line in self.talk.ask(b"".join(statements)):
            fields = line.split(b"\t")
            yield int(fields[0]), tuple(column.cell(one) for column, one in zip(columns, fields[1:], strict=True))

    # For ``toolkit.sqldump.conflicts``.

    @property
    def null(self) -> bytes:
        return NULL

    def with_values(self, table: Table, unique: int, asked: Asked) -> Iterator[tuple[int, Fields]]:
        index, columns = table.unique[unique]
        by_name = {one.name: one for one in table.columns}
        key = [by_name[name] for name in table.key_columns]
        wheres = [(at, _where(columns, picked(cells, columns))) for at, cells in asked]
        return self._found(table.name, index, key, wheres, self.lock)

    def parents(self, table: Table, reference: Reference, asked: Asked) -> Iterator[tuple[int, Fields]]:
        return self._of(reference, asked, 1)

    def children(self, table: Table, reference: Reference, asked: Asked, most: int) -> Iterator[tuple[int, Fields]]:
        return self._of(reference, asked, most)

    def _of(self, reference: Reference, asked: Asked, most: int) -> Iterator[tuple[int, Fields]]:
        wheres = [(at, _where(reference.theirs, picked(cells, reference.columns))) for at, cells in asked]
        return self._found(reference.other, reference.index, reference.key, wheres, self.lock, most)

    def shown(self, values: Fields) -> str:
        return ",".join(map(shown, values))


def _where(columns: Sequence[str], cells: Sequence[bytes]) -> bytes:
    return b" AND ".join(encode(identifier(name)) + b" = " + cell for name, cell in zip(columns, cells, strict=True))


def digest(cells: Sequence[bytes] | None) -> str:
    """Of what a row holds; ``""`` for none."""
    return "" if cells is None else blake2b(record(cells), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Seen:
    """The rows that are asked for, and what live holds in their places."""

    live: LiveRows
    rows: Sequence[PutRow]
    wanted: Sequence[tuple[bytes, ...] | None]
    now: Sequence[tuple[bytes, ...] | None]

    def moved(self) -> list[int]:
        """The places of those that are not in live as they are wanted."""
        return [at for at, wanted in enumerate(self.wanted) if self.now[at] != wanted]

    def table(self, at: int) -> Table:
        return self.live.tables[self.rows[at].section.name]

    def against(self, places: Sequence[int]) -> dict[int, str]:
        """What stands against putting these back together."""
        fires = {at: text for at in places if (text := self._fires(at))}
        return fires | conflicts(self.live, {at: self._change(at) for at in places if at not in fires})

    def against_undo(self, places: Sequence[int]) -> Iterator[str]:
        """Of rows that can be put back the triggers that would fire where they are taken back again."""
        left: dict[tuple[str, str], list[str]] = {}
        for at in places:
            fired = _fired(self.table(at), self.wanted[at], self.now[at])
            if fired and not _fired(self.table(at), self.now[at], self.wanted[at]):
                left.setdefault((fired, self.rows[at].section.name), []).append(",".join(self.rows[at].key))
        for (fired, table), keys in left.items():
            which = keys[0] if len(keys) == 1 else f"{len(keys):,} rows ({keys[0]} and others)"
            yield (
                f"an undo would leave {which} of table {table} as {'it is' if len(keys) == 1 else 'they are'}: {fired}"
                f" would fire then, and {_ALWAYS_ON}; the guard holds what live has now"
            )

    def _fires(self, at: int) -> str:
        """A trigger that writing the row would fire: a session cannot switch it off."""
        fired, row = _fired(self.table(at), self.now[at], self.wanted[at]), self.rows[at]
        if not fired:
            return ""
        return f"{fired} of table {row.section.name} would fire for {','.join(row.key)}, and {_ALWAYS_ON}"

    def _change(self, at: int) -> Change:
        columns = self.rows[at].section.columns
        before, after = (
            None if cells is None else dict(zip(columns, cells, strict=True))
            for cells in (self.now[at], self.wanted[at])
        )
        return Change(at, self.rows[at], self.table(at), before, after)


def _fired(table: Table, before: Fields | None, after: Fields | None) -> str:
    """The first trigger that fires where a row goes, comes, or goes and comes again; ``""`` for none."""
    events = {"DELETE"} if before is not None else set()
    events |= {"INSERT"} if after is not None else set()
    return next((f"trigger {name} (for each {event})" for name, event in table.triggers if event in events), "")


def see(live: LiveRows, rows: Sequence[PutRow], lock: str = "") -> Seen:
    """Ask for all of them, a table at a time, in the order of their keys."""
    now: list[tuple[bytes, ...] | None] = [None] * len(rows)
    for section in sections_of(rows):
        here = {at: row for at, row in enumerate(rows) if row.section.name == section.name}
        for at, fields in live.now(here, section, lock).items():
            now[at] = fields
    return Seen(live, rows, [live.cells(row) for row in rows], now)


def sections_of(rows: Sequence[PutRow]) -> list[Section]:
    return sorted({row.section.name: row.section for row in rows}.values(), key=lambda one: one.name)
