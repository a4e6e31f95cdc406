"""A job's page: how it stands, what came of it, and its events as lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from rich.text import Text

from dysnomia_tui.app.present import styles
from dysnomia_tui.app.present.columns import Column
from dysnomia_tui.app.present.jobs import progress
from dysnomia_tui.app.present.sizes import duration
from dysnomia_tui.app.present.text import join, plain
from dysnomia_tui.app.present.times import Times
from dysnomia_tui.engine.records import Event, JobState, JobView

_QUIET = frozenset({"progress"})
"""Kinds of event that are no line of the log: the strip shows them."""


def columns(cells: int, times: Times) -> Sequence[Column[JobView]]:
    """The list: number, state, title, who, when, how long."""
    shown: list[Column[JobView]] = [
        Column("job", "job", 5, lambda job: plain(f"J{job.id}", styles.STRONG), _number, gap=0, descending=True),
        Column("state", "state", 12, _state, lambda job: job.state.value),
        Column("title", "what", 20, lambda job: plain(job.title), lambda job: job.title, flex=1),
        Column("who", "by", 10, lambda job: plain(job.who, styles.DIM), lambda job: job.who),
        Column("when", "when", 9, lambda job: plain(times.ago(job.created), styles.DIM), lambda job: job.created),
        Column("took", "took", 9, lambda job: plain(took(job), styles.DIM), _seconds, "right"),
    ]
    return [column for column in shown if cells >= 76 or column.id not in ("who", "took")]


def _number(job: JobView) -> tuple[int, str]:
    return len(job.id), job.id


def _state(job: JobView) -> Text:
    look = styles.JOB[job.state]
    if job.state is JobState.RUNNING and job.total:
        return plain(f"{look.glyph} {min(100 * job.done // job.total, 100)}%", look.style)
    return plain(f"{look.glyph} {look.word}", look.style)


def _seconds(job: JobView) -> float:
    if job.started is None or job.ended is None:
        return 0.0
    return (job.ended - job.started).total_seconds()


def took(job: JobView) -> str:
    """How long it ran; ``""`` where it did not or still does."""
    return duration(_seconds(job)) if job.started is not None and job.ended is not None else ""


def words(job: JobView) -> str:
    """What a filter looks in."""
    return f"J{job.id} {job.state.value} {job.title} {job.who} {job.why} {job.message}"


def summary(job: JobView, times: Times) -> list[Text]:
    """The lines above the log."""
    look = styles.JOB[job.state]
    who = f"by {job.who}" if job.who else ""
    lines = [
        join([plain(f"{look.glyph} {look.word}", look.style), plain(job.title, styles.STRONG)], "  "),
        join([plain(who), plain(times.full(job.created), styles.DIM), plain(took(job), styles.DIM)], "  "),
    ]
    if job.why:
        lines.append(plain(f"why: {job.why}"))
    if job.state is JobState.QUEUED:
        behind = "X asks the job in front to stop" if job.behind else "waits for its turn"
        lines.append(plain(behind, styles.INFO))
    elif not job.state.ended:
        lines.append(progress(job))
    if job.message:
        lines.append(plain(job.message, look.style if job.state.ended else styles.PLAIN))
    lines.extend(outcome(job.details))
    return lines


def outcome(details: Mapping[str, Any]) -> Iterable[Text]:
    """What came of a job, a line each, of those details that mean something to a person."""
    for name, render in _DETAILS.items():
        value = details.get(name)
        if value:
            yield from render(value)


def _one(words_: str) -> Callable[[Any], Iterable[Text]]:
    return lambda value: [plain(f"{words_} {value}")]


def _many(style: str) -> Callable[[Any], Iterable[Text]]:
    return lambda value: [plain(str(line), style) for line in (value if isinstance(value, list | tuple) else [value])]


def _failed(value: Any) -> Iterable[Text]:
    if isinstance(value, Mapping):
        return [plain(f"{key}: {problem}", styles.BAD) for key, problem in value.items()]
    return [plain(str(value), styles.BAD)]


def _generations(value: Any) -> Iterable[Text]:
    for one in value:
        made = "made" if one.get("new", True) else "unchanged:"
        yield plain(f"{made} generation {one['number']} of {one['key']} ({str(one['id'])[:12]})")


def _checks(value: Any) -> Iterable[Text]:
    for number, check in value.items():
        bad = check["result"] in ("corrupt", "missing")
        style = styles.BAD if bad else styles.GOOD if check["result"] == "ok" else styles.WARN
        which = number if "/" in number else f"generation {number}"
        yield plain(f"{which}: {check['result']} {check['text']}".rstrip(), style)


_DETAILS: Mapping[str, Callable[[Any], Iterable[Text]]] = {
    "failed": _failed,
    "generations": _generations,
    "guard": _one("what was live is kept as generation"),
    "aside": _one("what was live is kept at"),
    "copy": _one("the copy is at"),
    "checks": _checks,
    "bytes": lambda value: [plain(f"{int(value):,} bytes")],
    "clients": lambda value: [plain(f"back: {line}") for line in value],
    "warnings": _many(styles.WARN),
    "hint": _one("what to do:"),
}


def log_lines(events: Sequence[Event], times: Times) -> list[Text]:
    """The events, oldest first; progress is left out."""
    return [_event(event, times) for event in events if event.kind not in _QUIET]


def _event(event: Event, times: Times) -> Text:
    at = plain(times.clock_of(event.at), styles.DIM)
    data = event.data
    if event.kind == "log":
        return join([at, plain(str(data.get("line", "")))], "  ")
    if event.kind == "phase":
        return join([at, plain(f"▸ {data.get('name', '')}", styles.BUSY)], "  ")
    if event.kind == "result":
        state = str(data.get("state", ""))
        style = styles.JOB[JobState(state)].style if state in list(JobState) else styles.STRONG
        return join([at, plain(state, style), plain(str(data.get("message", "")))], "  ")
    if event.kind == "waiting":
        return join([at, plain(str(data.get("text", "")), styles.INFO)], "  ")
    return join([at, plain(event.kind, styles.INFO)], "  ")
