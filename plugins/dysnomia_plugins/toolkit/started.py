"""What a component's own programs start: run as Dysnomia runs them, known by a mark, and ended if that failed.

The mark stands in the environment of the program, and of all that it starts, unless one cleans its environment.
"""

from __future__ import annotations

import posixpath
import signal
from collections.abc import Callable, Iterable, Sequence

from dysnomia_plugins.base import Context, OutputLine
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.interface.context import SERVICE_UMASK
from dysnomia_plugins.loading.external import module_environment
from dysnomia_plugins.toolkit.guarded.folder import Folder
from dysnomia_plugins.toolkit.guarded.way import real_path
from dysnomia_plugins.toolkit.processes import RunningProcess, last_lines

MARK = "DYSNOMIA_ACTIVATION"
LAST = 5.0
"""Seconds that a process has for its end whose activation failed: then it is killed."""


def run_program(ctx: Context, words: Sequence[str], mark: str = "") -> None:
    """Run a program of the component's to its end; daemons that it leaves live on. It has the container's properties
    as variables, and what it prints goes to the job's log. Raises ProcessFailed, Cancelled, ToolMissing."""
    environment = module_environment(ctx.component.properties, path=ctx.tool_path)
    if mark:
        environment[MARK] = mark
    ctx.runner.follow(
        words, env=environment, umask=SERVICE_UMASK,
        on_stdout=lambda line: ctx.progress.log(OutputLine.of(line)),
        on_stderr=lambda line: ctx.progress.log(line.decode("utf-8", "backslashreplace")),
    )  # fmt: skip


def end_all(find: Callable[[], Iterable[RunningProcess]]) -> None:
    """End what ``find`` gives, and what it gives then, at last by force. Raises PluginError where something stays."""
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGKILL):
        processes = list(find())
        for process in processes:
            process.send(number)
        for process in processes:
            process.ended(LAST)
    left = [str(process.pid) for process in find()]
    if left:
        raise PluginError(
            f"processes {', '.join(left)} did not end after SIGTERM",
            "see what they wait for (ps, strace), end them, then try again",
        )


def log_file(path: str, lines: int) -> tuple[list[str], str]:
    """The last lines of the file in which a log may be, and its name; nothing where it may not be read."""
    if not path.startswith("/"):
        return [], ""
    try:
        folder, name = posixpath.split(real_path(path, setting="logDir"))
        with Folder.at(folder) as opened, opened.file(name) as descriptor:
            return last_lines(descriptor, lines), path
    except (OSError, PluginError):
        return [], ""
