"""Jobs in a line: the strip at the foot of every screen, the toasts, the list."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, TypeAlias

from rich.text import Text

from dysnomia_tui.app.present import styles
from dysnomia_tui.app.present.sizes import duration, size, tally
from dysnomia_tui.app.present.text import cut, join, plain, spread
from dysnomia_tui.app.present.times import Times
from dysnomia_tui.app.state import AppState
from dysnomia_tui.engine.records import JobState, JobView

Severity: TypeAlias = Literal["information", "warning", "error"]


def amount(count: int, unit: str) -> str:
    """A quantity of a job's unit: bytes as sizes, anything else counted."""
    return size(count) if unit == "bytes" else f"{tally(count)} {unit}".rstrip()


def progress(job: JobView) -> Text:
    """``dump 62%  410M  198M/s  1s left``: what is known of it."""
    parts = [plain(job.phase or styles.JOB[job.state].word, styles.BUSY)]
    if job.total:
        parts.append(plain(f"{min(100 * job.done // job.total, 100)}%", styles.STRONG))
    if job.done:
        parts.append(plain(amount(job.done, job.unit)))
    if job.rate:
        parts.append(plain(f"{amount(round(job.rate), job.unit)}/s", styles.DIM))
        if job.total and job.done < job.total:
            left = timedelta(seconds=(job.total - job.done) / job.rate)
            parts.append(plain(f"{duration(left)} left", styles.DIM))
    return join(parts, "  ")


def job_line(job: JobView, times: Times, cells: int | None = None) -> Text:
    """One job: number, title, and how far it is or how it ended.

    In fewer than ``cells`` cells the title is cut first: a third of them is for what became of it.
    """
    look = styles.JOB[job.state]
    lead = join([plain(f"J{job.id}", styles.STRONG), plain(job.title)])
    if job.state is JobState.RUNNING:
        tail = progress(job)
    elif job.state is JobState.QUEUED:
        tail = plain(job.message or (f"waits for J{job.behind}" if job.behind else "queued"), styles.INFO)
    else:
        word = plain(f"{look.glyph} {look.word}", look.style)
        when = plain(times.ago(job.ended), styles.DIM) if job.ended else Text("")
        tail = join([word, plain(job.message), when], "  ")
    if cells is not None:
        lead = cut(lead, max(cells - 2 - min(tail.cell_len, cells // 3), 8))
    return join([lead, tail], "  ")


NONE = "no jobs yet"
HIDDEN = "permission denied: the jobs of this store"


def strip(state: AppState, times: Times, key: str, cells: int) -> Text:
    """The job strip: the first that runs and how many more; else the last one that ended."""
    jobs = state.jobs
    if not jobs:
        return plain(f" {HIDDEN if state.hidden else NONE}", styles.DIM)
    running = {job.id: job for job in jobs if not job.state.ended}
    # A job of a group tells of those that it began.
    open_jobs = [job for job in running.values() if job.part_of not in running]
    first = open_jobs[0] if open_jobs else max(jobs, key=lambda job: job.ended or job.created)
    who = plain(f"  by {first.who}", styles.DIM) if open_jobs and first.who else Text("")
    more = f"  +{len(open_jobs) - 1} more" if len(open_jobs) > 1 else ""
    right = plain(f"{more}  {key} jobs ", styles.KEY)
    line = join([" ", job_line(first, times, cells - 1 - right.cell_len), who], "")
    return spread(cut(line, cells), right, cells)


def outcome(job: JobView) -> tuple[str, str, Severity]:
    """Return title, message and severity of the toast that is shown when a job has ended."""
    look = styles.JOB[job.state]
    severity: Severity = "information"
    if job.state in (JobState.FAILED, JobState.INTERRUPTED, JobState.UNREADABLE):
        severity = "error"
    elif job.state is not JobState.DONE:
        severity = "warning"
    words = job.message or look.word
    if job.undoable:
        words += " (u undoes it)"
    return f"J{job.id} {job.title}: {look.word}", words, severity
