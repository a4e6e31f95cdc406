"""Properties of a container that are most likely slips: a type does not read them, and reads one of nearly that name.

A container may have properties that no type knows (Disnix passes on whatever a deployment model says, and the SQL or
the programs of a component may use it), so a name is suspected only where little differs from one that is not set."""

from __future__ import annotations

from collections.abc import Collection, Iterator

OF_EVERY_CONTAINER = ("type", "components", "except")
_ALIKE = 0.9
"""How much alike two names are of which one is a slip of the other (difflib's ratio): one letter of ten, or two of
twenty."""
_SHORTEST = 6
"""Letters of a name from which on it may be the beginning of another (mysqlUser of mysqlUsername)."""


def misspelt(names: Collection[str], known: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield each name that is likely a slip, and the one that is meant. ``known``: what the type reads; empty where
    that is not known, and then there is none."""
    if not known:
        return
    free = [name for name in (*known, *OF_EVERY_CONTAINER) if name not in names]
    for name in sorted(names):
        if name not in known and name not in OF_EVERY_CONTAINER:
            meant = next((one for one in free if _slip(name, one)), "")
            if meant:
                yield name, meant


def _slip(name: str, known: str) -> bool:
    if name.casefold() == known.casefold() or sorted(name) == sorted(known):
        return True
    if len(name) >= _SHORTEST and known.startswith(name):
        return True
    from difflib import SequenceMatcher  # for who has made a mistake

    return SequenceMatcher(None, name, known, autojunk=False).ratio() >= _ALIKE
