"""Snapshot: planned, and run as a job."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from dysnomia_plugins.errors import NothingKept
from dysnomia_store.model import Generation, Reason
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.component import activities
from dysnomia_tui.engine.errors import Blocked
from dysnomia_tui.engine.jobs.context import JobContext, Outcome
from dysnomia_tui.engine.machine.machine import Machine
from dysnomia_tui.engine.machine.slips import slips_in
from dysnomia_tui.engine.operations.failures import Failures
from dysnomia_tui.engine.plans.grades import confirmation, graded
from dysnomia_tui.engine.plans.plan import Grade, Kind, Plan, Step
from dysnomia_tui.engine.plans.staleness import component_depends
from dysnomia_tui.engine.records import JobState
from dysnomia_tui.engine.translate import Expected

SAID = 3
"""Warnings that are part of the job's message; all of them are in its details."""


def plan_snapshot(machine: Machine, keys: Collection[ComponentKey], reason: Reason, text: str, now: datetime) -> Plan:
    """Raises Unknown, ConfigError where a component is not configured, Blocked where there is none."""
    ordered = tuple(dict.fromkeys(keys))
    if not ordered:
        raise Blocked("nothing was chosen to snapshot", "choose at least one component")
    blockers = []
    depends: dict[str, str] = {}
    for key in ordered:
        depends |= component_depends(machine, key)
        plugin = machine.plugin(key)
        if "snapshot" not in plugin.activities():
            blockers.append(f"{key} is of type {plugin.type!r}, which holds no state")
    grade = graded(machine.settings, ordered, Grade.ADDS)
    return Plan(
        kind=Kind.SNAPSHOT,
        title=f"snapshot {ordered[0]}" if len(ordered) == 1 else f"snapshot {len(ordered)} components",
        keys=ordered,
        grade=grade,
        steps=tuple(Step(f"a generation of {key} would be made, if its state changed", str(key)) for key in ordered),
        params={"reason": reason.value, "text": text},
        depends=depends,
        warnings=slips_in(machine, [key.container for key in ordered]),
        blockers=tuple(blockers),
        command=_snapshot_command(machine, ordered, text),
        confirm=confirmation(grade, ordered, str(len(ordered))),
        made=now,
    )


def _snapshot_command(machine: Machine, keys: Sequence[ComponentKey], text: str) -> tuple[str, ...]:
    reason = ("--reason", text) if text else ()
    if len(keys) == 1:
        return ("dysnomia", "-o", "snapshot", "-c", keys[0].component, "-C", keys[0].container, *reason)
    containers = {key.container for key in keys}
    every = {key for container in containers for key in machine.inventory().components_of(container)}
    if len(containers) == 1 and every == set(keys):
        return ("dysnomia-containers", "--snapshot", "-C", keys[0].container, *reason)
    return ()


def run_snapshot(work: JobContext) -> Outcome:
    """One component after the other; one that fails does not stop the rest."""
    made: list[dict[str, Any]] = []
    failures = Failures(work)
    nothing: dict[str, str] = {}
    warnings: list[str] = []
    reason = Reason(work.plan.params["reason"])
    for index, key in enumerate(work.plan.keys):
        work.cancel.check()
        try:
            result = activities.snapshot(work.component_job(index), reason=reason, text=work.plan.params["text"])
        except NothingKept as error:
            nothing[str(key)] = error.message
            continue
        except Expected as error:
            failures.add(key, error)
            continue
        named = f"{key}: " if len(work.plan.keys) > 1 else ""
        warnings.extend(f"{named}{warning}" for warning in result.warnings)
        made.append(_generation(result.generation) | {"new": result.committed.new})
    failed = failures.messages
    details = {"generations": made, "failed": failed, "warnings": warnings, "nothing": nothing}
    if nothing and not made and not failed:
        return Outcome(JobState.DONE, "; ".join(nothing.values()), details=details)
    message = "; ".join((_snapshot_message(made, failed), *nothing.values(), *_first(warnings)))
    return failures.outcome(message, details, nothing_done=not made and not nothing)


def _snapshot_message(made: list[dict[str, Any]], failed: dict[str, str]) -> str:
    if len(made) == 1 and not failed:
        number = made[0]["number"]
        return f"generation {number}" if made[0]["new"] else f"unchanged: generation {number} was seen again"
    new = sum(1 for one in made if one["new"])
    text = f"{new} new generations, {len(made) - new} unchanged"
    return f"{text}, {len(failed)} failed" if failed else text


def _first(warnings: Sequence[str]) -> Sequence[str]:
    """What is lacking in a snapshot is said with its number: a folder that is not there, files that were written."""
    if len(warnings) <= SAID:
        return warnings
    return (*warnings[:SAID], f"and {len(warnings) - SAID:,} more warnings: see the job's log")


def _generation(generation: Generation) -> dict[str, Any]:
    return {"key": str(generation.key), "number": generation.number, "id": generation.id}
