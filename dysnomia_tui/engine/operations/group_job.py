"""The job of a group: a job on each component, in order; where one fails, those before it are undone.

It holds no component and waits for nothing but other jobs of groups: its jobs do, each for itself. Which jobs it has
begun is in its record, and in each of them (``group_job``), so that one that was killed is settled by the next.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_store.errors import StoreError
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.component.journal import FileJournal
from dysnomia_tui.engine.component.left import step_of
from dysnomia_tui.engine.errors import Blocked, EngineError, Exit, Unreadable
from dysnomia_tui.engine.group.hooks import FAILED, RESTORED, SNAPSHOTTED, UNDONE, HookFailed, Hooks, hooks_of
from dysnomia_tui.engine.group.stored import check_stored
from dysnomia_tui.engine.jobs.context import JobContext, Outcome
from dysnomia_tui.engine.jobs.folder import JobFolder, job_numbers
from dysnomia_tui.engine.jobs.submit import submit_job
from dysnomia_tui.engine.operations.group import RECORD, SNAPSHOT, UNDO, GroupParams, params_of
from dysnomia_tui.engine.operations.recover import plan_recover
from dysnomia_tui.engine.operations.undo import it_stays, plan_undo, was_nothing
from dysnomia_tui.engine.plans.plan import Plan
from dysnomia_tui.engine.records import JobState, JobView
from dysnomia_tui.engine.translate import Expected, words_of

POLL = 0.05
WELL = (JobState.DONE, JobState.PARTLY)
BACK = -1
"""The place of a job that takes another back, or recovers one."""


class MemberFailed(EngineError):
    """The job on one component did not come out well."""


@dataclass
class Crew:
    """The jobs that a group's job begins, one for each component."""

    work: JobContext
    record: FileJournal
    of: str
    """The group's job that they belong to."""

    def begin(self, plan: Plan, index: int = BACK) -> str:
        """Raises Blocked, EngineError, OSError."""
        if plan.blockers:
            raise Blocked(f"{plan.title} cannot be done: {'; '.join(plan.blockers)}", "correct that first")
        work = self.work
        own_plan = replace(plan, params={**plan.params, "group_job": self.of, "group_index": index})
        why = f"job {self.of}: {work.plan.title}"
        job = submit_job(work.machine, own_plan, who=work.who, why=why, host=work.host, now=work.clock())
        self.record.step("member", index=index, job=job)
        work.log.write("log", line=f"job {job}: {plan.title}", key=str(plan.keys[0]))
        return job

    def end(self, job: str) -> JobView:
        """Wait until a job has ended. A cancel is passed on to it, and its end awaited."""
        asked = False
        while True:
            view = self.work.board.view(job)
            if view.state.ended and not self.work.board.alive(job):
                self.work.log.write("log", line=f"job {job} {view.state}: {view.message}")
                return view
            if self.work.cancel.cancelled and not asked:
                asked = True
                self.work.board.folder(job).ask_cancel(self.work.who)
            time.sleep(POLL)

    def recovered(self, view: JobView) -> JobView:
        """A job as it is once what it left was put in order."""
        if view.state is not JobState.INTERRUPTED or "recovered" in view.details:
            return view
        self.end(self.begin(plan_recover(self.work.board, view.id, self.work.clock())))
        return self.work.board.view(view.id)

    def replaced(self, view: JobView) -> bool:
        """Whether a job has replaced what was live, and nothing has taken that back yet."""
        if self.work.board.folder(view.id).record().last("undone") is not None:
            return False
        return view.state in WELL or view.undoable or step_of(self.work.board.left(view.id), "swapped") is not None

    def take_back(self, views: Sequence[JobView]) -> tuple[list[str], list[str]]:
        """Undo what jobs have replaced, the last first.

        Returns, in words, what could not be, and what stays because nothing was live there before."""
        problems: list[str] = []
        stays: list[str] = []
        with self.work.cancel.up():
            for view in reversed(views):
                try:
                    view = self.recovered(view)
                    if not self.replaced(view):
                        continue
                    if was_nothing(self.work.board, view.id):
                        stays.append(it_stays(view.keys[0], view.id))
                        continue
                    undo = plan_undo(self.work.machine, self.work.board, view.id, self.work.clock(), alone=False)
                    done = self.end(self.begin(undo))
                    if done.state not in WELL:
                        problems.append(f"{view.keys[0]}: {done.message}")
                except Expected as error:
                    problems.append(f"{view.keys[0]}: {words_of(error)[0]}")
        return problems, stays


def run_group(work: JobContext) -> Outcome:
    """Do all of it, or take back what was done.

    Raises EngineError where what is stored is damaged, or the group's programs cannot be run: then nothing was
    touched."""
    params = work.plan.params
    plans = [Plan.from_json(one) for one in params["members"]]
    if params["action"] != SNAPSHOT:
        check_stored(work, plans)
    record = FileJournal.create(work.folder.path / RECORD)
    crew = Crew(work, record, work.id)
    hooks = _hooks(work, params, work.id, record)
    try:
        hooks.open()
    except Expected as error:
        with work.cancel.up():
            hooks.close(UNDONE)
        raise EngineError(f"nothing was touched: {words_of(error)[0]}", "correct that, then do it again") from None
    outcome = _snapshots(crew, plans, hooks) if params["action"] == SNAPSHOT else _in_order(crew, plans, hooks)
    if outcome.state in WELL and params["action"] == UNDO:
        work.board.folder(params["job"]).record().step("undone", by=work.id)
    record.trim()
    return outcome


def _hooks(work: JobContext, params: Mapping[str, Any], job: str, record: FileJournal) -> Hooks:
    def log(line: str) -> None:
        work.log.write("log", line=line)

    return hooks_of(params, job, ProcessRunner(work.cancel), record, log)


def _in_order(crew: Crew, plans: Sequence[Plan], hooks: Hooks) -> Outcome:
    work = crew.work
    views: list[JobView] = []
    try:
        for index, plan in enumerate(plans):
            work.cancel.check()
            work.log.write("phase", name=f"{index + 1} of {len(plans)}: {plan.keys[0]}")
            views.append(crew.end(crew.begin(plan, index)))
            if views[-1].state not in WELL:
                died = views[-1].state is JobState.INTERRUPTED  # what it left is put right below
                message = "its process died" if died else views[-1].message
                raise MemberFailed(f"{plan.keys[0]}: {message}", str(views[-1].details.get("hint", "")))
    except Expected as error:
        message, hint = words_of(error)
        return _taken_back(crew, views, hooks, (message, hint))
    undone = work.plan.params["action"] == UNDO
    with work.cancel.up():
        wrong = hooks.close(UNDONE if undone else RESTORED)
    details = _details(work, views) | {"undoable": any(view.undoable for view in views)}
    warnings = [f"{view.keys[0]}: {view.message}" for view in views if view.state is JobState.PARTLY]
    warnings += [wrong] if wrong else []
    message = f"{len(views)} components of {work.plan.params['group']} are {'as before' if undone else 'restored'}"
    if warnings:
        return Outcome(JobState.PARTLY, "; ".join((message, *warnings)), Exit.PARTLY, "undo works", details)
    return Outcome(JobState.DONE, message, details=details)


def _taken_back(crew: Crew, views: Sequence[JobView], hooks: Hooks, problem: tuple[str, str]) -> Outcome:
    crew.work.log.write("phase", name="taking back")
    problems, stays = crew.take_back(views)
    problems += stays
    with crew.work.cancel.up():
        wrong = hooks.close(FAILED if problems else UNDONE)
    words = [problem[0]]
    if problems:
        words.append(f"NOT taken back: {'; '.join(problems)}")
    else:
        words.append("all components are as they were before")
    words += [wrong] if wrong else []
    cancelled = crew.work.cancel.cancelled and not problems
    state, code = (JobState.CANCELLED, Exit.CANCELLED) if cancelled else (JobState.FAILED, Exit.FAILED)
    return Outcome(state, "; ".join(words), code, problem[1], _details(crew.work, views))


def _snapshots(crew: Crew, plans: Sequence[Plan], hooks: Hooks) -> Outcome:
    """All at once: their times are as near as can be."""
    work = crew.work
    failed: dict[str, str] = {}
    jobs: list[str] = []
    for index, plan in enumerate(plans):
        try:
            work.cancel.check()
            jobs.append(crew.begin(plan, index))
        except Expected as error:
            failed[str(plan.keys[0])] = words_of(error)[0]
    views = [crew.end(job) for job in jobs]
    failed |= {str(view.keys[0]): view.message for view in views if view.state is not JobState.DONE}
    with work.cancel.up():
        wrong = hooks.close(FAILED if failed else SNAPSHOTTED)
    span = _span(work, views)
    apart = f", {span.total_seconds():.1f} s apart" if span is not None else ""
    message = f"{len(plans) - len(failed)} of {len(plans)} components of {work.plan.params['group']}{apart}"
    words = "; ".join((message, *(f"{key}: {text}" for key, text in failed.items()), *([wrong] if wrong else [])))
    details = _details(work, views) | {"failed": failed}
    if span is not None:
        details["span"] = span.total_seconds()
    if not failed and not wrong:
        return Outcome(JobState.DONE, words, details=details)
    if work.cancel.cancelled:
        return Outcome(JobState.CANCELLED, words, Exit.CANCELLED, details=details)
    if len(failed) == len(plans):
        return Outcome(JobState.FAILED, words, Exit.FAILED, "see the log", details)
    return Outcome(JobState.PARTLY, words, Exit.PARTLY, "see the log", details)


def _span(work: JobContext, views: Sequence[JobView]) -> timedelta | None:
    """Between the first and the last moment at which the components were seen."""
    times = []
    for view in views:
        for made in view.details.get("generations", ()):
            with suppress(StoreError):
                key = ComponentKey.parse(made["key"])
                times.append(work.machine.store.generation(key, made["number"]).unchanged_until)
    return max(times) - min(times) if times else None


def _details(work: JobContext, views: Sequence[JobView]) -> dict[str, Any]:
    return {
        "group": work.plan.params["group"],
        "action": work.plan.params["action"],
        "jobs": [view.id for view in views],
        "generations": [made for view in views for made in view.details.get("generations", ())],
    }


# --- a job that was killed ---------------------------------------------------------------------------------------


def settle(work: JobContext, dead: JobFolder) -> tuple[str, Mapping[str, Any]]:
    """What a dead job of a group began is taken back, unless all of it was done; then its clean-up is run.

    Returns it in words, and, where all of it was done, the details that its own result would have had. Raises
    EngineError where something could not be taken back."""
    of = params_of(dead.plan())
    if not (dead.path / RECORD).exists():
        return "no component was touched", {}
    record = FileJournal(dead.path / RECORD)
    crew = Crew(work, record, dead.id)
    views: dict[int, JobView] = {}
    for index, job in _begun(work, dead):
        view = crew.end(job)
        if index >= 0:
            views[index] = crew.recovered(view)
    whole = len(views) == len(of["members"]) and all(
        view.state in WELL or (of["action"] != SNAPSHOT and crew.replaced(view)) for view in views.values()
    )
    undone = any(work.board.folder(view.id).record().last("undone") is not None for view in views.values())
    problems: list[str] = []
    stays: list[str] = []
    if of["action"] == SNAPSHOT:
        outcome = SNAPSHOTTED if whole else FAILED
    elif whole and not undone:
        outcome = UNDONE if of["action"] == UNDO else RESTORED
        if "job" in of:
            work.board.folder(of["job"]).record().step("undone", by=dead.id)
    else:
        problems, stays = crew.take_back([views[index] for index in sorted(views)])
        outcome = FAILED if problems or stays else UNDONE
    if record.last("cleaned") is None:
        params = {"group": of["group"], "action": of["action"], "before": []}
        hooks = _hooks(work, {**work.plan.params, **params}, dead.id, record)
        wrong = hooks.close(outcome)
        problems += [wrong] if wrong else []
    if problems:
        raise HookFailed(f"group {of['group']}: {'; '.join(problems)}", "see the jobs that are named")
    if stays:
        return f"group {of['group']}: {'; '.join(stays)}; all else is as before", {}
    words = {RESTORED: "all of it was restored", UNDONE: "all of it is as before", SNAPSHOTTED: "all was snapshotted"}
    text = f"group {of['group']}: {words.get(outcome, 'not all of it was snapshotted')}"
    return text, _details_of_dead(of, views) if whole and not undone else {}


def _details_of_dead(of: GroupParams, views: Mapping[int, JobView]) -> Mapping[str, Any]:
    in_order = [views[index] for index in sorted(views)]
    undoable = of["action"] != SNAPSHOT and any(view.undoable for view in in_order)
    return {
        "group": of["group"], "action": of["action"], "jobs": [view.id for view in in_order], "undoable": undoable,
    }  # fmt: skip


def _begun(work: JobContext, dead: JobFolder) -> list[tuple[int, str]]:
    """The jobs that a dead job of a group began, in their order: also one that it did not come to write down."""
    begun = []
    for number in job_numbers(work.machine.jobs):
        if number <= int(dead.id):
            continue
        with suppress(Unreadable):
            params = work.board.folder(str(number)).plan().params
            index = params.get("group_index")
            if params.get("group_job") == dead.id and isinstance(index, int):
                begun.append((index, str(number)))
    return begun
