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
    assert "file:list.txt is put back whole" in capsys.readouterr().err
    assert put_back("--generation", "3", "--section", "table:items") == 6
    assert "which rows of table items?" in capsys.readouterr().err
    assert put_back("--generation", "2", "--section", "table:customers", "--row", "1") == 6
    assert "has other columns now (+city)" in capsys.readouterr().err
    assert put_back("--generation", "3", "--section", "table:none", "--row", "1") == 5
