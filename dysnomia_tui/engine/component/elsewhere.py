"""A copy in another container of the same type: another server, another folder. Nothing there is ever replaced.

The type works on a stand-in: a component that has the properties of the other container and the files of the component
that is copied. Where the copy is called as its original, the stand-in has a name that nothing else has, so that a type
does not take the copy for what is live. The journal is that of ``<container>/<copy>``, the second of the job's
components: what a killed job left there is put right under its lock, and keeps nobody from writing to the original.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from dysnomia_plugins.base import Component, Context, StatePlugin
from dysnomia_plugins.errors import NotSafe
from dysnomia_store.names import ComponentKey
from dysnomia_store.store import ComponentLock
from dysnomia_tui.engine.component.context import ComponentJob, settle_others, state_plugin
from dysnomia_tui.engine.component.guard import Restored
from dysnomia_tui.engine.component.restore import copy_to
from dysnomia_tui.engine.component.target import RestoreTarget
from dysnomia_tui.engine.component.trust import made_here

STAND_IN = "dysnomia-stand-in"
"""The component of which a copy is one that has its original's name."""


def stand_in(source: Component, copy: Component) -> Component:
    """What a type is given to make the copy ``there`` (its key) of ``source``."""
    name = source.key.component
    name = STAND_IN if name == copy.key.component else name
    return Component(ComponentKey(copy.key.container, name), source.path, copy.properties)


def noted(component: Component) -> Mapping[str, str]:
    """What the journal tells of a stand-in: all but the properties, in which secrets may be."""
    return {"component": component.key.component, "path": str(component.path)}


def as_noted(component: Component, step: Mapping[str, object]) -> Component:
    """The stand-in again, from the step ``copy`` of a job that is to be put right."""
    if "component" not in step:
        return component
    key = ComponentKey.of(component.key.container, str(step["component"]))
    return replace(component, key=key, path=Path(str(step["path"])))


def refuse_known(plugin: StatePlugin, ctx: Context, copy: Component) -> None:
    """Raise NotSafe where a component called as the copy has state in the other container, in whatever place its type
    keeps it: the copy would be taken for it, or get in its way."""
    live = plugin.live(copy)
    other = Component(ComponentKey(copy.key.container, STAND_IN), copy.path, copy.properties)
    if live != plugin.live(other) and plugin.exists(ctx, live):
        raise NotSafe(f"{live.name} already exists in {copy.key.container}", "choose another name for the copy")


def copy_elsewhere(
    here: ComponentJob, copy: ComponentJob, number: int, target: RestoreTarget, snapshot_id: str
) -> Restored:
    """Make generation ``number`` of ``here`` the copy ``there``. Raises StoreError or PluginError, with nothing left.

    ``there``: of the copy's key; its component has the other container's properties."""
    with _both(here, copy, f"restore {number} of {here.key} as {copy.key}") as lock:
        generation = here.store.generation(here.key, number)
        if snapshot_id and generation.id != snapshot_id:
            raise NotSafe(f"generation {number} of {here.key} now links to another snapshot", "plan the restore again")
        component = stand_in(here.component, copy.component)
        job = replace(copy, component=component)
        with job.context(made_here=made_here(here.store, generation)) as ctx:
            refuse_known(state_plugin(copy), ctx, replace(copy.component, path=component.path))
            return copy_to(job, here, ctx, lock, generation, target, noted(component))


@contextmanager
def _both(here: ComponentJob, copy: ComponentJob, doing: str) -> Iterator[ComponentLock]:
    """Hold both locks, always taken in the same order, and yield that of ``here``."""
    first, second = sorted((here, copy), key=lambda job: job.key)
    with first.locked(doing) as one, second.locked(doing) as two:
        settle_others(first, one)
        settle_others(second, two)
        copy.hold(here)
        yield one if first is here else two
