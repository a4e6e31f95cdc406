"""The tokenizer of dumps: hostile rows, bodies and names, cut into chunks anywhere. No server is needed."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dysnomia_plugins.types.postgresql.contents import ContentsWriter, copy_target, primary_key, scan
from dysnomia_plugins.types.postgresql.names import identifier, identifiers, literal, split_qualified
from dysnomia_plugins.types.postgresql.scanner import DumpScanner, Part
from dysnomia_store.content.artefact_writer import DigestSink
from dysnomia_store.model import Form, Section
from tests.thorough import often

HEADER = b"--\n-- PostgreSQL database dump\n--\n\n"
RESTRICT = b"\\restrict Key1\n\n"
VERSIONS = b"-- Dumped from database version 15.18 (Debian)\n-- Dumped by pg_dump version 15.18\n\n"
END = b"--\n-- PostgreSQL database dump complete\n--\n\n"
UNRESTRICT = b"\\unrestrict Key1\n\n"

HOSTILE = [
    b"\\restrict AAAA\n", b"\\unrestrict Key1\n", b"\\.\n", b"\n\\.\n", b"-- PostgreSQL database dump complete\n",
    b"-- Dumped from database version 1\n", b"COPY public.t (a) FROM stdin;\n", b"';", b"$$", b"$a$", b"*/", b"/*",
    b"--", b"\\'", b"''", b'"', b";\n", b"(", b")", b"E'", b"END", b"BEGIN ATOMIC", b"\\connect x\n", b"\n",
]  # fmt: skip
texts = (
    st.lists(st.sampled_from(HOSTILE) | st.binary(max_size=8), max_size=6)
    .map(b"".join)
    .map(lambda text: text.replace(b"\0", b"0"))
)
words = st.from_regex(rb"[a-z_][a-z0-9_]{0,8}", fullmatch=True)


def quoted(text: bytes) -> bytes:
    return b"'" + text.replace(b"'", b"''") + b"'"


def escaped(text: bytes) -> bytes:
    return b"E'" + text.replace(b"\\", b"\\\\").replace(b"'", b"\\'") + b"'"


def named(text: bytes) -> bytes:
    return b'"' + text.replace(b'"', b'""') + b'"'


@st.composite
def dollars(draw: st.DrawFn) -> bytes:
    text = draw(texts)
    tag = b"$" + draw(st.just(b"") | words) + b"$"
    while tag in text + tag[:-1]:
        tag = b"$x" + tag[1:]
    return tag + text + tag


@st.composite
def statements(draw: st.DrawFn) -> bytes:
    """A statement with what pg_dump writes: literals of all kinds, odd names, comments, nested parentheses."""
    token = (
        texts.map(quoted)
        | texts.map(escaped)
        | texts.map(named)
        | dollars()
        | texts.map(lambda text: b"--" + text.replace(b"\n", b" ") + b"\n")
        | texts.map(lambda text: b"/*" + text.replace(b"*/", b"").replace(b"/*", b"").rstrip(b"*/") + b" */")
        | texts.map(quoted).map(lambda text: b"(" + text + b"; x)")
        | words
        | st.sampled_from([b",", b"=", b"::text", b"1.5", b"a$b$c", b"\n", b"-", b"/", b"*", b"[1]"])
    )
    head = draw(st.sampled_from([b"CREATE TABLE", b"COMMENT ON", b"ALTER", b"SELECT", b"CREATE FUNCTION f()"]))
    return b" ".join([head, *draw(st.lists(token, max_size=6))]) + b";"


@st.composite
def copies(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A COPY statement and its data; no line of the data is the end, as the server escapes backslashes."""
    target = draw(words | texts.map(lambda text: named(text or b"x")))
    columns = draw(st.lists(words | texts.map(lambda text: named(text or b"x")), max_size=3))
    listed = b"(" + b", ".join(columns) + b") " if columns else b" "
    rows = draw(st.lists(texts, max_size=5))
    data = b"".join(row.replace(b"\\", b"\\\\").replace(b"\n", b"\\n") + b"\n" for row in rows)
    return b"COPY public." + target + b" " + listed + b"FROM stdin;\n", data


Pieces = list[tuple[Part, bytes]]


def scanned(dump: bytes, chunk: int, long: int = 1 << 20) -> tuple[Pieces, bool]:
    """The pieces, with rows that come in several joined."""
    scanner = DumpScanner(io.BytesIO(dump), chunk=chunk, long=long)
    found: Pieces = []
    for part, data in scanner.pieces():
        if found and part is found[-1][0] and part in (Part.ROWS, Part.TRIVIA, Part.MORE):
            found[-1] = (part, found[-1][1] + data)
        else:
            found.append((part, data))
    return found, scanner.complete


@settings(deadline=None, max_examples=often(300, 120))
@given(st.lists(statements() | copies(), max_size=6), st.integers(1, 200), st.booleans())
def test_any_dump_is_cut_where_it_was_put_together(
    parts: list[bytes | tuple[bytes, bytes]], chunk: int, restricted: bool
) -> None:
    dump = HEADER + (RESTRICT if restricted else b"") + VERSIONS
    expected: Pieces = []
    for part in parts:
        if isinstance(part, bytes):
            dump += part + b"\n\n"
            expected.append((Part.STATEMENT, part))
        else:
            dump += part[0] + part[1] + b"\\.\n\n"
            expected += [(Part.COPY, part[0]), *([(Part.ROWS, part[1])] if part[1] else []), (Part.ROWS_END, b"\\.\n")]
    dump += END + (UNRESTRICT if restricted else b"")
    found, complete = scanned(dump, chunk)
    assert b"".join(data for _, data in found) == dump
    kept = [piece for piece in found if piece[0] is not Part.TRIVIA]
    head = [Part.RESTRICT, Part.VERSION, Part.VERSION] if restricted else [Part.VERSION, Part.VERSION]
    assert [part for part, _ in kept[: len(head)]] == head
    tail = kept[len(head) :]
    if restricted:
        assert tail.pop() == (Part.UNRESTRICT, UNRESTRICT)
    assert tail == expected
    assert complete


@settings(deadline=None, max_examples=200)
@given(st.lists(statements() | copies(), min_size=1, max_size=4), st.integers(1, 100), st.data())
def test_a_dump_that_is_cut_anywhere_is_not_complete(
    parts: list[bytes | tuple[bytes, bytes]], chunk: int, data: st.DataObject
) -> None:
    body = b"".join(part + b"\n" if isinstance(part, bytes) else part[0] + part[1] + b"\\.\n" for part in parts)
    dump = HEADER + RESTRICT + VERSIONS + body + END + UNRESTRICT
    at = data.draw(st.integers(0, len(dump) - len(UNRESTRICT) + len(b"\\unrestrict")))
    found, complete = scanned(dump[:at], chunk)
    assert not complete
    assert b"".join(data for _, data in found) == dump[:at]


@settings(deadline=None)
@given(statements(), st.integers(1, 64), st.integers(100, 200))
def test_a_long_statement_comes_in_parts_and_ends_where_it_ends(statement: bytes, chunk: int, long: int) -> None:
    dump = statement + b"\nSELECT 1;\n"
    found, _ = scanned(dump, chunk, long)
    assert b"".join(data for _, data in found) == dump
    assert (Part.STATEMENT, b"SELECT 1;") in found
    first = [data for part, data in found[: found.index((Part.STATEMENT, b"SELECT 1;"))] if part is not Part.TRIVIA]
    assert b"".join(first) == statement


@given(st.binary(max_size=400), st.integers(1, 50))
def test_any_bytes_come_through_unchanged(dump: bytes, chunk: int) -> None:
    found, _ = scanned(dump, chunk)
    assert b"".join(data for _, data in found) == dump


def test_restrict_lines_count_only_in_their_place() -> None:
    late, _ = scanned(HEADER + VERSIONS + b"SELECT 1;\n\\restrict X\nSELECT 2;\n" + END, 7)
    assert (Part.META, b"\\restrict X\n") in late
    other, complete = scanned(HEADER + RESTRICT + VERSIONS + END + b"\\unrestrict Other\n", 7)
    assert other[-1] == (Part.META, b"\\unrestrict Other\n")
    assert not complete
    early, complete = scanned(HEADER + RESTRICT + b"\\unrestrict Key1\nSELECT 1;\n" + END + UNRESTRICT, 7)
    assert (Part.META, b"\\unrestrict Key1\n") in early
    again, complete = scanned(HEADER + RESTRICT + END + UNRESTRICT + b"\\! id\n", 7)
    assert again[-1] == (Part.META, b"\\! id\n")
    assert not complete


def test_statements_after_the_end_marker_take_it_back() -> None:
    assert scanned(HEADER + END, 9)[1]
    assert not scanned(HEADER + END + b"SELECT 1;\n", 9)[1]
    assert not scanned(HEADER + b"SELECT '\n" + END + b"'", 9)[1]
    assert not scanned(HEADER + b"COPY t FROM stdin;\n" + END, 9)[1]


def test_a_backslash_within_a_statement_is_a_command() -> None:
    found, _ = scanned(b"SELECT 1 \\! id\n;", 3)
    assert found[:2] == [(Part.STATEMENT, b"SELECT 1 "), (Part.META, b"\\! id\n")]


def test_nonstandard_strings_are_followed() -> None:
    dump = b"SET standard_conforming_strings = off;\nSELECT 'it\\'s; one';\nSELECT 2;\n"
    statements_found = [data for part, data in scanned(dump, 5)[0] if part is Part.STATEMENT]
    assert statements_found[1:] == [b"SELECT 'it\\'s; one';", b"SELECT 2;"]


def test_sql_bodies_hold_semicolons() -> None:
    body = (
        b"CREATE FUNCTION f(a int) RETURNS int\n    BEGIN ATOMIC\n"
        b" SELECT CASE WHEN a > 1 THEN 1 ELSE 2 END AS endless;\n"
        b" SELECT case_, begin_, (SELECT 1);\nEND;"
    )
    found = [data for part, data in scanned(body + b"\n\nSELECT 2;", 11)[0] if part is Part.STATEMENT]
    assert found == [body, b"SELECT 2;"]
    plain = b"CREATE FUNCTION begin() RETURNS int LANGUAGE sql AS 'x';"
    assert scanned(plain + b"\nSELECT 1;", 11)[0][0] == (Part.STATEMENT, plain)


def test_rows_without_a_newline_use_no_memory() -> None:
    class Endless:
        def __init__(self) -> None:
            self.left = 400

        def read(self, size: int, /) -> bytes:
            self.left -= 1
            if self.left == 399:
                return b"COPY t (a) FROM stdin;\n"
            return b"x" * 100_000 if self.left > 0 else b""

    largest = max(len(data) for _, data in DumpScanner(Endless()).pieces())
    assert largest <= 100_000


# --- contents ----------------------------------------------------------------------------------------------------


class Index:
    """Keeps the sections, with the keys that came later."""

    def __init__(self) -> None:
        self.sections: list[Section] = []
        self.keys: dict[str, tuple[str, ...]] = {}

    def add(self, section: Section) -> None:
        self.sections.append(section)

    def amend(self, kind: str, name: str, key: tuple[str, ...]) -> None:
        self.keys[f"{kind}:{name}"] = key


def contents(dump: bytes, chunk: int = 64) -> tuple[str, Index, ContentsWriter]:
    index = Index()
    sink = DigestSink(index, "dump.pgsql")
    writer = scan(DumpScanner(io.BytesIO(dump), chunk=chunk), sink)
    return sink.close().digest, index, writer


BODY = b"""SET client_encoding = 'UTF8';
SELECT pg_catalog.set_config('search_path', '', false);

--
-- Name: t; Type: TABLE; Schema: public; Owner: o
--

CREATE TABLE public.t (
    id integer NOT NULL
);


--
-- Data for Name: t; Type: TABLE DATA; Schema: public; Owner: o
--

COPY public.t (id, "odd ""name, (x)") FROM stdin;
1\ta
2\t\\N
\\.


--
-- Data for Name: u; Type: TABLE DATA; Schema: public; Owner: o
--

COPY public.u  FROM stdin;
\\.


--
-- Name: s; Type: SEQUENCE SET; Schema: public; Owner: o
--

SELECT pg_catalog.setval('public.s', 42, true);


--
-- Data for Name: BLOBS; Type: BLOBS; Schema: -; Owner: -
--

BEGIN;

SELECT pg_catalog.lo_open('4711', 131072);
SELECT pg_catalog.lowrite(0, '\\x00ff00');
SELECT pg_catalog.lo_close(0);

COMMIT;

SET default_tablespace = '';

--
-- Name: t t_pkey; Type: CONSTRAINT; Schema: public; Owner: o
--

ALTER TABLE ONLY public.t
    ADD CONSTRAINT "t PRIMARY KEY (x)" PRIMARY KEY ("odd ""name, (x)", id);


"""
DUMP = HEADER + RESTRICT + VERSIONS + BODY + END + UNRESTRICT


def test_sections_of_a_dump() -> None:
    _, index, writer = contents(DUMP)
    found = [(section.kind, section.name, section.form, section.rows) for section in index.sections]
    assert found == [
        ("schema", "definitions", Form.TEXT, None),
        ("table", "public.t", Form.ROWS, 2),
        ("table", "public.u", Form.ROWS, 0),
        ("sequence", "public.s", Form.TEXT, None),
        ("large object", "4711", Form.BYTES, None),
        ("schema", "keys, indexes, triggers, grants", Form.TEXT, None),
    ]
    assert index.sections[1].columns == ("id", 'odd "name, (x)')
    assert index.keys == {"table:public.t": ('odd "name, (x)', "id")}
    assert index.sections[3].attributes == {"value": "42"}
    assert index.sections[4].size == 3
    assert (writer.server_version, writer.client_version) == ("15.18", "15.18")
    for section in index.sections:
        assert section.offset is not None
        assert section.length is not None
        piece = DUMP[section.offset : section.offset + section.length]
        assert not piece.startswith((b"\n", b"--\n-- Data")), piece
    table = index.sections[1]
    assert table.offset is not None
    assert table.length is not None
    assert DUMP[table.offset : table.offset + table.length].startswith(b"COPY public.t")
    assert DUMP[table.offset : table.offset + table.length].endswith(b"2\t\\N\n\\.\n")


def test_the_digest_is_the_states_alone() -> None:
    digest, _, _ = contents(DUMP)
    assert contents(DUMP, chunk=3)[0] == digest
    older = HEADER + VERSIONS.replace(b"15.18", b"15.9") + BODY + END
    assert contents(older)[0] == digest
    assert contents(DUMP.replace(b"Key1", b"Another"))[0] == digest
    changes = [
        (b"1\ta", b"1\tb"),
        (b"42, true", b"42, false"),
        (b"NOT NULL", b""),
        (b"00ff00", b"00ff01"),
        (b"2\t", b"3\t"),
    ]
    assert len({contents(DUMP.replace(*change))[0] for change in changes} | {digest}) == len(changes) + 1


def test_what_looks_masked_elsewhere_is_state() -> None:
    plain, _, _ = contents(HEADER + VERSIONS + BODY + END)
    for line in (b"\\\\restrict Key1", b"-- Dumped from database version 15.18 (Debian)"):
        row = BODY.replace(b"1\ta\n", b"1\ta\n" + line + b"\n")
        assert contents(HEADER + VERSIONS + row + END)[0] != plain
    commented = BODY.replace(b"CREATE TABLE", VERSIONS + b"CREATE TABLE")
    assert contents(HEADER + VERSIONS + commented + END)[0] != plain


# --- names ----------------------------------------------------------------------------------------------------

plain_text = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=12)


@given(st.lists(plain_text.filter(bool), min_size=1, max_size=4))
def test_names_are_read_as_they_were_quoted(names: list[str]) -> None:
    text = ", ".join(map(identifier, names)).encode()
    assert identifiers(text) == tuple(names)
    dotted = ".".join(map(identifier, names)).encode()
    assert split_qualified(dotted + b" (x)") == (dotted, b"(x)")


@given(plain_text)
def test_a_literal_is_one_token(text: str) -> None:
    found, _ = scanned(b"SELECT " + literal(text).encode() + b";\nSELECT 2;", 1000)
    assert [part for part, _ in found if part is Part.STATEMENT] == [Part.STATEMENT] * 2


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (b"ALTER TABLE ONLY public.t\n    ADD CONSTRAINT k PRIMARY KEY (a, b);", ("public.t", ("a", "b"))),
        (b'ALTER TABLE ONLY "S"."a.b"\n    ADD CONSTRAINT k PRIMARY KEY (a) INCLUDE (c);', ('"S"."a.b"', ("a",))),
        (b"ALTER TABLE ONLY public.t\n    ADD CONSTRAINT k UNIQUE (a);", None),
        (b'ALTER TABLE ONLY public.t\n    ADD CONSTRAINT "PRIMARY KEY (a)" CHECK ((a > 1));', None),
        (b"ALTER TABLE public.t OWNER TO x;", None),
        (b"SELECT 1;", None),
    ],
)
def test_primary_keys_are_read(statement: bytes, expected: tuple[str, tuple[str, ...]] | None) -> None:
    assert primary_key(statement) == expected


def test_copy_targets_are_read() -> None:
    assert copy_target(b'COPY "a FROM stdin;"."t ()" ("x, y", z) FROM stdin;\n') == (
        '"a FROM stdin;"."t ()"',
        ("x, y", "z"),
    )
    assert copy_target(b"COPY public.u  FROM stdin;\n") == ("public.u", ())
    assert copy_target(b"SELECT 1;") is None
