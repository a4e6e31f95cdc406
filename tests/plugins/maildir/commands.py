"""The commands, in this process, on one account and no mail server."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from dysnomia_tui.cli import dysnomia as dysnomia_command
from dysnomia_tui.cli.snapshots import command


def configure(folder: Path, patch: pytest.MonkeyPatch, account: str, more: str = "") -> None:
    """Its container is ``mail``, and all mail is in ``folder/mail``."""
    (folder / "components/mail" / account).mkdir(parents=True)
    (folder / "containers").mkdir()
    (folder / "containers/mail").write_text(f"type=maildir\nmailRoot={folder}/mail\n{more}")
    patch.setenv("DYSNOMIA_STATEDIR", str(folder / "state"))
    patch.setenv("DYSNOMIA_CONTAINERS_PATH", str(folder / "containers"))
    patch.setenv("DYSNOMIA_COMPONENTS_PATH", str(folder / "components"))


def dysnomia(words: Sequence[str]) -> int:
    return _run(dysnomia_command.main, "dysnomia", words)


def snapshots(words: Sequence[str]) -> int:
    return _run(command.main, "dysnomia-snapshots", words)


def _run(main: Callable[[], int], name: str, words: Sequence[str]) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [name, *words])
        try:
            return int(main())
        except SystemExit as end:
            return int(end.code or 0)
