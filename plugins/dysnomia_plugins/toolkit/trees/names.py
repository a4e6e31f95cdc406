"""Names in a tree: their order, what lies below what, and which of them jobs gave."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Container

from dysnomia_base.records import dataclass
from dysnomia_plugins.base import Place

_OWN = re.compile(r"\.dysnomia-[0-9a-f]{8}_.+-(beside|aside|scratch|copy)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class RootAt:
    """One root of a tree at one place."""

    root: str
    """Its name below the target folder; ``.`` is the target folder itself."""
    path: str
    base: str
    """The folder that a job made for it (``path`` is it, or below it); ``""`` at a place that no job made."""


def own_name(name: str) -> bool:
    """Whether a file's name is one that a job gave: such a folder is no state."""
    return _OWN.fullmatch(name) is not None


def purpose_of(place: Place) -> str:
    """``beside``, ``aside``, ``scratch``, or ``""`` for a place that no job made."""
    match = _OWN.fullmatch(posixpath.basename(place.name))
    return match.group(1) if match else ""


def below(path: str, folder: str) -> bool:
    """Whether ``path`` is ``folder`` or lies in it."""
    return folder == "." or path == folder or path.startswith(folder + "/")


def root_of(path: str, roots: Container[str]) -> str | None:
    """Which of the roots, of which none lies in another, ``path`` is or lies in; None where it lies in none of them.

    It looks at the folders above ``path``, not at each of the roots: of those there may be thousands."""
    if "." in roots:
        return "."
    while path not in roots:
        path, slash, _ = path.rpartition("/")
        if not slash:
            return None
    return path


def sort_key(path: str) -> tuple[bytes, ...]:
    """The order in which members are stored: a folder, then what is in it, names by their bytes."""
    return () if path == "." else tuple(os.fsencode(path).split(b"/"))
