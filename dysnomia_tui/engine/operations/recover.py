"""Recovery of what an interrupted job left."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, TypeVar

from dysnomia_tui.config.model import GroupSettings
from dysnomia_tui.engine import audit
from dysnomia_tui.engine.component import activities
from dysnomia_tui.engine.component.left import SETTLED, UnfinishedJob, needs_settling, step_of
from dysnomia_tui.engine.errors import EngineError, Stale, Unreadable
from dysnomia_tui.engine.jobs.board import JobBoard
from dysnomia_tui.engine.jobs.context import ELSEWHERE, JobContext, Outcome
from dysnomia_tui.engine.jobs.folder import JobFolder
from dysnomia_tui.engine.plans.plan import Grade, Kind, Plan, Step
from dysnomia_tui.engine.records import JobState
from dysnomia_tui.engine.translate import Expected, words_of

T = TypeVar("T")
NO_DETAILS: Mapping[str, Any] = MappingProxyType({})
NO_GROUPS: Mapping[str, GroupSettings] = MappingProxyType({})


def plan_recover(board: JobBoard, job_id: str, now: datetime, groups: Mapping[str, GroupSettings] = NO_GROUPS) -> Plan:
    """Put right what an interrupted job left; ``groups`` as config.toml has them. Raises Unknown, Unreadable.

    Never more than grade 1, whatever the labels: it is submitted unasked, and only finishes what was confirmed.
    """
    view = board.view(job_id)
    params = {"job": job_id, **(_clean_up(board, job_id, groups) if view.kind == Kind.GROUP.value else {})}
    if view.kind == Kind.RESTORE.value and len(view.keys) > 1:
        params[ELSEWHERE] = True
    return Plan(
        kind=Kind.RECOVER,
        title=f"recover job {job_id}: {view.title}",
        keys=view.keys,
        grade=Grade.ADDS,
        steps=(
            Step(f"what job {job_id} began would be finished or taken back"),
            Step("what is named after it would be removed"),
        ),
        params=params,
        made=now,
    )


def _clean_up(board: JobBoard, job_id: str, groups: Mapping[str, GroupSettings]) -> dict[str, Any]:
    """The program that is run once what a group's job left is put in order: never one that is named in a store."""
    group = groups.get(str(board.folder(job_id).plan().params.get("group", "")), GroupSettings(()))
    return {"members": [], "after": list(group.after), "limit": group.time_limit.total_seconds()}


def run_recover(work: JobContext) -> Outcome:
    """Settle every component of an interrupted job, and sweep what is named after it.

    Raises Stale where the job still runs; EngineError where something is left that has to be mended."""
    dead = work.board.folder(work.plan.params["job"])
    if dead.held:
        raise Stale(f"job {dead.id} or a child process of it still runs", "wait until it has ended")
    if known := dead.record().last("recovered"):  # two apps that see it die each begin a recovery
        return Outcome(
            JobState.DONE, f"recovered by job {known['by']} already: {known['text']}", details={"recovered": dead.id}
        )
    request = _readable(dead.request)
    texts: list[str] = []
    problems: list[str] = []
    details: Mapping[str, Any] = {}
    for index, journal in dead.journals():
        left = UnfinishedJob(dead.id, journal, request.who if request else "")
        if not needs_settling(left):
            continue
        if index >= len(work.plan.keys):
            problems.append(f"on which component cannot be read: see {dead.path}")
            continue
        try:
            settled = activities.recover(work.component_job(index), left)
        except Expected as error:
            problems.append(words_of(error)[0])
            continue
        texts.append(settled.text)
        if settled.restored is not None and not settled.restored.whole:
            problems.extend(settled.restored.warnings)
    if work.plan.through_jobs:
        from dysnomia_tui.engine.operations import group_job  # it recovers jobs itself

        text, details = group_job.settle(work, dead)
        texts.append(text)
    texts.extend(work.machine.store.sweep(alive=work.board.alive))
    if problems:
        raise EngineError(
            f"job {dead.id} is not recovered yet: {'; '.join(problems)}",
            "correct that: the next job on the component tries it again",
        )
    text = "; ".join(texts) or "nothing was left behind"
    for folder in (dead, *work.board.dead_recoveries(dead.id)):
        _close(work, folder, text, details if folder is dead else {})
    return Outcome(JobState.DONE, text, details={"recovered": dead.id})


def close_put_right(work: JobContext, folders: Sequence[JobFolder]) -> None:
    """Write down that nothing is left of jobs that this one, or one before it, has put right on its way, and remove
    what they left in the store. Raises StoreError, OSError."""
    for folder in folders:
        _close(work, folder, _what_became(folder))
    for line in work.machine.store.sweep(alive=work.board.alive):
        work.log.write("log", line=line)


def _close(work: JobContext, folder: JobFolder, text: str, details: Mapping[str, Any] = NO_DETAILS) -> None:
    """``details``: what its own result would have told."""
    if folder.record().last("result") is None:
        _say_interrupted(work, folder, text)
    ended = {"by": work.id, "at": work.clock().isoformat(), "text": text}
    folder.record().step("recovered", **ended, **({"details": dict(details)} if details else {}))
    folder.trim()


def _what_became(folder: JobFolder) -> str:
    """As its journals tell, in words."""
    lefts = [UnfinishedJob(folder.id, journal) for _, journal in folder.journals()]
    if any(step_of(left, "undone") is not None for left in lefts):
        return "it was undone"
    kept = [step["aside"] for left in lefts if (step := step_of(left, "unguarded")) is not None]
    if kept:
        return f"it had changed what was live; what was live before is kept at {kept[0]}"
    settled = [step for left in lefts if (step := step_of(left, SETTLED)) is not None]
    if not settled:
        return "nothing was left behind"
    if any(step.get("swapped") for step in settled):
        return "it had changed what was live; it was finished"
    return "what it had made was removed"


def _readable(read: Callable[[], T]) -> T | None:
    """What a file of a job says; None where it cannot be read: what the job left is put right all the same."""
    try:
        return read()
    except Unreadable:
        return None


def _say_interrupted(work: JobContext, folder: JobFolder, text: str) -> None:
    """The end of a job that could not write its own into the audit."""
    request = _readable(folder.request)
    plan = _readable(folder.plan) or replace(work.plan, title=f"job {folder.id}")
    message = f"its process was gone; job {work.id} put it right: {text}"
    entry = audit.entry_of(
        folder.id, plan, JobState.INTERRUPTED.value, who=request.who if request else "",
        why=request.why if request else "", host=request.host if request else "", message=message,
    )  # fmt: skip
    with suppress(OSError):
        audit.append(work.machine.settings.statedir, work.clock(), entry, work.machine.settings.group)
