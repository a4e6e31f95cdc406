"""The typed reader: which states are the same, which are not, and what is shown of them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.process import NeverCancelled
from dysnomia_plugins.types.sqlite.cells import Value, affinity_of, decode_row, encode_row, quoted, show_cell
from dysnomia_plugins.types.sqlite.contents import parse_row
from dysnomia_plugins.types.sqlite.reader import Reader, scan
from dysnomia_store.content.artefact_writer import DigestSink
from dysnomia_store.model import Form, Section
from tests.plugins.conformance.driver import in_child, memory_now, peak_memory

VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.binary(max_size=40),
    st.binary(max_size=40).map(bytearray),
)


class Contents:
    """What a database file holds, as the reader tells it."""

    def __init__(self, path: Path) -> None:
        self.sections: dict[tuple[str, str], Section] = {}
        sink = DigestSink(self, "dump.sqlite")
        with Reader(path) as reader:
            scan(reader, sink, NeverCancelled())
            self.rows = {
                table.name: [raw for batch in reader.batches(table) for raw in batch]
                for table in reader.tables(reader.objects())
            }
            self.schema = list(reader.schema_lines(reader.objects()))
        self.digest = sink.close().digest

    def add(self, section: Section) -> None:
        self.sections[section.kind, section.name] = section

    def amend(self, kind: str, name: str, key: tuple[str, ...]) -> None:
        raise AssertionError("nothing is amended")

    def shown(self, table: str, kind: str = "table") -> list[tuple[str | None, ...]]:
        return [parse_row(self.sections[kind, table], raw).cells for raw in self.rows[table]]


class Nowhere:
    """Takes sections and forgets them."""

    def add(self, section: Section) -> None:
        assert section.digest

    def amend(self, kind: str, name: str, key: tuple[str, ...]) -> None:
        raise AssertionError("nothing is amended")


class Database:
    """A database under test; each ``run`` opens and closes it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def run(self, *statements: str) -> None:
        with closing(sqlite3.connect(self.path, isolation_level=None)) as db:
            for statement in statements:
                db.execute(statement)

    def contents(self) -> Contents:
        return Contents(self.path)

    def contents_only_digest(self) -> str:
        """Without holding any row."""
        sink = DigestSink(Nowhere(), "dump.sqlite")
        with Reader(self.path) as reader:
            scan(reader, sink, NeverCancelled())
        return sink.close().digest

    @property
    def digest(self) -> str:
        return self.contents().digest


@pytest.fixture
def db(tmp_path: Path) -> Database:
    return Database(tmp_path / "some.db")


# --- rows ----------------------------------------------------------------------------------------------------------


@given(st.lists(VALUES, max_size=6))
def test_a_row_comes_back_as_it_was(row: list[Value]) -> None:
    back = decode_row(encode_row(row))
    assert [(type(one), one) for one in back] == [(type(one), one) for one in row]
    assert encode_row(back) == encode_row(row)


@given(st.lists(VALUES, min_size=2, max_size=2), st.lists(VALUES, min_size=2, max_size=2))
def test_two_rows_have_the_same_bytes_only_if_they_are_the_same(left: list[Value], right: list[Value]) -> None:
    same = [(type(one), repr(one)) for one in left] == [(type(one), repr(one)) for one in right]
    assert (encode_row(left) == encode_row(right)) == same


def test_the_bytes_of_a_row_are_fixed_for_ids_rest_on_them() -> None:
    row: list[Value] = [None, -7, 1.5, float("inf"), bytearray(b"a\x00;"), b"\xff"]
    assert encode_row(row) == b"ni-7;f0x1.8000000000000p+0;finf;t3:a\x00;b1:\xff"


@pytest.mark.parametrize("raw", [b"x", b"i1", b"t5:abc", b"t:"])
def test_bytes_that_are_no_row_are_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        decode_row(raw)


def test_cells_that_differ_look_different() -> None:
    values: list[Value] = [1, 1.0, bytearray(b"1"), b"1", None, bytearray(b""), bytearray(b"\\x31"), bytearray(b"'1'")]
    shown = [show_cell(value, "BLOB") for value in values]
    assert len(set(shown)) == len(shown)
    assert shown[:5] == ["1", "1.0", "'1'", "\\x31", None]


def test_text_is_shown_as_it_is_where_it_cannot_be_a_number() -> None:
    assert show_cell(bytearray(b"0123"), "TEXT") == "0123"
    assert show_cell(bytearray(b"2026-01-02"), "NUMERIC") == "2026-01-02"
    assert show_cell(bytearray(b"\xff\xfe"), "TEXT") == "\\xfffe"


@pytest.mark.parametrize(
    ("declared", "affinity"),
    [("INT", "INTEGER"), ("CHARINT", "INTEGER"), ("varchar(9)", "TEXT"), ("", "BLOB"), ("DOUBLE", "REAL"),
     ("DECIMAL(10,2)", "NUMERIC"), ("ANY", "BLOB")],
)  # fmt: skip
def test_affinity_is_that_of_the_declared_type(declared: str, affinity: str) -> None:
    assert affinity_of(declared) == affinity


# --- what is state and what is not ---------------------------------------------------------------------------------


def test_layout_is_no_state(db: Database) -> None:
    db.run("CREATE TABLE t(id INTEGER PRIMARY KEY, v)", "CREATE TABLE u(a PRIMARY KEY, b) WITHOUT ROWID")
    db.run("INSERT INTO t SELECT value, hex(randomblob(50)) FROM json_each('[1,5,9,2]')")
    before = db.digest
    for how in (
        ("PRAGMA page_size=1024", "VACUUM"),
        ("PRAGMA auto_vacuum=FULL", "VACUUM"),
        ("PRAGMA journal_mode=WAL", "PRAGMA wal_checkpoint(TRUNCATE)"),
        ("PRAGMA journal_mode=DELETE",),
        ("CREATE TABLE gone(x)", "INSERT INTO gone VALUES(zeroblob(90000))", "DROP TABLE gone"),
        ("REINDEX",),
        ("UPDATE t SET v = v",),
    ):
        db.run(*how)
        assert db.digest == before, how
    db.run("DELETE FROM t WHERE id = 5", "VACUUM")
    assert db.digest != before


def test_the_order_in_which_things_were_declared_is_no_state(tmp_path: Path) -> None:
    one, two = Database(tmp_path / "1"), Database(tmp_path / "2")
    parts = ["CREATE TABLE a(x)", "CREATE TABLE b(x)", "CREATE VIEW v AS SELECT 1"]
    one.run(*parts)
    two.run(*reversed(parts))
    assert one.digest == two.digest


def test_rows_are_in_the_order_of_rowid_whatever_index_there_is(db: Database) -> None:
    db.run("CREATE TABLE t(v UNIQUE)", "INSERT INTO t VALUES('b'), ('a'), ('c')")
    contents = db.contents()
    assert contents.shown("t") == [("1", "b"), ("2", "a"), ("3", "c")]
    assert contents.sections["table", "t"].key == ("rowid",)


def test_schema_cannot_be_told_as_another(tmp_path: Path) -> None:
    """One object whose text spells out a second one is not the two of them."""
    one, two = Database(tmp_path / "1"), Database(tmp_path / "2")
    one.run("CREATE VIEW a AS SELECT 1 /*;\n\n-- view b\nCREATE VIEW b AS SELECT 2*/")
    two.run("CREATE VIEW a AS SELECT 1 /*;*/", "CREATE VIEW b AS SELECT 2")
    assert one.digest != two.digest


def test_kinds_columns_and_keys(db: Database) -> None:
    db.run(
        "CREATE TABLE ipk(a INTEGER PRIMARY KEY, b TEXT)",
        "CREATE TABLE odd(a INTEGER PRIMARY KEY DESC, b)",
        "CREATE TABLE plain(a, b)",
        "CREATE TABLE keyed(a TEXT, b TEXT, c, PRIMARY KEY(b, a))",
        "CREATE TABLE without(a, b, PRIMARY KEY(b)) WITHOUT ROWID",
        "CREATE TABLE shadowed(rowid TEXT, oid, v)",
        "CREATE TABLE hidden(rowid, oid, _rowid_)",
        "CREATE TABLE made(a, v AS (a + 1) VIRTUAL, s AS (a + 2) STORED)",
        'CREATE TABLE "a ""b"" [c]"("x "" y" PRIMARY KEY, "select")',
        "INSERT INTO shadowed VALUES('x', 'y', 'z')",
        "INSERT INTO hidden VALUES(1, 2, 3)",
        "INSERT INTO made(a) VALUES(5)",
        """INSERT INTO "a ""b"" [c]" VALUES('k', 'v')""",
    )
    contents = db.contents()
    found = {name: (one.columns, one.key) for (kind, name), one in contents.sections.items() if kind == "table"}
    assert found == {
        "ipk": (("a", "b"), ("a",)),
        "odd": (("rowid", "a", "b"), ("a",)),
        "plain": (("rowid", "a", "b"), ("rowid",)),
        "keyed": (("rowid", "a", "b", "c"), ("b", "a")),
        "without": (("a", "b"), ("b",)),
        "shadowed": (("_rowid_", "rowid", "oid", "v"), ("_rowid_",)),
        "hidden": (("rowid", "oid", "_rowid_"), ()),
        "made": (("rowid", "a", "s"), ("rowid",)),
        'a "b" [c]': (("rowid", 'x " y', "select"), ('x " y',)),
    }
    assert contents.shown("shadowed") == [("1", "x", "y", "z")]
    assert contents.shown("hidden") == [("1", "2", "3")]
    assert contents.shown("made") == [("1", "5", "7")]
    assert contents.shown('a "b" [c]') == [("1", "k", "v")]


def test_virtual_tables_are_read_through_the_tables_behind_them(db: Database) -> None:
    db.run(
        "CREATE VIRTUAL TABLE ft USING fts5(body, tokenize='porter')",
        "CREATE VIRTUAL TABLE f4 USING fts4(body)",
        'CREATE VIRTUAL TABLE "my places" USING rtree(id, a, b)',
        "CREATE TABLE ft_notes(x)",
        "INSERT INTO ft VALUES('words')",
        'INSERT INTO "my places" VALUES(1, 2, 3)',
    )
    before = db.contents()
    kinds = {name: kind for kind, name in before.sections}
    assert kinds["ft_data"] == kinds["f4_content"] == kinds["my places_node"] == "shadow"
    assert kinds["ft_notes"] == "table"
    assert "ft" not in kinds
    db.run("INSERT INTO ft(ft) VALUES('optimize')", 'UPDATE "my places" SET b = 4')
    assert db.digest != before.digest


def test_a_module_that_is_not_there_is_not_needed(db: Database) -> None:
    db.run("CREATE VIRTUAL TABLE ft USING fts5(body)", "INSERT INTO ft VALUES('words')")
    db.run(
        "PRAGMA writable_schema=ON",
        "UPDATE sqlite_master SET sql = replace(sql, 'fts5', 'unheard_of') WHERE name = 'ft'",
    )
    contents = db.contents()
    assert contents.shown("ft_content") == [("1", "words")]
    with Reader(db.path) as reader:
        assert reader.damage() == ""


def test_collations_of_an_application_are_not_needed(db: Database) -> None:
    with closing(sqlite3.connect(db.path)) as made:
        made.create_collation("german", lambda left, right: (left < right) - (left > right))
        made.execute("CREATE TABLE t(v TEXT COLLATE german PRIMARY KEY) WITHOUT ROWID")
        made.execute("CREATE TABLE u(id INTEGER PRIMARY KEY, v TEXT COLLATE german UNIQUE)")
        made.execute("INSERT INTO t VALUES('a'), ('b')")
        made.execute("INSERT INTO u(v) VALUES('a'), ('b')")
        made.commit()
    contents = db.contents()
    assert contents.shown("t") == [("b",), ("a",)], "in the order of the key, as it is stored"
    assert contents.shown("u") == [("1", "a"), ("2", "b")]


@pytest.mark.parametrize("encoding", ["UTF-16le", "UTF-16be"])
def test_text_of_a_wide_database_is_taken_byte_for_byte(tmp_path: Path, encoding: str) -> None:
    """Two lone surrogates are two states, though as UTF-8 SQLite tells them as one."""
    digests = set()
    for lone in ("d800", "d801"):
        raw = lone if encoding == "UTF-16be" else lone[2:] + lone[:2]
        db = Database(tmp_path / lone)
        db.run(f"PRAGMA encoding='{encoding}'", "CREATE TABLE t(a TEXT, b)")
        db.run(f"INSERT INTO t VALUES('grün', x'00'), (CAST(x'{raw}' AS TEXT), 1), (NULL, 2.5)")
        contents = db.contents()
        assert contents.shown("t") == [("1", "grün", "\\x00"), ("2", f"\\x{raw}", "1"), ("3", None, "2.5")]
        digests.add(contents.digest)
    assert len(digests) == 2


def test_the_schema_as_text(db: Database) -> None:
    db.run("CREATE TABLE t(\n  a\n)", "PRAGMA user_version = 5", "CREATE INDEX i ON t(a)")
    assert db.contents().schema == [
        "PRAGMA encoding = 'UTF-8';",
        "PRAGMA user_version = 5;",
        "PRAGMA application_id = 0;",
        "",
        "-- table t",
        "CREATE TABLE t(",
        "  a",
        ");",
        "",
        "-- index i",
        "CREATE INDEX i ON t(a);",
    ]
    assert db.contents().sections["schema", "main"].form is Form.TEXT


def test_large_cells_have_the_same_bytes_in_pieces(db: Database) -> None:
    megabyte = 1 << 20
    db.run(
        'CREATE TABLE t("a ""b" TEXT, b BLOB, c)',
        f"INSERT INTO t VALUES(printf('%.*c', {9 * megabyte}, 'é'), zeroblob({3 * megabyte}), 1)",
        f"INSERT INTO t VALUES(CAST(zeroblob({9 * megabyte}) AS TEXT), NULL, 2.5), ('x', x'00', 'y')",
        "CREATE TABLE keyed(id INTEGER PRIMARY KEY, v)",
        f"INSERT INTO keyed VALUES(7, zeroblob({10 * megabyte}))",
    )
    with Reader(db.path) as reader:
        for table in reader.tables(reader.objects()):
            pieces = list(reader.stream(table))
            whole = b"".join(reader.rows(table))
            assert b"".join(piece for _, piece in pieces) == whole
            assert sum(rows for rows, _ in pieces) == reader.count(table)
            assert len(pieces) > 8, "it came in pieces"


def test_memory_is_bounded_whatever_the_size_of_a_cell(tmp_path: Path) -> None:
    db = Database(tmp_path / "some.db")
    db.run("CREATE TABLE t(v)", "INSERT INTO t VALUES(zeroblob(300000000)), (1)")

    def work() -> None:
        base = memory_now()
        assert db.contents_only_digest()
        grown = peak_memory() - base
        assert grown <= 40 << 20, f"{grown >> 20} MB"

    assert in_child(work) == 0


def test_an_empty_table_has_no_place_in_the_artefact(db: Database) -> None:
    db.run("CREATE TABLE t(a)")
    section = db.contents().sections["table", "t"]
    assert (section.rows, section.offset, section.length) == (0, None, None)


def test_a_damaged_page_is_an_error_and_never_a_shorter_table(db: Database) -> None:
    db.run(
        "CREATE TABLE t(a)", "INSERT INTO t SELECT hex(randomblob(500)) FROM json_each(json_array(1,2,3,4,5,6,7,8,9))"
    )
    content = bytearray(db.path.read_bytes())
    content[4096 : 4096 + 8] = b"\xff" * 8
    db.path.write_bytes(content)
    with pytest.raises(PluginError, match="damaged"):
        db.contents()


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20))
def test_any_name_is_quoted(name: str) -> None:
    with closing(sqlite3.connect(":memory:")) as memory:
        memory.execute(f"CREATE TABLE {quoted(name)}(a)")
        assert memory.execute("SELECT name FROM sqlite_master").fetchall() == [(name,)]
