"""Undo of a restore (from its guard, or what it set aside), of rows put back and of a collection (from the trash)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from dysnomia_plugins.base import Preflight, Severity
from dysnomia_plugins.toolkit.findings import FOR_THE_GUARD
from dysnomia_store.model import Generation, Reason
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.audit import FORGOTTEN
from dysnomia_tui.engine.component import activities
from dysnomia_tui.engine.component.left import SETTLED, step_of
from dysnomia_tui.engine.errors import Blocked, Exit, Stale, Unknown
from dysnomia_tui.engine.jobs.board import JobBoard
from dysnomia_tui.engine.jobs.context import JobContext, Outcome
from dysnomia_tui.engine.machine.machine import Machine
from dysnomia_tui.engine.operations.preflights import as_step, changes_as_steps, preflight_or_blocker, replaced, texts
from dysnomia_tui.engine.operations.restore import _restored
from dysnomia_tui.engine.operations.trash import come_back
from dysnomia_tui.engine.plans.grades import confirmation, graded
from dysnomia_tui.engine.plans.plan import Grade, Kind, Plan, SpaceNeed, Step
from dysnomia_tui.engine.plans.staleness import component_depends, generation_depends, live_depends, trash_depends
from dysnomia_tui.engine.records import JobView

NO_WAY_BACK = (Severity.IRREVERSIBLE, Severity.DANGEROUS)


@dataclass(frozen=True)
class _Before:
    """What an undo goes back to, and from."""

    number: int
    """The guard's, reserved before the swap."""
    guard: Generation | None
    """None where what was live is still set aside and is not a generation yet."""
    restored: Generation | None
    """The generation that the job made live: what is live now differs from it by what was written since."""
    later: tuple[Generation, ...]
    """Generations of the component that other jobs made since."""


def plan_undo(machine: Machine, board: JobBoard, job_id: str, now: datetime, *, alone: bool = True) -> Plan:
    """``alone``: not as one of those that undo the job of a group. Raises Unknown, Blocked."""
    view = board.view(job_id)
    undone = board.folder(job_id).record().last("undone")
    if undone is not None and str(undone["by"]).startswith(FORGOTTEN):
        raise Blocked(f"what job {job_id} kept aside was {undone['by']}", "restore a generation instead")
    if undone is not None:
        raise Blocked(f"job {job_id} is undone already", "check what is live now")
    other = _plan_of_other_kind(machine, board, view, now)
    return other if other is not None else _plan_undo_restore(machine, board, view, now, alone)


def _plan_of_other_kind(machine: Machine, board: JobBoard, view: JobView, now: datetime) -> Plan | None:
    """The plan where the job was no restore of one component. Raises Blocked where the job cannot be undone."""
    job_id = view.id
    if view.kind == Kind.GROUP.value:
        from dysnomia_tui.engine.operations import group  # it takes its plans from here

        return group.plan_undo_group(machine, board, job_id, now)
    if view.kind == Kind.GC.value:
        return _plan_undo_gc(machine, job_id, now)
    if view.kind == Kind.PUT_BACK.value or _put_rows_back(board, job_id, view):
        from dysnomia_tui.engine.operations import put_back  # it takes its words from here

        return put_back.plan_undo_put_back(machine, board, job_id, now)
    if view.kind not in (Kind.RESTORE.value, Kind.UNDO.value):
        raise Blocked(
            f"job {job_id} ({view.title}) cannot be undone", "only a restore, rows put back and a collection can"
        )
    return None


def _plan_undo_restore(machine: Machine, board: JobBoard, view: JobView, now: datetime, alone: bool) -> Plan:
    job_id = view.id
    left = board.left(job_id)
    swap = step_of(left, "swap")
    if swap is None:
        raise Blocked(f"job {job_id} replaced nothing", "there is nothing to undo")
    key = view.keys[0]
    before = _before(machine, key, job_id, int(str(swap["guard"])), swap["restored"])
    if before.guard is None and step_of(left, "guarded") is not None:
        raise Blocked(
            f"the guard of job {job_id}, generation {before.number} of {key}, is no longer in the store",
            "bring it back if it is in the trash; otherwise restore another generation",
        )
    if before.guard is None and step_of(left, SETTLED) is not None:
        raise Blocked(
            f"job {job_id} kept nothing of what was live before it", "nothing was live then, or no guard could be made"
        )
    preflight, code = _preflight(machine, key, before)
    irreversible = [finding.text for finding in preflight.findings if finding.severity in NO_WAY_BACK]
    grade = graded(machine.settings, (key,), Grade.FINAL if irreversible else Grade.UNDOABLE)
    depends = {**component_depends(machine, key), **live_depends(key, preflight.identity)}
    if before.guard is not None:
        depends |= generation_depends(key, before.number, before.guard.id)
    return Plan(
        kind=Kind.UNDO,
        title=f"undo job {job_id}: {view.title}",
        keys=(key,),
        grade=grade,
        steps=_steps(key, job_id, before, preflight),
        params={
            "job": job_id,
            "guard": before.number,
            "of": "restore",
            "key": str(key),
            "restored": before.restored and before.restored.number,
            "blocked": int(code),
        },
        depends=depends,
        warnings=(*irreversible, *_warnings(board, view, before, preflight, alone)),
        blockers=tuple(texts(preflight, Severity.BLOCKER)),
        notes=tuple(texts(preflight, Severity.NOTE)),
        replaces=replaced(key, preflight),
        space=tuple(SpaceNeed(where, needs, has) for where, needs, has in preflight.needs),
        command=("dysnomia-tui", "undo", job_id),
        confirm=confirmation(grade, (key,), str(before.number)),
        made=now,
    )


def was_nothing(board: JobBoard, job_id: str) -> bool:
    """Whether a restore made something live where nothing was: it has no state to go back to. Raises Unknown."""
    left = board.left(job_id)
    swapped = bool((step_of(left, SETTLED) or {}).get("swapped"))
    kept_nothing = step_of(left, "swap") is not None and step_of(left, "guarded") is None
    return swapped and kept_nothing and not board.folder(job_id).plan().replaces


def it_stays(key: ComponentKey, job_id: str) -> str:
    """Why the undo of a whole group leaves a component as it is, see `was_nothing`."""
    return f"{key}: nothing of it was live before job {job_id}, so what that job made live stays"


def _put_rows_back(board: JobBoard, job_id: str, view: JobView) -> bool:
    """Whether a job was the undo of rows put back, which is one itself."""
    return view.kind == Kind.UNDO.value and board.folder(job_id).plan().params.get("of") == "put-back"


def _before(machine: Machine, key: ComponentKey, job_id: str, number: int, restored: object) -> _Before:
    generations = machine.store.generations(key)
    of_job = [one for one in generations if one.job == job_id]
    guard = next((one for one in of_job if one.number == number and one.id), None)
    linked = next((one for one in of_job if one.reason is Reason.RESTORE), None)
    newest = max((one.number for one in of_job), default=number)
    went = next((one for one in generations if restored is not None and one.number == int(str(restored))), None)
    return _Before(
        number=number,
        guard=guard,
        restored=linked or went,
        later=tuple(one for one in generations if one.number > newest),
    )


def _preflight(machine: Machine, key: ComponentKey, before: _Before) -> tuple[Preflight, Exit]:
    """Of the guard as of any snapshot. Where it still stands aside nothing is loaded: what is said of live alone, asked
    by way of another generation, and the room that the new guard takes."""
    if before.guard is not None:
        return preflight_or_blocker(machine, key, before.guard, replace=True)
    any_other = next((one for one in reversed(machine.store.generations(key)) if one.id and not one.problem), None)
    if any_other is None:
        return Preflight(), Exit.REFUSED
    preflight, code = preflight_or_blocker(machine, key, any_other, replace=True)
    live = preflight.live_bytes
    return replace(
        preflight,
        findings=tuple(finding for finding in preflight.findings if not finding.of_snapshot),
        changes=(),
        needs=() if live is None else ((FOR_THE_GUARD, live, machine.store.free_bytes()),),
    ), code


def _steps(key: ComponentKey, job_id: str, before: _Before, preflight: Preflight) -> tuple[Step, ...]:
    what = f"what was live before job {job_id} (guard {before.number})"
    if before.guard is None:
        steps = [Step(f"{what}, which is still set aside, would take the place of what is live", str(key))]
    else:
        steps = [Step(f"{what} would be loaded, every byte verified, and take the place of what is live", str(key))]
    if preflight.nothing_live and not preflight.changes:
        return (*steps, Step("nothing is live now: no guard would be made", str(key)))
    if preflight.swap:
        steps.append(Step(as_step(preflight.swap), str(key)))
    steps += changes_as_steps(preflight, str(key))
    steps.append(Step("what is live now would become a guard itself, held for a week", str(key)))
    return tuple(steps)


def _others(board: JobBoard, view: JobView) -> Sequence[str]:
    """What stays, where a job is one of those of a group's job that can still be undone."""
    try:
        whole = board.view(view.part_of) if view.part_of else None
    except Unknown:
        return ()
    if whole is None or not whole.undoable:
        return ()
    others = ", ".join(str(key) for key in whole.keys if key not in view.keys)
    stays = f"job {whole.id} ({whole.title}) restored it together with {others}, which would stay as they are"
    return (f"{stays}; undo of job {whole.id} takes all of them back",)


def _warnings(board: JobBoard, view: JobView, before: _Before, preflight: Preflight, alone: bool) -> list[str]:
    since = "what was written since that restore would be in the new guard only"
    if before.restored is not None:
        since += f": compare generation {before.restored.number} with what is live to see it"
    # An undo of a whole group says it once.
    warnings = [*_others(board, view), since] if alone else []
    held = [one.metadata.content_size for one in (before.restored, before.guard) if one is not None and one.metadata]
    if len(held) == 2 and held[0] != held[1]:
        warnings.append(f"what that restore made live holds {held[0]:,} bytes, the guard {held[1]:,}")
    replaced_since = [one for one in before.later if one.reason is Reason.RESTORE]
    if replaced_since:
        by = ", ".join(f"job {one.job}" if one.job else f"generation {one.number}" for one in replaced_since)
        warnings.append(f"it was restored again since ({by}): the guard of job {view.id} is older than that")
    elif before.later:
        warnings.append(f"{_count(before.later)} made since: {_numbers(before.later)}")
    warnings += texts(preflight, Severity.WARNING)
    return warnings


def _count(generations: Sequence[Generation]) -> str:
    return "1 generation was" if len(generations) == 1 else f"{len(generations)} generations were"


def _numbers(generations: Sequence[Generation]) -> str:
    first, last = generations[0].number, generations[-1].number
    return str(first) if first == last else f"{first} to {last}"


def _plan_undo_gc(machine: Machine, job_id: str, now: datetime) -> Plan:
    entries = [entry for entry in machine.store.trash() if entry.job == job_id]
    if not entries:
        raise Blocked(f"nothing of job {job_id} is in the trash any more", "what was freed cannot come back")
    keys = tuple(sorted({entry.key for entry in entries}))
    count = sum(len(entry.generations) for entry in entries)
    grade = graded(machine.settings, keys, Grade.ADDS)
    return Plan(
        kind=Kind.UNDO,
        title=f"undo job {job_id}: bring back {count} generations",
        keys=keys,
        grade=grade,
        steps=come_back(entries),
        params={"job": job_id, "of": "gc", "names": [entry.name for entry in entries]},
        depends=trash_depends({entry.name: entry.id for entry in entries}),
        command=("dysnomia-tui", "undo", job_id),
        confirm=confirmation(grade, keys, str(count)),
        made=now,
    )


def run_undo_restore(work: JobContext) -> Outcome:
    """Undo a restore. Raises Stale where the job was undone already."""
    of = work.plan.params["job"]
    if work.board.folder(of).record().last("undone") is not None:
        raise Stale(f"nothing was touched: job {of} is undone already", "check what is live now")
    restored = activities.undo(work.component_job(), work.board.left(of), text=f"undo of job {of}")
    work.board.folder(of).record().step("undone", by=work.id)
    return _restored(work, restored)
