"""Check (read every byte) and verify (restore into a scratch place): planned, and run as a job."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from dysnomia_plugins.base import Severity, StatePlugin
from dysnomia_store import Proofs
from dysnomia_store.model import Check, CheckResult
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.component import activities
from dysnomia_tui.engine.errors import Blocked, Exit
from dysnomia_tui.engine.jobs.context import JobContext, Outcome
from dysnomia_tui.engine.machine.machine import Machine
from dysnomia_tui.engine.operations.failures import Failures
from dysnomia_tui.engine.operations.preflights import preflight_or_blocker, texts
from dysnomia_tui.engine.plans.grades import confirmation, graded
from dysnomia_tui.engine.plans.plan import Grade, Kind, Plan, SpaceNeed, Step
from dysnomia_tui.engine.plans.staleness import component_depends, generation_depends
from dysnomia_tui.engine.records import JobState
from dysnomia_tui.engine.translate import Expected


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
    blockers = texts(preflight, Severity.BLOCKER)
    if not isinstance(plugin, StatePlugin):
        blockers = [f"a snapshot of type {plugin.type!r} cannot be restored into a scratch place"]
    risks = texts(preflight, Severity.DANGEROUS)
    grade = graded(machine.settings, (key,), Grade.FINAL if risks else Grade.ADDS)
    warnings = texts(preflight, Severity.WARNING)
    if code is Exit.CORRUPT:
        # Not in the way of a verify: it is what a verify is there to find, and to record.
        warnings, blockers = [*blockers, *warnings], []
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
        warnings=tuple(risks + warnings),
        notes=tuple(texts(preflight, Severity.NOTE)),
        blockers=tuple(blockers),
        space=tuple(SpaceNeed(where, needs, has) for where, needs, has in preflight.needs),
        command=("dysnomia", "-o", "verify", "-c", key.component, "-C", key.container, "--generation", str(number)),
        confirm=confirmation(grade, (key,), str(number)),
        made=now,
    )


def plan_verify_several(machine: Machine, generations: Sequence[tuple[ComponentKey, int]], now: datetime) -> Plan:
    """One generation of each of several components. Those that cannot be verified are left out, and named.

    Raises NotFound, Unknown, ConfigError; Blocked where none was chosen."""
    if not generations:
        raise Blocked("nothing was chosen to verify", "choose components that have generations")
    plans = [plan_verify(machine, key, number, now) for key, number in generations]
    able = [plan for plan in plans if not plan.blockers]
    left_out = [f"{plan.keys[0]}: {reason}" for plan in plans for reason in plan.blockers]
    keys = tuple(plan.keys[0] for plan in able)
    grade = max((plan.grade for plan in able), default=Grade.ADDS)
    return Plan(
        kind=Kind.VERIFY,
        title=f"verify {len(able)} components by restoring their newest generation",
        keys=keys or tuple(key for key, _number in generations),
        grade=grade,
        steps=tuple(
            Step(f"generation {plan.params['number']} would be loaded into a scratch place, dumped again, compared",
                 str(plan.keys[0]))
            for plan in able
        ),
        params={"numbers": [plan.params["number"] for plan in able]},
        depends={name: value for plan in able for name, value in plan.depends.items()},
        warnings=(
            *(f"left out: {reason}" for reason in left_out if able),
            *(f"{plan.keys[0]}: {warning}" for plan in able for warning in plan.warnings),
        ),
        blockers=() if able else tuple(left_out),
        notes=tuple(f"{plan.keys[0]}: {note}" for plan in able for note in plan.notes),
        space=tuple(need for plan in able for need in plan.space),
        confirm=confirmation(grade, keys, str(len(keys))) if able else "",
        made=now,
    )  # fmt: skip


def run_check(work: JobContext) -> Outcome:
    """Each generation by name; one that is corrupt does not stop the rest."""
    component_job = work.component_job() if work.plan.keys[0] in work.machine.inventory().components else None
    checks: dict[str, dict[str, str]] = {}
    proofs = Proofs()
    for number in work.plan.params["numbers"]:
        work.cancel.check()
        check = (
            activities.check(component_job, number, proofs)
            if component_job
            else _check_unconfigured(work, number, proofs)
        )
        checks[str(number)] = {"result": check.result.value, "text": check.text}
        work.log.write("log", line=f"generation {number}: {check.result.value} {check.text}".rstrip())
    return checked(checks)


def _check_unconfigured(work: JobContext, number: int, proofs: Proofs) -> Check:
    """A component that is no longer configured has bytes all the same."""
    key = work.plan.keys[0]
    generation = work.machine.store.generation(key, number)
    return work.machine.store.check_and_record(key, generation.id, at=work.clock(), job=work.id, proofs=proofs)


def checked(checks: dict[str, dict[str, str]]) -> Outcome:
    """What checks came to, worst first."""
    bad = {
        number: check
        for number, check in checks.items()
        if check["result"] in (CheckResult.CORRUPT.value, CheckResult.MISSING.value)
    }
    details = {"checks": checks}
    if bad:
        named = ", ".join(f"{number} {check['result']}" for number, check in bad.items())
        state = JobState.FAILED if len(bad) == len(checks) else JobState.PARTLY
        return Outcome(state, f"{len(bad)} of {len(checks)} failed: {named}", Exit.CORRUPT, "restore another", details)
    ok = sum(1 for check in checks.values() if check["result"] == CheckResult.OK.value)
    unsure = len(checks) - ok
    return Outcome(JobState.DONE, f"{ok} ok" + (f", {unsure} unverifiable" if unsure else ""), details=details)


def run_verify(work: JobContext) -> Outcome:
    """Of several components one after the other: one that fails does not stop the rest."""
    if "numbers" in work.plan.params:
        return _verify_several(work)
    number = work.plan.params["number"]
    check = activities.verify(work.component_job(), number)
    outcome = checked({str(number): {"result": check.result.value, "text": check.text}})
    return Outcome(outcome.state, check.text or outcome.message, outcome.exit, outcome.hint, outcome.details)


def _verify_several(work: JobContext) -> Outcome:
    checks: dict[str, dict[str, str]] = {}
    failures = Failures(work)
    for index, (key, number) in enumerate(zip(work.plan.keys, work.plan.params["numbers"], strict=True)):
        work.cancel.check()
        try:
            check = activities.verify(work.component_job(index), number)
        except Expected as error:
            failures.add(key, error)
            continue
        checks[f"{key}/{number}"] = {"result": check.result.value, "text": check.text}
        work.log.write("log", line=f"{key}/{number}: {check.result.value} {check.text}".rstrip(), key=str(key))
    if not failures.messages:
        return checked(checks)
    outcome = checked(checks) if checks else None
    message = f"{outcome.message if outcome else '0 ok'}, {len(failures.messages)} could not be verified"
    return failures.outcome(message, {"checks": checks, "failed": failures.messages}, nothing_done=not checks)
