"""What would bring a type that is not there: said where a container names one, in a line that can be followed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from dysnomia_plugins.errors import PluginError

_UNIX = ""
DYSNOMIAS: Mapping[str, str] = {
    "bsdrc-script": "FreeBSD and the like",
    "cygrunsrv-service": "Cygwin on Windows",
    "iis-webapplication": "Cygwin on Windows",
    "launchd-daemon": "macOS",
    "mssql-database": "Cygwin on Windows",
    "s6-rc-service": _UNIX,
}
"""The types of Dysnomia 0.10.2 that are none of ours, and what they work on alone. Its modules run here as they are.

Source: the files in ``dysnomia-modules/`` of Dysnomia 0.10.2."""
_ALIKE = 0.8
"""How much alike two names are of which one may be a slip of the other (difflib's ratio)."""


class NoSuchType(PluginError):
    """Nothing here has a type. ``remedy`` says what would bring it; ``hint`` besides what there is."""

    def __init__(self, type_name: str, remedy: str, known: Sequence[str], folders: Sequence[Path]) -> None:
        message = f"there is no type {type_name!r}" if type_name else "no type is named (type=)"
        searched = _searched(folders) or "empty"
        hint = f"{remedy}; known types are {', '.join(known) or 'none'}; the modules path is {searched}"
        super().__init__(message, hint)
        self.remedy = remedy


def what_would_bring(type_name: str, known: Sequence[str], folders: Sequence[Path]) -> str:
    """One sentence for an operator: where a module has to be, what to install, or which name may have been meant."""
    if not type_name:
        return "add a line type=… to the file of the container"
    if type_name.startswith("/"):
        return "put an executable module at that path, or name a type"
    module = next((path for folder in folders if (path := folder / type_name).is_file()), None)
    if module is not None:
        return f"make its module executable: chmod +x {module}"
    if type_name in DYSNOMIAS:
        alone = DYSNOMIAS[type_name]
        works = f" (it works on {alone} alone)" if alone else ""
        return f"Dysnomia's own module brings it{works}: {_put('libexec/dysnomia/' + type_name, folders)}"
    from difflib import get_close_matches  # for who has made a mistake

    meant = get_close_matches(type_name, [*known, *DYSNOMIAS], 1, _ALIKE)
    maybe = f"if {meant[0]} is meant, correct type=; else " if meant else ""
    return f"{maybe}{_put('a module called ' + type_name, folders)}, or install a Python package that has this type"


def _put(what: str, folders: Sequence[Path]) -> str:
    """Which folder, or how to name one."""
    if not folders:
        return f"put {what} into a folder, and name that in DYSNOMIA_MODULES_PATH"
    return f"put {what} into a folder of the modules path ({_searched(folders)})"


def _searched(folders: Sequence[Path]) -> str:
    return ":".join(map(str, folders))
