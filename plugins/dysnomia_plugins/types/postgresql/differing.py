"""What a restore leaves as live has it, and the snapshot had otherwise: a database that was dropped and made again by
hand has often neither the encoding nor the grants and settings of the one that is lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dysnomia_plugins.base import Finding, Severity

_LOCALE = ("encoding", "provider", "locale", "collate", "ctype")
_KEPT = {
    "owner": ("owner",),
    "grants": ("default_acl", "acl"),
    "settings": ("settings",),
    "comment": ("comment",),
    "connection limit": ("limit",),
    "labels": ("labels",),
    "tablespace": ("tablespace",),
}


def differing(live: Mapping[str, Any], stored: Mapping[str, Any]) -> Iterator[Finding]:
    """The findings where live's surroundings are others than those of the snapshot, as far as it has a record."""
    changed = {key for key, value in stored.items() if live.get(key) != value}
    if changed.intersection(_LOCALE):
        yield Finding(
            Severity.WARNING,
            f"live is a database of {_locale(live)}, and the snapshot was of {_locale(stored)}: the new database would"
            " be like live, so the load may fail (live stays as it is) or texts sort in another way; drop the database"
            " first to get the encoding and locale of the snapshot",
        )
    others = [what for what, keys in _KEPT.items() if changed.intersection(keys)]
    if others:
        yield Finding(
            Severity.NOTE,
            f"the database keeps what live has of {', '.join(others)}: when it was dumped, that was otherwise",
        )


def _locale(around: Mapping[str, Any]) -> str:
    names = (str(around.get(key)) for key in ("encoding", "locale", "collate", "ctype") if around.get(key))
    return " ".join(dict.fromkeys(names))
