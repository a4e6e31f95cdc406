"""The summary of a store."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from dysnomia_base.records import dataclass

if TYPE_CHECKING:
    from dysnomia_store.model import Generation
    from dysnomia_store.names import ComponentKey


@dataclass(frozen=True, slots=True)
class Summary:
    """One component at a glance, from the cache."""

    key: ComponentKey
    generations: int
    newest: Generation | None
    newest_good: Generation | None
    stored_size: int
    """Real bytes of all its snapshots."""
    active: bool
    garbage: bool
    problems: int
    """Generations that are suspicious, failed a check, lead nowhere."""
    readable: bool = True
    """False where its generations may not be read by this user: then their number is not known."""
    lost: tuple[int, ...] = ()
    """Numbers of generations that cannot be restored: damaged, missing, unreadable. Not those that are marked bad: of
    them somebody knows."""
    usually: timedelta | None = None
    """The distance between two snapshots, as the last of them had it; None where there are too few."""


@dataclass(frozen=True, slots=True)
class Committed:
    """What a commit came to."""

    generation: Generation
    new: bool
    """False where the newest generation already held this state: it was only seen again."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What the import of an archive came to."""

    made: tuple[Generation, ...]
    """Those that are new, in the archive's order."""
    already: int
    """How many of the archive's were here."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Where the space is."""

    by_component: Mapping[ComponentKey, int]
    """Bytes on disk; what several share is counted once."""
    orphans: int
    trash: int
    disk_total: int
    disk_free: int
    growth: tuple[tuple[datetime, int], ...]
    """Stored bytes over time, one point a day, oldest first."""
    generations: int = 0
    content: int = 0
    """Bytes of the content of all snapshots, before compression and before what they share."""


@dataclass(frozen=True, slots=True)
class Optimised:
    """What came of making one snapshot share what it can."""

    converted: int = 0
    """Artefacts that are folders of frames now."""
    linked: int = 0
    """Frames that share a file now."""
    freed: int = 0
    """Bytes that came back; negative where nothing was shared yet, and the frames take more."""
    left: str = ""
    """Why it was left as it is, in words; ``""`` where nothing hindered it."""
