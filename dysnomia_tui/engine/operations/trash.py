"""The trash: empty it, or bring back what is in it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from dysnomia_base.plurals import plural
from dysnomia_store.names import ComponentKey
from dysnomia_store.records.retention import TrashEntry
from dysnomia_tui.engine.errors import Unknown
from dysnomia_tui.engine.jobs.context import JobContext, Outcome
from dysnomia_tui.engine.machine.machine import Machine
from dysnomia_tui.engine.plans.grades import confirmation, graded
from dysnomia_tui.engine.plans.plan import Grade, Kind, Plan, Step
from dysnomia_tui.engine.plans.staleness import trash_depends
from dysnomia_tui.engine.records import JobState


def plan_empty_trash(machine: Machine, names: Collection[str] | None, now: datetime) -> Plan:
    """Raises Unknown where a name is not in the trash."""
    entries = [entry for entry in machine.store.trash() if names is None or entry.name in names]
    missing = sorted(set(names or ()) - {entry.name for entry in entries})
    if missing:
        raise Unknown(f"{missing[0]} is not in the trash", "see what is there")
    keys = tuple(sorted({entry.key for entry in entries}))
    grade = graded(machine.settings, keys, Grade.FINAL)
    return Plan(
        kind=Kind.EMPTY_TRASH,
        title=f"empty the trash: {plural(len(entries), 'snapshot')}",
        keys=keys,
        grade=grade,
        steps=_freed(entries),
        params={"names": [entry.name for entry in entries]},
        depends=trash_depends({entry.name: entry.id for entry in entries}),
        warnings=("what is freed cannot be brought back",),
        blockers=() if entries else ("the trash is empty",),
        confirm=confirmation(grade, keys, str(len(entries))) if keys else "",
        made=now,
    )


def _freed(entries: Collection[TrashEntry]) -> tuple[Step, ...]:
    """The total first, then a step a component, with the generations that they were."""
    by_key: dict[ComponentKey, list[TrashEntry]] = {}
    for entry in entries:
        by_key.setdefault(entry.key, []).append(entry)
    size = sum(entry.stored_size for entry in entries)
    steps = [Step(f"{size:,} bytes would be freed at once, for good: {plural(len(entries), 'snapshot')}")]
    for key, own in sorted(by_key.items()):
        numbers = [number for entry in own for number in entry.generations]
        orphans = sum(1 for entry in own if not entry.generations)
        what = ", ".join(
            filter(None, (_ranges(numbers) if numbers else "", plural(orphans, "orphan") if orphans else ""))
        )
        steps.append(Step(f"{sum(entry.stored_size for entry in own):,} bytes of {key}: {what}", str(key)))
    return tuple(steps) if entries else ()


def plan_bring_back(machine: Machine, names: Collection[str], now: datetime) -> Plan:
    """Raises Unknown where a name is not in the trash."""
    by_name = {entry.name: entry for entry in machine.store.trash()}
    missing = sorted(set(names) - by_name.keys())
    if missing:
        raise Unknown(f"{missing[0]} is not in the trash", "see what is there")
    entries = [by_name[name] for name in sorted(set(names))]
    keys = tuple(sorted({entry.key for entry in entries}))
    grade = graded(machine.settings, keys, Grade.ADDS)
    count = sum(len(entry.generations) for entry in entries)
    return Plan(
        kind=Kind.BRING_BACK,
        title=f"bring back {plural(count, 'generation')}",
        keys=keys,
        grade=grade,
        steps=come_back(entries),
        params={"names": [entry.name for entry in entries]},
        depends=trash_depends({entry.name: entry.id for entry in entries}),
        blockers=() if entries else ("nothing was chosen",),
        command=_bring_back_command(machine, entries),
        confirm=confirmation(grade, keys, str(count)) if keys else "",
        made=now,
    )


def _bring_back_command(machine: Machine, entries: Collection[TrashEntry]) -> tuple[str, ...]:
    """All that one collection took comes back by its undo; a part of it has no command."""
    jobs = {entry.job for entry in entries}
    job = next(iter(jobs)) if len(jobs) == 1 else ""
    if not job or {entry.name for entry in machine.store.trash() if entry.job == job} != {one.name for one in entries}:
        return ()
    return ("dysnomia-tui", "undo", job)


def come_back(entries: Collection[TrashEntry]) -> tuple[Step, ...]:
    """What bringing these back would do, a step a component."""
    numbers: dict[ComponentKey, list[int]] = {}
    for entry in entries:
        numbers.setdefault(entry.key, []).extend(entry.generations)
    return tuple(
        Step(
            f"{_ranges(generations)} of {key} would come back"
            if generations
            else f"an orphan of {key} would come back",
            str(key),
        )
        for key, generations in sorted(numbers.items())
    )


def _ranges(numbers: Collection[int]) -> str:
    """``generations 1-4, 7``."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    text = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
    return f"generation {text}" if len(set(numbers)) == 1 else f"generations {text}"


def run_empty_trash(work: JobContext) -> Outcome:
    freed = work.machine.store.empty_trash(work.plan.params["names"])
    return Outcome(JobState.DONE, f"{freed:,} bytes freed", details={"bytes": freed})


def run_bring_back(work: JobContext) -> Outcome:
    generations = work.machine.store.bring_back(work.plan.params["names"], who=work.who, job=work.id)
    restored = [{"key": str(one.key), "number": one.number, "id": one.id} for one in generations]
    if work.plan.params.get("job"):
        work.board.folder(work.plan.params["job"]).record().step("undone", by=work.id)
    return Outcome(JobState.DONE, f"{plural(len(restored), 'generation')} came back", details={"generations": restored})
