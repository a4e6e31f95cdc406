"""One job as it is shown, from its folder: what it does, how it ended; of one that cannot be read, what is wrong.

A job that cannot be read whole is shown all the same, with its number, what is known of it and which file is at fault.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from dysnomia_base.escape import visible
from dysnomia_base.records import dataclass, replace
from dysnomia_store import moment
from dysnomia_store.errors import Corrupt
from dysnomia_store.names import ComponentKey
from dysnomia_store.records import codec as records
from dysnomia_tui.engine.component.journal import FileJournal
from dysnomia_tui.engine.component.left import (
    SETTLED,
    UnfinishedJob,
    half_restored,
    in_its_swap,
    needs_settling,
    step_of,
)
from dysnomia_tui.engine.errors import Unreadable
from dysnomia_tui.engine.jobs.folder import JobFolder
from dysnomia_tui.engine.plans.plan import Kind, Plan
from dysnomia_tui.engine.records import Event, JobState, JobView

if TYPE_CHECKING:
    from dysnomia_tui.engine.jobs.request import JobRequest

UNDOABLE = frozenset({Kind.RESTORE, Kind.PUT_BACK, Kind.UNDO, Kind.GC, Kind.GROUP})
NO_TITLE = "(what it does cannot be read)"
Told: TypeAlias = "Callable[[str], JobRequest | None]"
"""What the audit tells of a job, by its number: asked only where the job's own folder does not."""


@dataclass(frozen=True)
class JobReading:
    """What could be read of a job's folder."""

    folder: JobFolder
    plan: Plan | None
    request: JobRequest | None
    """Its own, or what the audit tells."""
    held: bool
    record: FileJournal
    problems: tuple[str, ...]
    """What could not be read, each in words."""

    @property
    def keys(self) -> tuple[ComponentKey, ...] | None:
        """The components it is about; None where nothing tells."""
        if self.plan is not None:
            return self.plan.keys
        from dysnomia_tui.engine.jobs.request import keys_of

        named = keys_of(self.request.keys) if self.request is not None else ()
        return named or None

    @property
    def kind(self) -> str:
        """Of its plan; ``""`` where nothing tells."""
        if self.plan is not None:
            return self.plan.kind.value
        return self.request.kind if self.request is not None else ""

    def left(self) -> list[tuple[int, UnfinishedJob]]:
        """Its journals, each with the index of its component."""
        who = self.request.who if self.request is not None else ""
        return [(index, UnfinishedJob(self.folder.id, journal, who)) for index, journal in self.folder.journals()]


def read_job(folder: JobFolder, request_of: Told) -> JobReading:
    """Everything of a job that can be read. Never raises for what cannot."""
    problems = []
    plan = request = None
    try:
        plan = folder.plan()
    except Unreadable as error:
        problems.append(error.message)
    try:
        request = folder.request()
    except Unreadable as error:
        problems.append(error.message)
    held = folder.held  # before the record: a job that ends in between is not taken for interrupted
    record = folder.record()
    if record.damage:
        problems.append(record.damage)
    if request is None or (plan is None and not request.keys):
        request = request_of(folder.id) or request
    return JobReading(folder, plan, request, held, record, tuple(problems))


def job_view(folder: JobFolder, request_of: Told) -> JobView:
    """A job as it is shown."""
    from dysnomia_tui.engine.jobs.events import last_words  # only where a job is read

    reading = read_job(folder, request_of)
    request, record = reading.request, reading.record
    result, started = record.last("result"), record.last("started")
    words = last_words(folder.events)
    state = _state(reading)
    view = JobView(
        id=folder.id,
        kind=reading.kind,
        title=(reading.plan.title if reading.plan else "") or (request.title if request else "") or NO_TITLE,
        keys=reading.keys or (),
        state=state,
        who=request.who if request else "",
        why=request.why if request else "",
        created=_utc(request.created) if request else _made(folder),
        started=_time(started),
        ended=_time(result),
        phase=str(words["phase"].data["name"]) if "phase" in words and not state.ended else "",
        done=0, total=None, unit="bytes", rate=None, message="", part_of=_part_of(reading.plan),
    )  # fmt: skip
    if not state.ended:
        return _with_problems(_recovering(_moving(view, words), reading), reading)
    unforeseen = "" if result is not None else _last_line(folder.path / "worker.log")
    view = _recovering(_ended(view, result, record.last("recovered"), record.last("undone"), unforeseen), reading)
    if result is None and "recovered" in view.details and record.last("undone") is None:
        view = _once_finished(view, reading)
    if view.kind in (Kind.RESTORE.value, Kind.UNDO.value):
        view = _with_live(view, reading)
        if view.to_recover and any(in_its_swap(left) for _, left in reading.left()):
            view = replace(view, details={**view.details, "in_swap": True})
    return _with_problems(view, reading)


def _recovering(view: JobView, reading: JobReading) -> JobView:
    """A recovery says of which job it is one."""
    if view.kind != Kind.RECOVER.value or reading.plan is None:
        return view
    return replace(view, details={**view.details, "recovers": str(reading.plan.params.get("job", ""))})


def _part_of(plan: Plan | None) -> str:
    """The job of a group that began it, or ``""``."""
    part_of = plan.params.get("group_job") if plan is not None else None
    return part_of if isinstance(part_of, str) else ""


def _state(reading: JobReading) -> JobState:
    result = reading.record.last("result")
    if result is not None:
        return JobState(result["state"])
    worker = reading.folder.worker
    if reading.held and (worker is None or worker.alive or worker.elsewhere):
        if reading.folder.cancel_asked:
            return JobState.CANCELLING
        return JobState.QUEUED if reading.record.last("started") is None else JobState.RUNNING
    if reading.problems and (reading.record.damage or not reading.record.path.exists()):
        # Nobody can tell how it ended. What its journals say counts then.
        left = any(needs_settling(left) for _, left in reading.left())
        return JobState.INTERRUPTED if left else JobState.UNREADABLE
    return JobState.INTERRUPTED


def _with_problems(view: JobView, reading: JobReading) -> JobView:
    """The view with what could not be read, in place of how it ended: a glance must not take it for whole."""
    if not reading.problems:
        return view
    wrong = f"{'; '.join(reading.problems)} (in {reading.folder.path})"
    over = view.state.ended and (view.state is not JobState.INTERRUPTED or "recovered" in view.details)
    known = f"; it ended: {view.state.value}: {view.message}" if view.ended is not None else ""
    if not over and view.message:
        known = f"; {view.message}"
    return replace(
        view,
        state=JobState.UNREADABLE if over else view.state,
        message=wrong + known,
        details={**view.details, "unreadable": list(reading.problems)},
        undoable=view.undoable and reading.plan is not None,
    )


def _ended(
    view: JobView,
    result: Mapping[str, Any] | None,
    recovered: Mapping[str, Any] | None,
    undone: Mapping[str, Any] | None,
    unforeseen: str,
) -> JobView:
    if result is None:
        details: dict[str, Any] = {}
        if recovered:
            details = {**recovered.get("details", {}), "recovered": dict(recovered)}
        message = ""
        if recovered:
            message = str(recovered["text"])
        elif view.state is JobState.INTERRUPTED:
            by = "app, or the next command on the group," if view.kind == Kind.GROUP else "next job on the component"
            message = f"its process died; the {by} recovers it"
        if unforeseen:
            message = f"it ended unforeseen ({unforeseen}); {message}"
        undoable = bool(details.get("undoable")) and undone is None
        return replace(view, message=message, details=details, undoable=undoable)
    details = {**result.get("details", {}), "exit": result["exit"], "hint": result.get("hint", "")}
    if recovered and details.pop("uncleared", False):
        details.pop("aside", None)  # a generation by now
        details["recovered"] = dict(recovered)
    undoable = bool(details.get("undoable")) and undone is None and view.kind in UNDOABLE
    return replace(view, message=str(result["message"]), details=details, undoable=undoable)


def _once_finished(view: JobView, reading: JobReading) -> JobView:
    """A job that died after it had changed what is live, and was finished by another: undoable as if it had ended."""
    for _, left in reading.left():
        settled, swap = step_of(left, SETTLED) or {}, step_of(left, "swap") or {}
        kept = step_of(left, "unguarded")
        if kept is not None:
            return replace(view, details={**view.details, "aside": kept["aside"]}, undoable=True)
        guarded = step_of(left, "guarded") is not None or step_of(left, "put-back") is not None
        if settled.get("swapped") and (guarded or (swap.get("in_place") and swap["guard"])):
            return replace(view, undoable=True)
    return view


def _with_live(view: JobView, reading: JobReading) -> JobView:
    """A restore in place that was interrupted: shown, and undoable, until live is complete again. Of one that could not
    remove what was live before: that stays until a later job has removed it."""
    if view.details.get("stays") and not any(needs_settling(left) for _, left in reading.left() if not left.damage):
        view = replace(view, details={**view.details, "stays": ""})
    for _, left in reading.left():
        swap = step_of(left, "swap")
        if swap is None or not swap.get("in_place") or step_of(left, "swapped") is not None:
            continue
        half = half_restored(left)
        details = {**view.details, "guard": swap["guard"] or None}
        message = view.message
        if half:
            details["half"] = True
            if view.state is JobState.INTERRUPTED and "recovered" not in details:
                message = f"live may be half restored: {message}"
        return replace(view, details=details, message=message, undoable=half and bool(swap["guard"]))
    return view


def _moving(view: JobView, words: Mapping[str, Event]) -> JobView:
    progress = words.get("progress")
    phase = words.get("phase")
    if progress is not None and (phase is None or progress.at >= phase.at):
        data = progress.data
        view = replace(view, done=data["done"], total=data["total"], unit=data["unit"], rate=data["rate"])
    if view.state is JobState.QUEUED or (view.started is None and "waiting" in words):
        waiting = words.get("waiting")
        if waiting is not None:
            view = replace(view, behind=str(waiting.data.get("behind", "")), message=str(waiting.data.get("text", "")))
    elif "log" in words:
        view = replace(view, message=str(words["log"].data.get("line", "")))
    return view


def _last_line(path: Path) -> str:
    """What Python said last, where a worker ended by a fault of the program."""
    try:
        lines = records.read_file(path).decode("utf-8", "replace").strip().splitlines()
    except (OSError, Corrupt):
        return ""
    return visible(lines[-1]) if lines else ""


def _made(folder: JobFolder) -> datetime:
    """When a folder was touched last, where nothing tells when its job was submitted."""
    try:
        return datetime.fromtimestamp(folder.path.stat().st_mtime, UTC)
    except (OSError, ValueError, OverflowError):
        return datetime.fromtimestamp(0, UTC)


def _time(entry: Mapping[str, Any] | None) -> datetime | None:
    if entry is None:
        return None
    try:
        return moment(entry["at"])
    except ValueError:  # the first day of the calendar, in another zone
        return None


def _utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except OverflowError:
        return datetime.fromtimestamp(0, UTC)
