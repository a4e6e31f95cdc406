"""The rows of a live database by their keys, in a session that holds whatever locks it needs.

Values never pass through Python as anything but the text that they have in the dump: each goes to the server as a
literal that its type's own input function reads, as COPY would, and comes back as COPY prints it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from dysnomia_plugins.base import PutRow
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.types.postgresql.live_tables import Table, table_of
from dysnomia_plugins.types.postgresql.names import identifier, literal
from dysnomia_plugins.types.postgresql.rows import parse_row, unescaped
from dysnomia_plugins.types.postgresql.talk import Talk
from dysnomia_store.model import Section

NULL = b"\\N"
_CUT = b"\\("
"""In a record that stands for one too long to be held (see ``toolkit.long_lines``), and in no other."""
AT = '"dysnomia: at"'
"""The place of a row, beside the columns of its table."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One row that is asked for, by its place among all of them."""

    at: int
    fields: tuple[bytes, ...]
    """As the dump has them, in the order of the section's columns; of one that is to go the key alone, NULL else."""


@dataclass
class LiveRows:
    """What is asked of a live database. Raises PluginError where it cannot be read."""

    talk: Talk
    tables: dict[str, Table] = field(default_factory=dict)
    """By the name of the section."""
    refused: dict[str, str] = field(default_factory=dict)

    def refusal(self, section: Section) -> str:
        """Why no row of a section can be put back into the table that is there now; ``""`` where they can."""
        name = section.name
        if name not in self.tables and name not in self.refused:
            table, reason = table_of(self.talk, section)
            if table is None:
                self.refused[name] = reason
            else:
                self.tables[name] = table
        return self.refused.get(name, "")

    def wanted(self, at: int, row: PutRow) -> Wanted:
        """A row as it is asked for. Raises NotSafe where the snapshot's record is not whole."""
        section = row.section
        if row.wanted is not None:
            fields = tuple(row.wanted.split(b"\t"))
            if _CUT in row.wanted or len(fields) != len(section.columns):
                raise NotSafe(
                    f"the row {','.join(row.key)} of table {section.name} is too large to be put back by itself",
                    "restore a copy beside what is live, and take it from there",
                )
            return Wanted(at, fields)
        cells = dict(zip(section.key, row.key, strict=True))
        try:
            key = {name: escaped(cell.encode(self.talk.codec, "surrogateescape")) for name, cell in cells.items()}
        except UnicodeEncodeError:
            raise NotSafe(
                f"no row has the key {','.join(row.key)}: it cannot be written in {self.talk.codec}"
            ) from None
        return Wanted(at, tuple(key.get(name, NULL) for name in section.columns))

    def values(self, section: Section, rows: Sequence[Wanted], columns: Sequence[str] | None = None) -> str:
        """Rows as a table expression: their places, and these columns (or all)."""
        table = self.tables[section.name]
        names = section.columns if columns is None else columns
        places = [section.columns.index(name) for name in names]
        types = [table.types[name] for name in names]
        lines = (
            f"({row.at:d}, "
            + ", ".join(self.cell(row.fields[place], kind) for place, kind in zip(places, types, strict=True))
            + ")"
            for row in rows
        )
        named = ", ".join((AT, *map(identifier, names)))
        return f"(VALUES {', '.join(lines)}) w({named})"

    def cell(self, raw: bytes, kind: str) -> str:
        """One cell of a dump as SQL."""
        if raw == NULL:
            return f"NULL::{kind}"
        return f"{literal(self.talk.text(unescaped(raw)))}::{kind}"

    def now(self, section: Section, rows: Sequence[Wanted]) -> dict[int, bytes]:
        """What live holds under the keys of these rows, by their places. Raises PluginError for a key of two rows."""
        table = self.tables[section.name]
        listed = ", ".join(f"t.{identifier(name)}" for name in section.columns)
        values = self.values(section, rows, table.key_columns)
        raw_rows: dict[int, bytes] = {}
        for fields in self.talk.rows(
            f"SELECT w.{AT}, {listed} FROM {values} JOIN ONLY {table.name} t ON {table.same('t', 'w')}"
        ):
            at = int(fields[0])
            if at in raw_rows:
                raise PluginError(f"table {section.name} has two rows of one key: its index is damaged", "REINDEX it")
            raw_rows[at] = b"\t".join(fields[1:])
        return raw_rows

    def made(self, section: Section, rows: Sequence[Wanted]) -> dict[int, bytes]:
        """What the types of live's columns make of the wanted rows, by their places."""
        if not rows:
            return {}
        listed = ", ".join(f"w.{identifier(name)}" for name in section.columns)
        lines = self.talk.rows(f"SELECT w.{AT}, {listed} FROM {self.values(section, rows)}")
        return {int(fields[0]): b"\t".join(fields[1:]) for fields in lines}

    def missing(self, section: Section, batch: Sequence[bytes]) -> Iterator[bytes]:
        """Those of the snapshot's records whose key no row of live has."""
        rows = [Wanted(at, tuple(raw.split(b"\t"))) for at, raw in enumerate(batch)]
        table = self.tables[section.name]
        values = self.values(section, rows, table.key_columns)
        test = f"NOT EXISTS (SELECT FROM ONLY {table.name} t WHERE {table.same('t', 'w')})"
        for (at,) in self.talk.rows(f"SELECT w.{AT} FROM {values} WHERE {test} ORDER BY w.{AT}"):
            yield batch[int(at)]


def escaped(text: bytes) -> bytes:
    """A cell as COPY would write it."""
    for char, letter in ((b"\\", b"\\\\"), (b"\b", b"\\b"), (b"\f", b"\\f"), (b"\n", b"\\n"), (b"\r", b"\\r")):
        text = text.replace(char, letter)
    return text.replace(b"\t", b"\\t").replace(b"\v", b"\\v")


def digest(raw: bytes | None) -> str:
    """Of what a row holds; ``""`` for none."""
    return "" if raw is None else blake2b(raw, digest_size=16).hexdigest()


def key_of(section: Section, raw: bytes) -> tuple[str, ...]:
    """The key of a record, as it is shown."""
    return tuple(map(str, parse_row(section, raw).key))
