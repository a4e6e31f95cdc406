"""The sections in which two snapshots differ, sorted for the screen and kept in a file: there may be 300,000."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dysnomia_store import Pair, decode, encode, is_schema
from dysnomia_store.model import Section
from dysnomia_tui.engine.diff.spill import Records, sorted_records
from dysnomia_tui.engine.records import Change, SectionChange


def spill_changes(pairs: Iterable[Pair], folder: Path) -> Records:
    """Keep pairs of sections: schema first, then in order of name and kind."""
    kept = Records(folder)
    for record in sorted_records(map(_record, pairs), folder, weight=_weight):
        kept.append(record[1:])
    kept.seal()
    return kept


def _record(pair: Pair) -> tuple[Any, ...]:
    old, new = pair
    shown = new or old
    assert shown is not None
    return order_of(shown), encode(old) if old else None, encode(new) if new else None


def order_of(section: Section) -> tuple[bool, bytes, str]:
    """What sections are sorted by."""
    return not is_schema(section), section.name.encode("utf-8", "surrogatepass"), section.kind


def _weight(record: Any) -> int:
    return len(record[1] or b"") + len(record[2] or b"") + 400


def as_pair(record: tuple[bytes | None, bytes | None]) -> Pair:
    """The two sections of a kept record."""
    old, new = record
    return decode(old) if old else None, decode(new) if new else None


def as_change(
    pair: Pair, counts: tuple[int | None, int | None, int | None] = (None, None, None), remark: str = ""
) -> SectionChange:
    """A pair as the engine shows it."""
    old, new = pair
    change = Change.CHANGED if old and new else Change.ADDED if new else Change.REMOVED
    return SectionChange(change, old, new, *counts, remark=remark)
