"""All jobs of a store, from their folders: what they are doing, how they ended, which are interrupted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from dysnomia_base.escape import visible
from dysnomia_store import moment
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.component.context import UnfinishedJob
from dysnomia_tui.engine.component.guard import step_of
from dysnomia_tui.engine.component.journal import FileJournal
from dysnomia_tui.engine.component.recover import half_restored, needs_settling
from dysnomia_tui.engine.errors import Unknown
from dysnomia_tui.engine.jobs.events import last_words
from dysnomia_tui.engine.jobs.folder import JobFolder, is_number, job_numbers
from dysnomia_tui.engine.jobs.queue import Waiting
from dysnomia_tui.engine.plans.plan import Kind, Plan
from dysnomia_tui.engine.records import Event, JobState, JobView

UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError)
"""What a job's folder of another shape ends in: a record is JSON that any program may have written."""
UNQUEUED = frozenset({Kind.MARK, Kind.ADOPT})
"""Kinds that are done in a moment and wait for nobody."""
UNDOABLE = frozenset({Kind.RESTORE, Kind.UNDO, Kind.GC})


class JobBoard:
    """The jobs of one store. Jobs that are over are kept in memory: they do not change any more."""

    def __init__(self, jobs: Path) -> None:
        self.path = jobs
        self._over: dict[int, JobView] = {}

    def folder(self, job_id: str) -> JobFolder:
        """Raises Unknown."""
        folder = JobFolder(self.path / job_id)
        if not is_number(job_id) or not folder.path.is_dir():
            raise Unknown(f"there is no job {job_id[:40]!r}", "see the list of jobs")
        return folder

    def view(self, job_id: str) -> JobView:
        """Raises Unknown."""
        return self._view(self.folder(job_id))

    def views(self, limit: int) -> Sequence[JobView]:
        """Running and waiting first, then newest first. What left live half restored is never left out."""
        numbers = job_numbers(self.path)
        newest = numbers[::-1][:limit]
        floor = self.floor()
        older = [number for number in numbers if number > floor and number not in set(newest)]
        views = []
        for number in (*newest, *reversed(older)):
            with suppress(Unknown, *UNREADABLE):
                views.append(self._view(JobFolder(self.path / str(number))))
        views.sort(key=lambda view: (view.state.ended, -int(view.id)))
        return [*views[:limit], *(view for view in views[limit:] if view.details.get("half"))]

    def _view(self, folder: JobFolder) -> JobView:
        kept = self._over.get(int(folder.id))
        if kept is not None:
            return kept
        try:
            view = job_view(folder)
        except UNREADABLE as error:
            raise Unknown(f"job {folder.id} cannot be read ({error})", "see the permissions of the store") from None
        finished = view.state.ended and (view.state is not JobState.INTERRUPTED or "recovered" in view.details)
        if finished and not view.undoable:
            self._over[int(folder.id)] = view
        return view

    # What the worker asks.

    def floor(self) -> int:
        """All jobs up to this number are over, and left nothing behind."""
        try:
            return int((self.path / "floor").read_text())
        except (OSError, ValueError, OverflowError):
            return 0

    def raise_floor(self) -> None:
        """Move the floor up as far as it goes. A convenience: it may fail, and then costs time only."""
        floor = self.floor()
        highest = floor
        for number in job_numbers(self.path):
            if number <= floor:
                continue
            if not is_over(JobFolder(self.path / str(number))):
                break
            highest = number
        if highest != floor:
            with suppress(OSError):
                temporary = self.path / f".floor-{highest}"
                temporary.write_text(str(highest))
                temporary.replace(self.path / "floor")

    def waiting(self) -> Sequence[Waiting]:
        """The jobs that have not ended and whose worker lives."""
        found = []
        for folder in self._above_floor():
            record = folder.record()
            if record.last("result") is not None or not folder.held:
                continue
            plan = _plan_of(folder)
            if plan is not None and plan.kind not in UNQUEUED:
                found.append(Waiting(int(folder.id), frozenset(plan.keys), record.last("started") is not None))
        return found

    def unsettled(self, key: ComponentKey, but: str = "") -> Sequence[UnfinishedJob]:
        """Jobs that left something behind on a component: their worker is gone, or their guard is still aside."""
        return self._left_on(key, but, needs_settling)

    def half_restored(self, key: ComponentKey, but: str = "") -> Sequence[UnfinishedJob]:
        """Jobs after which live of a component may be half restored, still."""
        return self._left_on(key, but, half_restored)

    def _left_on(
        self, key: ComponentKey, but: str, matters: Callable[[UnfinishedJob], bool]
    ) -> Sequence[UnfinishedJob]:
        found = []
        for folder in self._above_floor():
            if folder.id == but or folder.held:
                continue
            plan = _plan_of(folder)
            if plan is None:
                continue
            for index, journal in folder.journals():
                if index < len(plan.keys) and plan.keys[index] == key:
                    left = _left(folder, journal)
                    if matters(left):
                        found.append(left)
        return found

    def dead_recoveries(self, job_id: str) -> Sequence[JobFolder]:
        """Recoveries of a job that were interrupted themselves."""
        found = []
        for folder in self._above_floor():
            plan = _plan_of(folder)
            mine = plan is not None and plan.kind is Kind.RECOVER and plan.params["job"] == job_id
            if mine and not folder.held and folder.record().last("result") is None:
                found.append(folder)
        return found

    def left(self, job_id: str, index: int = 0) -> UnfinishedJob:
        """A job's journal, for its undo. Raises Unknown."""
        folder = self.folder(job_id)
        return _left(folder, FileJournal(folder.path / f"journal.{index}"))

    def alive(self, job_id: str) -> bool:
        """Whether a job's worker, or a child of it, lives."""
        return JobFolder(self.path / job_id).held

    def _above_floor(self) -> Sequence[JobFolder]:
        floor = self.floor()
        return [JobFolder(self.path / str(number)) for number in job_numbers(self.path) if number > floor]


def is_over(folder: JobFolder) -> bool:
    """Whether a job has ended and left nothing behind that a later one must put right."""
    try:
        record = folder.record()
        if record.last("result") is None and (record.last("recovered") is None or folder.held):
            return False
        lefts = [UnfinishedJob(folder.id, journal) for _, journal in folder.journals()]
        return not any(needs_settling(left) or half_restored(left) for left in lefts)
    except OSError:
        return False


def job_view(folder: JobFolder) -> JobView:
    """Read one job. Raises OSError, ValueError or KeyError where its folder cannot be read."""
    plan = folder.plan()
    request = folder.request()
    held = folder.held  # before the record: a job that ends in between is not taken for interrupted
    record = folder.record()
    result = record.last("result")
    started = record.last("started")
    words = last_words(folder.events)
    state = _state(folder, held, result, started)
    view = JobView(
        id=folder.id,
        kind=plan.kind.value,
        title=plan.title,
        keys=plan.keys,
        state=state,
        who=str(request.get("who", "")),
        why=str(request.get("why", "")),
        created=moment(str(request["created"])),
        started=_time(started),
        ended=_time(result),
        phase=str(words["phase"].data.get("name", "")) if "phase" in words and not state.ended else "",
        done=0, total=None, unit="bytes", rate=None, message="",
    )  # fmt: skip
    if state.ended:
        unforeseen = "" if result is not None else _last_line(folder.path / "worker.log")
        ended = _ended(view, result, record.last("recovered"), record.last("undone"), unforeseen)
        return _with_live(ended, folder) if plan.kind in (Kind.RESTORE, Kind.UNDO) else ended
    return _moving(view, words)


def _state(
    folder: JobFolder, held: bool, result: Mapping[str, Any] | None, started: Mapping[str, Any] | None
) -> JobState:
    if result is not None:
        return JobState(result["state"])
    worker = folder.worker
    if not held or (worker is not None and not worker.alive):
        return JobState.INTERRUPTED
    if folder.cancel_asked:
        return JobState.CANCELLING
    return JobState.QUEUED if started is None else JobState.RUNNING


def _ended(
    view: JobView,
    result: Mapping[str, Any] | None,
    recovered: Mapping[str, Any] | None,
    undone: Mapping[str, Any] | None,
    unforeseen: str,
) -> JobView:
    if result is None:
        details: dict[str, Any] = {"recovered": dict(recovered)} if recovered else {}
        message = str(recovered["text"]) if recovered else "its process died; the next job on the component recovers it"
        if unforeseen:
            message = f"it ended unforeseen ({unforeseen}); {message}"
        return replace(view, message=message, details=details)
    details = {**result.get("details", {}), "exit": result["exit"], "hint": result.get("hint", "")}
    undoable = bool(details.get("undoable")) and undone is None and Kind(view.kind) in UNDOABLE
    return replace(view, message=str(result["message"]), details=details, undoable=undoable)


def _with_live(view: JobView, folder: JobFolder) -> JobView:
    """A restore in place that was interrupted: shown, and undoable, until live is complete again."""
    for _, journal in folder.journals():
        left = UnfinishedJob(folder.id, journal)
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
        lines = path.read_text("utf-8", "replace").strip().splitlines()
    except OSError:
        return ""
    return visible(lines[-1]) if lines else ""


def _time(entry: Mapping[str, Any] | None) -> datetime | None:
    return moment(str(entry["at"])) if entry else None


def _plan_of(folder: JobFolder) -> Plan | None:
    try:
        return folder.plan()
    except UNREADABLE:
        return None


def _left(folder: JobFolder, journal: FileJournal) -> UnfinishedJob:
    try:
        who = str(folder.request().get("who", ""))
    except UNREADABLE:
        who = ""
    return UnfinishedJob(job=folder.id, journal=journal, who=who)
