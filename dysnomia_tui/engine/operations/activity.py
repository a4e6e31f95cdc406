"""Activities of a type (activate, lock, collect-garbage, …): planned, and run as a job."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from dysnomia_plugins.base import Component, Plugin, PrivateStatePlugin, StatePlugin
from dysnomia_plugins.errors import PluginError
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.component import activities
from dysnomia_tui.engine.component.activities import NOT_OURS_TO_REMOVE, REMOVE_IT_YOURSELF
from dysnomia_tui.engine.errors import Unknown
from dysnomia_tui.engine.jobs.context import JobContext, Outcome
from dysnomia_tui.engine.machine.listed import only_listed
from dysnomia_tui.engine.machine.machine import Machine
from dysnomia_tui.engine.machine.slips import slips_in
from dysnomia_tui.engine.plans.grades import confirmation, graded
from dysnomia_tui.engine.plans.plan import Grade, Kind, Plan, Step
from dysnomia_tui.engine.plans.staleness import component_depends, live_depends
from dysnomia_tui.engine.probing import client as probes
from dysnomia_tui.engine.records import JobState

ACTIVITIES: Mapping[str, tuple[Grade, str]] = {
    "activate": (Grade.ADDS, "would be activated, with its initial state where it has none yet"),
    "deactivate": (Grade.ADDS, "would be taken out of service; its state would stay, marked as garbage"),
    "collect-garbage": (Grade.FINAL, "would lose what is live; its generations would stay"),
    "lock": (Grade.ADDS, "would be asked whether an upgrade may begin"),
    "unlock": (Grade.ADDS, "would be told that the upgrade has ended"),
}

STATELESS_WORDS: Mapping[str, str] = {
    "activate": "would be put into service",
    "collect-garbage": "would lose what its deactivation left",
}


def plan_activity(machine: Machine, key: ComponentKey, activity: str, now: datetime) -> Plan:
    """A module may have activities of its own. Raises Unknown, ConfigError."""
    base, words = ACTIVITIES.get(activity, (Grade.FINAL, f"would be handed to its module: {activity!r}"))
    grade = graded(machine.settings, (key,), base)
    blockers: list[str] = []
    depends = dict(component_depends(machine, key))
    params: dict[str, Any] = {"activity": activity}
    try:
        plugin = machine.plugin(key)
        own = activity not in ACTIVITIES
        if own and not isinstance(plugin, PrivateStatePlugin):
            raise Unknown(f"there is no activity {activity!r}", f"known are {', '.join(ACTIVITIES)}")
        if not own and activity not in plugin.activities() | {"lock", "unlock"}:
            blockers.append(f"type {plugin.type!r} has no activity {activity!r}")
        blockers += _activity_blockers(machine, key, activity)
        if activity == "collect-garbage" and isinstance(plugin, StatePlugin):
            depends |= live_depends(key, probes.identity(machine.settings, key))
        if not isinstance(plugin, (StatePlugin, PrivateStatePlugin)):
            words = _words_without_state(plugin, machine.component(key), activity, words)
        elif activity == "deactivate" and only_listed(machine.store, key):
            words = "would be taken out of service; what it holds would stay, and be no garbage"
    except PluginError as error:
        blockers.append(error.message)
    except probes.NoAnswer as error:
        blockers.append(error.words)
        params["blocked"] = int(error.exit)
    return Plan(
        kind=Kind.ACTIVITY,
        title=f"{activity} {key}",
        keys=(key,),
        grade=grade,
        steps=(Step(f"{key} {words}", str(key)),),
        params=params,
        depends=depends,
        warnings=(*_activity_warnings(machine, key, activity), *slips_in(machine, [key.container])),
        blockers=tuple(blockers),
        command=("dysnomia", "-o", activity, "-c", key.component, "-C", key.container),
        confirm=confirmation(grade, (key,), key.component),
        made=now,
    )


def _words_without_state(plugin: Plugin, component: Component, activity: str, words: str) -> str:
    if activity == "deactivate":
        return f"would be taken out of service; {plugin.deactivation_in_words(component)}"
    return STATELESS_WORDS.get(activity, words)


def _activity_blockers(machine: Machine, key: ComponentKey, activity: str) -> list[str]:
    """A module of Dysnomia's convention looks at its markers itself."""
    is_module = isinstance(machine.plugin(key), PrivateStatePlugin)
    if activity == "collect-garbage" and not is_module and machine.store.is_active(key):
        return [f"{key} is active: deactivate it first"]
    if activity == "collect-garbage" and only_listed(machine.store, key):
        return [f"{key} {NOT_OURS_TO_REMOVE}: {REMOVE_IT_YOURSELF}"]
    return []


def _activity_warnings(machine: Machine, key: ComponentKey, activity: str) -> tuple[str, ...]:
    """To activate twice is allowed, as it is in Dysnomia; an operator should know that they do."""
    if activity == "activate" and machine.store.is_active(key):
        return (f"{key} is active already",)
    if activity == "collect-garbage" and not isinstance(machine.plugin(key), (StatePlugin, PrivateStatePlugin)):
        return ("what its deactivation left would be deleted, and cannot be brought back",)
    if activity == "collect-garbage":
        return ("what is live would be deleted, and cannot be brought back but from its generations",)
    return ()


def run_activity(work: JobContext) -> Outcome:
    name = work.plan.params["activity"]
    component_job = work.component_job()
    activities.activity(component_job, name)
    kept = name == "deactivate" and work.machine.store.is_garbage(component_job.key)
    return Outcome(JobState.DONE, f"{name}: done" + ("; its state is garbage now" if kept else ""))
