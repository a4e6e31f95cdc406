"""Containers and components as Dysnomia lets one name them: by name, or by path."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from dysnomia_tui.cli.shared.parser import Usage
from dysnomia_tui.config import nix


def is_path(text: str) -> bool:
    """Whether an argument is a path: it starts with ``/`` or ``./``; anything else is looked up by name."""
    return text.startswith(("/", "./"))


def plain_name(text: str, environ: Mapping[str, str]) -> str:
    """The name that an argument means: of a path its last part, without the hash of a Nix store path."""
    return nix.plain_name(text, environ) if is_path(text) else text


def given_path(text: str) -> Path | None:
    """The real path an argument names, or None where it is a name."""
    return Path(os.path.realpath(text)) if is_path(text) else None


def new_outside(text: str, statedir: Path) -> Path:
    """The path of what a command is to write, which the state directory does not hold.

    Raises Usage: what stands there is the store's own, and a look at it would meet what is not."""
    path = Path(text).absolute()
    if Path(os.path.realpath(path.parent), path.name).is_relative_to(os.path.realpath(statedir)):
        raise Usage(f"{path} is in the state directory {statedir}", "name a place outside of it")
    return path
