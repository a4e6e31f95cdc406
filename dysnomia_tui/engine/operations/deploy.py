"""Deployment: deactivate what is no longer available, activate what is new."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from dysnomia_base.records import dataclass
from dysnomia_plugins.base import PrivateStatePlugin
from dysnomia_plugins.errors import PluginError
from dysnomia_tui.engine.component import activities
from dysnomia_tui.engine.errors import EngineError
from dysnomia_tui.engine.machine.listed import as_marked, may_be_obsolete, only_listed, read
from dysnomia_tui.engine.operations.activity import ACTIVITIES
from dysnomia_tui.engine.operations.failures import Failures
from dysnomia_tui.engine.plans.grades import confirmation, graded
from dysnomia_tui.engine.plans.plan import Grade, Kind, Plan, Step
from dysnomia_tui.engine.plans.staleness import component_depends
from dysnomia_tui.engine.translate import Expected, words_of

if TYPE_CHECKING:
    from dysnomia_store.names import ComponentKey
    from dysnomia_tui.engine.jobs.context import JobContext, Outcome
    from dysnomia_tui.engine.machine.machine import Machine

KNOWN = frozenset({*ACTIVITIES, "snapshot", "restore"})


@dataclass(frozen=True)
class Deployment:
    """The components of all containers, or of one, by what they are and what a deployment would do with them."""

    available: tuple[ComponentKey, ...]
    """On the search path."""
    active: tuple[ComponentKey, ...]
    garbage: tuple[ComponentKey, ...]
    left: tuple[ComponentKey, ...] = ()
    """Active, not available, and left as they are: nobody deployed them (a look at their server found them), or which
    components their container has is not known."""

    @property
    def obsolete(self) -> tuple[ComponentKey, ...]:
        """Active, and no longer available: to be deactivated."""
        return tuple(key for key in self.active if key not in {*self.available, *self.left})

    @property
    def new(self) -> tuple[ComponentKey, ...]:
        """Available, and not active: to be activated."""
        return tuple(key for key in self.available if key not in set(self.active))

    @property
    def steps(self) -> tuple[tuple[str, ComponentKey], ...]:
        """(activity, component), in the order they would be done."""
        return (*(("deactivate", key) for key in self.obsolete), *(("activate", key) for key in self.new))


def deployment(machine: Machine, container: str = "") -> Deployment:
    """Look. ``container`` restricts it to one."""
    summaries = machine.store.summaries()

    def is_wanted(key: ComponentKey) -> bool:
        return not container or key.container == container

    inventory = machine.inventory()
    available = {key for key in inventory.components if is_wanted(key) and key not in inventory.gone}
    marked = as_marked({key for key in summaries if summaries[key].active}, machine.unkept, machine.store.root)
    active = set(filter(is_wanted, marked))
    collectable = {key for key in summaries if summaries[key].garbage and is_wanted(key)}
    kept = {name: read(machine.store.root, name) for name in {key.container for key in active | collectable}}
    left = {
        key for key in active - available if not may_be_obsolete(inventory, machine.store, key, kept[key.container])
    }
    garbage = {key for key in collectable if not only_listed(machine.store, key, kept[key.container])}
    return Deployment(*(tuple(sorted(keys)) for keys in (available, active, garbage, left)))


def plan_deploy(machine: Machine, container: str, now: datetime) -> Plan:
    """Deactivate what is no longer available, then activate what is new. One that cannot be is a warning: the others
    are done all the same."""
    planned = deployment(machine, container)
    steps = planned.steps
    keys = tuple(key for _, key in steps)
    depends: dict[str, str] = {}
    warnings = [
        f"{key} stays active: nobody deployed it, or what its container has is not known" for key in planned.left
    ]
    for activity, key in steps:
        try:
            depends |= component_depends(machine, key)
            machine.plugin(key)
        except (EngineError, PluginError) as error:
            warnings.append(f"{key} could not be {activity}d: {words_of(error)[0]}")
    takes_out = any(activity == "deactivate" for activity, _ in steps)
    grade = graded(machine.settings, keys, Grade.UNDOABLE if takes_out else Grade.ADDS)
    counts = f"{sum(activity == 'activate' for activity, _ in steps)} new, {len(steps)} in all"
    return Plan(
        kind=Kind.DEPLOY,
        title=f"deploy {container or 'all containers'}: {counts}",
        keys=keys,
        grade=grade,
        steps=tuple(Step(f"{key} {ACTIVITIES[activity][1]}", str(key)) for activity, key in steps),
        params={"activities": [activity for activity, _ in steps]},
        depends=depends,
        warnings=tuple(warnings),
        blockers=() if steps else ("all that is available is active, and nothing else is",),
        command=("dysnomia-containers", "--deploy", *(("-C", container) if container else ())),
        confirm=confirmation(grade, keys, str(len(keys))) if keys else "",
        made=now,
    )


def nothing_to_do(machine: Machine, key: ComponentKey, activity: str) -> str:
    """Why an activity has nothing to do with a component, where Dysnomia's modules end well without doing anything:
    the type holds no state, there is no generation, it is no garbage. ``""`` where there is something.

    Raises Unknown, ConfigError, PluginError.
    """
    machine.component(key)
    plugin = machine.plugin(key)
    if activity in KNOWN and activity not in plugin.activities() | {"lock", "unlock"}:
        return f"type {plugin.type} has no {activity}"
    links = machine.store.root / "generations" / key.container / key.component
    if activity == "restore" and not (links.is_dir() and any(links.iterdir())):
        return "it has no generation to restore"
    if activity == "collect-garbage" and not isinstance(plugin, PrivateStatePlugin):
        return "" if machine.store.is_garbage(key) else "it is not marked as garbage"
    return ""


def run_deploy(work: JobContext) -> Outcome:
    """Each component's activity in turn; one that fails does not stop the rest, and what is so already is left."""
    done: list[str] = []
    failures = Failures(work)
    for index, (key, name) in enumerate(zip(work.plan.keys, work.plan.params["activities"], strict=True)):
        work.cancel.check()
        work.log.write("phase", name=f"{name} {key}", key=str(key))
        try:
            if work.machine.store.is_active(key) is (name == "activate"):
                work.log.write("log", line=f"{key}: {name}d by another process", key=str(key))
                continue
            activities.activity(work.component_job(index), name)
        except Expected as error:
            failures.add(key, error)
            continue
        done.append(f"{name}d {key}")
    failed = failures.messages
    message = "; ".join(done) if done else "another process has done all of it"
    if failed:
        message += f"; {len(failed)} failed"
    return failures.outcome(message, {"done": done, "failed": failed}, nothing_done=not done)
