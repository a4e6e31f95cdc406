"""What is known of a job, running or ended, and the lines that it wrote meanwhile."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dysnomia_base.records import dataclass, field

if TYPE_CHECKING:
    from dysnomia_store.names import ComponentKey


class JobState(enum.StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    DONE = "done"
    PARTLY = "partly"
    FAILED = "failed"
    CANCELLED = "cancelled"
    STALE = "stale"
    """Its plan no longer held when it started; nothing was touched."""
    INTERRUPTED = "interrupted"
    """Its process is gone and left no result."""
    UNREADABLE = "unreadable"
    """It is over, or nothing is known of it: a file of its folder cannot be read. Its message says which."""

    @property
    def ended(self) -> bool:
        return self not in (JobState.QUEUED, JobState.RUNNING, JobState.CANCELLING)


@dataclass(frozen=True, slots=True)
class JobView:
    """One job, from its folder."""

    id: str
    """A number as text: 91 is shown ``J91``."""
    kind: str
    title: str
    keys: tuple[ComponentKey, ...]
    state: JobState
    who: str
    why: str
    created: datetime
    started: datetime | None
    ended: datetime | None
    phase: str
    done: int
    total: int | None
    unit: str
    rate: float | None
    """Units a second."""
    message: str
    """Its last word: the result, or whom it waits for."""
    behind: str = ""
    """The job it waits for."""
    undoable: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)
    """Of the result: generations made, guard, clients that came back, bytes freed."""
    part_of: str = ""
    """The job of a group that began it."""

    @property
    def of_whole_group(self) -> str:
        """The group all of which it restored, undid or snapshotted, also where another finished it; else ``""``."""
        done = self.state in (JobState.DONE, JobState.PARTLY, JobState.INTERRUPTED)
        return str(self.details.get("group", "")) if done and self.kind == "group" else ""

    @property
    def to_recover(self) -> bool:
        """Whether something of it may be left that nobody has put right: it died, or could not clean up."""
        died = self.state is JobState.INTERRUPTED and "recovered" not in self.details
        return died or bool(self.details.get("uncleared"))


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a job's ``events.jsonl``."""

    at: datetime
    kind: str
    """``queued``, ``started``, ``phase``, ``progress``, ``log``, ``cancel``, ``result``."""
    data: Mapping[str, Any]
