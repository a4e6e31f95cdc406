"""``--diff A B --sql``: put back by the server's own client, a state is the generation it was."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

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


def test_each_row_that_differs_is_an_object_on_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_ledger(tmp_path).enter(monkeypatch)

    def lines(*words: str, key: str = str(SHOP)) -> list[Any]:
        container, component = key.split("/")
        assert (
            call(monkeypatch, "dysnomia-snapshots", "--diff", *words, "--jsonl", "-C", container, "-c", component) == 0
        )
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert lines("3", "4") == [
        {"section": "table:customers", "change": "-", "key": ["2"], "new": None,
         "old": {"id": "2", "name": "Bea", "city": "Lyon"}},
        {"section": "table:items", "change": "~", "key": ["lamp", "1"],
         "old": {"sku": "lamp", "shelf": "1", "n": "10"}, "new": {"sku": "lamp", "shelf": "1", "n": "11"}},
    ]  # fmt: skip
    came = [line for line in lines("2", "3") if line["section"] == "table:customers"]
    assert came[0]["old"] == {"id": "1", "name": "Ada"}, "a side has its own columns alone"
    assert came[0]["new"] == {"id": "1", "name": "Ada", "city": "Lyon"}
    (line,) = lines("1", "2", "--reverse", key=str(PAPERS))
    assert line == {"section": "file:papers/list.txt", "change": "-", "old": "second", "new": None, "line": 2}
    assert call(monkeypatch, "dysnomia-snapshots", "--diff", "1", "2", "--jsonl", "--sql", "-C", "x", "-c", "y") == 2
