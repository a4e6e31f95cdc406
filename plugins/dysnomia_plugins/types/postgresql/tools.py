"""Which client programs are used: found wherever they are, of the server's major version or the next newer one."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dysnomia_plugins.base import Runner
from dysnomia_plugins.errors import ToolMissing
from dysnomia_plugins.toolkit.guarded.named_file import require_obeyed_file

FOLDERS = ("lib/postgresql/*/bin", "pgsql-*/bin", "local/pgsql*/bin")
"""Below ``/usr``: Debian's, the PostgreSQL project's RPMs, and a build from source."""

_FIXED_RESTRICT = {13: 22, 14: 19, 15: 14, 16: 10, 17: 6}
"""From which minor release on psql has \\restrict (14 August 2025)."""
_FIXED_UNRESTRICT = {14: 24, 15: 19, 16: 15, 17: 11, 18: 6}
"""From which minor release on a dump cannot leave it (CVE-2026-18408)."""
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)(?:\.(\d+))?")
_FOLDER_MAJOR = re.compile(r"(\d+)/bin\Z")


@dataclass(frozen=True, slots=True)
class Tool:
    """A client program and its version."""

    path: str
    major: int
    minor: int

    @property
    def restricts(self) -> bool:
        """Whether psql knows ``\\restrict``."""
        return self.major >= 18 or self.minor >= _FIXED_RESTRICT.get(self.major, 1 << 30)

    @property
    def warning(self) -> str:
        """What is wrong with loading untrusted dumps by this psql, or ``""``."""
        fixed = _FIXED_UNRESTRICT.get(self.major)
        if self.major > 18 or (fixed is not None and self.minor >= fixed):
            return ""
        return f"psql {self.major}.{self.minor} has known holes for hostile dumps" + (
            f" (fixed in {self.major}.{fixed})" if fixed else ""
        )


def any_tool(name: str, folder: str = "") -> str:
    """Where a client program of whatever version is: in ``folder``, the newest there is, or its name for the PATH."""
    if folder:
        return _named(folder, name)
    tools = [(int(match[1]), str(path / name)) for path in _folders(name) if (match := _FOLDER_MAJOR.search(str(path)))]
    return max(tools)[1] if tools else shutil.which(name) or name


def newest(name: str, folder: str = "") -> int | None:
    """The major version of the newest of these programs in the usual folders, 0 where that is not known; None where
    this machine has none."""
    if folder or not any(_folders(name)):
        return 0 if shutil.which(f"{folder.rstrip('/')}/{name}" if folder else name) else None
    return max((int(match[1]) for path in _folders(name) if (match := _FOLDER_MAJOR.search(str(path)))), default=0)


def tool_inside(name: str, folder: str, runner: Runner) -> Tool:
    """The client program of a container, which ``runner`` runs in it. Raises ToolMissing."""
    return _version_of(f"{folder.rstrip('/')}/{name}" if folder else name, runner)


def fitting_tool(name: str, major: int, runner: Runner, folder: str = "", *, minor: bool = True) -> Tool:
    """The client program of the server's major version, else the oldest that is newer, else the newest there is.

    Without ``minor`` it is not asked for its minor release (0) where its folder tells the major one.

    Raises ToolMissing where there is none at all, or none in the ``folder`` that was named."""
    if folder:
        return _version_of(_named(folder, name), runner)
    for path in _folders(name):
        match = _FOLDER_MAJOR.search(str(path))
        if match and int(match[1]) == major:
            return _version_of(str(path / name), runner) if minor else Tool(str(path / name), major, 0)
    tools = [tool for path in _candidates(name) if (tool := _try(path, runner)) is not None]
    if not tools:
        return _version_of(name, runner)
    newer = [tool for tool in tools if tool.major >= major]
    return min(newer, key=lambda tool: tool.major) if newer else max(tools, key=lambda tool: tool.major)


def _named(folder: str, name: str) -> str:
    """The program in the folder of ``postgresqlBinDir``. Raises NotSafe where others may write it: it may run as us."""
    path = f"{folder.rstrip('/')}/{name}"
    if os.path.lexists(path):
        require_obeyed_file(path, "postgresqlBinDir")
    return path


def _folders(name: str) -> Iterator[Path]:
    for pattern in FOLDERS:
        for path in Path("/usr").glob(f"{pattern}/{name}"):
            if path.is_file():
                yield path.parent


def _candidates(name: str) -> Iterator[str]:
    """By the PATH first (the runner's): it may lead to one that is in none of the usual folders."""
    yield name
    for path in _folders(name):
        yield str(path / name)


def _try(path: str, runner: Runner) -> Tool | None:
    try:
        return _version_of(path, runner)
    except ToolMissing:
        return None


def _version_of(path: str, runner: Runner) -> Tool:
    done = runner.run([path, "--version"], timeout=30)
    match = _VERSION.search(done.stdout.decode("utf-8", "replace"))
    if match is None:
        raise ToolMissing(
            f"cannot read the version of {path} from its --version", "check that it is a program of PostgreSQL"
        )
    return Tool(path, int(match[1]), int(match[2] or 0))
