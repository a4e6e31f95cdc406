"""The rows of a live database by their keys, over a connection that holds whatever locks it needs.

A row is asked for by the cells of its key, as the contents of a snapshot show them. One cell can be shown of several
values (a number and a text that reads like it): each is looked for, and what comes is compared with the cells.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from pathlib import Path

from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.types.sqlite.by_key import candidates
from dysnomia_plugins.types.sqlite.cells import Value, decode_row, encode_row, quoted
from dysnomia_plugins.types.sqlite.contents import parse_row
from dysnomia_plugins.types.sqlite.patch import KNOWN_COLLATIONS, collations_in
from dysnomia_plugins.types.sqlite.reader import Reader, SchemaObject, Table
from dysnomia_store.model import Form, Section

Param = str | int | float | bytes | None
Term = tuple[str, tuple[Param, ...]]
"""A value in a statement, and what is bound for it."""
_HEX = re.compile(r"\\x(?:[0-9a-f]{2})*\Z")


@dataclass
class LiveRows:
    """What is asked of a live database. Raises PluginError where it cannot be read."""

    db: sqlite3.Connection
    path: Path
    reader: Reader = field(init=False)
    objects: list[SchemaObject] = field(init=False)
    tables: dict[str, Table] = field(init=False)
    """By name in small letters: SQLite takes them for the same."""

    def __post_init__(self) -> None:
        self.reader = Reader(self.path, live=self.db)
        self.objects = self.reader.objects()
        self.tables = {table.name.lower(): table for table in self.reader.tables(self.objects)}

    def table(self, section: Section) -> Table:
        return self.tables[section.name.lower()]

    def refusal(self, section: Section) -> str:
        """Why no row of a section can be put back into the table that is there now; ``""`` where they can."""
        name = section.name
        if section.form is not Form.ROWS or section.kind != "table" or name.lower().startswith("sqlite_"):
            return f"{section.kind} {name} holds no rows that can be put back one by one: only those of tables can"
        table = self.tables.get(name.lower())
        if table is None:
            return f"there is no table {name} in what is live"
        if table.kind != "table":
            return f"table {name} belongs to a virtual table, which alone may write it"
        if not section.key or table.key != section.key:
            return f"the rows of table {name} have no key by which both states know them"
        if table.shown_columns != section.columns:
            now, then = set(table.shown_columns), set(section.columns)
            changed = [*(f"+{one}" for one in sorted(now - then)), *(f"-{one}" for one in sorted(then - now))]
            return f"table {name} has other columns now ({' '.join(changed) or 'in another order'})"
        encoding = self.reader.settings["encoding"]
        alike = section.attributes.get("affinity", "").split() == list(table.shown_affinities)
        if not alike or section.attributes.get("encoding", "UTF-8") != encoding:
            return f"the columns of table {name} have other types now"
        unknown = collations_in(one.sql for one in self.objects if one.table.lower() == name.lower()) - KNOWN_COLLATIONS
        if unknown:
            return f"table {name} is ordered by {min(unknown)}, a collation that only its application knows"
        return ""

    def by_key(self, section: Section, key: Sequence[str]) -> bytes | None:
        """The row with this key. Raises PluginError where several are shown with it."""
        table = self.table(section)
        tests: list[str] = []
        values: list[Param] = []
        for name, cell in zip(table.key, key, strict=True):
            terms = self._terms(cell)
            column = table.ordered if table.key_is_rowid else quoted(name)
            tests.append(f"{column} IN ({', '.join(term for term, _ in terms)})")
            values.extend(params_of(terms))
        wanted = tuple(key)
        rows = self.reader.found(table, " AND ".join(tests), values)
        matches = list(islice((raw for raw in rows if parse_row(section, raw).key == wanted), 2))
        if len(matches) > 1:
            raise PluginError(
                f"table {section.name} has two rows whose key is shown as {','.join(key)}", "change these rows by hand"
            )
        return matches[0] if matches else None

    def has_key(self, section: Section) -> Callable[[bytes], bool]:
        """What tells whether a row has the key of a raw record of the snapshot, as SQLite compares keys. A record whose
        key holds NULL cannot be told from others, and counts as there."""
        table = self.table(section)
        places = [table.shown_columns.index(name) for name in table.key]
        names = [table.ordered] if table.key_is_rowid else [quoted(name) for name in table.key]
        select = f"SELECT 1 FROM main.{quoted(table.name)} WHERE "

        def is_in_live(raw: bytes) -> bool:
            values = decode_row(raw)
            terms = [self.bound(values[at]) for at in places]
            tests = " AND ".join(f"{name} = {term}" for name, (term, _) in zip(names, terms, strict=True))
            if any(values[at] is None for at in places):
                return True
            return self.db.execute(select + tests, params_of(terms)).fetchone() is not None

        return is_in_live

    def where(self, table: Table, columns: Sequence[str], values: Sequence[Value]) -> Iterator[bytes]:
        """The rows that have these values in these columns, as SQLite compares them."""
        terms = [self.bound(value) for value in values]
        tests = " AND ".join(f"{name} = {term}" for name, (term, _) in zip(columns, terms, strict=True))
        return self.reader.found(table, tests, params_of(terms))

    def bound(self, value: Value) -> Term:
        """A value as it is handed to SQLite. A text goes by its bytes, which need not be valid; but in a database of
        UTF-16 SQLite takes bytes that are bound for UTF-8, and only those that stand in the statement as they are."""
        if not isinstance(value, bytearray):
            return "?", (value,)
        if not self.reader.wide:
            return "+CAST(? AS TEXT)", (bytes(value),)
        try:
            return "?", (value.decode(self.reader.settings["encoding"]),)
        except UnicodeDecodeError:
            return f"+CAST(X'{value.hex()}' AS TEXT)", ()

    def _terms(self, cell: str) -> list[Term]:
        """The values that are shown as this cell."""
        terms: list[Term] = [("?", (value,)) for value in candidates(cell) if not _surrogate(value)]
        if _HEX.match(cell):
            content = bytes.fromhex(cell[2:])
            terms += [("?", (content,)), self.bound(bytearray(content))]
        return terms or [("?", (None,))]  # no value that a statement can name: nothing is equal to NULL

    def digest(self, table: Table, raw: bytes | None) -> str:
        """Of what a row holds. A rowid that is no key is not part of it: SQLite gives it, and VACUUM another."""
        if raw is None:
            return ""
        if table.rowid and not table.key_is_rowid:
            raw = encode_row(decode_row(raw)[1:])
        return blake2b(raw, digest_size=16).hexdigest()

    def cells(self, table: Table, raw: bytes) -> dict[str, Value]:
        """The values of a row by the names of its columns in small letters."""
        names = (name.lower() for name in table.shown_columns)
        return dict(zip(names, decode_row(raw), strict=True))


def params_of(terms: Sequence[Term]) -> list[Param]:
    return [value for _, values in terms for value in values]


def _surrogate(value: object) -> bool:
    return isinstance(value, str) and any("\ud800" <= char <= "\udfff" for char in value)
