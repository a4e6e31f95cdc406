"""The difference of two dumps as a script for psql: applied to one state, it gives exactly the other, or fails.

Rows travel as they do in a dump: COPY, in its own text. Rows that went or changed are copied to a temporary table of
text and deleted from their own where the text that COPY would write is the same (``ROW(…)::text`` is made by the output
functions that COPY uses), so that tables without a key and types without an equality need nothing of their own. Of
rows that are there several times, as many go as did. Then rows that came or changed are copied in.

Foreign keys, triggers and rules do not act meanwhile (``session_replication_role`` needs a superuser or a grant); those
that act even then are off and come back as they were. Sequences come last: setting one is not taken back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dysnomia_plugins.base import SectionPatch
from dysnomia_plugins.errors import Unsupported
from dysnomia_plugins.toolkit.patches import WRONG_STATE, refuse_long
from dysnomia_plugins.types.postgresql.contents import LARGE_OBJECT, SCHEMA, SEQUENCE, python_codec
from dysnomia_plugins.types.postgresql.names import identifier, literal
from dysnomia_plugins.types.postgresql.sessions import printed
from dysnomia_store.model import Section

_GUARD = "pg_temp.dysnomia_patch"
_GONE = "pg_temp.dysnomia_gone"
_NEVER_ENDED = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "transaction_timeout")
_MEANING = {
    "standard_conforming_strings": "on",
    "array_nulls": "on",
    "transform_null_equals": "off",
    "xmloption": "content",
    "lc_monetary": "C",
    "row_security": "off",
    "client_min_messages": "warning",
}
_NOT_USED = " (not yet used)"


def sql_patch(changes: Sequence[SectionPatch], title: str) -> Iterator[str]:
    """Yield the script. Raises Unsupported, before the first line, where SQL cannot say it."""
    tables, sequences, encoding = _sorted(changes)
    for change in tables:
        refuse_long(change, "restore a copy, and take it from there")
    codec = python_codec(encoding)
    for piece in _script(tables, sequences, encoding, title):
        # Names are written as rows are: in the encoding of the dump.
        raw = piece if isinstance(piece, bytes) else piece.encode(codec, "backslashreplace")
        yield raw.decode("utf-8", "surrogateescape")


def _script(
    tables: Sequence[SectionPatch], sequences: Sequence[SectionPatch], encoding: str, title: str
) -> Iterator[str | bytes]:
    yield f"-- {title}\n"
    yield "-- For psql: psql -X -d DATABASE -f FILE, as a superuser (or who may set session_replication_role).\n"
    yield "-- It changes all of this, or nothing. Foreign keys are not looked at: both states have kept them.\n"
    yield from _opening(encoding)
    names = [change.new.name for change in tables if change.new is not None]
    yield from _switched(names, off=True)
    for change in tables:
        yield from _deleted(change)
    for sequence in sequences:
        yield _expected(sequence)
    for change in tables:
        yield from _inserted(change)
    yield from _switched(names, off=False)
    yield f"DROP TABLE {_GUARD};\n"
    for change in sequences:
        assert change.new is not None
        value, used = _value(change.new)
        yield f"SELECT pg_catalog.setval({literal(change.new.name)}, {value}, {used}) \\g /dev/null\n"
    yield "COMMIT;\n"


def _sorted(changes: Sequence[SectionPatch]) -> tuple[list[SectionPatch], list[SectionPatch], str]:
    """Tables, sequences, and the encoding of the dumps. Raises Unsupported."""
    tables: list[SectionPatch] = []
    sequences: list[SectionPatch] = []
    encodings: set[str] = set()
    for change in changes:
        shown = change.new or change.old
        assert shown is not None
        if shown.kind == LARGE_OBJECT:
            raise Unsupported(f"large object {shown.name} differs, and a patch is of rows", "restore a copy instead")
        if shown.kind == SCHEMA or change.new is None or change.old is None or change.old.columns != shown.columns:
            what = "" if shown.kind == SCHEMA else f" ({shown.kind} {shown.name})"
            raise Unsupported(
                f"the schemas differ{what}, and a patch is of rows alone", "--diff --rows shows what differs"
            )
        if shown.kind == SEQUENCE:
            sequences.append(change)
        elif not shown.columns:
            raise Unsupported(f"table {shown.name} has no columns: its rows cannot be told apart")
        else:
            encodings |= {one.attributes.get("encoding", "") for one in (change.old, change.new)}
            tables.append(change)
    if len(encodings) > 1:
        raise Unsupported("the two dumps are in different encodings", "--diff --rows shows what differs")
    return tables, sequences, next(iter(encodings), "")


def _opening(encoding: str) -> Iterator[str]:
    """What shapes the meaning of the text is set, whatever server, database, role and psqlrc have set."""
    yield "\\set ON_ERROR_STOP on\n\\set ON_ERROR_ROLLBACK off\n\\set AUTOCOMMIT on\n\\set SINGLELINE off\n"
    yield "\\set ECHO none\n\\set QUIET on\n"
    # In SQL_ASCII, and in UTF-8, bytes are as they are in the database.
    yield f"SET client_encoding = {literal(encoding or 'UTF8')};\n"
    yield "SET SESSION AUTHORIZATION DEFAULT;\nSET ROLE NONE;\n"
    yield "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;\n"
    yield "SET session_replication_role = replica;\nSET search_path = pg_catalog;\n"
    names = ", ".join(map(literal, _NEVER_ENDED))
    yield (
        "SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings"
        f" WHERE name = ANY (ARRAY[{names}]) \\g /dev/null\n"
    )
    yield from (f"SET {name} = {literal(value)};\n" for name, value in _MEANING.items())
    yield printed()
    check = f"CONSTRAINT {identifier(WRONG_STATE)} CHECK (fits)"
    yield f"CREATE TEMP TABLE dysnomia_patch (fits boolean {check});\n"
    yield "CREATE TEMP TABLE dysnomia_switch (turn text);\n"
    # Checks and generated columns may call functions that find their tables as a load of the dump lets them.
    yield "SET search_path = '';\n"


def _switched(names: Sequence[str], *, off: bool) -> Iterator[str]:
    """Triggers and rules that act for a replica, too."""
    if not names:
        return
    if not off:
        yield "SELECT turn FROM pg_temp.dysnomia_switch \\gexec\nDROP TABLE pg_temp.dysnomia_switch;\n"
        return
    tables = ", ".join(f"{literal(name)}::pg_catalog.regclass" for name in names)
    for relation, kind, name, of, enabled, more in (
        ("pg_trigger", "TRIGGER", "tgname", "tgrelid", "tgenabled", " AND NOT tgisinternal"),
        ("pg_rewrite", "RULE", "rulename", "ev_class", "ev_enabled", ""),
    ):
        catalog = f" FROM pg_catalog.{relation} WHERE {of} = ANY (ARRAY[{tables}]) AND {enabled} IN ('A', 'R'){more}"
        table = f"{of}::pg_catalog.regclass"
        on = f"CASE {enabled} WHEN 'A' THEN 'ALWAYS' ELSE 'REPLICA' END"
        yield (
            "INSERT INTO pg_temp.dysnomia_switch SELECT"
            f" pg_catalog.format('ALTER TABLE ONLY %s ENABLE %s {kind} %I', {table}, {on}, {name}){catalog};\n"
        )
        yield f"SELECT pg_catalog.format('ALTER TABLE ONLY %s DISABLE {kind} %I', {table}, {name}){catalog} \\gexec\n"


def _deleted(change: SectionPatch) -> Iterator[str | bytes]:
    section = change.new
    assert section is not None
    texts = [f"c{place}" for place in range(len(section.columns))]
    count = 0
    for before, _ in change.rows():
        if before is None:
            continue
        if not count:
            yield f"CREATE TEMP TABLE dysnomia_gone ({', '.join(f'{name} text' for name in texts)});\n"
            yield "COPY pg_temp.dysnomia_gone FROM stdin;\n"
        yield before + b"\n"
        count += 1
    if not count:
        return
    yield "\\.\n\n"
    live = ", ".join(f"t.{identifier(name)}" for name in section.columns)
    columns = ", ".join(f"g.{name}" for name in texts)
    numbered = f"SELECT t.ctid AS at, w.n, row_number() OVER (PARTITION BY w.line) AS nth FROM ONLY {section.name} t"
    wanted = f"SELECT ROW({columns})::text AS line, count(*) AS n FROM {_GONE} g GROUP BY 1"
    places = f"SELECT x.at FROM ({numbered} JOIN ({wanted}) w ON w.line = ROW({live})::text) x WHERE x.nth <= x.n"
    yield (
        f"WITH gone AS (DELETE FROM ONLY {section.name} WHERE ctid = ANY (ARRAY({places})) RETURNING 1)\n"
        f"INSERT INTO {_GUARD} SELECT count(*) = {count} FROM gone;\n"
    )
    yield f"DROP TABLE {_GONE};\n"


def _inserted(change: SectionPatch) -> Iterator[str | bytes]:
    section = change.new
    assert section is not None
    begun = False
    for _, after in change.rows():
        if after is None:
            continue
        if not begun:
            yield f"COPY {section.name} ({', '.join(map(identifier, section.columns))}) FROM stdin;\n"
            begun = True
        yield after + b"\n"
    if begun:
        yield "\\.\n\n"


def _expected(change: SectionPatch) -> str:
    assert change.old is not None
    value, used = _value(change.old)
    return f"INSERT INTO {_GUARD} SELECT last_value = {value} AND is_called IS {used} FROM {change.old.name};\n"


def _value(section: Section) -> tuple[int, str]:
    """A sequence's value, and whether it was used."""
    text = section.attributes["value"]
    return int(text.removesuffix(_NOT_USED)), "false" if text.endswith(_NOT_USED) else "true"
