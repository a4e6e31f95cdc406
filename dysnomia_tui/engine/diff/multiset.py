"""Whether two sections hold the same rows, each as often, in whatever order: in one reading of each, in little memory.

Of each side the number of rows and two sums of their keyed 64-bit hashes are kept. The second hash is that of the row
behind a secret prefix of this comparison, so the two are independent. Sums, unlike XOR, tell a row that is there twice
from two others. Two sides that differ have the same sums with a probability of 2^-128, and nobody who does not know the
prefix can choose rows that do.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dysnomia_plugins.base import Stored
from dysnomia_store import Pair, changed_sections, decode, encode
from dysnomia_store.model import Form
from dysnomia_tui.engine.diff.hash_sums import Batches, Tick
from dysnomia_tui.engine.diff.pairing import Reader, Shape, Side, sides_of
from dysnomia_tui.engine.diff.spill import sorted_records

_PREFIX = 16
_MODULUS = 1 << 128


@dataclass(frozen=True, slots=True)
class RowSums:
    """Sums up rows. Of one instance, equal sums mean equal multisets."""

    prefix: bytes = field(default_factory=lambda: os.urandom(_PREFIX))

    def of(self, batches: Batches, tick: Tick) -> tuple[int, int, int]:
        """How many rows there are, and the two sums of their hashes."""
        count = plain = prefixed = 0
        behind = self.prefix.__add__
        for batch in batches:
            rows = list(batch)
            count += len(rows)
            plain += sum(map(hash, rows))
            prefixed += sum(map(hash, map(behind, rows)))
            tick(len(rows))
        return count, plain % _MODULUS, prefixed % _MODULUS


def may_be_order(pair: Pair) -> bool:
    """Whether two sections that differ may do so in the order of their rows alone, as far as the index tells."""
    old, new = pair
    return (
        old is not None
        and new is not None
        and old.form is new.form is Form.ROWS
        and (old.rows, old.size, old.columns) == (new.rows, new.size, new.columns)
        and dict(old.attributes) == dict(new.attributes)
    )


def same_rows(old: Side, new: Side, tick: Tick) -> bool:
    """Whether two sections of the same columns hold the same rows."""
    sums = RowSums()
    return sums.of(old.batches(), tick) == sums.of(new.batches(), tick)


@dataclass(frozen=True)
class OrderCheck:
    """Compares two snapshots of one type whose sections differ. ``folder`` is for temporary files.

    Every method raises what reading either side raises: StoreError, PluginError, OSError.
    """

    reader: Reader
    old: Stored
    new: Stored
    folder: Path
    tick: Tick

    def same_rows(self, pair: Pair) -> bool:
        """Whether a section that differs holds the same rows."""
        old, new = pair
        if old is None or new is None or not may_be_order(pair):
            return False
        sides = sides_of((self.reader, self.old, old), (self.reader, self.new, new), Shape.of(old, new))
        return same_rows(*sides, self.tick)

    def same_state(self) -> bool:
        """Whether the order of rows is all that differs. The smallest sections are read first: one that was changed
        ends it."""
        if not all(map(may_be_order, self.changed())):
            return False
        records = sorted_records(map(_record, self.changed()), self.folder, weight=_weight)
        return all(self.same_rows((decode(old), decode(new))) for _, old, new in records)

    def changed(self) -> Iterator[Pair]:
        """The sections that differ."""
        return changed_sections(self.old.sections(), self.new.sections(), spill=self.folder)


def _record(pair: Pair) -> tuple[int, bytes, bytes]:
    old, new = pair
    assert old is not None
    assert new is not None
    return new.size, encode(old), encode(new)


def _weight(record: tuple[int, bytes, bytes]) -> int:
    return len(record[1]) + len(record[2]) + 200
