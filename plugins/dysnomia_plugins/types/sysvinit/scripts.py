"""The init scripts that a component brings: those of one run level, in the order of their names."""

from __future__ import annotations

import enum
import os
import re
from dataclasses import dataclass
from pathlib import Path

from dysnomia_plugins.base import Component, Runner
from dysnomia_plugins.errors import BadProperties, PluginError, ProcessFailed
from dysnomia_plugins.loading.external import module_environment
from dysnomia_plugins.toolkit.deployment import names_in

INSIDE = Path("etc") / "rc.d"
DEFAULT_LEVEL = "3"
NOT_RUNNING = 3
DEAD = (1, 2)
_PREFIX = re.compile(r"[SK]\d\d")


class State(enum.StrEnum):
    """What a script says of its service, by its status (LSB 5.0, "Init Script Actions")."""

    RUNNING = "running"
    DEAD = "dead"
    STOPPED = "stopped"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Script:
    """One script, as it is called in its run level."""

    path: Path

    @property
    def name(self) -> str:
        """Of its service: ``web`` of ``S50web``."""
        return _PREFIX.sub("", self.path.name, count=1) or self.path.name

    def words(self, action: str) -> tuple[str, ...]:
        return (str(self.path), action)

    def state(self, component: Component, runner: Runner, timeout: float) -> tuple[State, str]:
        """What it says of its service, and the last line that it prints. Scripts that do not know ``status`` are
        unknown, unless they end well all the same."""
        try:
            output = runner.run(
                self.words("status"), env=module_environment(component.properties), timeout=timeout
            ).stdout  # fmt: skip
            return State.RUNNING, _last(output.decode("utf-8", "backslashreplace"))
        except ProcessFailed as error:
            if error.status == NOT_RUNNING:
                return State.STOPPED, ""
            return (State.DEAD if error.status in DEAD and not _usage(error) else State.UNKNOWN), _last(error.stderr)


def scripts_of(component: Component) -> tuple[Script, ...]:
    """Those of the container's run level, in the order in which they are started. Raises PluginError."""
    level = component.prop("runlevel", DEFAULT_LEVEL)
    if not level.isalnum():
        raise BadProperties(f"runlevel is not one of a system's ({level})", "as in runlevel=3")
    folder = component.path.absolute() / INSIDE / f"rc{level}.d"
    hint = "put links to its scripts there, or set runlevel"
    names = names_in(component, folder, f"scripts of run level {level}", hint)
    for name in names:
        if not os.access(folder / name, os.X_OK):
            raise PluginError(f"{folder / name} does not exist or is not executable", f"chmod +x {folder / name}")
    return tuple(Script(folder / name) for name in names)


def _usage(error: ProcessFailed) -> bool:
    """Whether it only says how it is called: many end with status 1 then."""
    return "usage" in error.stderr.lower()


def _last(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else ""
