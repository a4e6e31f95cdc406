"""The second pane: generations, newest first, and the columns that fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from rich.text import Text

from dysnomia_store.model import Generation, Reason
from dysnomia_tui.app.present import styles
from dysnomia_tui.app.present.columns import Column
from dysnomia_tui.app.present.sizes import signed, size, tally
from dysnomia_tui.app.present.text import join, plain, width
from dysnomia_tui.app.present.times import Times

SIGNS = ("=N restored from N", "P pinned", "* marked", "! needs a person", "~ changed", "≈ estimated")
_AS_OF = 16
"""Cells of a time to the second, its sign before it."""
WIDE = 82
"""Cells from which on the columns of the wide screen fit."""
WIDER = 90
"""Cells from which on the job stands there too."""
WIDEST = 118
"""Cells from which on notes, reasons of pins and tags stand there too."""
TIGHT = 46
"""Cells below which id and rows are left out."""


def legend(cells: int) -> str:
    """What the signs in the list mean: as many of them, whole, as stand in so many cells."""
    line = ""
    for sign in SIGNS:
        longer = f"{line}  {sign}" if line else sign
        if width(longer) > cells:
            break
        line = longer
    return line


def columns(
    cells: int, times: Times, digits: int, alone: Callable[[Generation], int | None] = lambda _: None
) -> Sequence[Column[Generation]]:
    """The columns for a pane of ``cells`` cells.

    Args:
        cells: width of the pane.
        times: zone and time.
        digits: of the largest number.
        alone: the bytes that come back when a generation is deleted; None where that is not known.
    """
    mark = Column[Generation]("mark", "", 1, lambda g: Text(""), gap=0, is_mark=True)
    number = Column[Generation](
        "number", "#", max(digits, 3), _number, lambda g: g.number, "right", gap=0, descending=True
    )
    pinned = Column[Generation]("pin", "", 1, pin, lambda g: not g.marks.pins, gap=0)
    if cells >= WIDE:
        shown = _wide(times, cells >= WIDER, alone)
        return (mark, number, *(_with_remarks(shown) if cells >= WIDEST else shown), pinned)
    return (mark, number, *_narrow(times, cells < TIGHT), pinned)


def _narrow(times: Times, tight: bool) -> list[Column[Generation]]:
    shown: list[Column[Generation]] = [
        Column("id", "id", 6, lambda g: plain(g.id[:6], styles.DIM), lambda g: g.id),
        Column("as-of", " as of", 14, lambda g: as_of(g, times, wide=False), _as_of, gap=0, descending=True),
        Column("why", "why", 6, why, lambda g: why(g).plain),
        Column("size", "size", 4, lambda g: plain(size(content_size(g))), _content, "right", descending=True),
        Column("rows", "±rows", 7, net_rows, _net, "right", descending=True),
        Column("state", "state", 6, lambda g: state(g, wide=False), lambda g: state(g, wide=False).plain, flex=1),
    ]
    return [column for column in shown if not tight or column.id not in ("id", "rows")]


def _wide(times: Times, wider: bool, alone: Callable[[Generation], int | None]) -> list[Column[Generation]]:
    shown: list[Column[Generation]] = [
        Column("id", "id", 8, lambda g: plain(g.id[:8], styles.DIM), lambda g: g.id),
        Column("as-of", " as of", _AS_OF, lambda g: as_of(g, times, wide=True), _as_of, descending=True),
        Column("why", "why", 6, why, lambda g: why(g).plain, flex=1),
        Column("size", "size", 5, lambda g: plain(size(content_size(g))), _content, "right", descending=True),
        Column(
            "alone",
            "alone",
            5,
            lambda g: _known_size(alone(g)),
            lambda g: alone(g) or 0,
            "right",
            descending=True,
        ),
        Column("sections", "sect", 4, changed_sections, _changed, "right", descending=True),
        Column("rows", "net rows", 8, net_rows, _net, "right", descending=True),
        Column("job", "job", 6, lambda g: plain(f"J{g.job}" if g.job else "", styles.DIM), _job, "right"),
        Column("state", "state", 14, lambda g: state(g, wide=True), lambda g: state(g, wide=True).plain, flex=1),
    ]
    return [column for column in shown if wider or column.id != "job"]


def _with_remarks(shown: Sequence[Column[Generation]]) -> list[Column[Generation]]:
    """What is left over goes to what people wrote, not to gaps between numbers."""
    widths = {"why": 10, "job": 8, "state": 14}
    kept = [replace(column, flex=0, width=widths.get(column.id, column.width)) for column in shown]
    return [*kept, Column("remarks", "note, pins, tags", 20, remarks, lambda g: remarks(g).plain, gap=2, flex=1)]


def remarks(generation: Generation) -> Text:
    """What was said of it: its note, why it is pinned, its tags."""
    marks = generation.marks
    parts = [plain(marks.note)]
    parts += [join([plain("P", styles.MARK), plain(pin.why)]) for pin in marks.pins]
    parts += [plain(f"#{tag}", styles.INFO) for tag in marks.tags]
    return join(parts, "  ")


def _number(generation: Generation) -> Text:
    return plain(str(generation.number))


def _as_of(generation: Generation) -> datetime:
    return generation.as_of


def _job(generation: Generation) -> tuple[int, str]:
    return len(generation.job), generation.job


def words(generation: Generation) -> str:
    """What a filter looks in."""
    parts = [str(generation.number), generation.id, why(generation).plain, generation.text, generation.who]
    parts += [generation.marks.note, *generation.marks.tags, state(generation, wide=True).plain]
    if generation.marks.pins:
        parts.append("pinned")
    return " ".join(parts)


def as_of(generation: Generation, times: Times, wide: bool) -> Text:
    """When its view of the data began; ``≈`` where only the link's own time is known. Of another year without the
    seconds: the time of day is whole."""
    about = styles.ESTIMATED if generation.as_of_estimated else " "
    shown = times.long(generation.as_of)
    if not wide or len(shown) >= _AS_OF:
        shown = times.short(generation.as_of)
    return plain(about + shown, styles.DIM if generation.as_of_estimated else styles.PLAIN)


def why(generation: Generation) -> Text:
    """Why it came to be, in six cells: ``alice``, ``cron``, ``guard``, ``=211``, ``import``."""
    reason = generation.reason
    if reason is Reason.RESTORE:
        return plain(f"={generation.restored}" if generation.restored is not None else "=", styles.INFO)
    if reason is Reason.GUARD:
        return plain("guard", styles.WARN)
    if reason is Reason.SCHEDULED:
        return plain("cron")
    if reason is Reason.IMPORT:
        return plain("import", styles.DIM)
    if reason is Reason.MANUAL:
        return plain(_person(generation.who) or "manual")
    return plain("?", styles.DIM)


def _person(who: str) -> str:
    """Who it really was: ``alice`` of ``root(alice)``."""
    login = who.rpartition("(")[2]
    return login.removesuffix(")") if who.endswith(")") else who


def reason_words(generation: Generation) -> str:
    """Why it came to be, in words."""
    reason = generation.reason
    who = f" by {generation.who}" if generation.who else ""
    if reason is Reason.RESTORE:
        return f"restored from {generation.restored}{who}"
    if reason is Reason.GUARD:
        return f"guard of what was live before a restore{who}"
    if reason is Reason.SCHEDULED:
        return f"scheduled{who}"
    if reason is Reason.IMPORT:
        return f"imported{who}"
    if reason is Reason.MANUAL:
        return f"made by hand{who}"
    return "reason not recorded"


def net_rows(generation: Generation) -> Text:
    """Rows more or fewer than in the generation before; ``schema`` where tables came, went or changed their form."""
    delta = generation.delta
    if delta is None:
        return plain("·" if generation.metadata is not None else "?", styles.DIM)
    if delta.schema:
        return plain("schema", styles.WARN)
    if delta.net_rows is None:
        changed = delta.changed + delta.added + delta.removed
        count = str(changed) if changed < 10_000 else tally(changed)  # eight cells
        return plain(f"{count} ch." if changed else "same", styles.PLAIN if changed else styles.DIM)
    if delta.net_rows == 0:
        return plain("±0" if delta.changed else "same", styles.DIM)
    return plain(signed(delta.net_rows), styles.GOOD if delta.net_rows > 0 else styles.BAD)


def changed_sections(generation: Generation) -> Text:
    """``~3`` sections that differ from the generation before, ``20K`` in as many cells."""
    delta = generation.delta
    if delta is None:
        return plain("")
    count = delta.changed + delta.added + delta.removed
    shown = f"~{count}" if count < 1000 else tally(count)
    return plain(shown if count else "=", styles.WARN if count else styles.DIM)


def state(generation: Generation, *, wide: bool) -> Text:
    """Its state: glyph and word."""
    look = styles.state_of(generation)
    return plain(f"{look.glyph} {look.words if wide else look.word}", look.style)


def pin(generation: Generation) -> Text:
    return plain("P", styles.MARK) if generation.marks.pins else Text("")


def content_size(generation: Generation) -> int | None:
    return generation.metadata.content_size if generation.metadata is not None else None


def _content(generation: Generation) -> int:
    return content_size(generation) or 0


def _known_size(known: int | None) -> Text:
    return plain("" if known is None else size(known), styles.DIM)


def _changed(generation: Generation) -> int:
    delta = generation.delta
    return delta.changed + delta.added + delta.removed if delta is not None else -1


def _net(generation: Generation) -> int:
    delta = generation.delta
    return delta.net_rows or 0 if delta is not None else 0
