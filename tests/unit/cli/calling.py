"""The commands, called within the test's own process."""

from __future__ import annotations

import sys

import pytest

from dysnomia_tui.cli import dysnomia
from dysnomia_tui.cli.containers import command as containers
from dysnomia_tui.cli.snapshots import command as snapshots
from dysnomia_tui.cli.tui import command as tui

MAINS = {
    "dysnomia": dysnomia.main,
    "dysnomia-snapshots": snapshots.main,
    "dysnomia-containers": containers.main,
    "dysnomia-tui": tui.main,
}
PARSERS = {
    "dysnomia": dysnomia.parser,
    "dysnomia-snapshots": snapshots.parser,
    "dysnomia-containers": containers.parser,
}


def call(monkeypatch: pytest.MonkeyPatch, prog: str, *arguments: str) -> int:
    """Run a command; its exit code."""
    monkeypatch.setattr(sys, "argv", [prog, *arguments])
    try:
        return MAINS[prog]()
    except SystemExit as left:
        return int(left.code or 0)
