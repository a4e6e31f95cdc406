"""What the journal of a job tells of what the job may have left behind. From the journal alone: asks no type.

Apart from the recovery itself, since every writer looks at all journals and almost never finds one to put right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def in_its_swap(left: UnfinishedJob) -> bool:
    """Whether a job ended between the first step of its swap and the last, and nobody has put that right yet."""
    swap = step_of(left, "swap")
    return swap is not None and not swap.get("in_place") and needs_settling(left) and step_of(left, "swapped") is None


def half_restored(left: UnfinishedJob) -> bool:
    """Whether a module restored in place, did not come to its end, and nothing made live whole since.

    Of a job whose worker is gone. From the journal alone, so it can be asked of any job at any time.
    """
    swap = step_of(left, "swap")
    if swap is None or not swap.get("in_place"):
        return False
    return step_of(left, "swapped") is None and step_of(left, RESOLVED) is None


def left_over(lefts: Sequence[UnfinishedJob]) -> tuple[Mapping[str, bool], str]:
    """Of a job that could not clean up behind itself: somebody has to be told, and the next writer does it. (What a
    module left half restored is told by the journal.)

    Returns details of its result, and words that follow how it ended; nothing where nothing is left."""
    lefts = [left for left in lefts if made_something(left) and not half_restored(left)]
    if not lefts:
        return {}, ""
    by = "by the next job on the component"
    if any(map(in_its_swap, lefts)):
        return {"uncleared": True}, f"; it was cut off in its swap, which is finished or taken back {by}"
    swapped = any(step_of(left, "swapped") is not None for left in lefts)
    return {"uncleared": True}, "" if swapped else f"; what it had begun is removed {by}"
