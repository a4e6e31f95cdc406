"""A command that a container's property names."""

from __future__ import annotations

import shlex

from dysnomia_plugins.base import Component
from dysnomia_plugins.errors import PluginError


def command_words(component: Component, name: str) -> tuple[str, ...]:
    """The command as words; none where the container names none.

    An array is taken as it is, a string is split at its blanks as a shell would. Raises PluginError."""
    value = component.properties.get(name, ())
    if not isinstance(value, str):
        return tuple(value)
    try:
        return tuple(shlex.split(value))
    except ValueError as error:
        raise PluginError(
            f"{name} of {component.key} is not a list of words ({error})", "write it as an array of bash: (word word)"
        ) from error
