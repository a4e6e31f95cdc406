"""Whose turn it is: jobs on one component in the order of their numbers, and N at once over all.

Pure: what the worker reads of the other jobs goes in, the answer comes out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dysnomia_base.records import dataclass
from dysnomia_store.names import ComponentKey


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job that has not ended."""

    number: int
    keys: frozenset[ComponentKey]
    started: bool


@dataclass(frozen=True, slots=True)
class Turn:
    """May the job start, and if not, behind whom does it wait."""

    may: bool
    behind: int | None = None
    """The job it waits for."""
    why: str = ""


def turn(me: Waiting, jobs: Iterable[Waiting], at_once: int) -> Turn:
    """Decide for ``me``.

    Args:
        jobs: all jobs that have not ended (``me`` may be among them).
        at_once: how many may run at the same time.
    """
    others = sorted((job for job in jobs if job.number != me.number), key=lambda job: job.number)
    blocker = _blocker(me, others)
    if blocker is not None:
        return Turn(False, blocker.number, "it is on the same component")
    ahead = [job for job in others if job.started or (job.number < me.number and _blocker(job, others) is None)]
    if len(ahead) >= at_once:
        return Turn(False, ahead[0].number, f"{at_once} run at once")
    return Turn(True)


def _blocker(job: Waiting, others: Sequence[Waiting]) -> Waiting | None:
    """The nearest earlier job on one of the same components, or one of them that has started already."""
    same = [
        other
        for other in others
        if other.number != job.number and other.keys & job.keys and (other.number < job.number or other.started)
    ]
    return same[-1] if same else None
