"""One section compared: how many rows or lines came, went and changed, and which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

from dysnomia_plugins.base import StatePlugin, Stored
from dysnomia_plugins.errors import PluginError
from dysnomia_store import Excerpt, Pair
from dysnomia_store.errors import StoreError
from dysnomia_store.model import Form, Section
from dysnomia_tui.engine.diff.hash_sums import Tick
from dysnomia_tui.engine.diff.multiset import may_be_order
from dysnomia_tui.engine.diff.pairing import Reader, Shape, Side, changes, sides_of
from dysnomia_tui.engine.diff.rows import Excess
from dysnomia_tui.engine.diff.second_process import WORTH_IT, Helper
from dysnomia_tui.engine.diff.spill import Records, SpillFile
from dysnomia_tui.engine.diff.text import TooLong, changed_lines
from dysnomia_tui.engine.diff.two_passes import Alone, ByTwo, TwoPass

SMALL = 8 << 20
"""Bytes of both sides together that are compared in memory, row by row."""
MOST_EAGER = 1_000_000
"""Rows that are fetched and paired without being asked for; beyond, only their numbers are known at first."""
AS_A_SET = "too many lines for a comparison in order: lines are compared as a set"
SAME_ROWS = "the same rows in another order"
OPAQUE = "not rows or lines: only size and digest are compared"


@dataclass(frozen=True, slots=True)
class Opened:
    """One side of a diff, ready to be read."""

    reader: Reader
    stored: Stored

    @property
    def has_remarks(self) -> bool:
        """Whether something tells a person which a section is, besides its name."""
        return isinstance(self.reader, StatePlugin) and self.reader.has_remarks

    def remark(self, section: Section) -> str:
        """What tells that; ``""`` where nothing does. Raises StoreError, PluginError."""
        reader = self.reader
        return reader.remark(self.stored, section) if isinstance(reader, StatePlugin) and reader.has_remarks else ""


@dataclass(slots=True)
class Compared:
    """What a section's comparison came to."""

    added: int | None = None
    removed: int | None = None
    changed: int | None = None
    note: str = ""
    """What an operator should know of how it was compared."""
    rows: Records | None = None
    """(old row or None, new row or None, line or None); None where it was not worked out."""
    sides: tuple[Side, Side] | None = None
    postponed: bool = False
    """True where the counts are not paired yet, since there are very many."""

    @property
    def counts(self) -> tuple[int | None, int | None, int | None]:
        return self.added, self.removed, self.changed

    def close(self) -> None:
        if self.rows is not None:
            self.rows.close()


def worth_two(pair: Pair) -> bool:
    """Whether a section is large enough for two processes to compare it."""
    old, new = pair
    return old is not None and new is not None and old.size + new.size >= WORTH_IT


@dataclass(frozen=True)
class Comparer:
    """Compares sections of two sides. ``tick`` is told of the rows read, and may raise to stop."""

    old: Opened
    new: Opened
    folder: Path
    tick: Tick = field(compare=False)
    helper: Helper | None = None
    remark: str = ""
    """What is to be known of every section that differs and has no note of its own."""
    results: SpillFile | None = None
    """Where the rows that differ are kept; None for a file of each section."""

    def compare(self, pair: Pair, *, whole: bool = False) -> Compared:
        """Compare one section.

        Args:
            pair: the section on both sides; one that only one side has is counted from the index.
            whole: fetch and pair the rows however many they are.

        Raises:
            StoreError, PluginError, OSError: from reading either side, or a spill folder that is full.
        """
        compared = self._compared(pair, whole)
        compared.note = compared.note or self.remark
        return compared

    def _compared(self, pair: Pair, whole: bool) -> Compared:
        old, new = pair
        if old is None or new is None:
            return _one_sided(old, new)
        if old.form is not new.form or new.form is Form.BYTES:
            return Compared(note=OPAQUE)
        if new.form is Form.TEXT:
            return self._text(old, new)
        compared = self._rows(old, new, whole)
        if compared.counts == (0, 0, 0) and may_be_order(pair):
            compared.note = SAME_ROWS
        return compared

    def _text(self, old: Section, new: Section) -> Compared:
        sides = self._sides(old, new, _shape(old, new))
        records = Records(self.folder, self.results)
        result = Compared(0, 0, 0, rows=records, sides=sides)
        try:
            for change in changed_lines(sides[0].batches, sides[1].batches, self.tick):
                self._keep(result, *change)
        except TooLong:
            records.close()
            compared = self._rows(old, new, whole=True)
            compared.note = AS_A_SET
            return compared
        records.seal()
        return result

    def _rows(self, old: Section, new: Section, whole: bool) -> Compared:
        sides = self._sides(old, new, _shape(old, new))
        if not isinstance(sides[0].stored, Excerpt):
            return self._read(old, new, sides, whole)
        with suppress(PluginError, StoreError):
            compared = self._read(old, new, sides, whole)
            if _adds_up(old, new, compared):
                return compared
            compared.close()
        # Its rows are not lines, or not the same ones on both sides. The other process would leave lines out here too.
        before = Side(self.old.reader, self.old.stored, old, sides[0].shape)
        after = Side(self.new.reader, self.new.stored, new, sides[1].shape)
        return replace(self, helper=None)._read(old, new, (before, after), whole)

    def _read(self, old: Section, new: Section, sides: tuple[Side, Side], whole: bool) -> Compared:
        if sides[0].size + sides[1].size <= SMALL:
            removed, added = self._in_memory(*sides)
            return self._paired(sides, removed, added)
        only_old, only_new = Excess(self.folder), Excess(self.folder)
        reading = self._two_pass((old, new), sides)
        try:
            reading.compare(only_old, only_new)
            if only_old.rows + only_new.rows > MOST_EAGER and not whole:
                return Compared(only_new.rows, only_old.rows, 0, sides=sides, postponed=True)
            return self._paired(sides, *reading.fetched(only_old, only_new))
        finally:
            reading.close()
            only_old.close()
            only_new.close()

    def _two_pass(self, pair: tuple[Section, Section], sides: tuple[Side, Side]) -> TwoPass:
        helper = self.helper
        if helper is None or helper.busy or sides[0].size + sides[1].size < WORTH_IT:
            return Alone(sides, self.folder, self.tick)
        return ByTwo(pair, sides, self.folder, self.tick, helper)

    def side(self, which: int, pair: Pair) -> Side:
        """One side of a section that both sides have, in this process or the other."""
        old, new = pair
        assert old is not None
        assert new is not None
        return self._sides(old, new, _shape(old, new))[which]

    def shown(self, old: Section, new: Section) -> tuple[Side, Side]:
        """Both sides of a section, to show the cells of rows that are known: nothing is read."""
        shape = _shape(old, new)
        return Side(self.old.reader, self.old.stored, old, shape), Side(self.new.reader, self.new.stored, new, shape)

    def _sides(self, old: Section, new: Section, shape: Shape) -> tuple[Side, Side]:
        return sides_of((self.old.reader, self.old.stored, old), (self.new.reader, self.new.stored, new), shape)

    def _in_memory(self, old: Side, new: Side) -> tuple[Iterable[bytes], Iterable[bytes]]:
        before, after = self._counted(old), self._counted(new)
        return (before - after).elements(), (after - before).elements()

    def _counted(self, side: Side) -> Counter[bytes]:
        rows: Counter[bytes] = Counter()
        for batch in side.batches():
            rows.update(batch)
            self.tick(len(batch))
        return rows

    def _paired(self, sides: tuple[Side, Side], removed: Iterable[bytes], added: Iterable[bytes]) -> Compared:
        result = Compared(0, 0, 0, rows=Records(self.folder, self.results), sides=sides)
        for before, after in changes(*sides, removed, added, self.folder):
            self._keep(result, before, after, None)
        assert result.rows is not None
        result.rows.seal()
        return result

    def _keep(self, result: Compared, old: bytes | None, new: bytes | None, line: int | None) -> None:
        assert result.rows is not None
        result.rows.append((old, new, line))
        if old is None:
            result.added = (result.added or 0) + 1
        elif new is None:
            result.removed = (result.removed or 0) + 1
        else:
            result.changed = (result.changed or 0) + 1


def _adds_up(old: Section, new: Section, compared: Compared) -> bool:
    """Whether the rows that came and went make up for the difference of the sections' own counts. Where the rows of
    what was left out are not the same on both sides, they do not."""
    if old.rows is None or new.rows is None:
        return True
    return (compared.added or 0) - (compared.removed or 0) == new.rows - old.rows


def _shape(old: Section, new: Section) -> Shape:
    """Lines have no columns and no key."""
    return Shape((), (), same=True) if new.form is Form.TEXT else Shape.of(old, new)


def _one_sided(old: Section | None, new: Section | None) -> Compared:
    section = new or old
    assert section is not None
    if section.form is Form.BYTES:
        return Compared(note=OPAQUE)
    return Compared(section.rows, 0, 0) if new else Compared(0, section.rows, 0)


def one_sided_rows(opened: Opened, section: Section) -> Iterator[bytes]:
    """The rows of a section that only one side has."""
    return chain.from_iterable(opened.reader.raw_rows(opened.stored, section))
