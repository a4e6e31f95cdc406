"""Make what is stored share what it can: planned, and run as a job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import datetime

from dysnomia_store import Proofs
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.jobs.context import JobContext, Outcome
from dysnomia_tui.engine.machine.machine import Machine
from dysnomia_tui.engine.plans.grades import graded
from dysnomia_tui.engine.plans.plan import Grade, Kind, Plan, SpaceNeed, Step
from dysnomia_tui.engine.records import JobState


def plan_optimise(machine: Machine, keys: Collection[ComponentKey] | None, now: datetime) -> Plan:
    """Nothing is lost, whatever happens, so no label of a component asks for more than Enter. Raises StoreError."""
    sizes = {key: _sizes(machine, key) for key in sorted(set(machine.store.keys() if keys is None else keys))}
    nonempty = tuple(key for key, size in sizes.items() if size)
    largest = max((max(size) for size in sizes.values() if size), default=0)
    return Plan(
        kind=Kind.OPTIMISE,
        title=f"optimise {nonempty[0] if len(nonempty) == 1 else f'{len(nonempty)} components'}",
        keys=nonempty,
        grade=graded(machine.settings, (), Grade.ADDS),
        steps=(
            *(Step(f"{len(sizes[key])} snapshots of {key} would be read and checked", str(key)) for key in nonempty),
            Step("large artefacts that are one file would become folders of frames, and equal frames one file"),
            Step("ids, generations and content would stay as they are"),
        ),
        blockers=() if nonempty else ("there is no snapshot to optimise",),
        space=(SpaceNeed(str(machine.settings.statedir), largest, machine.store.free_bytes()),),
        command=("dysnomia-tui", "optimise", *([str(nonempty[0])] if len(nonempty) == 1 else [])),
        made=now,
    )


def _sizes(machine: Machine, key: ComponentKey) -> list[int]:
    """Stored bytes of each snapshot that a generation links."""
    sizes = {one.id: one.metadata.stored_size if one.metadata else 0 for one in machine.store.generations(key)}
    return [size for snapshot_id, size in sizes.items() if snapshot_id]


def run_optimise(work: JobContext) -> Outcome:
    """Snapshot by snapshot. One that is left as it is says why and stops nothing; what was done stays done."""
    store, proofs = work.machine.store, Proofs()
    total = sum(len(_sizes(work.machine, key)) for key in work.plan.keys)
    totals: Counter[str] = Counter()

    def go_on(_: int) -> None:
        work.cancel.check()

    for key in work.plan.keys:
        for snapshot_id, done in store.optimise(key, who=work.who, job=work.id, on_bytes=go_on, proofs=proofs):
            totals.update(snapshots=1, converted=done.converted, linked=done.linked, bytes=done.freed)
            if done.left:
                totals.update(left=1)
                work.log.write("log", line=f"{key}: snapshot {snapshot_id} was left as it is: {done.left}")
            work.log.write("progress", done=totals["snapshots"], total=total, unit="snapshots", rate=None)
    parts = [f"{totals['converted']} artefacts converted", f"{totals['linked']} frames linked"]
    parts.append(
        f"{totals['bytes']:,} bytes freed" if totals["bytes"] >= 0 else f"{-totals['bytes']:,} bytes more in use"
    )
    if totals["left"]:
        parts.append(f"{totals['left']} of {total} snapshots left as they are (see the job's log)")
    return Outcome(JobState.DONE, ", ".join(parts), details=dict(totals))
