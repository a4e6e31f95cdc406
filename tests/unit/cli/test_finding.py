"""``--history-of`` and ``--find``: what an operator reads when a row is gone."""

from __future__ import annotations

import json
import sys

import pytest

from dysnomia_tui.engine.finding import handle
from tests.unit.cli.calling import call
from tests.unit.engine.ledger import Ledger

SHOP = ("-C", "databases", "-c", "shop")


@pytest.fixture(autouse=True)
def _environment(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.enter(monkeypatch)


def test_when_a_row_was_deleted_is_a_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "dysnomia-snapshots", "--history-of", "2", "--section", "customers", *SHOP) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "6  2026-03-01 18:00:00Z  + table customers  2 | Cem | NULL",
        "4  2026-03-01 16:00:00Z  - table customers  2 | Bea | Lyon",
        "3  2026-03-01 15:00:00Z  ~ table customers  2 | Bea | NULL -> Lyon",
        "2  2026-03-01 14:00:00Z  ~ table customers  2 | Ben -> Bea",
        "1  2026-03-01 13:00:00Z  + table customers  2 | Ben  (the oldest generation)",
    ]
    assert err == "table customers: last changed in generation 6 of 2026-03-01 18:00:00Z, still in 6, the newest\n"


@pytest.mark.parametrize(
    ("asked", "lines", "counted", "end"),
    [
        (("--history-of", "2", "--section", "customers"), 5, "generations", "table customers: last changed in"),
        (("--find", "Bea"), 0, "rows and lines", "0 found in 13 rows and lines"),
    ],
)
def test_how_far_it_is_stands_on_a_terminal_while_nothing_comes(
    asked: tuple[str, ...], lines: int, counted: str, end: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(handle, "WAIT", 0.001)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert call(monkeypatch, "dysnomia-snapshots", *asked, *SHOP) == (0 if lines else 5)
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == lines
    moving, _, last = err.rpartition("\r\x1b[K")
    assert last.startswith(end)
    shown = [line for line in moving.split("\r\x1b[K") if line]
    assert shown
    assert all(line.endswith(counted) for line in shown)


def test_what_no_generation_has_is_5(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "dysnomia-snapshots", "--history-of", "7", *SHOP) == 5
    assert capsys.readouterr().err == (
        "no generation of databases/shop has 7 as a whole key, line or name of a section; part of one: --find\n"
    )
    assert call(monkeypatch, "dysnomia-snapshots", "--find", "Bea", *SHOP) == 5
    assert capsys.readouterr().err == "0 found in 13 rows and lines of generation 6 of 2026-03-01 18:00:00Z\n"


def test_what_is_found_comes_line_by_line_and_as_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = ("--find", "name=bea", "--generation", "3", *SHOP)
    assert call(monkeypatch, "dysnomia-snapshots", *found) == 0
    out, err = capsys.readouterr()
    assert out == "table customers 2  2 | Bea | Lyon\n"
    assert err.startswith("1 found in ")
    assert call(monkeypatch, "dysnomia-snapshots", *found, "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["cells"] == ["2", "Bea", "Lyon"]


def test_options_that_mean_nothing_together_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (("--find", "x", "--diff", "1", "2"), ("--section", "t", "--gc"), ("--generation", "1", "--gc")):
        assert call(monkeypatch, "dysnomia-snapshots", *words, *SHOP) == 2
    assert "--diff and --find cannot be combined" in capsys.readouterr().err


def test_the_component_can_be_named_in_one_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = ("--find", "name=bea", "--generation", "3")
    assert call(monkeypatch, "dysnomia-snapshots", *found, "--in", "databases/shop") == 0
    assert capsys.readouterr().out == "table customers 2  2 | Bea | Lyon\n"
    for words in (("--in", "shop"), ("--in", "/shop"), ("--in", "a/b/c"), ("--in", "databases/shop", *SHOP)):
        assert call(monkeypatch, "dysnomia-snapshots", *found, *words) == 2
