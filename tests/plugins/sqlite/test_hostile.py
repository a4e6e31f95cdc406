"""Databases of strangers: a schema that was written by hand is read, declared or refused, and never run."""

from __future__ import annotations

import dataclasses
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

import pytest

from dysnomia_plugins.base import Place, Purpose, Severity
from dysnomia_plugins.errors import Cancelled, PluginError
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_store.errors import StoreError
from tests.plugins.conformance.bare import BareStored
from tests.plugins.conformance.driver import Token
from tests.plugins.sqlite.bench import SqliteBench

FOREVER = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n AS a FROM c"


class _Forged(BareStored):
    """The sections of one snapshot, the bytes of another; every digest of it is right."""

    def __init__(self, like: BareStored, content: bytes, folder: Path) -> None:
        self.__dict__.update(like.__dict__)
        self.content = folder / "forged.sqlite"
        self.content.write_bytes(content)

    def open(self, artefact: str | None = None) -> AbstractContextManager[BinaryIO]:
        return self.content.open("rb")


def _forged(tmp_path: Path, sql: str, *, name: str = "t") -> tuple[SqliteBench, _Forged]:
    """A snapshot in whose schema table ``t`` is said to be declared so."""
    bench = SqliteBench(tmp_path, "CREATE TABLE t(a)", "INSERT INTO t VALUES(1)", "CREATE TABLE u(a)")
    stored = bench.dump()
    quoted = sql.replace("'", "''")
    at = tmp_path / "forging"
    bench.run(
        "CREATE TABLE t(a)",
        "INSERT INTO t VALUES(1)",
        "CREATE TABLE u(a)",
        "PRAGMA writable_schema=ON",
        f"UPDATE sqlite_master SET sql = '{quoted}', name = CAST('{name}' AS TEXT) WHERE name = 't'",
        at=at,
    )
    return bench, _Forged(stored, at.read_bytes(), tmp_path)


def _load(bench: SqliteBench, stored: BareStored, *sections: str) -> Path:
    ctx = dataclasses.replace(bench.job(), made_here=False)
    copy = Path(bench.sqlite.named(bench.component, "copy").name)
    some = [one for one in stored.sections() if one.name in sections] if sections else None
    bench.sqlite.load(ctx, stored, Place(str(copy)), some)
    return copy


@pytest.mark.parametrize(
    "sql",
    [
        f"CREATE VIEW t AS {FOREVER}",
        f"create/**/view t as {FOREVER}",
        "CREATE TRIGGER t AFTER INSERT ON u BEGIN DELETE FROM u; END",
        "CREATE TABLE t(a); ATTACH '{outside}' AS x",
        "CREATE TABLE t(a) AS SELECT 1",
        "CREATE VIRTUAL TABLE t USING fsdir('/root')",
        "ATTACH '{outside}' AS x",
        "PRAGMA writable_schema=ON",
        "",
    ],
)
@pytest.mark.parametrize("sections", [(), ("t",), ("main", "t")])
def test_what_stands_in_the_place_of_a_table_is_not_run(tmp_path: Path, sql: str, sections: tuple[str, ...]) -> None:
    outside = tmp_path / "outside.db"
    bench, stored = _forged(tmp_path, sql.format(outside=outside))
    try:
        copy = _load(bench, stored, *sections)
    except (PluginError, StoreError):
        pass
    else:
        assert bench.run("SELECT a FROM t", at=copy) == [(1,)]
    assert not outside.exists()
    assert not [name for name in bench.files() if name.startswith(".dysnomia")]


def test_a_name_that_holds_a_zero_is_an_error_in_words(tmp_path: Path) -> None:
    bench, stored = _forged(tmp_path, "CREATE TABLE t(a)", name="t' || char(0) || '")
    with pytest.raises((PluginError, StoreError)):
        _load(bench, stored)


@pytest.mark.parametrize(
    "declared",
    [
        "CREATE TRIGGER grow AFTER INSERT ON t BEGIN INSERT INTO u SELECT 1; END",
        "CREATE VIEW settings AS SELECT * FROM pragma_writable_schema",
        "CREATE VIEW outside AS SELECT load_extension('/tmp/evil.so')",
        f"CREATE VIEW forever AS {FOREVER}",
        "CREATE INDEX late ON t(a) WHERE a > 0",
    ],
)
def test_views_and_triggers_are_declared_and_nothing_reads_through_them(tmp_path: Path, declared: str) -> None:
    bench = SqliteBench(tmp_path, "CREATE TABLE t(a)", "INSERT INTO t VALUES(1)", "CREATE TABLE u(a)", declared)
    stored = bench.dump()
    copy = _load(bench, stored)
    assert bench.run("SELECT a FROM t", at=copy) == [(1,)]
    assert bench.run("SELECT a FROM u", at=copy) == []
    assert bench.identity(copy) == stored.digest


def test_a_check_that_takes_for_ever_can_be_cancelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's own check of a database works out what its tables promise."""
    slow = f"{' + '.join(['abs(a)'] * 400)} >= a"
    bench = SqliteBench(tmp_path, f"CREATE TABLE t(a, CHECK({slow}))", "CREATE TABLE u(a)")
    bench.run(
        "PRAGMA ignore_check_constraints=ON",
        "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 200000)"
        " INSERT INTO t SELECT n FROM c",
    )
    stored = bench.dump()
    token = Token()
    ctx = dataclasses.replace(bench.job(), cancel=token, runner=ProcessRunner(token), made_here=False)
    beside = bench.sqlite.place(ctx, Purpose.BESIDE)
    bench.progress.phases.clear()
    begin = bench.progress.phase

    def phase(name: str) -> None:
        token.cancelled = name == "check"
        begin(name)

    monkeypatch.setattr(bench.progress, "phase", phase)
    began = time.monotonic()
    with pytest.raises(Cancelled):
        bench.sqlite.load(ctx, stored, beside)
    assert time.monotonic() - began < 30
    assert not bench.sqlite.exists(ctx, beside)


def test_a_header_that_promises_more_pages_than_there_are_is_no_database(tmp_path: Path) -> None:
    bench, stored = _forged(tmp_path, "CREATE TABLE t(a)")
    content = bytearray(stored.content.read_bytes())
    content[28:32] = (0xFFFFFFFE).to_bytes(4, "big")
    stored.content.write_bytes(content)
    try:
        copy = _load(bench, stored)
    except (PluginError, StoreError):
        return
    assert copy.stat().st_size == len(content)


@pytest.mark.parametrize(
    ("made_here", "replace", "severity"),
    [
        (True, True, None),
        (False, False, Severity.WARNING),
        (False, True, Severity.DANGEROUS),
    ],
)
def test_what_programs_would_run_is_graded(
    tmp_path: Path, made_here: bool, replace: bool, severity: Severity | None
) -> None:
    """A command then asks for --yes-untrusted: the triggers and views of a stranger run in whatever uses the file."""
    bench = SqliteBench(tmp_path, "CREATE TABLE t(a)", "CREATE TRIGGER x AFTER INSERT ON t BEGIN DELETE FROM t; END")
    stored = bench.dump()
    ctx = dataclasses.replace(bench.job(), made_here=made_here)
    found = [
        one for one in bench.sqlite.preflight(ctx, stored, replace=replace).findings if "not made here" in one.text
    ]
    assert [one.severity for one in found] == ([] if severity is None else [severity])
    assert all(one.of_snapshot for one in found)
