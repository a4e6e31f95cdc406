"""What the journal of a job tells of what the job may have left behind. From the journal alone: asks no type.

Apart from the recovery itself, since every writer looks at all journals and almost never finds one to put right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dysnomia_base.records import dataclass
from dysnomia_tui.engine.component.journal import FileJournal

if TYPE_CHECKING:
    from dysnomia_plugins.base import Journal

SETTLED = "settled"
"""The journal's entry: nothing is left to be done for a job."""
RESOLVED = "resolved"
"""The journal's entry that says which later job made whole what this one left half restored."""


@dataclass(frozen=True)
class UnfinishedJob:
    """A job whose worker may have left something behind, or whose restore is to be undone."""

    job: str
    journal: Journal
    """The job's own journal: recovery goes on writing it."""
    who: str = ""
    text: str = ""

    @property
    def damage(self) -> str:
        """What of the journal cannot be read, or ``""``."""
        return self.journal.damage if isinstance(self.journal, FileJournal) else ""


def step_of(left: UnfinishedJob, name: str) -> dict[str, object] | None:
    """The data of the newest engine step ``name`` in a job's journal."""
    return next((dict(data) for entry, data in reversed(left.journal.steps()) if entry == name), None)


def needs_settling(left: UnfinishedJob) -> bool:
    """Whether a job's journal says that something may be left. Cheap: reads the journal alone.

    One that is damaged may have said anything, but for that all was done in the end."""
    names = {name for name, _ in left.journal.steps()}
    if not (names or left.damage):
        return False
    return not names & {SETTLED, "dropped", "undone", "unguarded", "copied", "reverted"}


def made_something(left: UnfinishedJob) -> bool:
    """Whether a job that has ended left something that it had made on the server or beside live: not one that failed
    while it only read."""
    read_only = {"dump", "commit"}
    return needs_settling(left) and any(name not in read_only for name, _ in left.journal.steps())


def half_restored(left: UnfinishedJob) -> bool:
    """Whether a module restored in place, did not come to its end, and nothing made live whole since.

    Of a job whose worker is gone. From the journal alone, so it can be asked of any job at any time.
    """
    swap = step_of(left, "swap")
    if swap is None or not swap.get("in_place"):
        return False
    return step_of(left, "swapped") is None and step_of(left, RESOLVED) is None
