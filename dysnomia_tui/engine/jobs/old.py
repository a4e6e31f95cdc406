"""Jobs that ended long ago: a machine that snapshots by the hour would keep their folders by the hundred thousand.

What they did stays in the audit, and so in the timeline. A job that can still be undone, that left anything to be put
right, or that cannot be read is kept.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from dysnomia_tui.engine.jobs.board import JobBoard, is_over
from dysnomia_tui.engine.jobs.folder import OLD, JobFolder, job_numbers

NEWEST = 1000
"""So many of the newest jobs are kept, however old they are."""
AGE = timedelta(days=90)
AT_ONCE = 50
"""So many are looked at when a job ends: another is not kept waiting."""


def remove(board: JobBoard, now: datetime) -> None:
    """Remove the folders of some jobs that are old. May fail, and then the next job does it."""
    numbers = job_numbers(board.path)
    candidates = numbers[:-NEWEST]
    for number in _some(candidates, numbers[-1]) if candidates else ():
        folder = JobFolder(board.path / str(number))
        if _is_old(board, folder, now):
            gone = board.path / f"{OLD}{number}"  # out of sight in one step: nobody reads half a job
            with suppress(OSError):
                folder.path.rename(gone)
                shutil.rmtree(gone)


def _some(candidates: Sequence[int], turn: int) -> Sequence[int]:
    """Others each turn, so that those that stay are in nobody's way."""
    at = turn * AT_ONCE % len(candidates)
    return (*candidates[at:], *candidates[:at])[:AT_ONCE]


def _is_old(board: JobBoard, folder: JobFolder, now: datetime) -> bool:
    before = (now - AGE).timestamp()
    if any(changed > before for changed in _times(folder.path)) or folder.held or not is_over(folder):
        return False
    view = board.view(folder.id)
    return not view.undoable and "unreadable" not in view.details


def _times(folder: Path) -> Iterable[float]:
    """When each of its files was written last; the end of time where that cannot be seen."""
    try:
        with os.scandir(folder) as entries:
            return [entry.stat(follow_symlinks=False).st_mtime for entry in entries]
    except OSError:
        return [float("inf")]
