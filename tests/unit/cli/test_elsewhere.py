"""``dysnomia -o restore --into CONTAINER``: a copy on another server or in another folder, and what is refused."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.unit.cli.calling import call
from tests.unit.engine.ledger import SHOP, make_ledger

WHERE = ("-C", SHOP.container, "-c", SHOP.component)


def test_a_container_by_name_or_by_path_and_what_it_may_not_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = make_ledger(tmp_path)
    ledger.enter(monkeypatch)
    folder = tmp_path / "staging"
    folder.mkdir()
    given = tmp_path / "given"
    given.write_text(f"type=sqlite-database\nsqliteDir='{folder}'\n")

    def restore(*words: str) -> int:
        return call(monkeypatch, "dysnomia", "-o", "restore", *WHERE, "--generation", "3", *words)

    assert restore("--into", str(given), "--dry-run") == 0
    assert f"on the folder {folder}" in capsys.readouterr().out
    assert list(folder.iterdir()) == []
    assert restore("--into", str(given), "--as", "was") == 0
    assert restore("--into", str(given)) == 0
    made = {path.stem for path in folder.iterdir()}
    assert made == {"was", SHOP.component}
    with closing(sqlite3.connect(next(folder.glob("was*")))) as database:
        assert database.execute("SELECT count(*) FROM items").fetchone() == (2,)
    capsys.readouterr()
    assert restore("--into", str(given), "--as", "was") == 6
    assert "exists" in capsys.readouterr().err
    assert restore("--into", "none") != 0
    assert "there is no container 'none'" in capsys.readouterr().err
    assert restore("--into", SHOP.container) == 2
    assert call(monkeypatch, "dysnomia", "-o", "snapshot", *WHERE, "--into", "x") == 2
    assert "--into goes with restore" in capsys.readouterr().err
