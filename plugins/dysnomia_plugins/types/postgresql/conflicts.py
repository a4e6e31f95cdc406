"""What PostgreSQL is asked for, to find what stands against putting rows back (``toolkit.sqldump.conflicts``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dysnomia_plugins.toolkit.sqldump.conflicts import Asked, Fields, picked
from dysnomia_plugins.types.postgresql.live_rows import AT, NULL, LiveRows, Wanted
from dysnomia_plugins.types.postgresql.live_tables import Reference, Table
from dysnomia_plugins.types.postgresql.names import identifier
from dysnomia_plugins.types.postgresql.rows import unescaped
from dysnomia_store.model import Section


@dataclass(frozen=True)
class Asking:
    """One query for all rows of a table."""

    live: LiveRows
    sections: Sequence[Section]

    @property
    def null(self) -> bytes:
        return NULL

    def with_values(self, table: Table, unique: int, asked: Asked) -> Iterator[tuple[int, Fields]]:
        parts = table.unique[unique]
        columns = tuple(part.column for part in parts)
        tests = [part.test(f"t.{identifier(part.column)}", f"w.{identifier(part.column)}") for part in parts]
        return self._asked(table, asked, columns, f"ONLY {table.name}", table.key_columns, tests)

    def parents(self, table: Table, reference: Reference, asked: Asked) -> Iterator[tuple[int, Fields]]:
        tests = _tests(reference, "t", reference.theirs, "w", reference.columns)
        return self._asked(table, asked, reference.columns, reference.source, reference.key, tests)

    def children(self, table: Table, reference: Reference, asked: Asked, most: int) -> Iterator[tuple[int, Fields]]:
        tests = _tests(reference, "w", reference.columns, "t", reference.theirs)
        return self._asked(table, asked, reference.columns, reference.source, reference.key, tests, most=most)

    def _asked(
        self,
        table: Table,
        asked: Asked,
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
        section = next(one for one in self.sections if self.live.tables[one.name] is table)
        rows = [Wanted(at, picked(cells, section.columns)) for at, cells in asked]
        values = self.live.values(section, rows, tuple(dict.fromkeys(columns)))
        listed = ", ".join(f"t.{identifier(name)}" for name in key)
        inner = f"SELECT {listed} FROM {source} t WHERE {' AND '.join(tests)} LIMIT {most:d}"
        outer = ", ".join((f"w.{AT}", *(f"t.{identifier(name)}" for name in key)))
        for fields in self.live.talk.rows(f"SELECT {outer} FROM {values}, LATERAL ({inner}) t"):
            yield int(fields[0]), tuple(fields[1:])

    def shown(self, values: Fields) -> str:
        codec = self.live.talk.codec
        return ",".join("NULL" if one == NULL else unescaped(one).decode(codec, "backslashreplace") for one in values)


def _tests(reference: Reference, parent: str, keys: Sequence[str], child: str, columns: Sequence[str]) -> list[str]:
    return [
        f"{parent}.{identifier(key)} {equals} {child}.{identifier(column)}"
        for key, equals, column in zip(keys, reference.equals, columns, strict=True)
    ]
