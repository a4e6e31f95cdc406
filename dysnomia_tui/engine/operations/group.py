"""Plans for a whole group: each is made of the plans of its components, as one job on each would have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal, NotRequired, TypedDict

from dysnomia_base.durations import format_duration
from dysnomia_plugins.errors import PluginError
from dysnomia_store.errors import StoreError
from dysnomia_store.model import Reason
from dysnomia_store.names import ComponentKey
from dysnomia_store.records.typed import shaped
from dysnomia_tui.config.model import GroupSettings
from dysnomia_tui.engine.component.journal import FileJournal
from dysnomia_tui.engine.component.target import RestoreTarget
from dysnomia_tui.engine.errors import Blocked, EngineError, Exit
from dysnomia_tui.engine.group.hooks import why_not_run
from dysnomia_tui.engine.group.members import Standing, group_of, standing
from dysnomia_tui.engine.jobs.board import JobBoard
from dysnomia_tui.engine.machine.machine import Machine
from dysnomia_tui.engine.operations.restore import plan_restore
from dysnomia_tui.engine.operations.snapshot import plan_snapshot
from dysnomia_tui.engine.plans.grades import confirmation
from dysnomia_tui.engine.plans.plan import Grade, Kind, Plan, SpaceNeed, Step
from dysnomia_tui.engine.translate import exit_of, words_of

SNAPSHOT, RESTORE, UNDO = "snapshot", "restore", "undo"
RECORD = "group"
"""The file in a job's folder that tells which jobs it has begun."""


def plan_group_snapshot(machine: Machine, name: str, text: str, now: datetime) -> Plan:
    """Raises Unknown, Blocked, ConfigError."""
    group = group_of(machine, name)
    plans = [plan_snapshot(machine, [key], Reason.MANUAL, text, now) for key in group.components]
    steps = [Step("all components would be begun at once, as many as jobs_at_once lets"), *_steps_of(plans)]
    command = ("dysnomia-tui", "group", name, "snapshot", *(("--reason", text) if text else ()))
    return _plan(SNAPSHOT, name, group, plans, steps, f"snapshot group {name}", command, now)


def plan_group_restore(machine: Machine, name: str, when: datetime, text: str, now: datetime) -> Plan:
    """All components as they were at a time. Raises Unknown, Blocked; what else forbids it is a blocker."""
    group = group_of(machine, name, gone=True)
    plans: list[Plan] = []
    steps: list[Step] = []
    blockers: list[str] = []
    new: list[ComponentKey] = []
    code = Exit.REFUSED
    for generation in standing(machine, name, when):
        if generation.new:
            new.append(generation.key)
            continue
        if generation.generation is None:
            blockers.append(f"{generation.key} has no good generation at or before {_utc(when)}")
            code = Exit.NOT_FOUND
            continue
        try:
            plan = plan_restore(machine, generation.key, generation.generation.number, RestoreTarget(), text, now)
        except (EngineError, PluginError, StoreError) as error:
            blockers.append(f"{generation.key}: {words_of(error)[0]}")
            code = exit_of(error)
            continue
        plans.append(plan)
        steps.append(Step(_line(generation, plan, when), str(generation.key)))
    title = f"restore group {name} to {_utc(when)}"
    command = ("dysnomia-tui", "group", name, "restore", "--at", _utc(when))
    group = replace(group, components=tuple(key for key in group.components if key not in new))
    made = _plan(RESTORE, name, group, plans, steps, title, command, now, (blockers, code))
    left = (f"{key} was first found on its server after {_utc(when)}: it is left as it is" for key in new)
    return replace(made, warnings=(*left, *made.warnings))


def plan_undo_group(machine: Machine, board: JobBoard, job_id: str, now: datetime) -> Plan:
    """Undo all restores that a group's job made, the last first: but those where nothing was live before, which have
    nothing to go back to and are named. Raises Blocked, Unknown, Corrupt."""
    from dysnomia_tui.engine.operations.undo import it_stays, plan_undo, was_nothing  # it imports this module

    of = params_of(board.folder(job_id).plan())
    jobs = [job for job in members_of(board, job_id).values() if board.folder(job).record().last("undone") is None]
    if of["action"] == SNAPSHOT or not jobs:
        raise Blocked(f"job {job_id} left no restore that can be undone", "only a restore of a group can")
    stays = [it_stays(board.view(job).keys[0], job) for job in jobs if was_nothing(board, job)]
    jobs = [job for job in jobs if not was_nothing(board, job)]
    if not jobs:
        raise Blocked(f"nothing is to be taken back: {'; '.join(stays)}", "remove it by hand if it is not wanted")
    plans = [plan_undo(machine, board, job, now, alone=False) for job in reversed(jobs)]
    group_settings = machine.settings.groups.get(of["group"]) or GroupSettings(())
    group = replace(group_settings, components=tuple(plan.keys[0] for plan in plans))
    title = f"undo job {job_id}: {board.view(job_id).title}"
    made = _plan(UNDO, of["group"], group, plans, _steps_of(plans), title, ("dysnomia-tui", "undo", job_id), now)
    warnings = (*stays, *_since(plans), *made.warnings)
    return replace(made, params={**made.params, "job": job_id}, warnings=warnings)


def _since(plans: Sequence[Plan]) -> Iterator[str]:
    """What an undo takes from live, and where it can be looked at before."""
    restored = [(plan.keys[0], plan.params["restored"]) for plan in plans if plan.params.get("restored") is not None]
    compare = f": compare generation {', '.join(f'{number} of {key}' for key, number in restored)} with what is live"
    yield f"what was written since that job would be in the new guards only{compare if restored else ''}"


class GroupParams(TypedDict):
    """What is read of the plan of a group's job that another process ran. Its programs are not: what is run is what
    config.toml names now, and never what is found in a store."""

    group: str
    action: Literal["snapshot", "restore", "undo"]
    members: list[dict[str, Any]]
    job: NotRequired[str]


def params_of(plan: Plan) -> GroupParams:
    """Raises Corrupt."""
    params: GroupParams = shaped(plan.params, GroupParams, "plan.json of a group")
    return params


def members_of(board: JobBoard, job_id: str) -> Mapping[int, str]:
    """The job on each component that a group's job has begun, by the component's place in the plan."""
    record = FileJournal(board.folder(job_id).path / RECORD)
    return {data["index"]: data["job"] for name, data in record.steps() if name == "member" and data["index"] >= 0}


def _plan(
    action: str,
    name: str,
    group: GroupSettings,
    plans: Sequence[Plan],
    steps: Sequence[Step],
    title: str,
    command: tuple[str, ...],
    now: datetime,
    blocked: tuple[Sequence[str], Exit] = ((), Exit.REFUSED),
) -> Plan:
    blockers = [*blocked[0], *(f"{plan.keys[0]}: {text}" for plan in plans for text in plan.blockers)]
    blockers += [f"{argv[0]} is not run: {why}" for argv in (group.before, group.after) if argv
                 for why in [why_not_run(argv[0])] if why]  # fmt: skip
    code = blocked[1] if blocked[0] else next((plan.params["blocked"] for plan in plans if plan.blockers
                                               and "blocked" in plan.params), Exit.REFUSED)  # fmt: skip
    grade = max((plan.grade for plan in plans), default=Grade.UNDOABLE)
    return Plan(
        kind=Kind.GROUP,
        title=title,
        keys=group.components,
        grade=grade,
        steps=tuple(_with_hooks(group, steps, action, [str(plan.keys[0]) for plan in plans if not plan.replaces])),
        params={
            "group": name, "action": action, "before": list(group.before), "after": list(group.after),
            "limit": group.time_limit.total_seconds(), "members": [plan.to_json() for plan in plans],
            "dangerous": any(plan.params.get("dangerous") for plan in plans), "blocked": int(code),
        },
        depends={name: value for plan in plans for name, value in plan.depends.items()},
        warnings=tuple(dict.fromkeys(f"{plan.keys[0]}: {text}" for plan in plans for text in plan.warnings)),
        blockers=tuple(blockers),
        notes=tuple(dict.fromkeys(f"{plan.keys[0]}: {text}" for plan in plans for text in plan.notes)),
        replaces="" if action == SNAPSHOT else _replaced(plans),
        space=tuple(_space(plans)),
        command=command,
        confirm=confirmation(grade, group.components, str(len(group.components))),
        made=now,
    )  # fmt: skip


def _replaced(plans: Sequence[Plan]) -> str:
    """Of how many components what is live is replaced: the line of each says how much that is."""
    count = sum(bool(plan.replaces) for plan in plans)
    if count == 1:
        return next(plan.replaces for plan in plans if plan.replaces)
    return f"what is live of {count} components" if count else ""


def _with_hooks(group: GroupSettings, steps: Sequence[Step], action: str, new: Sequence[str]) -> Iterator[Step]:
    """``new``: components of which nothing is live, so that nothing takes them back."""
    within = f"within {group.time_limit.total_seconds():g} s"
    if group.before:
        yield Step(f"{' '.join(group.before)} would be run first, {within}: where it fails, nothing is touched")
    yield from steps
    if action == RESTORE and len(new) < len(steps):  # of an undo it is a warning, which names the generations
        yield Step(
            "what was written since would be in these guards only: compare a generation with what is live to see it"
        )
    if action != SNAPSHOT:
        back = "where one fails, those before it would be swapped back; one undo takes all of them back"
        stays = f", but for {', '.join(new)}: nothing is live there now, so what is made live stays" if new else ""
        yield Step(back + stays)
    if group.after:
        yield Step(f"{' '.join(group.after)} would be run at the end, however it ends, {within}")


def _steps_of(plans: Sequence[Plan]) -> list[Step]:
    return [Step(_named(plan.keys[0], plan.steps[0].text if plan.steps else plan.title), str(plan.keys[0]))
            for plan in plans]  # fmt: skip


def _named(key: ComponentKey, text: str) -> str:
    return text if str(key) in text else f"{key}: {text}"


def _line(standing: Standing, plan: Plan, when: datetime) -> str:
    """Which generation, of when, how much older than was asked, and what of live is replaced."""
    generation = standing.generation
    assert generation is not None
    until = max(generation.as_of, min(generation.unchanged_until, when))
    span = when - until
    if span > timedelta(hours=1):
        span -= span % timedelta(minutes=1)
    age = f"{format_duration(span)} before" + (f", {standing.newer} newer" if standing.newer else "")
    which = f"{standing.key}: generation {generation.number} of {_utc(generation.as_of)} ({age})"
    if not plan.replaces:
        return f"{which} would be made live, where nothing is"
    return f"{which} would replace {plan.replaces}, {'kept as a guard' if plan.params['guard'] else 'without a guard'}"


def _space(plans: Sequence[Plan]) -> Iterator[SpaceNeed]:
    """Guards add up in one place; what is loaded beside live stays until its own guard is made."""
    needs: dict[str, list[SpaceNeed]] = {}
    for plan in plans:
        for need in plan.space:
            needs.setdefault(need.where, []).append(need)
    for where, needs_there in needs.items():
        yield SpaceNeed(where, sum(need.needs for need in needs_there), needs_there[0].has)


def _utc(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M:%S} UTC"
