"""Containers and components that a command's own arguments give: by path, or by type with the environment's values.

Disnix calls ``dysnomia --type T --container X --component /nix/store/… --environment``: nothing of it needs to be
configured on the machine.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from dysnomia_base.environment import reaches_children
from dysnomia_base.patterns import pattern
from dysnomia_base.records import replace
from dysnomia_store.names import ComponentKey
from dysnomia_tui.config import Settings
from dysnomia_tui.config.model import GivenContainer
from dysnomia_tui.config.nix import plain_name
from dysnomia_tui.engine.machine.inventory import ConfiguredContainer, Inventory, read_container

_VARIABLE = pattern(r"[A-Za-z_][A-Za-z0-9_]*")
_NO_PROPERTIES = frozenset({"PATH", "DYSNOMIA_STATEDIR", "type"})


def with_overrides(inventory: Inventory, settings: Settings, environ: Mapping[str, str]) -> Inventory:
    """The inventory, with what the command line gave before what is configured."""
    if not settings.given_containers and not settings.given_components:
        return inventory
    containers = dict(inventory.containers)
    for name, given in settings.given_containers.items():
        containers[name] = _container(name, given, environ)
    components = dict(inventory.components)
    for name, path in settings.given_components.items():
        components[ComponentKey.parse(name)] = path
    return replace(inventory, containers=dict(sorted(containers.items())), components=dict(sorted(components.items())))


def _container(name: str, given: GivenContainer, environ: Mapping[str, str]) -> ConfiguredContainer:
    if given.file is not None:
        return read_container(given.file, name, default_type=given.type)
    values = {key: text for key, text in environ.items() if _is_property(key)}
    return ConfiguredContainer(
        name, Path("(the environment)"), {**values, "type": given.type}, from_environment=True
    )  # fmt: skip


def _is_property(name: str) -> bool:
    """Whether a variable of the caller is a property: not those that would change what programs do."""
    return _VARIABLE.fullmatch(name) is not None and name not in _NO_PROPERTIES and reaches_children(name)


def real_component(path: Path, name: str, environ: Mapping[str, str]) -> Path:
    """Resolve a component's real path: a link to it may be replaced while it is in service.

    A link that is called otherwise than what it leads to stays as it is: a module takes the component's name from it.
    """
    real = os.path.realpath(path)
    return Path(real) if plain_name(real, environ) == name else path
