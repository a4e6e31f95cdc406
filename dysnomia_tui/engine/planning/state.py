"""Plans of snapshot, restore, undo, verify, check and the activities."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from dysnomia_plugins.base import Finding, Preflight, PrivateStatePlugin, Severity, StatePlugin
from dysnomia_plugins.errors import PluginError
from dysnomia_store.model import CheckResult, Generation, Reason, Verdict
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine import asking
from dysnomia_tui.engine.errors import Blocked, EngineError, Exit, Unknown
from dysnomia_tui.engine.guarding import step_of
from dysnomia_tui.engine.jobs.board import JobBoard
from dysnomia_tui.engine.plan import Grade, Kind, Plan, SpaceNeed, Step
from dysnomia_tui.engine.planning.depends import component_depends, generation_depends, trash_depends
from dysnomia_tui.engine.planning.grades import confirmation, graded
from dysnomia_tui.engine.planning.keeping import come_back
from dysnomia_tui.engine.restoring import RestoreTarget
from dysnomia_tui.engine.trust import made_here
from dysnomia_tui.engine.world import World

PREFLIGHT_LIMIT = 2.0
ACTIVITIES: Mapping[str, tuple[Grade, str]] = {
    "activate": (Grade.ADDS, "would be activated, with its initial state where it has none yet"),
    "deactivate": (Grade.ADDS, "would be taken out of service; its state would stay, marked as garbage"),
    "collect-garbage": (Grade.FINAL, "would lose what is live; its generations would stay"),
    "lock": (Grade.ADDS, "would be asked whether an upgrade may begin"),
    "unlock": (Grade.ADDS, "would be told that the upgrade has ended"),
}


def plan_snapshot(world: World, keys: Collection[ComponentKey], reason: Reason, text: str, now: datetime) -> Plan:
    """Raises Unknown, ConfigError where a component is not configured, Blocked where there is none."""
    ordered = tuple(dict.fromkeys(keys))
    if not ordered:
        raise Blocked("nothing was chosen to snapshot", "choose at least one component")
    blockers = []
    depends: dict[str, str] = {}
    for key in ordered:
        depends |= component_depends(world, key)
        plugin = world.plugin(key)
        if "snapshot" not in plugin.activities():
            blockers.append(f"{key} is of type {plugin.type!r}, which holds no state")
    grade = Grade.ADDS
    return Plan(
        kind=Kind.SNAPSHOT,
        title=f"snapshot {ordered[0]}" if len(ordered) == 1 else f"snapshot {len(ordered)} components",
        keys=ordered,
        grade=grade,
        steps=tuple(Step(f"a generation of {key} would be made, if its state changed", str(key)) for key in ordered),
        params={"reason": reason.value, "text": text},
        depends=depends,
        blockers=tuple(blockers),
        command=_snapshot_command(world, ordered, text),
        made=now,
    )


def _snapshot_command(world: World, keys: Sequence[ComponentKey], text: str) -> tuple[str, ...]:
    reason = ("--reason", text) if text else ()
    if len(keys) == 1:
        return ("dysnomia", "-o", "snapshot", "-c", keys[0].component, "-C", keys[0].container, *reason)
    containers = {key.container for key in keys}
    every = {key for container in containers for key in world.inventory().components_of(container)}
    if len(containers) == 1 and every == set(keys):
        return ("dysnomia-containers", "--snapshot", "-C", keys[0].container, *reason)
    return ()


def plan_restore(world: World, key: ComponentKey, number: int, target: RestoreTarget, text: str, now: datetime) -> Plan:
    """Raises Unknown, ConfigError, NotFound. What stands in the way otherwise is a blocker of the plan."""
    generation = world.store.generation(key, number)
    plugin = world.plugin(key)
    replace = target.kind == "replace"
    preflight, code = _preflight_or_blocker(world, key, generation, replace=replace)
    irreversible = [finding.text for finding in preflight.findings if finding.severity is Severity.IRREVERSIBLE]
    guard = not irreversible
    base = (Grade.UNDOABLE if guard else Grade.FINAL) if replace else Grade.ADDS
    grade = graded(world.settings, (key,), base)
    blockers = [finding.text for finding in preflight.findings if finding.severity is Severity.BLOCKER]
    blockers += _blockers(generation, target, isinstance(plugin, StatePlugin))
    warnings = [finding.text for finding in preflight.findings if finding.severity is Severity.WARNING]
    warnings = irreversible + _warnings(world, generation) + warnings
    return Plan(
        kind=Kind.RESTORE,
        title=_restore_title(key, number, target),
        keys=(key,),
        grade=grade,
        steps=_restore_steps(key, generation, target, preflight, guard),
        params={
            "number": number,
            "id": generation.id,
            "target": {"kind": target.kind, "name": target.name, "sections": list(target.sections)},
            "guard": guard,
            "text": text,
            "blocked": int(code),
        },
        depends={**generation_depends(key, number, generation.id), **component_depends(world, key)},
        warnings=tuple(warnings),
        blockers=tuple(blockers),
        replaces=_replaces(key, preflight) if replace else "",
        space=tuple(SpaceNeed(where, needs, has) for where, needs, has in preflight.needs),
        command=_restore_command(key, number, target, text),
        confirm=confirmation(grade, (key,), str(number)),
        made=now,
    )


def _preflight_or_blocker(
    world: World, key: ComponentKey, generation: Generation, *, replace: bool
) -> tuple[Preflight, Exit]:
    """What a restore would meet, and the exit code that its blockers, if any, stand for."""
    try:
        return _preflight(world, key, generation, replace=replace), Exit.REFUSED
    except asking.NoAnswer as error:
        return Preflight(findings=(Finding(Severity.BLOCKER, str(error)),)), error.exit


def _preflight(world: World, key: ComponentKey, generation: Generation, *, replace: bool) -> Preflight:
    plugin = world.plugin(key)
    if isinstance(plugin, StatePlugin):
        return asking.preflight(world.settings, key, generation.number, replace=replace, limit=PREFLIGHT_LIMIT)
    if isinstance(plugin, PrivateStatePlugin) and "restore" in plugin.activities():
        return Preflight(
            findings=(
                Finding(
                    Severity.WARNING,
                    "its module restores in place: a failure half-way leaves what it left, and what is written between"
                    " the guard and the restore is in neither",
                ),
            ),
            swap="The module would restore over what is live.",
            guard="a snapshot of what is live, taken by the module just before",
        )
    return Preflight(findings=(Finding(Severity.BLOCKER, f"type {plugin.type!r} holds no state"),))


def preflight_grade(world: World, plan: Plan) -> str:
    """At the start of a restore: why its grade is another now than what the operator confirmed, or ``""``.

    Raises EngineError where it cannot be begun at all.
    """
    target = plan.params["target"]["kind"]
    generation = world.store.generation(plan.keys[0], int(plan.params["number"]))
    try:
        found = _preflight(world, plan.keys[0], generation, replace=target == "replace")
    except asking.NoAnswer as error:
        failed = EngineError(f"nothing was touched: {error}", "what was live still is")
        failed.exit = error.exit
        raise failed from None
    for finding in found.findings:
        if finding.severity is Severity.BLOCKER:
            return finding.text
        if finding.severity is Severity.IRREVERSIBLE and plan.params["guard"]:
            return f"it could no longer be undone: {finding.text}"
    return ""


def _restore_title(key: ComponentKey, number: int, target: RestoreTarget) -> str:
    if target.kind == "replace":
        return f"restore generation {number} of {key}"
    what = f"{len(target.sections)} sections of generation" if target.kind == "sections" else "generation"
    return f"restore {what} {number} of {key} as {target.name}"


def _restore_steps(
    key: ComponentKey, generation: Generation, target: RestoreTarget, preflight: Preflight, guard: bool
) -> tuple[Step, ...]:
    name = str(key)
    if target.kind != "replace":
        return (
            Step(f"generation {generation.number} would be loaded as {target.name}, every byte verified", name),
            Step("what is live would not be touched", name),
        )
    steps = [
        Step(f"generation {generation.number} would be loaded beside what is live, every byte verified", name),
        Step(preflight.swap or "It would take the place of what is live.", name),
        Step(f"a new generation would say that {generation.number} is live again", name),
    ]
    if guard:
        what = preflight.guard or "what was live"
        steps.append(Step(f"the guard would become a generation, held for a week: {what}", name))
    else:
        steps.append(Step("no guard would be made: this could not be undone", name))
    return tuple(steps)


def _blockers(generation: Generation, target: RestoreTarget, holds_state: bool) -> list[str]:
    blockers = []
    if generation.problem:
        blockers.append(f"generation {generation.number}: {generation.problem}")
    if target.kind != "replace" and not holds_state:
        blockers.append("this type of state restores in place only")
    if target.kind != "replace" and not target.name:
        blockers.append("a copy needs a name")
    if target.kind == "sections" and not target.sections:
        blockers.append("no section was chosen")
    return blockers


def _warnings(world: World, generation: Generation) -> list[str]:
    warnings = []
    if generation.marks.verdict is Verdict.BAD:
        warnings.append(f"generation {generation.number} is marked known bad")
    check = generation.last_check
    if check is not None and check.result in (CheckResult.CORRUPT, CheckResult.MISSING):
        warnings.append(f"its last check said: {check.result.value} {check.text}".rstrip())
    if generation.suspicious:
        warnings.append(f"it is suspicious: {generation.suspicious}")
    if generation.metadata is None or generation.metadata.complete is None:
        warnings.append("whether it is complete is unknown: another tool made it")
    elif generation.metadata.complete is False:
        warnings.append("it is not complete")
    if not made_here(world.store, generation):
        warnings.append("it was not made here: it would be loaded with the least privilege that works")
    return warnings


def _replaces(key: ComponentKey, preflight: Preflight) -> str:
    size = f" (~{preflight.live_bytes:,} bytes)" if preflight.live_bytes is not None else ""
    return f"what is live of {key}{size}"


def _restore_command(key: ComponentKey, number: int, target: RestoreTarget, text: str) -> tuple[str, ...]:
    if target.kind == "sections":
        return ()
    copy = ("--as", target.name) if target.kind == "copy" else ()
    reason = ("--reason", text) if text else ()
    words = ("dysnomia", "-o", "restore", "-c", key.component, "-C", key.container)
    return (*words, "--generation", str(number), *copy, *reason)


def plan_undo(world: World, board: JobBoard, job_id: str, now: datetime) -> Plan:
    """Raises Unknown, Blocked."""
    view = board.view(job_id)
    if board.folder(job_id).record().last("undone") is not None:
        raise Blocked(f"job {job_id} is undone already", "look at what is live now")
    if view.kind == Kind.GC.value:
        return _plan_undo_gc(world, job_id, now)
    if view.kind not in (Kind.RESTORE.value, Kind.UNDO.value):
        raise Blocked(f"job {job_id} ({view.title}) cannot be undone", "only a restore and a collection can")
    key = view.keys[0]
    swap = step_of(board.left(job_id), "swap")
    if swap is None:
        raise Blocked(f"job {job_id} replaced nothing", "there is nothing to undo")
    guard = int(str(swap["guard"]))
    grade = graded(world.settings, (key,), Grade.UNDOABLE)
    return Plan(
        kind=Kind.UNDO,
        title=f"undo job {job_id}: {view.title}",
        keys=(key,),
        grade=grade,
        steps=(
            Step(f"what was live before job {job_id} (guard {guard}) would take the place of what is live", str(key)),
            Step("what is live now would become a guard itself, held for a week", str(key)),
        ),
        params={"job": job_id, "guard": guard, "of": "restore"},
        depends=component_depends(world, key),
        warnings=("what was written since that restore would be in the new guard only",),
        replaces=f"what is live of {key}",
        confirm=confirmation(grade, (key,), str(guard)),
        made=now,
    )


def _plan_undo_gc(world: World, job_id: str, now: datetime) -> Plan:
    entries = [entry for entry in world.store.trash() if entry.job == job_id]
    if not entries:
        raise Blocked(f"nothing of job {job_id} is in the trash any more", "what was freed cannot come back")
    keys = tuple(sorted({entry.key for entry in entries}))
    count = sum(len(entry.generations) for entry in entries)
    return Plan(
        kind=Kind.UNDO,
        title=f"undo job {job_id}: bring back {count} generations",
        keys=keys,
        grade=Grade.ADDS,
        steps=come_back(entries),
        params={"job": job_id, "of": "gc", "names": [entry.name for entry in entries]},
        depends=trash_depends({entry.name: entry.id for entry in entries}),
        made=now,
    )  # fmt: skip


def plan_check(world: World, key: ComponentKey, numbers: Collection[int], now: datetime) -> Plan:
    """Raises NotFound."""
    generations = [world.store.generation(key, number) for number in sorted(set(numbers))]
    depends: dict[str, str] = {}
    for generation in generations:
        depends |= generation_depends(key, generation.number, generation.id)
    what = f"generation {generations[0].number}" if len(generations) == 1 else f"{len(generations)} generations"
    return Plan(
        kind=Kind.CHECK,
        title=f"check {what} of {key}",
        keys=(key,),
        grade=Grade.ADDS,
        steps=(Step(f"every byte of {what} would be read and compared with what was written", str(key)),),
        params={"numbers": [generation.number for generation in generations]},
        depends=depends,
        command=("dysnomia-snapshots", "--query-all", "--check", "-C", key.container, "-c", key.component),
        made=now,
    )


def plan_verify(world: World, key: ComponentKey, number: int, now: datetime) -> Plan:
    """Raises NotFound, Unknown, ConfigError."""
    generation = world.store.generation(key, number)
    plugin = world.plugin(key)
    preflight, code = _preflight_or_blocker(world, key, generation, replace=False)
    blockers = [finding.text for finding in preflight.findings if finding.severity is Severity.BLOCKER]
    if not isinstance(plugin, StatePlugin):
        blockers = [f"a snapshot of type {plugin.type!r} cannot be restored into a scratch place"]
    return Plan(
        kind=Kind.VERIFY,
        title=f"verify generation {number} of {key} by restoring it",
        keys=(key,),
        grade=Grade.ADDS,
        steps=(
            Step(f"generation {number} would be loaded into a scratch place and dumped again", str(key)),
            Step("both digests would be compared, and the scratch place removed", str(key)),
        ),
        params={"number": number, "id": generation.id, "blocked": int(code)},
        depends={**generation_depends(key, number, generation.id), **component_depends(world, key)},
        blockers=tuple(blockers),
        space=tuple(SpaceNeed(where, needs, has) for where, needs, has in preflight.needs),
        made=now,
    )


def plan_activity(world: World, key: ComponentKey, activity: str, now: datetime) -> Plan:
    """Raises Unknown, ConfigError."""
    if activity not in ACTIVITIES:
        raise Unknown(f"there is no activity {activity!r}", f"known are {', '.join(ACTIVITIES)}")
    base, words = ACTIVITIES[activity]
    grade = graded(world.settings, (key,), base)
    blockers: list[str] = []
    try:
        if activity not in world.plugin(key).activities() | {"lock", "unlock"}:
            blockers.append(f"type {world.plugin(key).type!r} has no activity {activity!r}")
    except PluginError as error:
        blockers.append(error.message)
    params: dict[str, Any] = {"activity": activity}
    return Plan(
        kind=Kind.ACTIVITY,
        title=f"{activity} {key}",
        keys=(key,),
        grade=grade,
        steps=(Step(f"{key} {words}", str(key)),),
        params=params,
        depends=component_depends(world, key),
        blockers=tuple(blockers),
        replaces=f"what is live of {key}" if activity == "collect-garbage" else "",
        command=("dysnomia", "-o", activity, "-c", key.component, "-C", key.container),
        confirm=confirmation(grade, (key,), key.component),
        made=now,
    )
