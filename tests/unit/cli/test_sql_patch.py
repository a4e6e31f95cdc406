"""``--diff A B --sql``: put back by the server's own client, a state is the generation it was."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dysnomia_store.model import Form
from dysnomia_tui.engine.engine import Engine
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


HOSTILE = """
CREATE TABLE keyed (a, b, v, w BLOB, PRIMARY KEY (a, b));
CREATE TABLE plain (x, y);
INSERT INTO keyed VALUES (1, 'one', NULL, x'00ff'), ('1', 'two', '', x''), (2, char(10), 'NULL', NULL),
    (3, 'gone', hex(zeroblob(150000)), zeroblob(70000)), (4, 'same', 1.5, 'it''s');
INSERT INTO plain VALUES (NULL, NULL), (NULL, NULL), (1, 'twice'), (1, 'twice'), ('1', x'31'), ('tab' || char(9), 'é');
"""
CHANGED = """
UPDATE keyed SET v = x'4e554c4c', w = NULL WHERE b = 'one';
UPDATE keyed SET v = NULL, w = x'00' WHERE b = 'two';
UPDATE keyed SET v = hex(zeroblob(160000)), w = randomblob(80000) WHERE b = 'gone';
DELETE FROM keyed WHERE a = 2;
INSERT INTO keyed VALUES ('2', char(10), 2, '2'), (x'02', 'blob', '"', '\\');
DELETE FROM plain WHERE rowid IN (1, 3, 5);
INSERT INTO plain VALUES (1, 'twice'), (1, 'twice'), (NULL, ''), ('', NULL), (x'', char(0x2028));
"""


def test_the_objects_make_of_the_rows_of_one_side_those_of_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By whoever has the rows and nothing else: NULL, binary, texts that look like other values, large ones, and rows
    that are there several times in a table without a key."""
    ledger = make_ledger(tmp_path)
    ledger.enter(monkeypatch)
    old, new = ledger.step(HOSTILE), ledger.step(CHANGED)
    engine = Engine(ledger.settings)
    for before, after, words in ((old, new, ()), (new, old, ("--reverse",))):
        arguments = ("--diff", str(old), str(new), "--jsonl", *words, "-C", SHOP.container, "-c", SHOP.component)
        assert call(monkeypatch, "dysnomia-snapshots", *arguments) == 0
        state = _rows(engine, before)
        for line in capsys.readouterr().out.splitlines():
            _apply(state, json.loads(line))
        assert state == _rows(engine, after)


def _rows(engine: Engine, number: int) -> dict[str, Counter[frozenset[tuple[str, str | None]]]]:
    """How often each row is in each table."""
    return {
        f"{section.kind}:{section.name}": Counter(
            frozenset(zip(section.columns, row, strict=True)) for row in engine.browse(SHOP, number, section, 0, 100)
        )
        for section in engine.sections(SHOP, number)
        if section.form is Form.ROWS
    }


def _apply(state: dict[str, Counter[frozenset[tuple[str, str | None]]]], entry: Mapping[str, Any]) -> None:
    table = state[entry["section"]]
    if entry["old"] is not None:
        row = frozenset(entry["old"].items())
        assert table[row] > 0, entry
        table[row] -= 1
        if not table[row]:
            del table[row]
    if entry["new"] is not None:
        table[frozenset(entry["new"].items())] += 1
