"""``dysnomia -o put-back``: rows by their keys, from the command line, a file, or all that live lacks."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.unit.cli.calling import call
from tests.unit.engine.ledger import PAPERS, SHOP, make_ledger

WHERE = ("-C", SHOP.container, "-c", SHOP.component)


def test_rows_by_key_by_file_and_all_that_are_lacking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = make_ledger(tmp_path)
    ledger.enter(monkeypatch)

    def put_back(*words: str, where: tuple[str, ...] = WHERE) -> int:
        return call(monkeypatch, "dysnomia", "-o", "put-back", *where, *words)

    def items() -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(ledger.database)) as db:
            return db.execute("SELECT sku, shelf, n FROM items ORDER BY shelf").fetchall()

    of_items = ("--generation", "3", "--section", "table:items")
    assert put_back(*of_items, "--row", "lamp,1", "--dry-run") == 0
    assert "~ lamp,1: n 12 -> 10" in capsys.readouterr().out
    (tmp_path / "keys").write_text('lamp,1\n"lamp, oak",2\n')
    with closing(sqlite3.connect(ledger.database)) as db, db:
        db.execute("DELETE FROM items WHERE shelf = 2")
    assert put_back(*of_items, "--rows", str(tmp_path / "keys"), "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["job"]["details"]["put"], items()) == (2, [("lamp", 1, 10), ("lamp, oak", 2, None)])
    assert call(monkeypatch, "dysnomia-tui", "undo", said["job"]["id"]) == 0
    assert items() == [("lamp", 1, 12)]
    assert put_back(*of_items, "--lacking") == 0
    assert items() == [("lamp", 1, 12), ("lamp, oak", 2, None)]
    capsys.readouterr()
    papers = ("-C", PAPERS.container, "-c", PAPERS.component)
    assert put_back("--generation", "1", "--section", "file:list.txt", "--row", "1", where=papers) == 6
    assert "file:list.txt is a file, which is put back whole" in capsys.readouterr().err
    assert put_back("--generation", "3", "--section", "table:items") == 6
    assert "no rows of table items specified" in capsys.readouterr().err
    assert put_back("--generation", "2", "--section", "table:customers", "--row", "1") == 6
    assert "has other columns now (+city)" in capsys.readouterr().err
    assert put_back("--generation", "3", "--section", "table:none", "--row", "1") == 5


def test_a_file_of_keys_as_other_programs_write_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With CR LF and a mark of byte order; a key may hold what else ends a line for Unicode."""
    ledger = make_ledger(tmp_path)
    ledger.enter(monkeypatch)
    keys = ("one", "two\u2028three", "four\x0cfive")
    with closing(sqlite3.connect(ledger.database)) as db, db:
        db.execute("CREATE TABLE notes (name TEXT PRIMARY KEY)")
        db.executemany("INSERT INTO notes VALUES (?)", [(key,) for key in keys])
    assert call(monkeypatch, "dysnomia", "-o", "snapshot", *WHERE) == 0
    number = str(ledger.chronicle.store.generations(SHOP)[-1].number)
    of_notes = ("--generation", number, "--section", "table:notes")
    with closing(sqlite3.connect(ledger.database)) as db, db:
        db.execute("DELETE FROM notes")
    assert call(monkeypatch, "dysnomia", "-o", "put-back", *WHERE, *of_notes, "--row", "name=one") == 5
    assert "neither the generation nor live has name=one" in capsys.readouterr().err
    with closing(sqlite3.connect(ledger.database)) as db:
        assert db.execute("SELECT name FROM notes").fetchall() == [], "the row of another key stays as it is"
    (tmp_path / "keys").write_bytes("\ufeff{}\r\n{}\r\n\r\n{}".format(*keys).encode())
    keys_in_file = ("--rows", str(tmp_path / "keys"))
    assert call(monkeypatch, "dysnomia", "-o", "put-back", *WHERE, *of_notes, *keys_in_file) == 0
    with closing(sqlite3.connect(ledger.database)) as db:
        assert db.execute("SELECT name FROM notes ORDER BY name").fetchall() == sorted((key,) for key in keys)


def test_files_by_name_and_a_folder_with_all_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = make_ledger(tmp_path)
    ledger.enter(monkeypatch)
    papers = ledger.root / "live" / "papers"
    (papers / "list.txt").write_text("overwritten")
    (papers / "new").mkdir()
    (papers / "new" / "file").write_text("new")

    def held() -> dict[str, str]:
        return {str(one.relative_to(papers)): one.read_text() for one in sorted(papers.rglob("*")) if one.is_file()}

    def put_back(*words: str) -> int:
        where = ("-C", PAPERS.container, "-c", PAPERS.component, "--generation", "2")
        return call(monkeypatch, "dysnomia", "-o", "put-back", *where, *words)

    before = held()
    files = ("--section", "file:papers/list.txt", "--section", "folder:papers/new")
    assert put_back(*files, "--dry-run") == 0
    said = capsys.readouterr().out
    assert "put 3 files of generation 2 back into files/papers" in said
    assert "~ file papers/list.txt: size 11 -> 13" in said
    assert "- file papers/new/file: size 3" in said
    assert held() == before
    assert put_back(*files, "--json") == 0
    job = json.loads(capsys.readouterr().out)["job"]
    assert held() == {"list.txt": "first\nsecond\n"}
    assert call(monkeypatch, "dysnomia-tui", "undo", job["id"]) == 0
    assert held() == before
    (papers / "list.txt").unlink()
    assert put_back("--section", "folder:papers", "--lacking") == 0
    assert held() == {**before, "list.txt": "first\nsecond\n"}
    assert put_back("--section", "file:papers/none") == 5


def test_a_key_in_other_letters_deletes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The column takes ``bob`` and ``Bob`` for one."""
    ledger = make_ledger(tmp_path)
    ledger.enter(monkeypatch)
    with closing(sqlite3.connect(ledger.database)) as db, db:
        db.execute("CREATE TABLE people (name TEXT PRIMARY KEY COLLATE NOCASE, n INTEGER)")
        db.execute("INSERT INTO people VALUES ('Bob', 1), ('Eve', 1)")
    assert call(monkeypatch, "dysnomia", "-o", "snapshot", *WHERE) == 0
    number = str(ledger.chronicle.store.generations(SHOP)[-1].number)
    with closing(sqlite3.connect(ledger.database)) as db, db:
        db.execute("UPDATE people SET name = 'eve', n = 2 WHERE name = 'Eve'")
    put_back = ("-o", "put-back", *WHERE, "--generation", number, "--section", "table:people")
    for key in ("bob", "BOB", "Bob", "Eve"):
        call(monkeypatch, "dysnomia", *put_back, "--row", key)
    with closing(sqlite3.connect(ledger.database)) as db:
        assert db.execute("SELECT * FROM people ORDER BY name").fetchall() == [("Bob", 1), ("eve", 2)]
