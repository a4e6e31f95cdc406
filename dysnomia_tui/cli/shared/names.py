"""Containers and components as Dysnomia lets one name them: by name, or by path."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

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
