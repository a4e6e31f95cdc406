"""Turning a stored page copy back into a file: written, checked against the contents index, cut down to sections."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from dysnomia_base.exit_codes import NO_SPACE
from dysnomia_base.limits import reason
from dysnomia_plugins.base import CancelToken, Context, Progress, Stored
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.guarded.folder import Folder
from dysnomia_plugins.toolkit.guarded.system import write_all
from dysnomia_plugins.types.sqlite.cells import quoted
from dysnomia_plugins.types.sqlite.many_columns import most_at_once
from dysnomia_plugins.types.sqlite.opening import CHUNK, HEADER_SIZE, Header, connect, explained, show, uri_of
from dysnomia_plugins.types.sqlite.reader import SCHEMA_KIND, Reader, SchemaObject, Table
from dysnomia_plugins.types.sqlite.site import Site
from dysnomia_store.errors import Corrupt, NotFound
from dysnomia_store.model import Form, Section


def write_out(stored: Stored, path: Path, cancel: CancelToken, progress: Progress | None = None) -> None:
    """Write the page copy into the new file ``path`` in a folder of ours; every byte is verified as it streams.

    Raises PluginError, FileExistsError, and what the store raises for bytes that are not what was written.
    """
    with Folder.at(str(path.parent)) as folder, folder.new_file(path.name) as descriptor:
        write_into(stored, descriptor, path, cancel, progress)


def rewrite(stored: Stored, path: Path, parts: Sequence[tuple[int, int]], size: int) -> None:
    """Make the file ``path``, a page copy in a folder of ours that differs in these parts, the page copy ``stored``.

    Raises PluginError, and what the store raises."""
    (artefact,) = stored.artefacts()
    with Folder.at(str(path.parent)) as folder, folder.file(path.name, os.O_WRONLY) as descriptor:
        for offset, length in parts:
            os.lseek(descriptor, offset, os.SEEK_SET)
            with stored.open_range(artefact, offset, length) as content:
                while chunk := content.read(CHUNK):
                    with _writing(path):
                        write_all(descriptor, chunk)
        with _writing(path):
            os.ftruncate(descriptor, size)


def write_into(
    stored: Stored, descriptor: int, path: Path, cancel: CancelToken, progress: Progress | None = None
) -> None:
    """The same into a file that is open. Raises PluginError, and what the store raises."""
    metadata = stored.metadata
    total = metadata.content_size if metadata is not None else None
    done = 0
    with stored.open() as content:
        while chunk := content.read(CHUNK):
            cancel.check()
            with _writing(path):
                write_all(descriptor, chunk)
            done += len(chunk)
            if progress is not None:
                progress.advance(done, total)


def copy_into(source: Path, descriptor: int, path: Path, cancel: CancelToken) -> None:
    """A file of ours into a file that is open. Raises PluginError."""
    with Folder.at(str(source.parent)) as folder, folder.file(source.name) as reading:
        while chunk := os.read(reading, CHUNK):
            cancel.check()
            with _writing(path):
                write_all(descriptor, chunk)


def set_journal_mode(descriptor: int, *, wal: bool) -> None:
    """What the header of a private page copy says that its journal mode is (sqlite.org/fileformat2.html, 1.3)."""
    if os.fstat(descriptor).st_size >= HEADER_SIZE:
        os.pwrite(descriptor, b"\2\2" if wal else b"\1\1", 18)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        hint = "free some space there, and try again" if error.errno in NO_SPACE else ""
        raise PluginError(f"{show(path)} cannot be written ({reason(error)})", hint) from error


def header_of(stored: Stored) -> Header:
    """The header of a stored page copy; reads no more than its first bytes. Raises NotADatabase."""
    with stored.open() as content:
        head = b""
        while len(head) < HEADER_SIZE and (more := content.read(HEADER_SIZE - len(head))):
            head += more
    return Header.parse(head)


def check_loaded(path: Path | Site, stored: Stored, cancel: CancelToken) -> None:
    """Compare what was written with the contents index, and ask SQLite whether it is sound. Raises Corrupt.

    Without an index (a snapshot that was copied here) it is the latter alone."""
    with Reader(path, cancel) as reader:
        damage = reader.damage()
        if damage:
            raise Corrupt(f"the snapshot loads as a damaged database ({damage})", "choose another generation")
        tables = {table.name: table for table in reader.tables(reader.objects())}
        indexed = False  # (there always is a section: the schema)
        for section in _known_sections(stored):
            indexed = True
            cancel.check()
            if section.form is not Form.ROWS:
                continue
            table = tables.pop(section.name, None)
            count = reader.count(table) if table is not None else None
            if count is None or (section.rows is not None and count != section.rows):
                raise Corrupt(
                    f"table {section.name!r} holds {count} rows, and the contents index says {section.rows}",
                    "check the snapshot",
                )
        if tables and indexed:
            raise Corrupt(f"table {next(iter(tables))!r} is not in the contents index", "check the snapshot")


def _known_sections(stored: Stored) -> Iterator[Section]:
    """The contents index; nothing for a snapshot that has none yet."""
    try:
        yield from stored.sections()
    except NotFound:
        return


def cut_down(ctx: Context, whole: Path, target: Path, sections: Sequence[Section]) -> None:
    """Make ``target``, a new file in a folder of ours, hold only those sections of ``whole``: tables, rows, indexes.

    With the schema among them everything is declared as it was, and the other tables stand empty. Without it, views
    and triggers, which may name what is missing, are left out; the log says so. Tables behind a virtual table
    come together with it. Raises PluginError.
    """
    with Reader(whole) as reader:
        objects = reader.objects()
        tables = list(reader.tables(objects))
        settings = reader.settings
    with Folder.at(str(target.parent)) as folder, folder.new_file(target.name):
        pass
    with explained(target), closing(connect(target)) as db:
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "ignore_check_constraints=ON", "foreign_keys=OFF"):
            db.execute(f"PRAGMA {pragma}")
        if not ctx.made_here:  # what is declared may not call functions that reach outside
            db.execute("PRAGMA trusted_schema=OFF")
        _Cut(ctx, db, whole, objects, tables, sections).run(settings)


@contextmanager
def _declaring_only(db: sqlite3.Connection) -> Iterator[None]:
    """What a schema says may declare, and nothing else: no other file, no setting."""
    db.set_authorizer(_declares)
    try:
        yield
    finally:
        db.set_authorizer(None)


def _declares(action: int, *_: object) -> int:
    return sqlite3.SQLITE_DENY if action in _NOT_DECLARING else sqlite3.SQLITE_OK


_NOT_DECLARING = frozenset({sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH, sqlite3.SQLITE_TRANSACTION})


class _Cut:
    """One building of a copy that holds a part."""

    def __init__(
        self,
        ctx: Context,
        db: sqlite3.Connection,
        whole: Path,
        objects: Sequence[SchemaObject],
        tables: Sequence[Table],
        sections: Sequence[Section],
    ) -> None:
        self._ctx = ctx
        self._db = db
        self._whole = whole
        self._objects = objects
        self._tables = {table.name: table for table in tables}
        self._everything = any(section.kind == SCHEMA_KIND for section in sections)
        self._virtual = [one for one in objects if one.virtual]
        wanted = {section.name for section in sections}
        self._families = {one.name for one in self._virtual if any(self._behind(one, name) for name in wanted)}
        kept = [one for one in self._virtual if one.name in self._families]
        self._wanted = wanted | {name for one in kept for name in self._tables if self._behind(one, name)}

    def _behind(self, virtual: SchemaObject, name: str) -> bool:
        """Whether a table is one of those behind a virtual table."""
        table = self._tables.get(name)
        return table is not None and table.kind == "shadow" and name.lower().startswith(virtual.name.lower() + "_")

    def run(self, settings: dict[str, str]) -> None:
        db = self._db
        db.execute(f"PRAGMA encoding='{settings['encoding']}'")
        for name in ("user_version", "application_id"):
            db.execute(f"PRAGMA {name}={int(settings[name])}")
        db.execute("ATTACH ? AS whole", (uri_of(self._whole, "ro", immutable=True),))
        db.execute("BEGIN")
        declared = [one for one in self._objects if self._everything or self._is_wanted(one)]
        self._declare([one for one in declared if one.type == "table"])
        for table in self._tables.values():
            if table.name in self._wanted:
                self._ctx.cancel.check()
                self._fill(table)
        self._declare([one for one in declared if one.type == "index"])
        later = [one for one in declared if one.type not in ("table", "index")]
        if self._everything:
            self._declare(later)
        db.execute("COMMIT")
        db.execute("DETACH whole")
        if not self._everything:
            self._ctx.progress.log("only the chosen tables and their indexes are in the copy: no views, no triggers")

    def _is_wanted(self, one: SchemaObject) -> bool:
        return one.name in self._families if one.virtual else one.table in self._wanted

    def _declare(self, objects: Sequence[SchemaObject]) -> None:
        """Virtual tables first: they make the tables behind them. What SQLite makes by itself is left to it."""
        for one in sorted(objects, key=lambda one: not one.virtual):
            if one.name.lower().startswith("sqlite_") or self._is_there(one.name):
                continue
            try:
                with _declaring_only(self._db):
                    self._db.execute(one.sql)
            except (sqlite3.OperationalError, sqlite3.ProgrammingError) as error:
                if one.type == "table":
                    raise PluginError(f"{one.type} {one.name!r} cannot be made here ({error})") from None
                self._ctx.progress.log(f"{one.type} {one.name!r} is left out ({error})")

    def _is_there(self, name: str) -> bool:
        row = self._db.execute("SELECT 1 FROM main.sqlite_master WHERE name = ?", (name,)).fetchone()
        return row is not None

    def _fill(self, table: Table) -> None:
        if not self._is_there(table.name):
            return
        columns = [
            quoted(row[1]) for row in self._db.execute(f"PRAGMA whole.table_xinfo({quoted(table.name)})") if row[6] == 0
        ]
        if table.rowid and len(columns) < most_at_once(self._db):
            columns.insert(0, table.rowid)
        name, names = quoted(table.name), ", ".join(columns)
        self._db.execute(f"DELETE FROM main.{name}")
        self._db.execute(f"INSERT INTO main.{name} ({names}) SELECT {names} FROM whole.{name} NOT INDEXED")
        if self._is_there("sqlite_sequence"):
            for statement in (
                "DELETE FROM main.sqlite_sequence WHERE name = ?",
                "INSERT INTO main.sqlite_sequence SELECT * FROM whole.sqlite_sequence WHERE name = ?",
            ):
                self._db.execute(statement, (table.name,))
