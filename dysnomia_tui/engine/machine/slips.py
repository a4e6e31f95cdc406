"""Properties of containers that are most likely slips (``postgresqlPrt=``): a type ignores what it does not know, and
works on another server, or another folder, than whoever wrote the file meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from dysnomia_plugins.loading.misspelt import misspelt

if TYPE_CHECKING:
    from dysnomia_tui.engine.machine.inventory import ConfiguredContainer
    from dysnomia_tui.engine.machine.machine import Machine


def slips(machine: Machine) -> Iterator[str]:
    """Of all containers, a sentence each."""
    for container in machine.inventory().containers.values():
        yield from _slips(machine, container)


def slips_in(machine: Machine, names: Iterable[str]) -> tuple[str, ...]:
    """Of some containers, for the plan of what is done in them."""
    containers = machine.inventory().containers
    ours = [containers[name] for name in dict.fromkeys(names) if name in containers]
    return tuple(text for container in ours for text in _slips(machine, container))


def _slips(machine: Machine, container: ConfiguredContainer) -> Iterator[str]:
    """None where the properties are the caller's environment: most of it is not meant for the type."""
    if container.problem or container.from_environment:
        return
    plugin = machine.plugin_of_type(container.type)
    if plugin is None:
        return
    for name, meant in misspelt(tuple(container.properties), plugin.property_names):
        yield f"{container.path}: {container.type} has no property {name}, so it is ignored: is {meant} meant?"
