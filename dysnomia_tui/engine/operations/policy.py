"""A retention policy that was tried in a review, written into config.toml: planned, and run as a job."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path

from dysnomia_store.names import ComponentKey
from dysnomia_store.records.retention import Policy
from dysnomia_tui.config.edit import (
    components_with,
    identity,
    in_toml,
    replace_if_same,
    target_of,
    text_of,
    values_of,
    why_not_written,
    with_retention,
)
from dysnomia_tui.config.errors import SettingsError
from dysnomia_tui.config.model import ComponentSettings, component_settings
from dysnomia_tui.engine.errors import Blocked, EngineError, Stale
from dysnomia_tui.engine.jobs.context import JobContext, Outcome
from dysnomia_tui.engine.machine.machine import Machine
from dysnomia_tui.engine.plans.grades import confirmation, graded
from dysnomia_tui.engine.plans.plan import Grade, Kind, Plan, Step
from dysnomia_tui.engine.records import JobState


def plan_policy(
    machine: Machine, keys: Collection[ComponentKey], pattern: str, policy: Policy, now: datetime
) -> Plan:  # fmt: skip
    """Raises Blocked where the policy keeps nothing by itself: config.toml cannot say that."""
    values = values_of(policy)
    if not values:
        raise Blocked("there is no policy to save", "type one, such as: last 7 daily 14")
    path = target_of(machine.settings, os.geteuid())
    refused = why_not_written(path, os.environ, os.geteuid())
    blockers = [refused] if refused else []
    steps: list[Step] = []
    others: list[str] = []
    if not refused:
        try:
            after = components_with(machine.settings, path, with_retention(path, text_of(path), pattern, values))
            steps, others, blockers = _consequences(machine, keys, policy, after)
        except SettingsError as error:
            blockers.append(f"{error.message}: {error.hint}" if error.hint else error.message)
    rules = ", ".join(f"{name} = {in_toml(value)}" for name, value in values.items())
    ordered = tuple(sorted(keys))
    grade = graded(machine.settings, ordered, Grade.ADDS)
    return Plan(
        kind=Kind.POLICY,
        title=f"save the retention of {pattern} in config.toml",
        keys=ordered,
        grade=grade,
        steps=(Step(f'[components."{pattern}".retention] in {path} would be: {rules}'), *steps),
        params={"path": str(path), "pattern": pattern, "values": values, "identity": identity(path)},
        warnings=(
            *([f"it holds for {', '.join(others)} too, which the review does not show"] if others else []),
            "collections by a timer follow it from their next run (dysnomia-tui schedule says when)",
        ),
        blockers=tuple(blockers),
        confirm=confirmation(grade, ordered, str(len(ordered))),
        made=now,
    )


def run_policy(work: JobContext) -> Outcome:
    """Write it, where the file is still the one that was planned for.

    Raises Stale, Blocked, EngineError: then the file is as it was."""
    params = work.plan.params
    path = Path(params["path"])
    try:
        written = replace_if_same(
            path,
            params["identity"],
            lambda text: with_retention(path, text, params["pattern"], params["values"]),
        )
    except SettingsError as error:
        raise Blocked(error.message, error.hint) from None
    except OSError as error:
        raise EngineError(f"{path} was not written: {error.strerror}", "nothing was changed") from None
    if not written:
        raise Stale(f"another program changed {path} after the plan was made", "look at it, then save the policy again")
    return Outcome(
        JobState.DONE, f"{path} is written; an open program reads it when it is started again", details={}
    )  # fmt: skip


def _consequences(
    machine: Machine, keys: Collection[ComponentKey], policy: Policy, after: Mapping[str, ComponentSettings]
) -> tuple[list[Step], list[str], list[str]]:
    """What changes for which of the components that were reviewed; for which others; and of which it does not hold."""
    steps, others, blockers = [], [], []
    for key in sorted({*keys, *machine.inventory().components, *machine.store.keys()}):
        was = machine.settings.component(key.container, key.component).policy
        becomes = component_settings(after, key.container, key.component).policy
        if key in keys and becomes != policy:
            blockers.append(
                f'{key} would keep a policy of its own ([components."{key}".retention], or of its container): change'
                " that, or save this for it alone"
            )
        elif key in keys:
            steps.append(Step(f"{_words(becomes)} would be kept instead of {_words(was)}", str(key)))
        elif becomes != was:
            others.append(str(key))
    return steps, others, blockers


def _words(policy: Policy) -> str:
    values = values_of(policy)
    return " ".join(
        f"{name} {' '.join(value) if isinstance(value, list) else value}" for name, value in values.items()
    ) or ("everything")
