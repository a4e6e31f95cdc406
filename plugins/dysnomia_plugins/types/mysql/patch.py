"""The difference of two dumps as a script for the mariadb client: applied to one state, it gives exactly the other.

Rows are in the dump's own text. Those that went or changed are put into a temporary table of the same types, and
deleted where every cell is the same byte by byte; those that came or changed are inserted. Only what one transaction
can do, and nothing else can see, is in a patch: what a trigger, an engine without transactions or a rounded FLOAT would
spoil is refused by name. AUTO_INCREMENT is set after the commit: that is a statement that cannot be taken back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from dysnomia_plugins.base import SectionPatch, Stored
from dysnomia_plugins.errors import Unsupported
from dysnomia_plugins.toolkit.patches import WRONG_STATE, refuse_long
from dysnomia_plugins.types.mysql import session
from dysnomia_plugins.types.mysql.created import SCHEMA, TABLE, TRIGGER
from dysnomia_plugins.types.mysql.names import identifier
from dysnomia_plugins.types.mysql.rows import raw_rows
from dysnomia_store.model import Section

_GUARD, _GONE = "`dysnomia_patch`", "`dysnomia_gone`"
_FLOAT = re.compile(rb"^  `(?:[^`\n]|``)*+` float\b", re.MULTILINE)
_BATCH = 1 << 19
_HINT = "--diff --rows shows what differs"


def sql_patch(new: Stored, changes: Sequence[SectionPatch], title: str) -> Iterator[str]:
    """Yield the script. Raises Unsupported, before the first line, where SQL cannot say it."""
    for change in changes:
        shown = change.new or change.old
        assert shown is not None
        if shown.kind != TABLE or change.new is None or change.old is None or change.old.columns != shown.columns:
            raise Unsupported(f"the schemas differ ({shown.kind} {shown.name}), and a patch is of rows alone", _HINT)
        if not shown.key:
            raise Unsupported(f"the rows of table {shown.name} cannot be told apart: it has no primary key", _HINT)
    _refuse(new, {change.new.name for change in changes if change.new is not None})
    for change in changes:
        refuse_long(change, "restore a copy instead")
    yield f"-- {title}\n"
    yield "-- For the mariadb client: mariadb DATABASE < FILE. It changes all of this, or nothing.\n"
    yield session.script(session.LOADING)
    yield f"{session.WRITING}, check_constraint_checks = 1;\n"
    check = f"CONSTRAINT {identifier(WRONG_STATE)} CHECK (fits = 1)"
    yield f"CREATE TEMPORARY TABLE {_GUARD} (fits int NOT NULL, {check}) ENGINE=InnoDB;\n"
    yield "START TRANSACTION;\n"
    for change in changes:
        yield from _deleted(change)
    yield "SET SESSION check_constraint_checks = 0;\n"
    for change in changes:
        assert change.new is not None
        yield from _rows(change.new, identifier(change.new.name), (after for _, after in change.rows()))
    yield "COMMIT;\n"
    for change in changes:
        assert change.new is not None
        if counter := change.new.attributes.get("next"):
            yield f"ALTER TABLE {identifier(change.new.name)} AUTO_INCREMENT = {int(counter)};\n"


def _refuse(new: Stored, names: set[str]) -> None:
    """Raises Unsupported, naming the table and what is in the way."""
    for section in new.sections():
        if section.kind == SCHEMA and section.name in names:
            text = _text(new, section)
            if b"\n) ENGINE=InnoDB" not in text:
                raise Unsupported(f"table {section.name} is of an engine without transactions", _HINT)
            if b" WITH SYSTEM VERSIONING" in text:
                raise Unsupported(f"table {section.name} keeps its history, which SQL cannot write", _HINT)
            if _FLOAT.search(text):
                raise Unsupported(f"a dump rounds the FLOAT columns of table {section.name}", _HINT)
        elif section.kind == TRIGGER:
            text = _text(new, section).lower()
            on = next((name for name in sorted(names) if name.lower().encode() in text), "")
            if on:
                raise Unsupported(
                    f"the trigger {section.name} would run on table {on}, and a session cannot switch it off", _HINT
                )


def _text(stored: Stored, section: Section) -> bytes:
    return b"\n".join(line for batch in raw_rows(stored, section) for line in batch)


def _deleted(change: SectionPatch) -> Iterator[str]:
    section = change.new
    assert section is not None
    count = sum(before is not None for before, _ in change.rows())
    if not count:
        return
    table, columns = identifier(section.name), [identifier(name) for name in section.columns]
    yield f"CREATE TEMPORARY TABLE {_GONE} ENGINE=InnoDB SELECT {', '.join(columns)} FROM {table} LIMIT 0;\n"
    yield from _rows(section, _GONE, (before for before, _ in change.rows()))
    key = " AND ".join(f"t.{identifier(name)} = g.{identifier(name)}" for name in section.key)
    same = " AND ".join(f"BINARY t.{name} <=> BINARY g.{name}" for name in columns)
    yield f"DELETE t FROM {table} t JOIN {_GONE} g ON {key} AND {same};\n"
    yield f"INSERT INTO {_GUARD} VALUES (ROW_COUNT() = {count});\n"
    yield f"DROP TEMPORARY TABLE {_GONE};\n"


def _rows(section: Section, target: str, rows: Iterator[bytes | None]) -> Iterator[str]:
    """INSERTs of some rows each, as large as any server takes."""
    head = f"INSERT INTO {target} ({', '.join(map(identifier, section.columns))}) VALUES\n"
    size = 0
    for raw in rows:
        if raw is None:
            continue
        lead = ",\n" if size else head
        yield lead + raw.decode("utf-8", "surrogateescape")
        size += len(raw)
        if size > _BATCH:
            yield ";\n"
            size = 0
    if size:
        yield ";\n"
