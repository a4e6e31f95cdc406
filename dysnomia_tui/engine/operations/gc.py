"""Garbage collection: the plan of a review, and the job that carries it out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from dysnomia_base.plurals import plural
from dysnomia_store.errors import Refused
from dysnomia_store.names import ComponentKey
from dysnomia_store.records.retention import GcPlan, Policy
from dysnomia_tui.engine.errors import Exit, Stale
from dysnomia_tui.engine.jobs.context import JobContext, Outcome
from dysnomia_tui.engine.machine.machine import Machine
from dysnomia_tui.engine.operations.planned import forget_done, taken
from dysnomia_tui.engine.plans.grades import confirmation, graded
from dysnomia_tui.engine.plans.json_codec import gc_from_json, gc_to_json
from dysnomia_tui.engine.plans.plan import Grade, Kind, Plan, Step
from dysnomia_tui.engine.records import JobState

MOST_COMPARED = 2000
"""Generations up to which the command that would do the same as a review is looked for."""

MOST_TRIED = 4


def plan_gc(machine: Machine, review: GcPlan, *, free_now: bool, text: str, now: datetime) -> Plan:
    """The plan that carries a review out."""
    dropped = Counter(line.key for line in review.dropped)
    bytes_of = Counter[ComponentKey]()
    for snapshot in review.snapshots:
        bytes_of[snapshot.key] += snapshot.stored_size
    broken = Counter(key for key, _ in review.broken_links)
    keys = tuple(sorted({*dropped, *bytes_of, *broken}))
    grade = graded(machine.settings, keys, Grade.FINAL if free_now else Grade.UNDOABLE)
    where = "freed at once" if free_now else "moved to the trash"
    steps = [
        Step(
            f"{plural(dropped[key], 'generation')} and {bytes_of[key]:,} bytes of {key} would be {where}"
            + (f", and {broken[key]} links that lead nowhere removed" if broken[key] else ""),
            str(key),
        )
        for key in keys
    ]
    if not free_now and keys:
        until = now + machine.settings.grace
        steps.append(Step(f"{review.freed:,} bytes would be free after {until:%Y-%m-%d %H:%M} UTC"))
    elif len(keys) > 1:
        steps.append(Step(f"{review.freed:,} bytes would be free at once, in all"))
    count = len(review.dropped)
    grades = confirmation(grade, keys, str(count))
    return Plan(
        kind=Kind.GC,
        title=f"collect {plural(count, 'generation')} of {keys[0] if len(keys) == 1 else f'{len(keys)} components'}",
        keys=keys,
        grade=grade,
        steps=tuple(steps),
        params={"review": gc_to_json(review), "now": free_now, "text": text},
        warnings=("what is freed at once cannot be brought back",) if free_now else (),
        blockers=() if keys else ("nothing would be collected",),
        command=_gc_command(machine, review, keys, free_now, text),
        confirm=grades,
        made=now,
    )


def _gc_command(
    machine: Machine, review: GcPlan, keys: Sequence[ComponentKey], free_now: bool, text: str
) -> tuple[str, ...]:
    """``dysnomia-snapshots --gc --keep N`` where it would do exactly this; a collection picked by hand has none."""
    if not keys or len(review.lines) > MOST_COMPARED:
        return ()
    containers = sorted({key.container for key in keys})
    where: tuple[str, ...] = ("-C", containers[0]) if len(containers) == 1 else ()
    if len(keys) == 1:
        where += ("-c", keys[0].component)
    stored = [key for key in machine.store.keys() if not where or key.container == containers[0]]  # noqa: SIM118
    of = keys if len(keys) == 1 else stored
    kept = Counter(line.key for line in review.lines if line.keep)
    for last in sorted({1, *kept.values()})[:MOST_TRIED]:
        if taken(machine.store.plan_gc(of, _always(Policy(last=last)))) == taken(review):
            now = ("--now",) if free_now else ("--trash",)
            reason = ("--reason", text) if text else ()
            return ("dysnomia-snapshots", "--gc", "--keep", str(last), *where, *now, *reason)
    return ()


def _always(policy: Policy) -> Callable[[ComponentKey], Policy]:
    return lambda key: policy


def run_gc(work: JobContext) -> Outcome:
    """Carry a collection out. Raises Stale where the store is no longer what was reviewed."""
    review = gc_from_json(work.plan.params["review"])
    free_now = bool(work.plan.params["now"])
    _not_in_use(work)
    try:
        entries = work.machine.store.apply_gc(
            review,
            grace=0.0 if free_now else work.machine.settings.grace.total_seconds(),
            who=work.who,
            job=work.id,
            cancelled=lambda: work.cancel.cancelled,
            on_step=lambda done, total: work.log.write("progress", done=done, total=total, unit="steps", rate=None),
        )
    except Refused as error:
        raise Stale(f"nothing was collected: {error.message}", "review it again") from error
    details: dict[str, Any] = {
        "dropped": len(review.dropped),
        "bytes": review.freed,
        "trash": [entry.name for entry in entries],
        "undoable": bool(entries) and not free_now,
    }
    where = "freed" if free_now else "in the trash"
    if work.cancel.cancelled:
        return Outcome(
            JobState.CANCELLED, f"stopped; {len(entries)} snapshots are {where}", Exit.CANCELLED, details=details
        )
    try:
        forget_done(work.machine.settings.statedir, review)
    except OSError as error:  # the plan says itself that it is out of date
        work.log.write("log", line=f"the plan that waited could not be removed: {error.strerror}")
    return Outcome(
        JobState.DONE,
        f"{plural(len(review.dropped), 'generation')} collected, {review.freed:,} bytes {where}",
        details=details,
    )


def _not_in_use(work: JobContext) -> None:
    """A job that was submitted after the plan was made may need what the plan drops."""
    dropped = {(str(snapshot[0]), snapshot[1]) for snapshot in work.plan.params["review"]["snapshots"]}
    for job, key, snapshot_id in work.board.in_use(work.plan.keys, but=work.id):
        if (str(key), snapshot_id) in dropped:
            raise Stale(f"nothing was collected: job {job} needs a snapshot of {key}", "review it again")
