"""Discovery that fails says so: nothing found is not the same."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dysnomia_tui.cli.tui import applications
from dysnomia_tui.engine.errors import Exit, Unanswered
from dysnomia_tui.engine.probing import client


@pytest.mark.parametrize("as_json", [False, True])
def test_a_look_that_gets_no_answer_is_no_empty_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, as_json: bool
) -> None:
    def ask(*_words: object, **_more: object) -> Mapping[str, Any]:
        raise client.NoAnswer(client.NOT_ANSWERING)

    monkeypatch.setattr(client, "ask", ask)
    words = {"name": None, "adopt": False, "dry_run": False, "json": as_json}
    with pytest.raises(Unanswered, match="could not be looked for: not answering") as raised:
        applications.applications(argparse.Namespace(statedir=tmp_path / "state", **words))
    assert raised.value.exit is Exit.UNAVAILABLE
