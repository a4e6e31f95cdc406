"""Components that are taken as one (a group of config.toml, a container): where each stood at a time. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rich.text import Text

from dysnomia_base.plurals import plural
from dysnomia_store.model import Generation, Reason
from dysnomia_store.names import ComponentKey
from dysnomia_tui.app.present import generations, jobs, styles
from dysnomia_tui.app.present.columns import Column
from dysnomia_tui.app.present.restore import about
from dysnomia_tui.app.present.sizes import age, size
from dysnomia_tui.app.present.text import cut_middle, join, plain, width
from dysnomia_tui.app.present.times import Times
from dysnomia_tui.engine.records import ComponentView, JobView

WIDEST_NAME, LEAST_NAME = 36, 9
NONE_THAT_OLD = "none that old"
OTHER_COLUMNS, SHORT_NOTE = 31, 17
"""Cells of the columns between the name and the note, and the least of the note; with what is left between them."""
WITH_SIZE = 66
"""Cells from which on there is a column of sizes."""


@dataclass(frozen=True, slots=True)
class Stood:
    """One line of the table: where a component stood at a time."""

    key: ComponentKey
    generation: Generation | None
    """The newest good one of that time, or before; None where there is none."""
    newer: int
    """Generations made since."""
    view: ComponentView | None
    """As it is now; None where it is neither configured nor in the store."""
    job: JobView | None = None
    """What is under way on it."""
    new: bool = False
    """Its server did not have it then: a restore of that time leaves it as it is."""

    @property
    def lacks(self) -> str:
        """Why it has no generation of that time, or ``""``."""
        if self.generation is not None or self.new:
            return ""
        if self.view is None:
            return "not configured, not in the store"
        if self.view.stateless:
            return "its type holds no state"
        return NONE_THAT_OLD if self.view.generations else "never snapshotted"

    def older(self, when: datetime) -> timedelta | None:
        """How long before the time asked for it was last seen in that state."""
        one = self.generation
        return None if one is None else when - max(one.as_of, min(one.unchanged_until, when))


def columns(
    cells: int, times: Times, when: datetime, rows: Sequence[Stood], *, short: bool = False
) -> Sequence[Column[Stood]]:
    """Component, generation, its time, how much older it is, size, note. ``short``: names without their container."""

    def name(row: Stood) -> str:
        return row.key.component if short else str(row.key)

    longest = max((width(name(row)) for row in rows), default=LEAST_NAME)
    rest = (OTHER_COLUMNS if cells >= WITH_SIZE else OTHER_COLUMNS - 6) + SHORT_NOTE
    named = max(min(longest, WIDEST_NAME, cells - rest), LEAST_NAME)
    digits = max((len(str(row.generation.number)) for row in rows if row.generation is not None), default=0)
    shown: list[Column[Stood]] = [
        Column("component", "component", named, lambda row: plain(cut_middle(name(row), named)), name, gap=0),
        Column("number", "#", max(digits, 3), _cell(lambda one: plain(str(one.number), styles.STRONG)),
               _sort(lambda one: one.number), "right"),
        Column("as-of", " as of", 14, _cell(lambda one: generations.as_of(one, times, wide=False), " -"),
               _sort(lambda one: one.as_of.timestamp()), gap=1, descending=True),
        Column("older", "older", 5, lambda row: _older(row, when), lambda row: row.older(when) or timedelta(0), "right",
               descending=True),
        Column("size", "size", 5, _cell(lambda one: plain(size(generations.content_size(one)))),
               _sort(lambda one: generations.content_size(one) or 0), "right", descending=True),
        Column("note", "", SHORT_NOTE - 2, note, lambda row: note(row).plain, flex=1, gap=2),
    ]  # fmt: skip
    return [column for column in shown if cells >= WITH_SIZE or column.id != "size"]


def _cell(of: Callable[[Generation], Text], none: str = "-") -> Callable[[Stood], Text]:
    return lambda row: of(row.generation) if row.generation is not None else plain(none, styles.DIM)


def _sort(of: Callable[[Generation], float]) -> Callable[[Stood], float]:
    return lambda row: of(row.generation) if row.generation is not None else -1.0


def _older(row: Stood, when: datetime) -> Text:
    span = row.older(when)
    if span is None:
        return plain("-", styles.DIM)
    if span <= timedelta(0):
        return plain("exact", styles.GOOD)
    return plain(age(span) if span >= timedelta(minutes=1) else "<1m")


def note(row: Stood) -> Text:
    """What is missing, what is under way, or how many generations came since."""
    if row.lacks:
        return plain(f"✗ {row.lacks}", styles.BAD)
    if row.job is not None:
        return join([plain(f"J{row.job.id}", styles.STRONG), jobs.progress(row.job)])
    if row.new:
        return plain("not there yet: stays as it is", styles.DIM)
    parts = [plain(f"{row.newer} newer" if row.newer else "the newest", styles.DIM)]
    one, newest = row.generation, row.view.newest if row.view is not None else None
    if one is not None and newest is not None and newest.reason is Reason.RESTORE and newest.restored == one.number:
        parts[0] = plain("● restored", styles.GOOD)
    if one is not None and one.marks.pins:
        parts.append(plain("P", styles.MARK))
    if one is not None and one.text:
        parts.append(plain(f"“{one.text}”"))
    return join(parts)


def words(row: Stood) -> str:
    """What a filter looks in."""
    return f"{row.key} {note(row).plain}"


def title(name: str, when: datetime, times: Times, *, group: bool, now: bool = False) -> str:
    """Of the table."""
    at = f"where it stands, {times.full(when)}" if now else f"where it stood at {times.full(when)}"
    return f"{'group' if group else 'container'} {name}: {at}"


def verdict(rows: Sequence[Stood], restores: str, undoes: str, other: str) -> Text:
    """Whether all of it can go back to that time; by which keys, or which asks for another."""
    missing = [row for row in rows if row.lacks]
    if not rows:
        return plain("")
    if missing:
        text = plain(f"✗ {len(missing)} of {plural(len(rows), 'component')} cannot go back to that time;", styles.BAD)
        return join([text, plain(other, styles.KEY), plain("asks for another")])
    does = [plain(restores, styles.KEY), plain("restores it;"), plain(undoes, styles.KEY), plain("undoes that")]
    return join([plain("● all of it can go back to that time as one:", styles.GOOD), *does])


def under_cursor(row: Stood | None, times: Times) -> Text:
    """The generation of one line, in words."""
    if row is None:
        return plain("")
    if row.new:
        return plain(f"{row.key}: its server did not have it at that time; a restore leaves it as it is", styles.DIM)
    if row.generation is None:
        none = "it has no good generation at or before that time" if row.lacks == NONE_THAT_OLD else row.lacks
        return plain(f"{row.key}: {none}", styles.BAD)
    return about(row.generation, times)
