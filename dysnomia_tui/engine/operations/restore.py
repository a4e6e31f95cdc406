"""Restore: planned with its preflight and grade, and run as a job."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from dysnomia_base.plurals import plural
from dysnomia_plugins.base import Preflight, Severity, StatePlugin
from dysnomia_store.errors import NameRejected
from dysnomia_store.model import Generation
from dysnomia_store.names import ComponentKey, validate_name
from dysnomia_tui.engine.component import activities
from dysnomia_tui.engine.component.guard import Restored
from dysnomia_tui.engine.component.target import RestoreTarget
from dysnomia_tui.engine.errors import EngineError, Exit, Stale
from dysnomia_tui.engine.jobs.context import ELSEWHERE, JobContext, Outcome
from dysnomia_tui.engine.machine.machine import Machine
from dysnomia_tui.engine.machine.slips import slips_in
from dysnomia_tui.engine.operations.preflights import (
    as_step,
    ask,
    changes_as_steps,
    generation_warnings,
    preflight_or_blocker,
    replaced,
    texts,
)
from dysnomia_tui.engine.operations.snapshot import _generation
from dysnomia_tui.engine.plans.grades import confirmation, graded
from dysnomia_tui.engine.plans.plan import Grade, Kind, Plan, SpaceNeed, Step
from dysnomia_tui.engine.plans.staleness import (
    component_depends,
    container_depends,
    generation_depends,
    live_depends,
)
from dysnomia_tui.engine.probing import client as probes
from dysnomia_tui.engine.records import JobState

AFTER_SWAP_LIMIT = 2.0


def plan_restore(
    machine: Machine, key: ComponentKey, number: int, target: RestoreTarget, text: str, now: datetime
) -> Plan:
    """Raises Unknown, ConfigError, NotFound. What stands in the way otherwise is a blocker of the plan."""
    generation = machine.store.generation(key, number)
    plugin = machine.plugin(key)
    replace = target.kind == "replace"
    named, wrong = _target_blockers(machine, generation, target, isinstance(plugin, StatePlugin))
    copy = "" if replace or wrong is Exit.USAGE else target.name
    keys_there = _keys_there(target) if copy and wrong is None else ()
    container = target.container if keys_there else ""
    preflight, code = (
        (Preflight(), Exit.REFUSED)
        if target.container and not keys_there
        else preflight_or_blocker(machine, key, generation, replace=replace, copy=copy, container=container)
    )
    irreversible = texts(preflight, Severity.IRREVERSIBLE)
    risks = [finding for finding in preflight.findings if finding.severity is Severity.DANGEROUS]
    # What a module does in place is graded so, and is as Dysnomia has it: only content that is dangerous to load is
    # refused to a command that does not say --yes-untrusted.
    untrusted = any(not finding.in_place for finding in risks)
    guard = not irreversible
    takes_away = replace and not preflight.nothing_live
    base = Grade.FINAL if irreversible or risks else Grade.UNDOABLE if takes_away else Grade.ADDS
    grade = graded(machine.settings, (key, *keys_there), base)
    return Plan(
        kind=Kind.RESTORE,
        title=_restore_title(key, number, target),
        keys=(key, *keys_there),
        grade=grade,
        steps=_restore_steps(key, generation, target, preflight, guard),
        params={
            "number": number,
            "id": generation.id,
            "target": _target_params(target),
            **({ELSEWHERE: True} if keys_there else {}),
            "guard": guard,
            "dangerous": untrusted,
            "text": text,
            "blocked": int(wrong or code),
            **({"changes": list(preflight.changes)} if preflight.changes else {}),
        },
        depends=_depends(machine, generation, preflight, container),
        warnings=_warnings(machine, generation, preflight),
        blockers=(*texts(preflight, Severity.BLOCKER), *named),
        notes=tuple(texts(preflight, Severity.NOTE)),
        replaces=replaced(key, preflight) if replace else "",
        space=tuple(SpaceNeed(where, needs, has) for where, needs, has in preflight.needs),
        command=_restore_command(key, number, target, text, dangerous=untrusted),
        confirm=confirmation(grade, keys_there or (key,), str(number)),
        made=now,
    )


def _depends(machine: Machine, generation: Generation, preflight: Preflight, container: str) -> dict[str, str]:
    """What the plan was made from; ``container`` is another one that a copy is made in."""
    key = generation.key
    return {
        **generation_depends(key, generation.number, generation.id),
        **component_depends(machine, key),
        **live_depends(key, preflight.identity),
        **(container_depends(machine, container) if container else {}),
    }


def _warnings(machine: Machine, generation: Generation, preflight: Preflight) -> tuple[str, ...]:
    """The worst first."""
    return (
        *texts(preflight, Severity.IRREVERSIBLE),
        *texts(preflight, Severity.DANGEROUS),
        *generation_warnings(machine, generation),
        *texts(preflight, Severity.WARNING),
        *slips_in(machine, [generation.key.container]),
    )


def _target_params(target: RestoreTarget) -> dict[str, Any]:
    return {
        "kind": target.kind,
        "name": target.name,
        "sections": list(target.sections),
        "container": target.container,
    }


def _keys_there(target: RestoreTarget) -> tuple[ComponentKey, ...]:
    """Of a copy in another container: what it would be called there, under whose lock it is made."""
    return (ComponentKey.of(target.container, target.name),) if target.container else ()


def preflight_grade(machine: Machine, plan: Plan) -> str:
    """At the start of a restore: why its grade is another now than what the operator confirmed, or ``""``.

    Raises EngineError where it cannot be begun at all.
    """
    target = _target_of(plan)
    generation = machine.store.generation(plan.keys[0], int(plan.params["number"]))
    elsewhere = {"copy": target.name, "container": target.container} if target.container else {}
    try:
        report = ask(machine, plan.keys[0], generation, replace=target.kind == "replace", **elsewhere)
    except probes.NoAnswer as error:
        failed = EngineError(f"nothing was touched: {error}", "live is unchanged; try again")
        failed.exit = error.exit
        raise failed from None
    for finding in report.findings:
        if finding.severity is Severity.BLOCKER:
            return finding.text
        if finding.severity is Severity.IRREVERSIBLE and plan.params["guard"]:
            return f"it could no longer be undone: {finding.text}"
        if finding.severity is Severity.DANGEROUS and plan.grade < Grade.FINAL:
            return f"it is more dangerous now: {finding.text}"
    planned = tuple(plan.params.get("changes", ()))
    if planned != report.changes:
        other = next(iter(set(report.changes) ^ set(planned)), "")
        return f"what would change is no longer what was planned ({other})"
    return ""


def _restore_title(key: ComponentKey, number: int, target: RestoreTarget) -> str:
    if target.kind == "replace":
        return f"restore generation {number} of {key}"
    count = len(target.sections)
    what = f"{plural(count, 'section')} of generation" if target.kind == "sections" else "generation"
    return f"restore {what} {number} of {key} as {target.where}"


def _restore_steps(
    key: ComponentKey, generation: Generation, target: RestoreTarget, preflight: Preflight, guard: bool
) -> tuple[Step, ...]:
    name = str(key)
    if target.kind != "replace":
        at = f", on {preflight.address}" if preflight.address else ""
        return (
            Step(f"generation {generation.number} would be loaded as {target.where}{at}, every byte verified", name),
            Step(_untouched(target), name),
        )
    if preflight.nothing_live and not preflight.changes:
        return (
            Step(
                f"nothing is live of {name}: generation {generation.number} would be loaded, every byte verified", name
            ),
            Step(f"a new generation would record that {generation.number} is live", name),
            Step("no guard would be made of nothing: an undo would have nothing to go back to", name),
        )
    steps = [
        Step(f"generation {generation.number} would be loaded beside what is live, every byte verified", name),
        Step(as_step(preflight.swap) or "it would take the place of what is live", name),
        *changes_as_steps(preflight, name),
        Step(f"a new generation would record that {generation.number} is live again", name),
    ]
    if guard:
        what = preflight.guard or "what was live"
        steps.append(Step(f"the guard would become a generation, held for a week: {as_step(what)}", name))
    else:
        steps.append(Step("no guard would be made: this could not be undone", name))
    if not preflight.changes:  # each of which says what it takes away
        steps.append(Step(_taken_away(generation, guard), name))
    return tuple(steps)


def _taken_away(generation: Generation, guard: bool) -> str:
    """What live has and the generation has not, and where it can be looked at before."""
    number, until = generation.number, generation.unchanged_until.astimezone(UTC)
    where = "be in the guard only" if guard else "be lost"
    since = f"what was written since generation {number} ({until:%Y-%m-%d %H:%M:%S} UTC) would {where}"
    return f"{since}: compare {number} with what is live to see it"


def _untouched(target: RestoreTarget) -> str:
    if target.container:
        return f"what is live would not be touched, and nothing in container {target.container} be replaced"
    return "what is live would not be touched"


def _target_of(plan: Plan) -> RestoreTarget:
    target = plan.params["target"]
    return RestoreTarget(target["kind"], target["name"], tuple(target["sections"]), target.get("container", ""))


def _target_blockers(
    machine: Machine, generation: Generation, target: RestoreTarget, holds_state: bool
) -> tuple[list[str], Exit | None]:
    """What stands against the target itself, and the exit code where that is another than a refusal."""
    blockers = []
    code: Exit | None = None
    if generation.problem:
        blockers.append(f"generation {generation.number}: {generation.problem}")
    if target.kind == "replace":
        return blockers, code
    if not holds_state:
        blockers.append("this type of state restores in place only")
    try:
        validate_name(target.name, "copy")
    except NameRejected as error:
        blockers.append(error.message if target.name else "a copy needs a name")
        code = Exit.USAGE
    if target.container:
        why, wrong = _container_refused(machine, generation.key, target.container)
        blockers += [why] if why else []
        code = wrong or code
    elif target.name == generation.key.component:
        blockers.append(f"{target.name} is the live state: give the copy another name")
        code = Exit.USAGE
    if target.kind == "sections":
        missing = _missing_sections(machine, generation, target.sections)
        if missing:
            blockers.append(missing)
            code = code or Exit.NOT_FOUND
    return blockers, code


def _container_refused(machine: Machine, key: ComponentKey, name: str) -> tuple[str, Exit | None]:
    """Why no copy can be made in that container, and the exit code that it stands for."""
    if name == key.container:
        return f"{name} is the container of {key} itself: leave the other container out", Exit.USAGE
    try:
        container = machine.inventory().container(name)
    except EngineError as error:
        return f"{error.message}; {error.hint}" if error.hint else error.message, error.exit
    own = machine.inventory().container(key.container)
    if container.type != own.type:
        return f"container {name} is of type {container.type}, and {key} of type {own.type}", Exit.USAGE
    return "", None


def _missing_sections(machine: Machine, generation: Generation, names: Collection[str]) -> str:
    """Which of the sections ``kind:name`` is not in the snapshot, as far as its contents index says."""
    if not names:
        return "no section was chosen"
    stored = machine.store.stored(generation.key, generation.id) if generation.id and not generation.problem else None
    if stored is None or stored.index is None:
        return ""
    missing = dict.fromkeys(names)
    for section in stored.sections():
        missing.pop(f"{section.kind}:{section.name}", None)
        if not missing:
            return ""
    return f"generation {generation.number} holds no {', '.join(name.replace(':', ' ', 1) for name in missing)}"


def _restore_command(
    key: ComponentKey, number: int, target: RestoreTarget, text: str, *, dangerous: bool
) -> tuple[str, ...]:
    copy: tuple[str, ...] = ("--as", target.name) if target.kind != "replace" else ()
    copy += ("--into", target.container) if target.container else ()
    if target.kind == "sections":
        copy += tuple(word for name in target.sections for word in ("--section", name))
    reason = ("--reason", text) if text else ()
    words = ("dysnomia", "-o", "restore", "-c", key.component, "-C", key.container)
    return (*words, "--generation", str(number), *copy, *reason, *(("--yes-untrusted",) if dangerous else ()))


def run_restore(work: JobContext) -> Outcome:
    """Carry a restore out. Raises Stale where the component is no longer what was planned."""
    params = work.plan.params
    reason = preflight_grade(work.machine, work.plan)
    if reason:
        raise Stale(f"nothing was touched: {reason}", "look at the plan again")
    target = _target_of(work.plan)
    if target.container:
        from dysnomia_tui.engine.component.elsewhere import copy_elsewhere

        here, copy = work.component_job(0), work.component_job(1)
        return _restored(work, copy_elsewhere(here, copy, params["number"], target, params["id"]))
    restored = activities.restore(
        work.component_job(),
        params["number"],
        target,
        text=params["text"],
        guard=params["guard"],
        snapshot_id=params["id"],
    )
    key = work.plan.keys[0]
    if not restored.copy and key in work.machine.inventory().gone:
        work.machine.store.set_state(key, active=True, garbage=False, listed=True)
    return _restored(work, restored)


def _restored(work: JobContext, restored: Restored) -> Outcome:
    details: dict[str, Any] = {
        "restored": restored.restored,
        "generations": [_generation(restored.generation)] if restored.generation else [],
        "guard": restored.guard.number if restored.guard else None,
        "aside": restored.aside,
        "stays": restored.stays,
        "copy": restored.copy,
        "warnings": list(restored.warnings),
        "undoable": not restored.copy and bool(restored.guard or restored.aside),
    }
    if restored.copy:
        target = _target_of(work.plan)
        where = f" in container {target.container}" if target.container else ""
        return Outcome(JobState.DONE, f"copied to {restored.copy}{where}", details=details)
    details["clients"] = list(probes.probe(work.machine.settings, work.plan.keys[0], AFTER_SWAP_LIMIT).who)
    what = f"generation {restored.restored}" if restored.restored is not None else "what was live before"
    message = f"{what} is live"
    if restored.generation is not None:
        message += f", as generation {restored.generation.number}"
    if restored.guard is not None:
        message += f"; guard {restored.guard.number}"
    if restored.whole:
        return Outcome(JobState.DONE, "; ".join((message, *restored.warnings)), details=details)
    return Outcome(JobState.PARTLY, f"{message}; {'; '.join(restored.warnings)}", Exit.PARTLY, "undo works", details)
