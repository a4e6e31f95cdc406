"""The tokenizer of MariaDB's dumps: hostile rows, bodies and names, cut into chunks anywhere. No server is needed."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dysnomia_plugins.types.mysql.contents import ContentsWriter, insert_target, scan, table_columns
from dysnomia_plugins.types.mysql.created import created
from dysnomia_plugins.types.mysql.names import identifier, literal, unquoted
from dysnomia_plugins.types.mysql.rows import parse_row, split
from dysnomia_plugins.types.mysql.scanner import DumpScanner, Part, Piece, unqualified
from dysnomia_store.content.artefact_writer import DigestSink
from dysnomia_store.model import Form, Section

SANDBOX = b"/*M!999999\\- enable the sandbox mode */ \n"
HEADER = (
    b"-- MariaDB dump 10.19  Distrib 10.11.19-MariaDB, for debian-linux-gnu (x86_64)\n--\n"
    b"-- Host: localhost    Database: app\n-- ------------------------------------------------------\n"
    b"-- Server version\t10.11.19-MariaDB\n\n/*!40101 SET NAMES utf8mb4 */;\n\n"
)
FOOTER = b"/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */;\n\n"
END = b"-- Dump completed\n"

HOSTILE = [
    SANDBOX, END, b"-- Host: a    Database: b\n", b"-- Dumping events for database 'x'\n", b"UNLOCK TABLES;\n", b");\n",
    b"),\n(", b"),(", b"DELIMITER ;;\n", b";;", b";", b"'", b"''", b"\\'", b"\\", b'"', b"`", b"/*", b"*/",
    b"/*!50003 ", b"-- ", b"--", b"#", b"\n", b"INSERT INTO `t` VALUES\n(1);\n",
    b"(", b")", b",", b"\\- x", b"\xff\x00",
]  # fmt: skip
texts = st.lists(st.sampled_from(HOSTILE) | st.binary(max_size=6), max_size=5).map(b"".join)
_ESCAPES = {b"\0": b"\\0", b"\n": b"\\n", b"\r": b"\\r", b"\\": b"\\\\", b"'": b"\\'", b'"': b'\\"', b"\x1a": b"\\Z"}


def escaped(text: bytes) -> bytes:
    """As mysql_real_escape_string does it."""
    return re.sub(rb"[\0\n\r\\'\"\x1a]", lambda found: _ESCAPES[found[0]], text)


def backquoted(text: bytes) -> bytes:
    return b"`" + (text.replace(b"\0", b"").replace(b"\n", b"") or b"x").replace(b"`", b"``") + b"`"


values = (
    st.just(b"NULL")
    | st.integers().map(lambda number: str(number).encode())
    | st.binary(min_size=1, max_size=6).map(lambda data: b"0x" + data.hex().upper().encode())
    | texts.map(lambda text: b"'" + escaped(text) + b"'")
    | st.just(b"1.5e300")
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[bytes, bytes, list[bytes]]:
    """A table of a dump: its name as SQL has it, its part of the dump, its rows."""
    name = backquoted(draw(texts))
    rows = draw(st.lists(st.lists(values, min_size=2, max_size=2).map(lambda row: b"(" + b",".join(row) + b")")))
    separator = draw(st.sampled_from([b",\n", b","]))
    first = draw(st.sampled_from([b"\n", b" "]))
    columns = draw(st.sampled_from([b"", b" (`a`, `b;`)"]))
    dump = b"LOCK TABLES " + name + b" WRITE;\n/*!40000 ALTER TABLE " + name + b" DISABLE KEYS */;\n"
    cut = draw(st.integers(0, len(rows)))
    for part in (rows[:cut], rows[cut:]):
        if part:
            dump += b"INSERT INTO " + name + columns + b" VALUES" + first + separator.join(part) + b";\n"
    return name, dump + b"/*!40000 ALTER TABLE " + name + b" ENABLE KEYS */;\nUNLOCK TABLES;\n\n", rows


@st.composite
def routines(draw: st.DrawFn) -> bytes:
    text = b"'" + draw(texts).replace(b"\\", b"").replace(b"'", b"''") + b"'"
    comment = b"/* " + draw(texts).replace(b"*/", b"").replace(b"*", b"") + b" */"
    line = b"-- " + draw(texts).replace(b"\n", b" ") + b"\n"
    name = backquoted(draw(texts))
    body = b" ".join([b"SELECT", text, comment, line, b"; SELECT 1; ", draw(texts.map(backquoted))])
    return (
        b"DELIMITER ;;\nCREATE DEFINER=`r``o`@`l` PROCEDURE " + name + b"()\nBEGIN " + body + b"; END ;;\nDELIMITER ;\n"
    )


class Listed:
    """Keeps the sections."""

    def __init__(self) -> None:
        self.sections: list[Section] = []

    def add(self, section: Section) -> None:
        self.sections.append(section)

    def amend(self, kind: str, name: str, key: tuple[str, ...]) -> None:
        raise AssertionError("a dump names keys before rows")


def scanned(dump: bytes, *, chunk: int = 1 << 20, exact: bool = True) -> tuple[list[Piece], DumpScanner]:
    scanner = DumpScanner(io.BytesIO(dump), chunk=chunk, exact=exact)
    pieces = list(scanner.pieces())
    assert b"".join(piece.data for piece in pieces) == dump
    return pieces, scanner


def contents(dump: bytes, *, chunk: int = 1 << 20, exact: bool = True, own: bool = False) -> tuple[str, list[Section]]:
    found = Listed()
    sink = DigestSink(found, "dump.sql")
    for _ in scan(DumpScanner(io.BytesIO(dump), chunk=chunk, exact=exact, own=own), sink):
        pass
    return sink.close().digest, found.sections


class TestWhatADumpHolds:
    @settings(max_examples=150, deadline=None)
    @given(st.lists(tables() | routines(), max_size=4), st.integers(1, 80), st.booleans())
    def test_every_table_row_and_routine_is_found_whatever_it_holds(
        self, parts: list[tuple[bytes, bytes, list[bytes]] | bytes], chunk: int, exact: bool
    ) -> None:
        dump = (
            SANDBOX + HEADER + b"".join(part if isinstance(part, bytes) else part[1] for part in parts) + FOOTER + END
        )
        pieces, scanner = scanned(dump, chunk=chunk, exact=exact)
        assert scanner.complete is True
        assert scanner.database == b"app"
        found = [row for piece in pieces if piece.part is Part.ROWS for row in split(piece.data, piece.rows)]
        wanted = [row for part in parts if not isinstance(part, bytes) for row in part[2]]
        assert found == wanted
        assert sum(piece.rows for piece in pieces) == len(wanted)
        made = [created(piece.data) for piece in pieces if piece.part is Part.STATEMENT]
        assert len([one for one in made if one is not None]) == len([one for one in parts if isinstance(one, bytes)])

    @settings(max_examples=60, deadline=None)
    @given(st.lists(tables() | routines(), max_size=3), st.integers(1, 80))
    def test_chunks_and_the_quick_way_change_nothing(
        self, parts: list[tuple[bytes, bytes, list[bytes]] | bytes], chunk: int
    ) -> None:
        dump = HEADER + b"".join(part if isinstance(part, bytes) else part[1] for part in parts) + FOOTER + END
        expected = contents(dump)
        assert contents(dump, chunk=chunk) == expected
        assert contents(dump, chunk=chunk, exact=False) == expected
        if b"),(" not in dump:  # a row on each line, as the dump program of now writes them
            assert contents(dump, chunk=chunk, exact=False, own=True) == expected

    def test_rows_a_megabyte_a_line_are_counted(self) -> None:
        rows = b",".join(b"(%d,'x),(y')" % n for n in range(50_000))
        dump = HEADER + b"INSERT INTO `t` VALUES " + rows + b";\n" + FOOTER + END
        for exact in (True, False):
            pieces, scanner = scanned(dump, chunk=4096, exact=exact)
            assert sum(piece.rows for piece in pieces) == 50_000
            assert scanner.complete

    def test_memory_is_bounded_by_the_chunk_where_a_row_is_a_line(self) -> None:
        dump = HEADER + b"INSERT INTO `t` VALUES\n" + b",\n".join(b"(%d,'y')" % n for n in range(50_000)) + b";\n"
        pieces, _ = scanned(dump, chunk=4096, exact=False)
        assert max(len(piece.data) for piece in pieces) < 3 * 4096

    def test_without_backslash_escapes_a_backslash_ends_no_string(self) -> None:
        body = b"CREATE PROCEDURE p() SELECT '\\', ';;' ;;\n"
        dump = HEADER + b"/*!50003 SET sql_mode              = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES' */ ;\nDELIMITER ;;\n"
        dump += body + b"DELIMITER ;\n/*!50003 SET sql_mode = @saved_sql_mode */ ;\nDO 'a\\';';\n" + END
        pieces, scanner = scanned(dump)
        assert body.rstrip(b"\n") in [piece.data for piece in pieces]
        assert b"DO 'a\\';';" in [piece.data for piece in pieces]
        assert scanner.complete


class TestCompleteness:
    def test_a_dump_cut_anywhere_is_never_whole(self) -> None:
        dump = SANDBOX + HEADER + b"INSERT INTO `t` VALUES\n(1,'a;b'),\n(2,NULL);\n" + FOOTER + END
        for length in range(len(dump) - 1):
            _, scanner = scanned(dump[:length])
            assert scanner.complete is not True, dump[:length][-30:]

    def test_within_a_statement_it_is_cut_and_after_one_nobody_can_know(self) -> None:
        """Dysnomia's own module takes the last line away."""
        assert scanned(HEADER + FOOTER)[1].complete is None
        assert scanned(HEADER + b"INSERT INTO `t` VALUES\n(1,'a'),\n")[1].complete is False
        assert scanned(HEADER + b"INSERT INTO `t` VALUES\n(1,'a;")[1].complete is False
        assert scanned(HEADER + b"CREATE VIEW `v` AS SELECT 1")[1].complete is False
        assert scanned(b"")[1].complete is False

    def test_what_follows_the_end_marker_takes_it_back(self) -> None:
        assert scanned(HEADER + END + b"DROP TABLE `t`;\n")[1].complete is None
        assert scanned(HEADER + END + b"\n\n")[1].complete is True
        assert scanned(HEADER + b"-- Dump completed on 2026-01-01  1:02:03\n")[1].complete is True


class TestIdentity:
    def test_versions_host_schema_and_date_count_for_nothing(self) -> None:
        body = b"INSERT INTO `t` VALUES\n(1);\n--\n-- Dumping routines for database 'app'\n--\n"
        one = contents(SANDBOX + HEADER + body + FOOTER + END)
        other = HEADER.replace(b"10.11.19", b"10.11.20").replace(b"localhost", b"db2").replace(b"app", b"copy")
        two = contents(other + body.replace(b"app", b"copy") + FOOTER + b"-- Dump completed on 2026-01-01 10:00:00\n")
        assert one[0] == two[0]

    @pytest.mark.parametrize("line", [b"-- Host: a    Database: b", b"-- Server version 1", b"-- MariaDB dump 9", END])
    def test_the_same_lines_in_a_row_count(self, line: bytes) -> None:
        one = HEADER + b"INSERT INTO `t` VALUES\n('" + escaped(line) + b"');\n" + FOOTER + END
        assert contents(one)[0] != contents(one.replace(escaped(line), escaped(line + b"x")))[0]

    def test_a_statement_around_a_routine_that_names_the_schema_does_not(self) -> None:
        text = b"ALTER DATABASE `%s` CHARACTER SET latin1 COLLATE latin1_swedish_ci ;\n"
        assert contents(HEADER + text % b"app" + END)[0] == contents(HEADER + text % b"co``py" + END)[0]
        assert contents(HEADER + text % b"app" + END)[0] != contents(HEADER + END)[0]

    def test_a_trigger_may_name_its_own_schema(self) -> None:
        plain = (
            b"/*!50003 CREATE*/ /*!50017 DEFINER=`r`@`l`*/ /*!50003 TRIGGER t BEFORE INSERT ON `x` FOR EACH ROW DO 1*/;"
        )
        named = plain.replace(b"TRIGGER t", b"TRIGGER `a``b` . t").replace(b"ON `x`", b"ON app.`x`")
        assert unqualified(named) == plain
        assert unqualified(plain) is None
        assert contents(HEADER + named + END)[0] == contents(HEADER + plain + END)[0]


class TestStatements:
    @pytest.mark.parametrize(
        ("statement", "kind", "name"),
        [
            ("CREATE TABLE `a``b` (\n  `x` int\n);", "schema", "a`b"),
            ("CREATE SEQUENCE `s` start with 1;", "sequence", "s"),
            ("/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013 DEFINER=`a`@`%` SQL SECURITY DEFINER */\n"
             "/*!50001 VIEW `v` AS select 1 */;", "view", "v"),
            ("/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 trigger `a.b`.tr before insert on t */;",
             "trigger", "tr"),
            ("/*!50106 CREATE*/ /*!50117 DEFINER=`r`@`l`*/ /*!50106 EVENT `e` ON SCHEDULE */ ;;", "event", "e"),
            ('CREATE DEFINER="root"@"localhost" PACKAGE BODY "pkg" as end ;;', "package body", "pkg"),
            ("CREATE DEFINER=`r`@`l` AGGREGATE FUNCTION `f`(x int) ;;", "function", "f"),
        ],
    )  # fmt: skip
    def test_what_is_created_is_named(self, statement: str, kind: str, name: str) -> None:
        made = created(statement.encode())
        assert made is not None
        assert (made.kind, made.name, made.stands_in) == (kind, name, False)

    def test_a_view_that_stands_in_is_told_from_the_real_one(self) -> None:
        made = created(b"/*!50001 CREATE VIEW `v1` AS SELECT\n NULL AS `id` */;")
        assert made is not None
        assert made.stands_in

    def test_columns_and_key_are_read_from_the_table(self) -> None:
        text = b"CREATE TABLE `t` (\n  `a ``b` int(11) NOT NULL,\n  `c` text COMMENT 'x,\\n  `y`',\n"
        text += b"  PRIMARY KEY (`c`(10),`a ``b`),\n  KEY `k` (`c`)\n) ENGINE=InnoDB;"
        assert table_columns(text) == (("a `b", "c"), ("c", "a `b"))

    def test_an_insert_may_name_its_columns(self) -> None:
        assert insert_target(b"INSERT INTO `a``b` (`x`, row_start) VALUES ") == ("a`b", ("x", "row_start"))

    @given(st.text(min_size=1, max_size=20).filter(lambda text: "\0" not in text))
    def test_names_are_quoted_and_read_back(self, name: str) -> None:
        assert unquoted(identifier(name).encode("utf-8", "surrogateescape")) == name
        assert literal(name)[0] == literal(name)[-1] == "'"


class TestRows:
    @given(st.lists(st.none() | texts, min_size=1, max_size=5))
    def test_cells_are_what_was_escaped(self, cells: list[bytes | None]) -> None:
        raw = b"(" + b",".join(b"NULL" if cell is None else b"'" + escaped(cell) + b"'" for cell in cells) + b")"
        columns = tuple(f"c{n}" for n in range(len(cells)))
        section = Section("table", "t", Form.ROWS, 0, "", columns=columns, key=("c0",))
        row = parse_row(section, raw)
        assert row.cells == tuple(None if cell is None else cell.decode("utf-8", "backslashreplace") for cell in cells)
        assert row.key == row.cells[:1]

    def test_numbers_bytes_and_other_tools_ways(self) -> None:
        section = Section("table", "t", Form.ROWS, 0, "", columns=("a", "b", "c", "d", "e"))
        row = parse_row(section, b"(-1.5e10,0x00FF,_binary 'x\\0','it''s',ST_GeomFromText('POINT(1 2)', 0))")
        assert row.cells == ("-1.5e10", "\\x00ff", "x\0", "it's", "ST_GeomFromText('POINT(1 2)', 0)")


def test_an_empty_table_is_a_section_without_rows() -> None:
    text = b"CREATE TABLE `t` (\n  `a` int\n);\nLOCK TABLES `t` WRITE;\nUNLOCK TABLES;\n"
    found = contents(HEADER + text + END)[1]
    assert [(one.kind, one.name, one.rows, one.columns) for one in found] == [
        ("schema", "t", None, ()), ("table", "t", 0, ("a",)),
    ]  # fmt: skip


def test_a_sequence_shows_its_value() -> None:
    text = b"CREATE SEQUENCE `s` start with 1;\nDO SETVAL(`s`, 1005, 0);\n"
    (found,) = contents(HEADER + text + END)[1]
    assert (found.kind, found.name, dict(found.attributes)) == ("sequence", "s", {"value": "1005"})


def test_a_table_that_comes_twice_is_two_sections() -> None:
    found = Listed()
    writer = ContentsWriter(sink := DigestSink(found, "dump.sql"))
    for _ in range(2):
        writer.write(Piece(Part.STATEMENT, b"CREATE TABLE `t` (\n  `a` int\n);"))
    writer.finish()
    sink.close()
    assert [one.name for one in found.sections] == ["t", "t (2)"]


def test_auto_increment_counts_with_the_rows_and_is_no_change_of_the_schema() -> None:
    text = b"CREATE TABLE `t` (\n  `a` int\n) ENGINE=InnoDB AUTO_INCREMENT=%d DEFAULT CHARSET=utf8mb4;\n"
    rows = b"LOCK TABLES `t` WRITE;\nUNLOCK TABLES;\n"
    one, two = (contents(HEADER + text % number + rows + END) for number in (4, 5))
    assert one[0] != two[0]
    assert [section.digest for section in one[1]][:1] == [section.digest for section in two[1]][:1]
    assert [dict(section.attributes) for section in two[1]] == [{}, {"next": "5"}]
    assert contents(HEADER + text % 4 + END)[0] != contents(HEADER + text % 5 + END)[0]
