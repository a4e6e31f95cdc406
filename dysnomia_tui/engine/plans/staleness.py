"""What a plan rests on: written down when it is made, looked at again when it starts."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from functools import cache

from dysnomia_plugins.base import PropertyValue
from dysnomia_plugins.errors import BadProperties
from dysnomia_store.errors import StoreError
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.errors import EngineError
from dysnomia_tui.engine.machine.computed import read_values
from dysnomia_tui.engine.machine.inventory import ConfiguredContainer
from dysnomia_tui.engine.machine.machine import Machine
from dysnomia_tui.engine.plans.plan import Plan
from dysnomia_tui.engine.redact import is_secret

GENERATION = "generation"
COMPONENT = "component"
TRASH = "trash"
LIVE = "live"
CONTAINER = "container"
COMPUTED = "computed"
LASTS = 1.1
"""Seconds after which a value that was computed is computed again: a time of day is another by then."""

Properties = Mapping[str, PropertyValue]


def generation_depends(key: ComponentKey, number: int, snapshot_id: str) -> Mapping[str, str]:
    """Generation ``number`` must still be this snapshot."""
    return {f"{GENERATION} {number} {key}": snapshot_id}


def component_depends(machine: Machine, key: ComponentKey) -> Mapping[str, str]:
    """The component must still be configured as it is. Raises Unknown, ConfigError."""
    values = _computed(machine, key.container, machine.component(key).properties)
    return {
        f"{COMPONENT} {key}": fingerprint(machine, key),
        **{f"{COMPUTED} {name} {key}": _digest(name, {name: value}) for name, value in values.items()},
    }


def container_depends(machine: Machine, name: str) -> Mapping[str, str]:
    """The container must still be configured as it is, but for what is computed: where that counts, a component of it
    depends on it. Raises Unknown, ConfigError."""
    return {f"{CONTAINER} {name}": _container_fingerprint(machine, name)}


def live_depends(key: ComponentKey, identity: str) -> Mapping[str, str]:
    """What is live must still be this file or folder: looked at under the component's lock, before it is replaced
    (``ComponentJob.planned``), and not here. Nothing where only a server can tell."""
    return {f"{LIVE} {key}": identity} if identity else {}


def trash_depends(names: Mapping[str, str]) -> Mapping[str, str]:
    """These entries of the trash (name -> id) must still be there."""
    return {f"{TRASH} {name}": snapshot_id for name, snapshot_id in names.items()}


def fingerprint(machine: Machine, key: ComponentKey) -> str:
    """A digest of how a component is configured: another type, target or server is another digest.

    Secrets are left out: a digest of one could be guessed from. So is what bash computes, each of which may be another
    each time.
    """
    component = machine.component(key)
    return _digest(str(component.path), _given(machine.inventory().container(key.container), component.properties))


def _container_fingerprint(machine: Machine, name: str) -> str:
    container = machine.inventory().container(name)
    return _digest("", _given(container, container.properties))


def _given(container: ConfiguredContainer, properties: Properties) -> Properties:
    if container.from_environment:
        return {"type": container.type}
    return {name: value for name, value in properties.items() if name not in container.computed}


def _computed(machine: Machine, container: str, properties: Properties) -> Properties:
    names = machine.inventory().container(container).computed
    return {name: value for name, value in properties.items() if name in names and not is_secret(name)}


def _digest(path: str, properties: Properties) -> str:
    plain = sorted((name, value) for name, value in properties.items() if not is_secret(name))
    text = json.dumps([path, plain])
    return hashlib.sha256(text.encode()).hexdigest()


def why_stale(machine: Machine, plan: Plan) -> str:
    """Why the plan no longer holds, in words, or ``""``."""
    in_trash = cache(lambda: {entry.name: entry.id for entry in machine.store.trash()})
    for name, expected in plan.depends.items():
        kind, _, rest = name.partition(" ")
        if kind == TRASH:
            reason = "" if in_trash().get(rest) == expected else f"{rest} is no longer in the trash"
        else:
            looks = _LOOKS.get(kind)
            reason = looks(machine, rest, expected) if looks else ""
        if reason:
            return reason
    return ""


def _generation_moved(machine: Machine, rest: str, expected: str) -> str:
    number, _, key = rest.partition(" ")
    try:
        current_id = machine.store.generation(ComponentKey.parse(key), int(number)).id
    except StoreError as error:
        return error.message
    return "" if current_id == expected else f"generation {number} of {key} now links to another snapshot"


def _value_moved(machine: Machine, rest: str, expected: str) -> str:
    """A value that is another each time, as one with the time of day in it, says nothing; one that stays does."""
    name, _, text = rest.partition(" ")
    key = ComponentKey.parse(text)
    try:
        now = machine.component(key).properties.get(name, "")
        if _digest(name, {name: now}) == expected:
            return ""
        time.sleep(LASTS)
        container = machine.inventory().container(key.container)
        again = read_values(container.path, container.name, key.component).properties.get(name, "")
    except (EngineError, BadProperties) as error:
        return error.message
    return f"the container's property {name} has another value for {key} now" if again == now else ""


def _component_moved(machine: Machine, rest: str, expected: str) -> str:
    try:
        current = fingerprint(machine, ComponentKey.parse(rest))
    except EngineError as error:
        return error.message
    return "" if current == expected else f"{rest} is configured in another way now"


def _container_moved(machine: Machine, rest: str, expected: str) -> str:
    try:
        current = _container_fingerprint(machine, rest)
    except EngineError as error:
        return error.message
    return "" if current == expected else f"container {rest} is configured in another way now"


_LOOKS: Mapping[str, Callable[[Machine, str, str], str]] = {
    GENERATION: _generation_moved, COMPONENT: _component_moved, COMPUTED: _value_moved, CONTAINER: _container_moved,
}  # fmt: skip
"""By kind, what looks whether something is as the plan has it, and says what is not."""
