"""How databases are called, and the collections that jobs make. Needs no PyMongo."""

from __future__ import annotations

import re

from dysnomia_plugins.errors import NotSafe

OURS = "dysnomia_"
"""Begins the names of collections that jobs make."""
_MADE_BY_A_JOB = re.compile(f"{OURS}[0-9a-f]{{8}}_")
"""With the beginning of a store's id: operators may call theirs ``dysnomia_…`` as well."""
LONGEST = 255
"""Bytes of a database's and a collection's name with the dot between them, since MongoDB 4.4."""
_SERVERS = frozenset({"admin", "config", "local"})
_REFUSED = frozenset('/\\. "$*<>:|?\0')


def check_database(name: str) -> str:
    """Return ``name`` if a database can be called so. Raises NotSafe."""
    if not name or name in _SERVERS or _REFUSED & set(name) or not name.isprintable():
        raise NotSafe(f"{name!r} cannot be the name of a database of MongoDB", "choose another name")
    if len(name.encode()) > 63:
        raise NotSafe(f"the name {name!r} is longer than 63 bytes", "choose a shorter one")
    return name


def is_readable(collection: str) -> bool:
    """False of a name that MongoDB allows, and PyMongo refuses."""
    return ".." not in collection and not collection.endswith(".")


def is_ours(collection: str) -> bool:
    return _MADE_BY_A_JOB.match(collection) is not None
