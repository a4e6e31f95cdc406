"""What a plan rests on: written down when it is made, looked at again when it starts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from dysnomia_plugins.base import PropertyValue
from dysnomia_store.errors import StoreError
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.errors import EngineError
from dysnomia_tui.engine.machine.machine import Machine
from dysnomia_tui.engine.plans.plan import Plan
from dysnomia_tui.engine.redact import is_secret

GENERATION = "generation"
COMPONENT = "component"
TRASH = "trash"
LIVE = "live"
CONTAINER = "container"


def generation_depends(key: ComponentKey, number: int, snapshot_id: str) -> Mapping[str, str]:
    """Generation ``number`` must still be this snapshot."""
    return {f"{GENERATION} {number} {key}": snapshot_id}


def component_depends(machine: Machine, key: ComponentKey) -> Mapping[str, str]:
    """The component must still be configured as it is. Raises Unknown, ConfigError."""
    return {f"{COMPONENT} {key}": fingerprint(machine, key)}


def container_depends(machine: Machine, name: str) -> Mapping[str, str]:
    """The container must still be configured as it is. Raises Unknown, ConfigError."""
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

    Secrets are left out: a digest of one could be guessed from.
    """
    component = machine.component(key)
    properties = component.properties
    if machine.inventory().container(key.container).from_environment:
        properties = {"type": properties["type"]}
    return _digest(str(component.path), properties)


def _container_fingerprint(machine: Machine, name: str) -> str:
    container = machine.inventory().container(name)
    properties = {"type": container.type} if container.from_environment else container.properties
    return _digest("", properties)


def _digest(path: str, properties: Mapping[str, PropertyValue]) -> str:
    plain = sorted((name, value) for name, value in properties.items() if not is_secret(name))
    text = json.dumps([path, plain])
    return hashlib.sha256(text.encode()).hexdigest()


def why_stale(machine: Machine, plan: Plan) -> str:
    """Why the plan no longer holds, in words, or ``""``."""
    trash: Mapping[str, str] | None = None
    for name, expected in plan.depends.items():
        kind, _, rest = name.partition(" ")
        if kind == TRASH:
            trash = trash if trash is not None else {entry.name: entry.id for entry in machine.store.trash()}
            if trash.get(rest) != expected:
                return f"{rest} is no longer in the trash"
        elif kind == GENERATION:
            number, _, key = rest.partition(" ")
            reason = _generation_moved(machine, ComponentKey.parse(key), int(number), expected)
            if reason:
                return reason
        elif kind == COMPONENT:
            reason = _component_moved(machine, ComponentKey.parse(rest), expected)
            if reason:
                return reason
        elif kind == CONTAINER:
            try:
                moved = _container_fingerprint(machine, rest) != expected
            except EngineError as error:
                return error.message
            if moved:
                return f"container {rest} is configured in another way now"
    return ""


def _generation_moved(machine: Machine, key: ComponentKey, number: int, expected: str) -> str:
    try:
        current_id = machine.store.generation(key, number).id
    except StoreError as error:
        return error.message
    return "" if current_id == expected else f"generation {number} of {key} now links to another snapshot"


def _component_moved(machine: Machine, key: ComponentKey, expected: str) -> str:
    try:
        current = fingerprint(machine, key)
    except EngineError as error:
        return error.message
    return "" if current == expected else f"{key} is configured in another way now"
