"""``dysnomia-tui verify --due``: the newest of each component first, then what waited longest, until the time is up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.calling import call
from tests.unit.engine.ledger import PAPERS, SHOP, make_ledger


def test_the_newest_first_then_all_others_in_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = make_ledger(tmp_path)
    ledger.enter(monkeypatch)

    def due(*words: str, status: int = 0) -> tuple[list[tuple[str, int]], int]:
        assert call(monkeypatch, "dysnomia-tui", "verify", "--due", "--json", *words) == status
        document = json.loads(capsys.readouterr().out)
        tried = [(one["component"], one["plan"]["params"]["number"]) for one in document["generations"]]
        return tried, document["left"]

    newest = [(str(SHOP), 6), (str(PAPERS), 3)]
    assert due("--dry-run")[0] == [*newest, (str(SHOP), 5), (str(PAPERS), 2), (str(SHOP), 4), (str(PAPERS), 1),
                                   (str(SHOP), 3), (str(SHOP), 2), (str(SHOP), 1)]  # fmt: skip
    assert due("--within", "0s") == (newest[:1], 8)
    assert due("--within", "0s") == (newest[1:], 8), "the first was proved, and is not the next again"
    number = ledger.step("UPDATE customers SET name = 'Dan' WHERE id = 1")
    assert due("--within", "0s", str(SHOP)) == ([(str(SHOP), number)], 6)
    assert due("--dry-run", str(SHOP))[0][-2:] == [(str(SHOP), 6), (str(SHOP), number)]
    checks = ledger.chronicle.store.checks(SHOP, ledger.chronicle.store.generation(SHOP, 6).id)
    assert [(check.how, check.result) for check in checks] == [("restore", "ok")]


@pytest.mark.worlds
def test_the_newest_is_tried_also_where_it_is_suspicious_and_the_newest_good_one_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = make_ledger(tmp_path)
    ledger.enter(monkeypatch)
    text = ledger.root / "live" / "papers" / "list.txt"
    for letter in "abc":
        text.write_text(letter * 50_000)
        ledger.snapshot(PAPERS)
    text.write_text("")  # as a dump that went wrong
    number = ledger.snapshot(PAPERS)
    newest = ledger.chronicle.store.generation(PAPERS, number)
    assert newest.suspicious
    assert not newest.good

    def due(*words: str, status: int = 0) -> list[str]:
        assert call(monkeypatch, "dysnomia-tui", "verify", "--due", str(PAPERS), *words) == status
        return [line for line in capsys.readouterr().err.splitlines() if line.startswith("generation ")]

    first, second, *_ = due("--dry-run")
    assert first == f"generation 7 of files/papers (never before; the newest, which is suspicious: {newest.suspicious})"
    assert second.startswith("generation 6 of files/papers (never before)")
    assert due("--within", "0s")[0] == first
    assert due("--dry-run")[0] == second
    checks = ledger.chronicle.store.checks(PAPERS, newest.id)
    assert [(check.how, check.result) for check in checks] == [("restore", "ok")]
    assert call(monkeypatch, "dysnomia-tui", "mark", str(PAPERS), str(number), "--bad") == 0
    assert all("generation 7 " not in line for line in due("--dry-run"))


def test_one_that_fails_is_said_and_the_rest_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = make_ledger(tmp_path)
    ledger.enter(monkeypatch)
    store = ledger.chronicle.store
    (stored,) = store.stored(SHOP, store.generation(SHOP, 6).id).folder.glob("dump.sqlite*")
    data = bytearray(stored.read_bytes())
    data[len(data) // 2] ^= 1
    stored.chmod(0o600)
    stored.write_bytes(data)
    assert call(monkeypatch, "dysnomia-tui", "verify", "--due", str(SHOP)) == 3
    said = capsys.readouterr().err
    assert "generation 6 of databases/shop (never before)" in said
    assert "generation 1 of databases/shop (never before)" in said
    assert call(monkeypatch, "dysnomia-tui", "status") == 2
    assert call(monkeypatch, "dysnomia-tui", "verify", "--due", "--within", "soon") == 2
    assert "'soon' is not a duration" in capsys.readouterr().err
