"""What ``dysnomia-containers`` generates: a Nix expression of the containers, a graph of their components.

Lines are Dysnomia's, wherever those are valid; names and values that would break them are quoted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dysnomia_base.ownership import refusal
from dysnomia_tui.cli.shared.output import say
from dysnomia_tui.engine.errors import ConfigError

if TYPE_CHECKING:
    from dysnomia_plugins.base import PropertyValue
    from dysnomia_tui.engine import Inventory

PROPERTIES = "/etc/dysnomia/properties"
"""Facts about the machine, unless ``DYSNOMIA_PROPERTIES`` says where they are."""
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_'-]*")
_KEYWORDS = frozenset({"if", "then", "else", "assert", "with", "let", "in", "rec", "inherit", "or"})
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def read_machine(environ: Mapping[str, str]) -> Mapping[str, PropertyValue] | None:
    """The machine's own properties; None where there is no such file. Raises ConfigError naming file and line."""
    from dysnomia_plugins.config_files.properties import read_properties
    from dysnomia_plugins.errors import BadProperties

    path = Path(environ.get("DYSNOMIA_PROPERTIES") or PROPERTIES)
    if not path.is_file():
        return None
    refused = refusal(path)
    if refused:
        say(f"warning: {refused}")
        return None
    try:
        return read_properties(path)
    except BadProperties as error:
        raise ConfigError(error.message, "correct the file") from error


def nix_expression(machine: Mapping[str, PropertyValue] | None, inventory: Inventory) -> str:
    """``{ properties = …; containers = …; system = …; }``, as Disnix imports it. Values are strings and lists of
    strings; a container that cannot be read is left out."""
    return "\n".join(_expression(machine, inventory))


def _expression(machine: Mapping[str, PropertyValue] | None, inventory: Inventory) -> Iterator[str]:
    yield "{"
    if machine is not None:
        yield "  properties = {"
        yield from (f"    {nix_string(name)} = {_nix_value(value)};" for name, value in machine.items())
        yield "  };"
    yield "  containers = {"
    for name, container in inventory.containers.items():
        if container.unread:
            continue
        yield f"    {nix_name(name)} = {{"
        for key, value in container.properties.items():
            if key != "type":
                yield f"      {nix_string(key)} = {_nix_value(value)};"
        yield "    };"
    yield "  };"
    if machine is not None and "system" in machine:
        yield f'  "system" = {_nix_value(machine["system"])};'
    yield "}"


def nix_name(name: str) -> str:
    """An attribute's name: itself where it is an identifier, else quoted."""
    return name if _IDENTIFIER.fullmatch(name) and name not in _KEYWORDS else nix_string(name)


def nix_string(text: str) -> str:
    """``text`` as a string literal of Nix."""
    escaped = "".join(_ESCAPES.get(char, char) for char in text)
    return '"' + escaped.replace("${", "\\${") + '"'


def _nix_value(value: PropertyValue) -> str:
    if isinstance(value, str):
        return nix_string(value)
    return "[ " + "".join(f"{nix_string(one)} " for one in value) + "]"


def dot(inventory: Inventory) -> str:
    """Each configured container as a cluster, with its available components in it."""
    return "".join(f"{line}\n" for line in _graph(inventory))


def _graph(inventory: Inventory) -> Iterator[str]:
    yield "digraph G {"
    for name in inventory.containers:
        yield f"  subgraph {_cluster(name)} {{"
        yield "    style=filled;"
        yield f"    label={dot_string(name)};"
        yield "    fillcolor=grey"
        yield "    node [style=filled,fillcolor=white,color=black];"
        for key in inventory.components_of(name):
            yield f"    {dot_string(str(key))} [ label = {dot_string(key.component)} ];"
        yield "  }"
    yield "}"


def _cluster(name: str) -> str:
    """An id of its own for each container: a plain name's is Dysnomia's, with ``_`` for ``-``."""
    if re.fullmatch(r"[A-Za-z0-9-]+", name):
        return f"cluster_{name.replace('-', '_')}"
    return dot_string(f"cluster {name}")


def dot_string(text: str) -> str:
    """A quoted string of dot; ``\\\\`` begins an escape in a label, so it is doubled."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
