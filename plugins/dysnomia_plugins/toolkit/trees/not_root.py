"""What a tree would lose that is restored by a user who is not root, as far as its index says it in a moment."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator

from dysnomia_plugins.base import Finding, Severity, Stored
from dysnomia_plugins.toolkit.guarded.groups import own_groups
from dysnomia_plugins.toolkit.trees.member import Kind
from dysnomia_store.errors import NotFound
from dysnomia_store.model import Section

_BUDGET = 0.4
"""Seconds to read the index."""
_PRIVILEGED = ("xattr security.", "xattr trusted.")


def not_root(stored: Stored) -> Iterator[Finding]:
    """Nothing for root, nor where all is the caller's own."""
    if os.geteuid() == 0:
        return
    losses = _losses(_in_time(stored))
    if losses is None:
        text = "not root: all files will belong to you, and have only those groups that you are in"
        yield Finding(Severity.WARNING, text)
    elif losses:
        yield Finding(Severity.WARNING, f"not root: {'; '.join(losses)}", of_snapshot=True)


def _losses(sections: Iterable[Section | None]) -> list[str] | None:
    """In words; None where not all of the index was read."""
    uid, groups = str(os.geteuid()), {str(gid) for gid in own_groups()}
    owned = grouped = devices = privileged = 0
    for section in sections:
        if section is None:
            return None
        if section.kind in (Kind.CHAR, Kind.DISK):
            devices += 1
            continue
        owner, _, group = section.attributes.get("owner", "").partition(":")
        if owner and owner != uid:
            owned += 1
        elif group and group not in groups:
            grouped += 1
        privileged += any(name.startswith(_PRIVILEGED) for name in section.attributes)
    counts = (
        (owned, "that belong to others will belong to you, without their set-id bits"),
        (grouped, "of groups that you are not in will have yours"),
        (privileged, "will lack capabilities or other attributes that only root can set"),
    )
    files = [f"{count:,} {'file' if count == 1 else 'files'} {what}" for count, what in counts if count]
    return [*files, *([f"{devices:,} {'device' if devices == 1 else 'devices'} will be left out"] if devices else [])]


def _in_time(stored: Stored) -> Iterator[Section | None]:
    """The sections; None at the end where there is no index, or no time."""
    deadline = time.monotonic() + _BUDGET
    try:
        for section in stored.sections():
            yield section
            if time.monotonic() > deadline:
                yield None
                return
    except NotFound:
        yield None
