"""The records of garbage collection: policy, plan, trash. The rules are in ``rules``, the functions in ``gc``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from dysnomia_base.records import dataclass, field
from dysnomia_store.names import ComponentKey


@dataclass(frozen=True, slots=True)
class Policy:
    """What to keep of one component. Rules are ORed; a rule of 0 or None keeps nothing by itself.

    An empty policy deletes nothing. Periods are calendar periods in UTC; the newest good one of each is kept.
    """

    last: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    within: timedelta | None = None
    tagged: tuple[str, ...] = ()
    """Tags: whatever has one of them is kept."""
    at_least: int = 0
    """So many of the newest good ones are kept, and the budget does not take them."""
    min_age: timedelta | None = None
    """What is younger is kept, and the budget does not take it."""
    max_size: int | None = None
    """The budget of a component, in bytes on disk: of what the other rules keep (of all, where there are none) the
    oldest go until it is met. What is pinned, marked, in use or the last good one stays."""
    nothing: bool = False
    """Keep none, not even the last good one, nor a restore's guard: only what is pinned or in use is kept.
    Never a default."""

    @property
    def empty(self) -> bool:
        return self == Policy()

    @property
    def only_budget(self) -> bool:
        """Whether nothing chooses what is kept but the budget: its floors say what stays, and not what goes."""
        alone = Policy(max_size=self.max_size, at_least=self.at_least, min_age=self.min_age)
        return self.max_size is not None and self == alone


@dataclass(frozen=True, slots=True)
class GcLine:
    """One generation in the plan."""

    key: ComponentKey
    number: int
    id: str
    keep: bool
    rules: tuple[str, ...]
    """Why it is kept (``last 3``, ``pinned: before migration (alice)``, ``daily``, ``only good one``, ``in use by
    job 88``), or why it goes."""
    content_size: int | None
    stored_size: int


@dataclass(frozen=True, slots=True)
class GcSnapshot:
    """A snapshot that no kept generation needs: what its going frees."""

    key: ComponentKey
    id: str
    stored_size: int
    orphan: bool
    """True where no generation points at it now."""


@dataclass(frozen=True, slots=True)
class GcPlan:
    """What a collection would do. Hashable content: see ``digest``."""

    lines: tuple[GcLine, ...]
    snapshots: tuple[GcSnapshot, ...]
    broken_links: tuple[tuple[ComponentKey, str], ...]
    """Names of generation links that are broken, which would be removed."""
    freed: int
    """Exact bytes of all ``snapshots``: what comes back once the trash is emptied."""
    at: datetime
    """What time the plan took it to be."""
    generations: Mapping[str, str] = field(default_factory=dict)
    """Per component (``container/component``), the digest of the generations it was made from: when that moved, the
    plan is stale."""

    @property
    def dropped(self) -> tuple[GcLine, ...]:
        return tuple(line for line in self.lines if not line.keep)


@dataclass(frozen=True, slots=True)
class TrashEntry:
    """Something collected that can still be brought back."""

    name: str
    """Its name in the trash; unique."""
    key: ComponentKey
    id: str
    generations: tuple[int, ...]
    """The links that go back with it."""
    stored_size: int
    collected: datetime
    freed_on: datetime
    """When a later write job may free it."""
    job: str = ""
    who: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
