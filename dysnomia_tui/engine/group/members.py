"""What a group's name stands for: a group of config.toml, or a container."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from dysnomia_base.records import dataclass
from dysnomia_store.model import Generation
from dysnomia_store.names import ComponentKey
from dysnomia_tui.config.model import GroupSettings
from dysnomia_tui.engine.errors import Blocked, EngineError, Unknown
from dysnomia_tui.engine.machine.machine import Machine


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one component of a group was at a time."""

    key: ComponentKey
    generation: Generation | None
    """The newest good one that held then, or before."""
    newer: int = 0
    """Generations made since."""
    new: bool = False
    """Its server did not have it then: it is left as it is."""


def group_of(machine: Machine, name: str, *, gone: bool = False) -> GroupSettings:
    """A group of config.toml comes before a container of the same name. Raises Unknown, Blocked.

    ``gone``: of a container, what its server held once belongs to it, too."""
    given = machine.settings.groups.get(name)
    if given is not None:
        return given
    if name not in machine.inventory().containers:
        known = ", ".join(sorted(machine.settings.groups)) or "none"
        raise Unknown(f"there is no group and no container {name!r}", f"groups of config.toml: {known}")
    inventory = machine.inventory()
    every = [*inventory.components_of(name), *(key for key in inventory.gone if gone and key.container == name)]
    keys = tuple(key for key in sorted(every) if _restores(machine, key))
    if not keys:
        raise Blocked(f"container {name} has no component that holds state", "name a group of config.toml")
    return GroupSettings(keys)


def _restores(machine: Machine, key: ComponentKey) -> bool:
    """Whether its type holds state. One whose type is not known is left in: the plan names what is wrong with it."""
    try:
        return "restore" in machine.plugin(key).activities()
    except EngineError:
        return True


def standing(machine: Machine, name: str, when: datetime) -> tuple[Standing, ...]:
    """Where each component of a group was at a time, in the group's order. Raises Unknown, Blocked, StoreError."""
    given = tuple(_standing(machine, key, when) for key in group_of(machine, name, gone=True).components)
    if name in machine.settings.groups or not any(one.generation for one in given):
        return given
    return tuple(replace(one, new=True) if _is_new(machine, one, when) else one for one in given)


def _standing(machine: Machine, key: ComponentKey, when: datetime) -> Standing:
    generation = machine.store.newest_good_before(key, when)
    if generation is None:
        return Standing(key, None)
    return Standing(key, generation, sum(1 for one in machine.store.generations(key) if one.number > generation.number))


def _is_new(machine: Machine, one: Standing, when: datetime) -> bool:
    """Whether a look at the server of a container with ``components=*`` found it after that time. One that was found
    before and has no generation of then is missing: nobody knows what it held."""
    if one.generation is not None or one.key.container not in machine.inventory().listings:
        return False
    first = machine.store.listed_at(one.key)
    return first is not None and first > when
