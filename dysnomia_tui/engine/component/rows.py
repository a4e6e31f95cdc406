"""Which rows are to be put back into what is live. JSON on its way to another process."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from dysnomia_base.records import dataclass

MOST_ROWS = 10_000
"""Rows that are put back by one job: each is looked at one by one, before and under the lock."""
WAS_GONE = "-"
"""In ``RowsAsked.seen``: whoever asks saw that live had no row with this key."""


@dataclass(frozen=True, slots=True)
class RowsAsked:
    """Rows of one section, by their keys: each is to be as the generation has it, or gone where it has none."""

    section: str
    """``KIND:NAME``, or the name alone."""
    keys: tuple[tuple[str, ...], ...] = ()
    """The cells of each key."""
    seen: tuple[str, ...] = ()
    """For each of ``keys`` what live is known to hold: ``WAS_GONE``, a ``LiveRow.digest``, or ``""`` (not known). A
    row of which live holds something else is left as it is. Empty: not known of any."""
    texts: tuple[str, ...] = ()
    """Keys as they are typed: the cells of one separated by commas."""
    lacking: bool = False
    """Besides, every row that the generation has and live has not."""

    def to_json(self) -> Mapping[str, Any]:
        return {
            "section": self.section,
            "keys": [list(key) for key in self.keys],
            "seen": list(self.seen),
            "texts": list(self.texts),
            "lacking": self.lacking,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RowsAsked:
        return cls(
            data["section"],
            tuple(map(tuple, data["keys"])),
            tuple(data["seen"]),
            tuple(data["texts"]),
            bool(data["lacking"]),
        )


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """A row that a plan puts back, as it is written in its ``params``."""

    section: str
    key: tuple[str, ...]
    seen: str
    """The digest of what live holds where it was planned."""
    made: str
    """The digest of what live holds when it is done."""

    def to_json(self) -> list[Any]:
        return [self.section, list(self.key), self.seen, self.made]

    @classmethod
    def from_json(cls, data: list[Any]) -> PlannedRow:
        section, key, seen, made = data
        return cls(str(section), tuple(map(str, key)), str(seen), str(made))


def typed(key: tuple[str, ...]) -> str:
    """A key as a command takes it: the cells of one with several separated by commas."""
    if len(key) == 1:
        return key[0]
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(key)  # so that a cell with one of these is put in quotation marks
    return text.getvalue().removesuffix("\r\n")
