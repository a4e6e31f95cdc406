"""A type's entry point, found without ``importlib.metadata``, whose import is felt in every command.

Only where there is no doubt what that would find: one distribution offers the type, as plain metadata in a folder of
``sys.path``. Whatever else there is (an egg, an archive, a finder of somebody's, a second distribution with the type)
is left to the library.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.machinery import PathFinder
from pathlib import Path

from dysnomia_base.records import dataclass

_METADATA = (".dist-info", ".egg-info")


@dataclass(frozen=True)
class Offered:
    """A type, by the class that gives it. In what is used of it as ``importlib.metadata.EntryPoint``."""

    name: str
    value: str
    """``package.module:Class``."""

    def load(self) -> object:
        """Import the class. Raises what its module raises, and AttributeError."""
        module, _, name = self.value.partition(":")
        return getattr(import_module(module), name)


def offered(group: str) -> Mapping[str, Offered] | None:
    """The entry points of ``group`` by name, without those of which ``importlib.metadata`` has to be asked; None where
    it has to be asked of all."""
    if any(hasattr(finder, "find_distributions") and finder is not PathFinder for finder in sys.meta_path):
        return None
    values_by_name: dict[str, list[str]] = {}
    for folder in dict.fromkeys(sys.path):
        try:
            names = os.listdir(folder or ".")
        except FileNotFoundError:
            continue
        except OSError:
            return None
        if folder.endswith(".egg") or any(entry.endswith(".egg") for entry in names):
            return None
        for entry in names:
            if entry.endswith(_METADATA):
                for name, value in _points(Path(folder, entry, "entry_points.txt"), group):
                    values_by_name.setdefault(name, []).append(value)
    return {
        name: Offered(name, values[0])
        for name, values in values_by_name.items()
        if len(values) == 1 and _is_plain(values[0])
    }


def _points(path: Path, group: str) -> Iterator[tuple[str, str]]:
    """Names and values of a group, as the file has them (packaging.python.org: Entry points specification)."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return
    if group not in text:
        return
    section = ""
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif section == group and not line.startswith("#"):
            name, _, value = line.partition("=")
            yield name.strip(), value.strip()


def _is_plain(value: str) -> bool:
    """``package.module:Class``, and none of the other forms that a value may have."""
    module, colon, name = value.partition(":")
    return bool(colon) and name.isidentifier() and all(map(str.isidentifier, module.split(".")))
