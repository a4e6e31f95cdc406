"""The head of every screen: who and where one is, and what needs a person."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from dysnomia_base.plurals import plural
from dysnomia_tui.app.present import styles, welcome
from dysnomia_tui.app.present.sizes import size
from dysnomia_tui.app.present.text import cut, cut_middle, join, plain, spread
from dysnomia_tui.app.present.times import Times
from dysnomia_tui.app.state import AppState


def head(state: AppState, times: Times, cells: int) -> Text:
    """Host, labels, who, whether anything can be changed, store, free space; the time and its zone at the right."""
    clock = plain(f"  {times.clock()} ")
    overview = state.overview
    if overview is None:
        return spread(plain(" dysnomia", styles.STRONG), clock, cells)
    labels = [plain(label, "bold reverse red" if label == "PROD" else styles.INFO) for label in overview.labels]
    mode = plain("READ-ONLY", "bold reverse yellow") if overview.read_only else plain("RW", styles.GOOD)
    free = overview.disk_free
    tight = free is not None and overview.disk_total is not None and free * 20 < overview.disk_total
    space = plain(f"{size(free)} free" + (" !" if tight else ""), styles.BAD if tight else styles.PLAIN)
    who = join([plain(overview.who), mode])
    fixed = [plain(overview.host, styles.STRONG), *labels]
    around = join([join(fixed), who, space], "  ").cell_len + clock.cell_len + 5
    store = plain(cut_middle(overview.store, max(cells - around, 8)), styles.DIM)
    return spread(join([join([" ", join(fixed)], ""), who, store, space], "  "), clock, cells)


def alarms(state: AppState, key: str, cells: int) -> Text:
    """What needs a person, in one line: always there, so that nothing jumps.

    Args:
        state: the state.
        key: the key that goes to the next alarm, as it is shown.
        cells: width.
    """
    overview = state.overview
    if state.problem:
        return cut(join([plain(" ! the store cannot be read:", styles.BAD), plain(state.problem, styles.BAD)]), cells)
    if overview is None:
        return plain(f" {welcome.reading(state)}", styles.DIM)
    pending = state.alarms()
    if not pending:
        calm = f"  {overview.read_only or overview.notice}" if overview.read_only or overview.notice else ""
        return cut(join([plain(" ● nothing needs you", styles.GOOD), plain(calm, styles.DIM)], ""), cells)
    count = len(pending)
    lead = plain(f" ! {count} need{'s' if count == 1 else ''} you: ", styles.BAD)
    texts = join([plain(alarm.text, styles.WARN) for alarm in pending], "; ")
    return spread(join([lead, texts], ""), plain(f"  {key} next ", styles.KEY), cells)


def marks_and_path(marks: Text, path: str, cells: int) -> Text:
    """What is marked and what its deletion frees; the path of the selection at the right."""
    room = max(cells - marks.cell_len - 4, 12)
    return spread(join([" ", marks], ""), plain(f" {cut_middle(path, room)} ", styles.DIM), cells)


def picked(components: int, discovered: int, keys: Sequence[str]) -> Text:
    """``3 components marked: s snapshots, v verifies, X reviews``; ``keys``: those, and the one that adopts."""
    snapshot, verify, gc, adopt = keys
    parts = []
    if components:
        parts.append(
            f"{plural(components, 'component')} marked: {snapshot} snapshots, {verify} verifies, {gc} collects"
        )
    if discovered:
        parts.append(f"{discovered} found marked: {adopt} adopts")
    return plain("; ".join(parts), styles.MARK) if parts else Text("", end="")


def marked(count: int, freed: int | None, problem: str = "", *, stay: str = "") -> Text:
    """``1 marked: to trash: 100M``; ``freed`` None while it is worked out."""
    if not count:
        return Text("", end="")
    if problem:
        return join([plain(f"{plural(count, 'generation')} marked:", styles.MARK), plain(problem, styles.WARN)])
    what = "…" if freed is None else f"to trash: {size(freed)}"
    return plain(f"{count} marked: {what}{stay}", styles.MARK)
