"""``dysnomia-tui timeline --verified``: evidence of when and how each generation was proved, and by whom."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.calling import call
from tests.unit.engine.ledger import PAPERS, SHOP, make_ledger


def test_every_generation_with_all_its_proofs_and_who_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = make_ledger(tmp_path)
    ledger.enter(monkeypatch)

    def tui(*words: str, status: int = 0) -> str:
        assert call(monkeypatch, "dysnomia-tui", *words) == status
        return capsys.readouterr().out

    tui("verify", "--due", str(SHOP), "--within", "0s", "--reason", "the auditor comes")
    assert call(monkeypatch, "dysnomia-snapshots", "--query-latest", "--check") == 0, "it only reads"
    assert call(monkeypatch, "dysnomia-snapshots", "--query-latest", "--check", "--scheduled") == 0
    stored = ledger.chronicle.store
    (dump,) = stored.stored(SHOP, stored.generation(SHOP, 5).id).folder.glob("dump.sqlite*")
    data = bytearray(dump.read_bytes())
    data[len(data) // 2] ^= 1
    dump.chmod(0o600)
    dump.write_bytes(data)
    assert call(monkeypatch, "dysnomia", "-o", "check", "-C", SHOP.container, "-c", SHOP.component,
                "--generation", "5") == 7  # fmt: skip
    capsys.readouterr()

    found = json.loads(tui("timeline", "--verified", "--json"))
    assert [(one["key"], one["number"]) for one in found] == [
        *((str(SHOP), number) for number in range(1, 7)), *((str(PAPERS), number) for number in range(1, 4)),
    ]  # fmt: skip
    proofs = {(one["key"], one["number"]): one["proofs"] for one in found}
    restored, read = proofs[str(SHOP), 6]
    assert (restored["how"], restored["result"], restored["why"]) == ("restore", "ok", "the auditor comes")
    assert (read["how"], read["result"]) == ("bytes", "ok")
    assert restored["job"] != read["job"]
    assert all(proof["who"] for proof in (restored, read))
    assert [proof["result"] for proof in proofs[str(SHOP), 5]] == ["corrupt"]
    assert proofs[str(SHOP), 1] == []

    text = tui("timeline", "--verified")
    assert f"restored and compared  ok  J{restored['job']}  {restored['who']}  because 'the auditor comes'" in text
    assert text.splitlines()[-1] == (
        "9 generations: 1 restored and compared, 1 every byte read, 1 damaged, 6 never proved"
    )
    assert tui("timeline", "--verified", str(PAPERS)).splitlines()[-1] == (
        "3 generations: 1 every byte read, 2 never proved"
    )
