"""``dysnomia-snapshots --check`` of many generations reads what they share once, as a check by a job does."""

from __future__ import annotations

from pathlib import Path

import pytest

from dysnomia_store.content.frame_folder import read_frame
from tests.unit.cli.calling import call
from tests.unit.store.frames import flip, lines, pool_of
from tests.unit.store.shop import SMALL, Shop


def test_a_frame_that_generations_share_is_read_once_and_named_with_each_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = Shop(tmp_path / "state", cutting=SMALL)
    for changed in range(4):
        shop.commit(lines(2000, changed))
    read: list[str] = []

    def noted(at: int, name: str) -> bytes:
        read.append(name)
        return read_frame(at, name)

    monkeypatch.setattr("dysnomia_store.content.proofs.read_frame", noted)
    command = ("dysnomia-snapshots", "--query-all", "--check", "--statedir", str(shop.root))
    assert call(monkeypatch, *command) == 0
    assert "4 checked: 4 ok" in capsys.readouterr().err
    assert len(read) == len(pool_of(shop))

    flip(next(path for path in pool_of(shop) if path.stat().st_nlink == 5))
    assert call(monkeypatch, *command) == 7
    assert "4 checked: 0 ok, 4 bad" in capsys.readouterr().err
