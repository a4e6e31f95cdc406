"""Messages that nobody takes (a full disk behind ``2>``, a reader that has gone) change nothing of what is done."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.engine.ledger import SHOP, make_ledger

KEY = f"-C {SHOP.container} -c {SHOP.component}"


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&1 | true"])
def test_a_job_is_seen_through(redirection: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = make_ledger(tmp_path)
    own.enter(monkeypatch)
    program = Path(sys.executable).with_name("dysnomia")
    line = f"set -o pipefail; {program} -o restore {KEY} --generation 1 {redirection}"
    assert subprocess.run(["bash", "-c", line], check=False, stdin=subprocess.DEVNULL).returncode == 0
    jobs = subprocess.run([program.with_name("dysnomia-tui"), "jobs"], capture_output=True, text=True, check=True)
    assert f"done         restore generation 1 of {SHOP}" in jobs.stdout


def test_the_status_is_that_of_the_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_ledger(tmp_path).enter(monkeypatch)
    program = Path(sys.executable).with_name("dysnomia")
    for line in (f"{program} -o restore {KEY} --generation 99 2>/dev/full", f"{program} --nonsense 2>/dev/full"):
        wanted = 2 if "nonsense" in line else 5
        assert subprocess.run(["sh", "-c", line], check=False, stdin=subprocess.DEVNULL).returncode == wanted
