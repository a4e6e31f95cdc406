"""What preflights of every type need: a list of findings that grows, and how much room there is."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from dysnomia_base import room
from dysnomia_plugins.base import Finding, Severity
from dysnomia_plugins.toolkit.guarded.flags import path_is_fixed

FOR_THE_GUARD = "for the guard, before compression, in the store"
"""Where room is needed for what is live: a place as ``Preflight.needs`` names it."""


@dataclass
class Findings:
    """What was found so far."""

    list: list[Finding] = field(default_factory=list)

    def add(self, severity: Severity, text: str, *, of_snapshot: bool = False) -> None:
        self.list.append(Finding(severity, text, of_snapshot))


def of_snapshot(findings: Iterable[Finding]) -> Iterator[Finding]:
    """These findings, as ones about the snapshot."""
    return (replace(one, of_snapshot=True) for one in findings)


def free_bytes(path: str | os.PathLike[str] | None) -> int | None:
    """Bytes that are free where ``path`` is; None where that cannot be seen, no path is known, or the file system does
    not count them."""
    if not path:
        return None
    try:
        return room.free_bytes(os.statvfs(path))
    except OSError:
        return None


def on_read_only(path: str) -> Iterator[Finding]:
    """That nothing can be made where ``path`` is or would be, whoever asks: its file system is mounted read-only, or
    its folder is immutable."""
    try:
        flags = os.statvfs(existing(path)).f_flag
    except OSError:
        return
    if flags & os.ST_RDONLY:
        text = f"{path} is on a file system that is mounted read-only: mount it for writing (mount -o remount,rw)"
        yield Finding(Severity.BLOCKER, text)
    yield from on_fixed(existing(path))


def on_fixed(path: str) -> Iterator[Finding]:
    """That ``path`` is immutable or append-only: nothing is made in such a folder, and neither it nor a file can be
    exchanged."""
    if path_is_fixed(path):
        text = f"{path} is immutable or append-only (see lsattr -d), which stops root too: run chattr -ia on it"
        yield Finding(Severity.BLOCKER, text)


def existing(path: str) -> str:
    """The path, or the nearest folder above it where nothing is there yet."""
    while path and not Path(path).exists():
        path = posixpath.dirname(path)
    return path or "/"
