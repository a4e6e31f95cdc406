"""What a component of the type ``process`` runs, and where the file with its number is: as Dysnomia reads them.

``etc/dysnomia/process/*`` is one file of ``key=value`` lines: ``process`` is the command that starts the daemon (a
program and its arguments, split at blanks), ``pidFile`` the file in which the daemon writes its number. Without such a
file the one program in ``bin/`` is started; without ``pidFile`` it is ``<runtimeDir>/<program>.pid``. A property of the
container stands in for a line that is not in the file.
"""

from __future__ import annotations

import functools
import os
import posixpath
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dysnomia_base.ownership import refusal
from dysnomia_plugins.base import Component, PropertyValue
from dysnomia_plugins.config_files.properties import read_properties
from dysnomia_plugins.config_files.substitution import TIME_LIMIT, run
from dysnomia_plugins.errors import BadProperties, NotSafe, PluginError
from dysnomia_plugins.interface.context import single
from dysnomia_plugins.loading.external import module_environment, require_obeyed

CONFIGURED = Path("etc") / "dysnomia" / "process"
RUNTIME = "/var/run"
LOGS = "/var/log"


@dataclass(frozen=True, slots=True)
class Spec:
    """How a component's daemon is started and found again."""

    command: tuple[str, ...]
    pid_file: str
    timeout: float
    """Seconds in which the file with its number has to be there, once its command has ended."""
    log_file: str
    """Where a log of it may be."""

    @classmethod
    def of(cls, component: Component) -> Spec:
        """Raises PluginError where nothing says what to run, NotSafe where others may write what says it."""
        values = {**component.properties, **_configured(component)}
        given = single(values, "process")
        command = tuple(given.split()) if given else (str(_only_program(component)),)
        if not command:
            raise BadProperties(f"{component.key}: process holds only blanks", "name the program to start")
        name = posixpath.basename(command[0])
        pid_file = single(values, "pidFile") or posixpath.join(single(values, "runtimeDir", RUNTIME), f"{name}.pid")
        stem = posixpath.basename(pid_file).removesuffix(".pid")
        log_file = posixpath.join(single(values, "logDir", LOGS), f"{stem}.log")
        return cls(command, pid_file, _seconds(component, single(values, "timeout", "1")), log_file)

    @property
    def name(self) -> str:
        return posixpath.basename(self.command[0])

    def words(self, path: str) -> tuple[str, ...]:
        """The command with its program by its whole path, looked for in ``path``.

        Raises PluginError where it is not there, or others may write it."""
        program = shutil.which(self.command[0], path=path)
        if program is None:
            raise PluginError(
                f"the process {self.command[0]} does not exist or is not executable",
                "check bin/ and etc/dysnomia/process of the component",
            )
        require_obeyed(Path(program))
        return (program, *self.command[1:])


def _configured(component: Component) -> Mapping[str, PropertyValue]:
    """What the component's own file says; nothing where it has no folder for one."""
    folder = component.path / CONFIGURED
    if not folder.is_dir():
        return {}
    names = _names(folder)
    if not names:
        raise PluginError(f"there is no file in {folder}", "put one there, with process=… and pidFile=…")
    if len(names) > 1:
        raise PluginError(
            f"{folder} holds several files ({', '.join(names)})", "leave one: a component has one process"
        )
    known = {"runtimeDir": RUNTIME, **module_environment(component.properties)}
    compute = functools.partial(run, time_limit=TIME_LIMIT, variables=known)
    return read_properties(folder / names[0], compute)


def _only_program(component: Component) -> Path:
    """The program in ``bin/``: which one is started must not depend on a guess."""
    folder = component.path / "bin"
    names = _names(folder) if folder.is_dir() else []
    if not names:
        raise PluginError(
            f"{component.key} has no process", f"put a program into {folder}, or a file into {CONFIGURED}"
        )
    if len(names) > 1:
        raise PluginError(
            f"{component.key} has more than one process ({', '.join(names)})", f"name one of them in {CONFIGURED}"
        )
    return folder.absolute() / names[0]


def _names(folder: Path) -> list[str]:
    """What is in a folder that nobody else may write: its names decide what is run, or what is ended."""
    refused = refusal(folder)
    if refused:
        raise NotSafe(refused, "give it to root (chown, chmod go-w), or to the user who calls")
    return sorted(name for name in os.listdir(folder) if not name.startswith("."))


def _seconds(component: Component, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 3600:
        raise BadProperties(f"{component.key}: timeout is not a number of seconds ({text})", "write digits, up to 3600")
    return seconds
