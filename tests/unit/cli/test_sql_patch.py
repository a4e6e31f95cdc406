"""``--diff A B --sql``: put back by the server's own client, a state is the generation it was."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.unit.cli.calling import call
from tests.unit.engine.ledger import PAPERS, SHOP, make_ledger


def test_live_is_taken_back_by_sqlite3_and_is_the_same_snapshot_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = make_ledger(tmp_path)
    ledger.enter(monkeypatch)

    def diff(*words: str, key: str = str(SHOP)) -> int:
        container, component = key.split("/")
        return call(monkeypatch, "dysnomia-snapshots", "--diff", *words, "--sql", "-C", container, "-c", component)

    assert diff("4", "6", "--reverse") == 0
    script = capsys.readouterr().out
    subprocess.run(["sqlite3", str(ledger.database)], input=script.encode(), check=True)
    store = ledger.chronicle.store
    assert store.generation(SHOP, ledger.snapshot(SHOP)).id == store.generation(SHOP, 4).id
    assert diff("2", "3") == 6
    said = capsys.readouterr()
    assert said.out == ""
    assert "the schemas differ, and a patch is of rows alone" in said.err
    assert diff("1", "2", key=str(PAPERS)) == 6
    assert "there is no SQL for a set of files" in capsys.readouterr().err
    assert diff("4", "6", "--rows") == 2
