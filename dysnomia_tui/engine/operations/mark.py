"""Marks on a generation: pins, verdicts, tags, notes, trust."""

from __future__ import annotations

from datetime import datetime

from dysnomia_store.model import Marks
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.component.trust import TRUSTED_TAG, made_here
from dysnomia_tui.engine.jobs.context import JobContext, Outcome
from dysnomia_tui.engine.machine.machine import Machine
from dysnomia_tui.engine.plans.grades import confirmation, graded
from dysnomia_tui.engine.plans.mark_change import MarkChange, between, merged, words
from dysnomia_tui.engine.plans.plan import Grade, Kind, Plan, Step
from dysnomia_tui.engine.plans.staleness import generation_depends
from dysnomia_tui.engine.records import JobState


def plan_mark(
    machine: Machine, key: ComponentKey, number: int, marks: Marks, seen: Marks | None, text: str, now: datetime
) -> Plan:
    """``seen`` is what the operator had before them when they decided; what is said now, where it is not given.

    Raises NotFound.
    """
    generation = machine.store.generation(key, number)
    return _plan(machine, key, number, between(generation.marks if seen is None else seen, marks), text, now)


def plan_trust(machine: Machine, key: ComponentKey, number: int, trusted: bool, now: datetime) -> Plan:
    """Trust an imported generation, or withdraw the trust. Raises NotFound."""
    tags = (TRUSTED_TAG,)
    change = MarkChange(tags_added=tags) if trusted else MarkChange(tags_removed=tags)
    return _plan(machine, key, number, change, "", now)


def _plan(machine: Machine, key: ComponentKey, number: int, change: MarkChange, text: str, now: datetime) -> Plan:
    generation = machine.store.generation(key, number)
    title = words(change, f"generation {number} of {key}")
    grade = graded(machine.settings, (key,), Grade.UNDOABLE if change.trusts else Grade.ADDS)
    steps = [Step(f"would {one}", str(key)) for one in title]
    if text and not any(text in step.text for step in steps):
        steps.append(Step(f"text: {text}", str(key)))
    blockers = [] if title else ["nothing would change"]
    if generation.problem:
        blockers.append(f"generation {number} of {key}: {generation.problem}")
    warnings: tuple[str, ...] = ()
    if change.trusts:
        warnings = ("it would be loaded as what was made here: whoever made it could run what they like on the server",)
        if made_here(machine.store, generation):
            blockers.append(f"generation {number} of {key} is trusted already")
    elif TRUSTED_TAG in change.tags_removed and TRUSTED_TAG not in generation.marks.tags:
        blockers.append(f"nobody has trusted generation {number} of {key}")
    return Plan(
        kind=Kind.MARK,
        title="; ".join(title) or f"mark generation {number} of {key}",
        keys=(key,),
        grade=grade,
        steps=tuple(steps),
        params={"number": number, "change": change.to_json()},
        depends=generation_depends(key, number, generation.id),
        warnings=warnings,
        blockers=tuple(blockers),
        command=_command(key, number, change),
        confirm=confirmation(grade, (key,), str(number)),
        made=now,
    )


def _command(key: ComponentKey, number: int, change: MarkChange) -> tuple[str, ...]:
    """Trusting alone has a command."""
    tags = (TRUSTED_TAG,)
    if change == MarkChange(tags_added=tags):
        return ("dysnomia-tui", "trust", str(key), str(number))
    if change == MarkChange(tags_removed=tags):
        return ("dysnomia-tui", "trust", "--withdraw", str(key), str(number))
    return ()


def run_mark(work: JobContext) -> Outcome:
    """Merged with what is said at that moment, under the lock of the records."""
    params = work.plan.params
    change = MarkChange.from_json(params["change"])
    work.machine.store.update_marks(
        work.plan.keys[0], params["number"], lambda marks: merged(marks, change, work.who), who=work.who
    )
    return Outcome(JobState.DONE, f"{work.plan.title}: recorded")
