"""The scripts of the commands: each is there, and starts what it is called by."""

from __future__ import annotations

import gc
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from dysnomia_tui.cli import start

ROOT = Path(__file__).parents[3]
SCRIPTS: dict[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]


def _function(script: str) -> Callable[[], int]:
    module, name = SCRIPTS[script].split(":")
    assert module == start.__name__
    function: Callable[[], int] = getattr(start, name)
    return function


@pytest.mark.parametrize("script", SCRIPTS)
def test_each_script_answers_by_its_own_name(
    script: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [script, "--help"])
    try:
        status = _function(script)()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
    finally:
        gc.unfreeze()
    assert status == 0
    assert script in capsys.readouterr().out


def test_what_a_command_makes_is_collected_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []

    def main() -> int:
        seen.append(gc.isenabled())
        return 3

    monkeypatch.setattr("dysnomia_tui.cli.dysnomia.main", main)
    try:
        assert start.dysnomia() == 3
    finally:
        gc.unfreeze()
    assert seen == [True]
