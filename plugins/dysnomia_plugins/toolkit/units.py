"""The systemd unit of the processes that have a database open, where that is theirs alone.

The database's owner can start a server anywhere, and name control groups below those that were delegated as it likes:
what is stopped with root's rights for it must be the one unit that the system's manager made for this server.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.guarded.folder import Folder
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_plugins.toolkit.processes import PROC, RunningProcess

_SECONDS = 60.0
_SLICE = "system.slice"
_UNIT = re.compile(r"(?P<name>[A-Za-z0-9_][A-Za-z0-9_.:\\-]*)(?P<instance>@[A-Za-z0-9_.:\\-]*)?\.service")
_HIERARCHIES = ("", "name=systemd")
"""Of control groups, in which the system's manager has its units: version 2, version 1 (cgroups(7))."""


def unit_of(folder: str, pids: Sequence[int], tool_path: str, of_script: str = "") -> str:
    """The unit that is for the server with these processes; ``""`` where there is none of that kind, or more than one,
    or where a process is another user's than root or the owner of the database's folder.

    Args:
        of_script: the unit that is made of an init script of the server's package, which names no main process."""
    units = {unit_in(pid) for pid in pids}
    unit = units.pop() if len(units) == 1 else ""
    if not unit or not _are_of_the_owner(folder, pids):
        return ""
    main = _main_process(unit, tool_path)
    return unit if main in pids or (main == 0 and unit == of_script) else ""


def unit_in(pid: int) -> str:
    """The unit of the system's manager that a process is in; ``""`` where it is in none."""
    try:
        text = (PROC / str(pid) / "cgroup").read_text("utf-8", "replace")
    except OSError:
        return ""
    return unit_named(text)


def unit_named(text: str) -> str:
    """The unit in the ``cgroup`` file of a process: directly below the slice of the system, or of its template."""
    for line in text.split("\n"):
        parts = line.split(":", 2)
        if len(parts) != 3 or parts[1] not in _HIERARCHIES:
            continue
        above, _, last = parts[2].rpartition("/")
        match = _UNIT.fullmatch(last)
        if match is None:
            continue
        template = "system-" + match["name"].replace("-", r"\x2d") + ".slice"
        if above == f"/{_SLICE}" or (match["instance"] and above == f"/{_SLICE}/{template}"):
            return last
    return ""


def _are_of_the_owner(folder: str, pids: Sequence[int]) -> bool:
    try:
        with Folder.at(folder) as opened:
            allowed = {0, opened.stat().st_uid}
    except (OSError, PluginError):
        return False
    processes = [RunningProcess.of(pid) for pid in pids]
    return all(process is not None and process.uids <= allowed for process in processes)


def _main_process(unit: str, tool_path: str) -> int:
    """What a unit is for. The owner of the database can start a server in a unit that serves everybody (cron, at,
    sshd), which nobody wants to have stopped for it. -1: that is not known.

    The service that is made of an init script names no main process (0): it is known by its name."""
    try:
        properties = ProcessRunner(tool_path=tool_path).run(
            ("systemctl", "show", "--property=MainPID", "--value", "--", unit), timeout=_SECONDS
        )
    except PluginError:
        return -1
    main = properties.stdout.decode("ascii", "replace").strip()
    return int(main) if main.isdigit() else -1
