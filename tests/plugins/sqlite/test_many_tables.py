"""Databases of many tables: the schema is read once, not once for each table that is looked into."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from dysnomia_plugins.types.sqlite import contents, reader
from dysnomia_store.model import Section
from tests.plugins.conformance.bare import BareStored
from tests.plugins.sqlite.bench import SqliteBench

TABLES = 60


@pytest.fixture
def bench(tmp_path: Path) -> SqliteBench:
    """A virtual table among them, whose rows are in the tables behind it."""
    made = [f"CREATE TABLE t{number} (k INTEGER PRIMARY KEY, v)" for number in range(TABLES)]
    rows = [f"INSERT INTO t{number} VALUES ({number}, 'v{number}'), (1000, 'last')" for number in range(TABLES)]
    return SqliteBench(tmp_path, *made, *rows, "CREATE VIRTUAL TABLE words USING fts5(w)")


def tables_of(stored: BareStored) -> list[Section]:
    return [one for one in stored.sections() if one.name[:1] == "t" and one.name[1:].isdigit()]


def test_one_look_at_the_schema_serves_all_tables(bench: SqliteBench, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = bench.dump()
    looks: list[str] = []
    objects, table = reader.Reader.objects, reader.Reader._table

    def looking(self: reader.Reader) -> list[reader.SchemaObject]:
        looks.append("schema")
        return objects(self)

    def looking_at(self: reader.Reader, name: str, kind: str) -> reader.Table:
        looks.append(name)
        return table(self, name, kind)

    monkeypatch.setattr(reader.Reader, "objects", looking)
    monkeypatch.setattr(reader.Reader, "_table", looking_at)
    for section in tables_of(stored):
        (batch,) = bench.sqlite.raw_rows(stored, section)
        number = section.name[1:]
        cells = [contents.parse_row(section, raw).cells for raw in batch]
        assert cells == [(number, f"v{number}"), ("1000", "last")]
    assert sorted(looks) == sorted(["schema", *(one.name for one in tables_of(stored))])
    kinds = {one.name: one.kind for one in stored.sections()}
    assert kinds["words_content"] == "shadow"


def test_two_tables_are_read_at_once_and_by_another_thread(bench: SqliteBench) -> None:
    stored = bench.dump()
    first, second = tables_of(stored)[:2]
    one, other = bench.sqlite.raw_rows(stored, first), bench.sqlite.rows_of_key(stored, second, ("1000",))
    assert [len(next(one)), len(next(other))] == [2, 1]
    elsewhere: list[int] = []
    thread = threading.Thread(
        target=lambda: elsewhere.extend(len(batch) for batch in bench.sqlite.raw_rows(stored, second))
    )
    thread.start()
    thread.join()
    assert elsewhere == [2]
    assert list(one) == list(other) == []
    assert [len(batch) for batch in bench.sqlite.raw_rows(stored, first)] == [2]
