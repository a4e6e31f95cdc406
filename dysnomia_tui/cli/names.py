"""Containers and components as Dysnomia lets one name them: by name, or by path."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

NIX_HASH = 33
"""Characters before the name in ``/nix/store/<hash>-name``."""


def is_path(text: str) -> bool:
    """Whether an argument is a path: it starts with ``/`` or ``./``; anything else is looked up by name."""
    return text.startswith(("/", "./"))


def plain_name(text: str, environ: Mapping[str, str]) -> str:
    """The name that an argument stands for: of a path its last part, without the hash of a Nix store path."""
    if not is_path(text):
        return text
    base = text.rstrip("/").rpartition("/")[2]
    prefix = environ.get("NIX_STORE_DIR") or "/nix/store"
    if text.startswith(prefix.rstrip("/") + "/") and len(base) > NIX_HASH:
        return base[NIX_HASH:]
    return base


def given_path(text: str) -> Path | None:
    """The real path an argument names, or None where it is a name."""
    return Path(os.path.realpath(text)) if is_path(text) else None
