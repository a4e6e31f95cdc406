"""Jobs that snapshot, restore, undo, verify, check, and run activities."""

from __future__ import annotations

from typing import Any

from dysnomia_plugins.base import StatePlugin
from dysnomia_plugins.errors import NothingKept
from dysnomia_store.model import Check, CheckResult, Generation, Reason
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.component import activities
from dysnomia_tui.engine.component.guard import Restored
from dysnomia_tui.engine.component.restore import RestoreTarget
from dysnomia_tui.engine.errors import Exit, Stale
from dysnomia_tui.engine.jobs.context import JobContext, Outcome
from dysnomia_tui.engine.operations.plan_state import preflight_grade
from dysnomia_tui.engine.probing import client as asking
from dysnomia_tui.engine.records import JobState
from dysnomia_tui.engine.translate import Expected, exit_of, words_of

AFTER_SWAP_LIMIT = 2.0


def run_snapshot(work: JobContext) -> Outcome:
    """One component after the other; one that fails does not stop the rest."""
    made: list[dict[str, Any]] = []
    failed: dict[str, str] = {}
    nothing: dict[str, str] = {}
    warnings: list[str] = []
    doubts: list[str] = []
    last: Exception | None = None
    reason = Reason(work.plan.params["reason"])
    for index, key in enumerate(work.plan.keys):
        work.cancel.check()
        try:
            result = activities.snapshot(work.component_job(index), reason=reason, text=work.plan.params["text"])
        except NothingKept as error:
            nothing[str(key)] = error.message
            continue
        except Expected as error:
            if work.cancel.cancelled:
                raise
            last = error
            failed[str(key)] = words_of(error)[0]
            work.log.write("log", line=f"{key}: {failed[str(key)]}", key=str(key))
            continue
        warnings.extend(result.warnings)
        doubts.extend(filter(None, (result.half,)))
        made.append(_generation(result.generation) | {"new": result.committed.new})
    details = {"generations": made, "failed": failed, "warnings": warnings, "nothing": nothing}
    if nothing and not made and not failed:
        return Outcome(JobState.DONE, "; ".join(nothing.values()), details=details)
    if last is not None and not made and not nothing:
        message, hint = words_of(last)
        return Outcome(JobState.FAILED, message, exit_of(last) if len(failed) == 1 else Exit.FAILED, hint, details)
    message = "; ".join((_snapshot_message(made, failed), *nothing.values(), *doubts))
    if failed:
        return Outcome(JobState.PARTLY, message, Exit.PARTLY, "see the log", details)
    return Outcome(JobState.DONE, message, details=details)


def _snapshot_message(made: list[dict[str, Any]], failed: dict[str, str]) -> str:
    if len(made) == 1 and not failed:
        number = made[0]["number"]
        return f"generation {number}" if made[0]["new"] else f"unchanged: generation {number} was seen again"
    new = sum(1 for one in made if one["new"])
    text = f"{new} new generations, {len(made) - new} unchanged"
    return f"{text}, {len(failed)} failed" if failed else text


def _generation(generation: Generation) -> dict[str, Any]:
    return {"key": str(generation.key), "number": generation.number, "id": generation.id}


def run_restore(work: JobContext) -> Outcome:
    params = work.plan.params
    reason = preflight_grade(work.machine, work.plan)
    if reason:
        raise Stale(f"nothing was touched: {reason}", "look at the plan again")
    target = RestoreTarget(params["target"]["kind"], params["target"]["name"], tuple(params["target"]["sections"]))
    restored = activities.restore(
        work.component_job(),
        params["number"],
        target,
        text=params["text"],
        guard=params["guard"],
        snapshot_id=params["id"],
    )
    return _restored(work, restored)


def run_undo_restore(work: JobContext) -> Outcome:
    of = work.plan.params["job"]
    if work.board.folder(of).record().last("undone") is not None:
        raise Stale(f"nothing was touched: job {of} is undone already", "look at what is live now")
    restored = activities.undo(work.component_job(), work.board.left(of), text=f"undo of job {of}")
    work.board.folder(of).record().step("undone", by=work.id)
    return _restored(work, restored)


def _restored(work: JobContext, restored: Restored) -> Outcome:
    details: dict[str, Any] = {
        "restored": restored.restored,
        "generations": [_generation(restored.generation)] if restored.generation else [],
        "guard": restored.guard.number if restored.guard else None,
        "aside": restored.aside,
        "copy": restored.copy,
        "warnings": list(restored.warnings),
        "undoable": not restored.copy and bool(restored.guard or restored.aside),
    }
    if restored.copy:
        return Outcome(JobState.DONE, f"copied to {restored.copy}", details=details)
    details["clients"] = list(asking.probe(work.machine.settings, work.plan.keys[0], AFTER_SWAP_LIMIT).who)
    what = f"generation {restored.restored}" if restored.restored is not None else "what was live before"
    message = f"{what} is live"
    if restored.generation is not None:
        message += f", as generation {restored.generation.number}"
    if restored.guard is not None:
        message += f"; guard {restored.guard.number}"
    if restored.whole:
        return Outcome(JobState.DONE, "; ".join((message, *restored.warnings)), details=details)
    return Outcome(JobState.PARTLY, f"{message}; {'; '.join(restored.warnings)}", Exit.PARTLY, "undo works", details)


def run_check(work: JobContext) -> Outcome:
    """Each generation by name; one that is corrupt does not stop the rest."""
    component_job = work.component_job() if work.plan.keys[0] in work.machine.inventory().components else None
    checks: dict[str, dict[str, str]] = {}
    for number in work.plan.params["numbers"]:
        work.cancel.check()
        check = activities.check(component_job, number) if component_job else _check_unconfigured(work, number)
        checks[str(number)] = {"result": check.result.value, "text": check.text}
        work.log.write("log", line=f"generation {number}: {check.result.value} {check.text}".rstrip())
    return checked(checks)


def _check_unconfigured(work: JobContext, number: int) -> Check:
    """A component that is no longer configured has bytes all the same."""
    key = work.plan.keys[0]
    generation = work.machine.store.generation(key, number)
    found = work.machine.store.check(key, generation.id)
    recorded = Check(at=work.clock(), how="bytes", result=found.result, text=found.text, job=work.id)
    work.machine.store.record_check(key, generation.id, recorded)
    return recorded


def checked(checks: dict[str, dict[str, str]]) -> Outcome:
    """What checks came to, worst first."""
    bad = {
        number: check
        for number, check in checks.items()
        if check["result"] in (CheckResult.CORRUPT.value, CheckResult.MISSING.value)
    }
    details = {"checks": checks}
    if bad:
        named = ", ".join(f"{number} {check['result']}" for number, check in bad.items())
        state = JobState.FAILED if len(bad) == len(checks) else JobState.PARTLY
        return Outcome(state, f"{len(bad)} of {len(checks)} failed: {named}", Exit.CORRUPT, "restore another", details)
    ok = sum(1 for check in checks.values() if check["result"] == CheckResult.OK.value)
    unsure = len(checks) - ok
    return Outcome(JobState.DONE, f"{ok} ok" + (f", {unsure} unverifiable" if unsure else ""), details=details)


def run_verify(work: JobContext) -> Outcome:
    number = work.plan.params["number"]
    check = activities.verify(work.component_job(), number)
    outcome = checked({str(number): {"result": check.result.value, "text": check.text}})
    return Outcome(outcome.state, check.text or outcome.message, outcome.exit, outcome.hint, outcome.details)


def run_activity(work: JobContext) -> Outcome:
    name = work.plan.params["activity"]
    component_job = work.component_job()
    activities.activity(component_job, name)
    kept = isinstance(component_job.plugin, StatePlugin) and name == "deactivate"
    return Outcome(JobState.DONE, f"{name}: done" + ("; its state is garbage now" if kept else ""))


def run_deploy(work: JobContext) -> Outcome:
    """Each component's activity in turn; one that fails does not stop the rest, and what is so already is left."""
    done: list[str] = []
    failed: dict[str, str] = {}
    last: Exception | None = None
    for index, (key, name) in enumerate(zip(work.plan.keys, work.plan.params["activities"], strict=True)):
        work.cancel.check()
        work.log.write("phase", name=f"{name} {key}", key=str(key))
        try:
            if _is_active(work, key) is (name == "activate"):
                work.log.write("log", line=f"{key}: {name}d meanwhile", key=str(key))
                continue
            activities.activity(work.component_job(index), name)
        except Expected as error:
            if work.cancel.cancelled:
                raise
            last = error
            failed[str(key)] = words_of(error)[0]
            work.log.write("log", line=f"{key}: {failed[str(key)]}", key=str(key))
            continue
        done.append(f"{name}d {key}")
    details = {"done": done, "failed": failed}
    if last is not None and not done:
        message, hint = words_of(last)
        return Outcome(JobState.FAILED, message, exit_of(last) if len(failed) == 1 else Exit.FAILED, hint, details)
    message = "; ".join(done) if done else "all of it was done meanwhile"
    if failed:
        return Outcome(JobState.PARTLY, f"{message}; {len(failed)} failed", Exit.PARTLY, "see the log", details)
    return Outcome(JobState.DONE, message, details=details)


def _is_active(work: JobContext, key: ComponentKey) -> bool:
    return (work.machine.store.root / "activated" / key.container / key.component).exists()
