"""Child processes that run our own Python: they import what we import, and nothing from the working directory."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

from dysnomia_base.ownership import is_obeyed

_OWN = ("dysnomia_base", "dysnomia_store", "dysnomia_plugins", "dysnomia_tui")


def python_child(module: str, call: str = "main()", *arguments: str) -> list[str]:
    """The argv of a Python process that runs ``module``'s ``call`` and ends with what it returns.

    Isolated (``-I``): no PYTHON variable counts, nor the folder we stand in, nor a user's own packages. Where modules
    are found is handed over instead, since a wrapped script (as on NixOS) knows more of that than its interpreter.
    """
    code = f"import sys; sys.path[:] = {list(import_path())!r}; from {module} import main; sys.exit({call})"
    bytecode = ("-B",) if sys.flags.dont_write_bytecode else ()
    return [sys.executable, "-I", *bytecode, "-c", code, *arguments]


def import_path() -> Iterator[str]:
    """The folders that we import from, less those that are relative or that others may write. What the interpreter
    itself has, and where our own packages were found, stays: we run what already exists."""
    kept = {os.path.dirname(os.path.dirname(file)) for name in _OWN if (file := _file(name))}  # noqa: PTH120
    prefixes = tuple(f"{prefix.rstrip('/')}/" for prefix in (sys.prefix, sys.base_prefix))
    for folder in dict.fromkeys(sys.path):
        if folder.startswith("/") and (folder in kept or folder.startswith(prefixes) or is_obeyed(folder)):
            yield folder


def _file(name: str) -> str:
    module = sys.modules.get(name)
    return str(getattr(module, "__file__", "") or "")
