"""Plans of snapshot, restore, verify, check and the activities."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from dysnomia_plugins.base import Finding, Preflight, PrivateStatePlugin, Severity, StatePlugin
from dysnomia_plugins.errors import PluginError
from dysnomia_store.errors import NameRejected
from dysnomia_store.model import CheckResult, Generation, Reason, Verdict
from dysnomia_store.names import ComponentKey, validate_name
from dysnomia_tui.engine.component.restore import RestoreTarget
from dysnomia_tui.engine.component.trust import made_here
from dysnomia_tui.engine.errors import Blocked, EngineError, Exit, Unknown
from dysnomia_tui.engine.machine.machine import Machine
from dysnomia_tui.engine.plans.grades import confirmation, graded
from dysnomia_tui.engine.plans.plan import Grade, Kind, Plan, SpaceNeed, Step
from dysnomia_tui.engine.plans.staleness import component_depends, generation_depends, live_depends
from dysnomia_tui.engine.probing import client as asking

PREFLIGHT_LIMIT = 12.0
"""Seconds for the questions of a plan: a server that is under load answers late, and can be restored all the same."""
SLOW = 5.0
"""From how many seconds on a plan says that the answers were slow."""
ACTIVITIES: Mapping[str, tuple[Grade, str]] = {
    "activate": (Grade.ADDS, "would be activated, with its initial state where it has none yet"),
    "deactivate": (Grade.ADDS, "would be taken out of service; its state would stay, marked as garbage"),
    "collect-garbage": (Grade.FINAL, "would lose what is live; its generations would stay"),
    "lock": (Grade.ADDS, "would be asked whether an upgrade may begin"),
    "unlock": (Grade.ADDS, "would be told that the upgrade has ended"),
}

STATELESS_WORDS: Mapping[str, str] = {
    "activate": "would be put into service",
    "deactivate": "would be taken out of service; it holds no state that could be lost",
}


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


def plan_restore(
    machine: Machine, key: ComponentKey, number: int, target: RestoreTarget, text: str, now: datetime
) -> Plan:
    """Raises Unknown, ConfigError, NotFound. What stands in the way otherwise is a blocker of the plan."""
    generation = machine.store.generation(key, number)
    plugin = machine.plugin(key)
    replace = target.kind == "replace"
    named, wrong = _target_blockers(machine, generation, target, isinstance(plugin, StatePlugin))
    copy = "" if replace or wrong is Exit.USAGE else target.name
    preflight, code = preflight_or_blocker(machine, key, generation, replace=replace, copy=copy)
    irreversible = [finding.text for finding in preflight.findings if finding.severity is Severity.IRREVERSIBLE]
    dangerous = _dangerous(preflight)
    guard = not irreversible
    base = Grade.UNDOABLE if replace else Grade.ADDS
    if irreversible or dangerous:
        base = Grade.FINAL
    grade = graded(machine.settings, (key,), base)
    blockers = [finding.text for finding in preflight.findings if finding.severity is Severity.BLOCKER]
    blockers += named
    warnings = [finding.text for finding in preflight.findings if finding.severity is Severity.WARNING]
    warnings = irreversible + dangerous + _warnings(machine, generation) + warnings
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
            "dangerous": bool(dangerous),
            "text": text,
            "blocked": int(wrong or code),
        },
        depends={
            **generation_depends(key, number, generation.id),
            **component_depends(machine, key),
            **live_depends(key, preflight.identity),
        },
        warnings=tuple(warnings),
        blockers=tuple(blockers),
        replaces=replaced(key, preflight) if replace else "",
        space=tuple(SpaceNeed(where, needs, has) for where, needs, has in preflight.needs),
        command=_restore_command(key, number, target, text, dangerous=bool(dangerous)),
        confirm=confirmation(grade, (key,), str(number)),
        made=now,
    )


def preflight_or_blocker(
    machine: Machine, key: ComponentKey, generation: Generation, *, replace: bool, copy: str = ""
) -> tuple[Preflight, Exit]:
    """What a restore would meet, and the exit code that its blockers, if any, stand for. A ``copy`` that could not
    be called so, or is there already, is one."""
    try:
        return _preflight(machine, key, generation, replace=replace, copy=copy), Exit.REFUSED
    except asking.NoAnswer as error:
        return Preflight(findings=(Finding(Severity.BLOCKER, str(error)),)), error.exit


def _preflight(
    machine: Machine, key: ComponentKey, generation: Generation, *, replace: bool, copy: str = ""
) -> Preflight:
    plugin = machine.plugin(key)
    if isinstance(plugin, StatePlugin):
        began = time.monotonic()
        found = asking.preflight(
            machine.settings, key, generation.number, replace=replace, limit=PREFLIGHT_LIMIT, copy=copy
        )
        return _said_slow(found, time.monotonic() - began)
    if isinstance(plugin, PrivateStatePlugin) and "restore" in plugin.activities():
        return Preflight(
            findings=(
                Finding(
                    Severity.DANGEROUS,
                    "its module restores in place: a failure leaves half of it; where what is live cannot be"
                    " snapshotted (broken, gone) no guard is made",
                ),
            ),
            swap="the module would restore over what is live",
            guard="a snapshot of what is live, taken by the module just before, where it can",
        )
    return Preflight(findings=(Finding(Severity.BLOCKER, f"type {plugin.type!r} holds no state"),))


def _said_slow(found: Preflight, seconds: float) -> Preflight:
    if seconds < SLOW:
        return found
    text = f"it took {seconds:.0f} s to be told this: the server or this machine is slow, or under load"
    return dataclasses.replace(found, findings=(*found.findings, Finding(Severity.WARNING, text)))


def preflight_grade(machine: Machine, plan: Plan) -> str:
    """At the start of a restore: why its grade is another now than what the operator confirmed, or ``""``.

    Raises EngineError where it cannot be begun at all.
    """
    target = plan.params["target"]["kind"]
    generation = machine.store.generation(plan.keys[0], int(plan.params["number"]))
    try:
        found = _preflight(machine, plan.keys[0], generation, replace=target == "replace")
    except asking.NoAnswer as error:
        failed = EngineError(f"nothing was touched: {error}", "what was live still is")
        failed.exit = error.exit
        raise failed from None
    for finding in found.findings:
        if finding.severity is Severity.BLOCKER:
            return finding.text
        if finding.severity is Severity.IRREVERSIBLE and plan.params["guard"]:
            return f"it could no longer be undone: {finding.text}"
        if finding.severity is Severity.DANGEROUS and plan.grade < Grade.FINAL:
            return f"it is more dangerous now: {finding.text}"
    return ""


def _restore_title(key: ComponentKey, number: int, target: RestoreTarget) -> str:
    if target.kind == "replace":
        return f"restore generation {number} of {key}"
    count = len(target.sections)
    what = f"{count} section{'' if count == 1 else 's'} of generation" if target.kind == "sections" else "generation"
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
        Step(as_step(preflight.swap) or "it would take the place of what is live", name),
        Step(f"a new generation would say that {generation.number} is live again", name),
    ]
    if guard:
        what = preflight.guard or "what was live"
        steps.append(Step(f"the guard would become a generation, held for a week: {as_step(what)}", name))
    else:
        steps.append(Step("no guard would be made: this could not be undone", name))
    return tuple(steps)


def _dangerous(preflight: Preflight) -> list[str]:
    return [finding.text for finding in preflight.findings if finding.severity is Severity.DANGEROUS]


def as_step(sentence: str) -> str:
    """A plugin's sentence as one of the plan's steps: a small letter, no stop."""
    text = sentence.strip().removesuffix(".")
    return text[:1].lower() + text[1:] if text[1:2].islower() or text[1:2] == " " else text


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
    if target.name == generation.key.component:
        blockers.append(f"{target.name} is what is live: a copy needs a name of its own")
        code = Exit.USAGE
    if target.kind == "sections":
        missing = _missing_sections(machine, generation, target.sections)
        if missing:
            blockers.append(missing)
            code = code or Exit.NOT_FOUND
    return blockers, code


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


def _warnings(machine: Machine, generation: Generation) -> list[str]:
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
    if not made_here(machine.store, generation):
        warnings.append("it was not made here: it would be loaded with the least privilege that works")
    return warnings


def replaced(key: ComponentKey, preflight: Preflight) -> str:
    size = f" (~{preflight.live_bytes:,} bytes)" if preflight.live_bytes is not None else ""
    return f"what is live of {key}{size}"


def _restore_command(
    key: ComponentKey, number: int, target: RestoreTarget, text: str, *, dangerous: bool
) -> tuple[str, ...]:
    copy: tuple[str, ...] = ("--as", target.name) if target.kind != "replace" else ()
    if target.kind == "sections":
        copy += tuple(word for name in target.sections for word in ("--section", name))
    reason = ("--reason", text) if text else ()
    words = ("dysnomia", "-o", "restore", "-c", key.component, "-C", key.container)
    return (*words, "--generation", str(number), *copy, *reason, *(("--yes-untrusted",) if dangerous else ()))


def plan_check(machine: Machine, key: ComponentKey, numbers: Collection[int], now: datetime) -> Plan:
    """Raises NotFound."""
    generations = [machine.store.generation(key, number) for number in sorted(set(numbers))]
    depends: dict[str, str] = {}
    for generation in generations:
        depends |= generation_depends(key, generation.number, generation.id)
    what = f"generation {generations[0].number}" if len(generations) == 1 else f"{len(generations)} generations"
    grade = graded(machine.settings, (key,), Grade.ADDS)
    every = len(generations) == len(machine.store.generations(key))
    return Plan(
        kind=Kind.CHECK,
        title=f"check {what} of {key}",
        keys=(key,),
        grade=grade,
        steps=(Step(f"every byte of {what} would be read and compared with what was written", str(key)),),
        params={"numbers": [generation.number for generation in generations]},
        depends=depends,
        command=_check_command(key, [generation.number for generation in generations], every=every),
        confirm=confirmation(grade, (key,), str(generations[0].number if len(generations) == 1 else len(generations))),
        made=now,
    )


def _check_command(key: ComponentKey, numbers: Sequence[int], *, every: bool) -> tuple[str, ...]:
    """Some of several generations have no command of their own."""
    if len(numbers) == 1:
        where = ("-c", key.component, "-C", key.container)
        return ("dysnomia", "-o", "check", *where, "--generation", str(numbers[0]))
    if every:
        return ("dysnomia-snapshots", "--query-all", "--check", "-C", key.container, "-c", key.component)
    return ()


def plan_verify(machine: Machine, key: ComponentKey, number: int, now: datetime) -> Plan:
    """Raises NotFound, Unknown, ConfigError."""
    generation = machine.store.generation(key, number)
    plugin = machine.plugin(key)
    preflight, code = preflight_or_blocker(machine, key, generation, replace=False)
    blockers = [finding.text for finding in preflight.findings if finding.severity is Severity.BLOCKER]
    if not isinstance(plugin, StatePlugin):
        blockers = [f"a snapshot of type {plugin.type!r} cannot be restored into a scratch place"]
    dangerous = _dangerous(preflight)
    grade = graded(machine.settings, (key,), Grade.FINAL if dangerous else Grade.ADDS)
    warnings = [finding.text for finding in preflight.findings if finding.severity is Severity.WARNING]
    return Plan(
        kind=Kind.VERIFY,
        title=f"verify generation {number} of {key} by restoring it",
        keys=(key,),
        grade=grade,
        steps=(
            Step(f"generation {number} would be loaded into a scratch place and dumped again", str(key)),
            Step("both digests would be compared, and the scratch place removed", str(key)),
        ),
        params={"number": number, "id": generation.id, "blocked": int(code)},
        depends={**generation_depends(key, number, generation.id), **component_depends(machine, key)},
        warnings=tuple(dangerous + warnings),
        blockers=tuple(blockers),
        space=tuple(SpaceNeed(where, needs, has) for where, needs, has in preflight.needs),
        command=("dysnomia", "-o", "verify", "-c", key.component, "-C", key.container, "--generation", str(number)),
        confirm=confirmation(grade, (key,), str(number)),
        made=now,
    )


def plan_activity(machine: Machine, key: ComponentKey, activity: str, now: datetime) -> Plan:
    """A module may have activities of its own. Raises Unknown, ConfigError."""
    base, words = ACTIVITIES.get(activity, (Grade.FINAL, f"would be handed to its module: {activity!r}"))
    grade = graded(machine.settings, (key,), base)
    blockers: list[str] = []
    depends = dict(component_depends(machine, key))
    try:
        plugin = machine.plugin(key)
        own = activity not in ACTIVITIES
        if own and not isinstance(plugin, PrivateStatePlugin):
            raise Unknown(f"there is no activity {activity!r}", f"known are {', '.join(ACTIVITIES)}")
        if not own and activity not in plugin.activities() | {"lock", "unlock"}:
            blockers.append(f"type {plugin.type!r} has no activity {activity!r}")
        blockers += _activity_blockers(machine, key, activity)
        if activity == "collect-garbage" and isinstance(plugin, StatePlugin):
            depends |= live_depends(key, asking.identity(machine.settings, key))
        if not isinstance(plugin, (StatePlugin, PrivateStatePlugin)):
            words = STATELESS_WORDS.get(activity, words)
    except PluginError as error:
        blockers.append(error.message)
    except asking.NoAnswer as error:
        blockers.append(str(error))
    params: dict[str, Any] = {"activity": activity}
    return Plan(
        kind=Kind.ACTIVITY,
        title=f"{activity} {key}",
        keys=(key,),
        grade=grade,
        steps=(Step(f"{key} {words}", str(key)),),
        params=params,
        depends=depends,
        warnings=_activity_warnings(machine, key, activity),
        blockers=tuple(blockers),
        command=("dysnomia", "-o", activity, "-c", key.component, "-C", key.container),
        confirm=confirmation(grade, (key,), key.component),
        made=now,
    )


def _is_active(machine: Machine, key: ComponentKey) -> bool:
    return (machine.store.root / "activated" / key.container / key.component).exists()


def _activity_blockers(machine: Machine, key: ComponentKey, activity: str) -> list[str]:
    """A module of Dysnomia's convention looks at its markers itself."""
    if activity == "collect-garbage" and isinstance(machine.plugin(key), StatePlugin) and _is_active(machine, key):
        return [f"{key} is active: deactivate it first"]
    return []


def _activity_warnings(machine: Machine, key: ComponentKey, activity: str) -> tuple[str, ...]:
    """To activate twice is allowed, as it is in Dysnomia; an operator should know that they do."""
    if activity == "activate" and _is_active(machine, key):
        return (f"{key} is active already",)
    if activity == "collect-garbage":
        return ("what is live would be deleted, and cannot be brought back but from its generations",)
    return ()
