"""The type ``wrapper``: the component brings its own module, ``bin/wrapper ACTIVITY CONTAINER``.

As in Dysnomia, the component's path is not passed: the wrapper knows where it stands.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import ClassVar

from dysnomia_plugins.base import Component
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.loading.external import ACTIVITIES, ModuleConvention, require_obeyed


class Wrapper(ModuleConvention):
    """Runs what the component brings."""

    type: ClassVar[str] = "wrapper"
    title: ClassVar[str] = "wrapped service"

    def activities(self) -> frozenset[str]:
        return frozenset(ACTIVITIES)

    def command(self, component: Component, activity: str) -> Sequence[str | bytes]:
        program = component.path / "bin" / "wrapper"
        if not program.is_file():
            raise PluginError(f"{component.key} has no wrapper", f"put an executable at {program}")
        if not os.access(program, os.X_OK):
            raise PluginError(f"the wrapper of {component.key} is not executable", f"chmod +x {program}")
        require_obeyed(program)
        return (os.fsencode(program), activity, component.key.container)
