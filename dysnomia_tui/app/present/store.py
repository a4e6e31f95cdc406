"""Where the space is, how it grew, and what is in the trash."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rich.text import Text

from dysnomia_base.plurals import plural
from dysnomia_store.model import Generation
from dysnomia_store.names import ComponentKey
from dysnomia_store.store import Usage
from dysnomia_tui.app.present import styles
from dysnomia_tui.app.present.columns import Column
from dysnomia_tui.app.present.sizes import size
from dysnomia_tui.app.present.text import cut_middle, join, plain
from dysnomia_tui.app.present.times import Times
from dysnomia_tui.engine import Schedule, TimerState
from dysnomia_tui.engine.records import ComponentView, Health, TrashView

_BARS = "▁▂▃▄▅▆▇█"
_EIGHTHS = " ▏▎▍▌▋▊▉█"
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Share:
    """One component's part of the store."""

    key: ComponentKey
    stored: int
    largest: int
    view: ComponentView | None


def share_key(share: Share) -> Hashable:
    return share.key


def share_words(share: Share) -> str:
    """What a filter looks in."""
    return f"{share.key} {_health(share).plain}"


def shares(usage: Usage, views: Sequence[ComponentView]) -> list[Share]:
    """Largest first; components with nothing stored last."""
    by_key = {view.key: view for view in views}
    largest = max(usage.by_component.values(), default=0)
    every = dict.fromkeys(
        (*usage.by_component, *(key for key, view in by_key.items() if view.health is not Health.FOUND))
    )
    result = [Share(key, usage.by_component.get(key, 0), largest, by_key.get(key)) for key in every]
    return sorted(result, key=lambda share: (-share.stored, share.key))


def share_columns(cells: int, times: Times) -> tuple[Column[Share], ...]:
    """Name, bar, bytes, generations, newest, and what needs a person."""
    name = min(max(cells // 3, 16), 32)
    bar = max(min(cells - name - 36, 40), 6)
    return (
        Column(
            "name",
            "component",
            name,
            lambda share: plain(cut_middle(str(share.key), name)),
            lambda s: str(s.key),
            gap=0,
        ),
        Column("bar", "", bar, lambda share: plain(bar_of(share.stored, share.largest, bar), styles.INFO)),
        Column(
            "stored", "stored", 6, lambda share: plain(size(share.stored)), lambda s: s.stored, "right", descending=True
        ),
        Column("count", "gens", 5, _count, lambda s: s.view.generations if s.view else 0, "right", descending=True),
        Column("newest", "newest", 8, lambda share: _newest(share, times), _newest_time, "right"),
        Column("health", "", 9, _health, lambda s: s.view.health.value if s.view else "", flex=1),
    )


def _count(share: Share) -> Text:
    return plain(str(share.view.generations) if share.view is not None else "?", styles.DIM)


def _of(share: Share) -> Generation | None:
    return share.view.newest if share.view is not None else None


def _newest(share: Share, times: Times) -> Text:
    newest = _of(share)
    return plain(times.ago(newest.unchanged_until) if newest is not None else "never", styles.DIM)


def _newest_time(share: Share) -> float:
    newest = _of(share)
    return newest.unchanged_until.timestamp() if newest is not None else 0.0


def _health(share: Share) -> Text:
    if share.view is None:
        return Text("")
    look = styles.HEALTH[share.view.health]
    return plain(f"{look.glyph} {look.word}", look.style)


def bar_of(part: int, largest: int, cells: int) -> str:
    """A bar of ``cells`` cells at most, to an eighth of a cell; anything above 0 shows."""
    if largest <= 0 or part <= 0:
        return ""
    eighths = max(round(part * cells * 8 / largest), 1)
    whole, rest = divmod(eighths, 8)
    return "█" * whole + (_EIGHTHS[rest] if rest else "")


def spark(values: Sequence[int], cells: int) -> str:
    """The values as a line of bars, the newest at the right; scaled from the least to the greatest."""
    if not values or cells <= 0:
        return ""
    if len(values) > cells:
        step = len(values) / cells
        values = [values[min(int((at + 1) * step) - 1, len(values) - 1)] for at in range(cells)]
    low, high = min(values), max(values)
    if high == low:
        return _BARS[3] * len(values)
    return "".join(_BARS[round((value - low) * (len(_BARS) - 1) / (high - low))] for value in values)


def when_full(usage: Usage, times: Times) -> str:
    """When the disk is full, in words."""
    when = full_when(usage)
    if when is not None:
        return f"disk full about {times.local(when):%d %b %Y} at this rate"
    growing = len(usage.growth) > 1 and usage.growth[-1][1] > usage.growth[0][1]
    return "disk not full for many years at this rate" if growing else "not growing"


def full_when(usage: Usage) -> datetime | None:
    """When the disk is full if the store goes on growing as it did; None where it does not grow, or so
    slowly that it takes more than ten years."""
    if len(usage.growth) < 2:
        return None
    (first, was), (last, is_now) = usage.growth[0], usage.growth[-1]
    days = (last - first) / DAY
    if days < 1 or is_now <= was:
        return None
    left = usage.disk_free / ((is_now - was) / days)
    return last + left * DAY if left < 3_650 else None


def head(usage: Usage, times: Times, cells: int) -> list[Text]:
    """The lines at the top: the disk, the growth, what is not a generation's."""
    used = sum(usage.by_component.values())
    disk = join(
        [
            plain(f"{size(used)} in generations", styles.STRONG),
            plain(f"{size(usage.trash)} in the trash", styles.WARN if usage.trash else styles.DIM),
            plain(f"{size(usage.orphans)} orphans", styles.WARN if usage.orphans else styles.DIM),
            plain(f"disk {size(usage.disk_free)} free of {size(usage.disk_total)}"),
        ],
        "   ",
    )
    lines = [disk]
    if usage.content:
        held = f"{plural(usage.generations, 'generation')}, {size(usage.content)} of content, {size(used)} on disk"
        lines.append(plain(held, styles.DIM))
    if usage.growth:
        first, last = usage.growth[0], usage.growth[-1]
        days = max(round((last[0] - first[0]) / DAY), 1)
        ends = f"{size(first[1])} → {size(last[1])} in {plural(days, 'day')}"
        full = when_full(usage, times)
        words = join([plain(ends), plain(full, styles.DIM)], "   ")
        line = spark([value for _, value in usage.growth], max(cells - words.cell_len - 4, 10))
        lines.append(join([plain(line, styles.INFO), words], "  "))
    return lines


def schedule_lines(schedule: Schedule, cells: int) -> list[Text]:
    """What is done on time, when it ran last and runs next; what would have it done where nothing is."""
    written = [one for one in schedule.timers if one.written != "no"]
    if not schedule.timers:
        return []
    if not written:
        way = schedule.problem or "dysnomia-tui schedule --write"
        return [plain(f"nothing is snapshotted on time: {way}", styles.WARN)]
    lines = [_timer(one) for one in written]
    widest = max(line.cell_len for line in lines) + 3
    count = max(cells // widest, 1)
    for line in lines:
        line.append(" " * (widest - line.cell_len))
    shown = [Text("").join(lines[at : at + count]) for at in range(0, len(lines), count)]
    return [*shown, plain(schedule.warning, styles.WARN)] if schedule.warning else shown


def _timer(one: TimerState) -> Text:
    last = f"last {_minute(one.last)}" if one.last else "not yet run"
    parts = [plain(f"{one.task:<8}", styles.STRONG)]
    parts.append(plain(f"next {_minute(one.next)}") if one.next else plain("its timer is not active", styles.BAD))
    bad = one.result not in ("", "success")
    parts.append(plain(f"{last} ✗ {one.result}", styles.BAD) if bad else plain(last, styles.DIM))
    if one.written == "differs":
        parts.append(plain("not as config.toml says", styles.WARN))
    return join(parts, "  ")


def _minute(moment: str) -> str:
    """``Mon 2026-11-30 02:00:17 UTC`` without the year, seconds and zone; other words as they are."""
    words = moment.split()
    if len(words) < 3 or len(words[1]) != len("2026-11-30"):
        return moment
    return f"{words[0]} {words[1][5:]} {words[2][:5]}"


def trash_key(entry: TrashView) -> Hashable:
    return entry.name


def trash_words(entry: TrashView) -> str:
    """What a filter looks in."""
    return f"{entry.key} {_gens(entry)}"


def trash_columns(cells: int, times: Times) -> tuple[Column[TrashView], ...]:
    """Mark, component, generations, bytes, when collected and when freed."""
    name = min(max(cells // 3, 16), 32)
    return (
        Column("mark", "", 1, lambda _entry: Text(""), gap=0, is_mark=True),
        Column("name", "trash", name, lambda entry: plain(cut_middle(str(entry.key), name)), lambda e: str(e.key)),
        Column("numbers", "gens", 10, _numbers, lambda e: e.generations),
        Column(
            "stored",
            "bytes",
            6,
            lambda e: plain(size(e.stored_size)),
            lambda e: e.stored_size,
            "right",
            descending=True,
        ),
        Column(
            "collected", "collected", 13, lambda e: plain(times.short(e.collected), styles.DIM), lambda e: e.collected
        ),
        Column("freed", "freed on", 13, lambda e: plain(times.short(e.freed_on)), lambda e: e.freed_on, flex=1),
    )


def _numbers(entry: TrashView) -> Text:
    return plain(_gens(entry), styles.DIM if not entry.generations else "")


def _gens(entry: TrashView) -> str:
    return ", ".join(map(str, entry.generations)) or "orphan"
