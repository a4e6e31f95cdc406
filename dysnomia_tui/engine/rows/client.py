"""The question that a plan asks: which rows would be put back, and what live holds in their places."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from dysnomia_base.records import dataclass
from dysnomia_store.names import ComponentKey
from dysnomia_tui.config import Settings
from dysnomia_tui.engine.component.rows import PlannedRow, RowsAsked
from dysnomia_tui.engine.probing.client import ask

LIMIT = 60.0
"""Seconds to read a generation and look its rows up in what is live."""


@dataclass(frozen=True)
class RowSeen:
    """One row that was asked for, as it would be put back."""

    row: PlannedRow
    change: str
    """``+`` live has none, ``~`` it holds something else, ``-`` the generation has none, ``=`` they are the same."""
    text: str
    """The cells that would come or go, or what would change."""
    conflict: str
    """Why it would be left as it is, or ``""``."""
    known: bool
    """Whether the generation or live has such a row."""


@dataclass(frozen=True)
class RowsSeen:
    """The answer."""

    rows: tuple[RowSeen, ...]
    warnings: tuple[str, ...]
    refusals: tuple[str, ...]
    identity: str
    """Of what is live (``StatePlugin.identity``)."""

    @property
    def taken(self) -> tuple[RowSeen, ...]:
        """Those that would be put back."""
        return tuple(row for row in self.rows if row.change != "=" and not row.conflict)


def rows_seen(settings: Settings, key: ComponentKey, number: int, asked: Sequence[RowsAsked]) -> RowsSeen:
    """Ask. Raises NoAnswer, OSError."""
    with tempfile.TemporaryDirectory(prefix="dysnomia-rows-", ignore_cleanup_errors=True) as scratch:
        rows = [one.to_json() for one in asked]
        question = {"op": "rows", "key": str(key), "number": number, "rows": rows, "scratch": scratch}
        answer = ask(settings, question, LIMIT, child_module="dysnomia_tui.engine.rows.child")
    return RowsSeen(
        tuple(map(_row, answer["rows"])), tuple(answer["warnings"]), tuple(answer["refusals"]), answer["identity"]
    )


def _row(answer: Mapping[str, Any]) -> RowSeen:
    row = PlannedRow(answer["section"], tuple(answer["key"]), answer["seen"], answer["made"])
    return RowSeen(row, answer["change"], answer["text"], answer["conflict"], answer["known"])
