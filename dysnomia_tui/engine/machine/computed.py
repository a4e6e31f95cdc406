"""What bash computes in a container's file beyond the environment.

Dysnomia evaluates each line within its own script, so the script's variables have values there: the container's name
and type, and the component that an activity is about. Files use them, as in ``targetDir=/srv/$component``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from dysnomia_base.patterns import pattern
from dysnomia_plugins.base import PropertyValue
from dysnomia_plugins.config_files.properties import read_properties

COMPONENT = "component"
_NAMED = pattern(r"\$\{?[#!]?(component|type|operation|module|componentFile|containerConfig|container)\b")
_NOT_KEPT = ("operation", "module", "componentFile")
"""Those that differ from call to call: what is shown, planned and done would be of different values."""
_MARK = "\0"
"""In no value: a file that holds it is refused."""


class _Computing:
    """One pass over a file, with the variables that it has."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.variables = variables
        self.mentioned: set[str] = set()
        self.ran = False

    def __call__(self, command: str) -> str:
        """Raises ValueError with the reason."""
        from dysnomia_plugins.config_files.substitution import run  # most files have nothing to run

        mentioned = set(_NAMED.findall(command))
        for name in _NOT_KEPT:
            if name in mentioned:
                raise ValueError(f"${name} has another value with each activity: write the value itself")
        self.mentioned |= mentioned
        self.ran = True
        return run(command, variables={name: self.variables[name] for name in mentioned})


class Values(NamedTuple):
    """What a container's file says."""

    properties: Mapping[str, PropertyValue]
    computed: frozenset[str] = frozenset()
    """Those that bash computed: the next reading may give others."""
    by_component: bool = False
    """Whether they are others for each component."""


def read_values(path: Path, name: str, component: str = "") -> Values:
    """Read a container's file, for one of its components if that is known. Raises BadProperties."""
    computing = _Computing({"container": name, "containerConfig": str(path), COMPONENT: component, "type": ""})
    properties = read_properties(path, computing)
    if not computing.ran:
        return Values(properties)
    container_type = properties.get("type", "")
    if "type" in computing.mentioned and isinstance(container_type, str):
        computing.variables = {**computing.variables, "type": container_type}
        properties = read_properties(path, computing)
    marked = read_properties(path, lambda _command: _MARK)
    computed = frozenset(one for one, value in marked.items() if _MARK in "".join(value))
    return Values(properties, computed, COMPONENT in computing.mentioned)
