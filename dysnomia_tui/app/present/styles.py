"""What things look like: the sixteen colours by meaning, and the word and the glyph of every state.

Only ANSI colours are named here: a terminal of sixteen colours shows its own, and a theme says what each is elsewhere.
State is never told by colour alone: each has a glyph and a word too.
"""

from __future__ import annotations

from dataclasses import dataclass

from dysnomia_store.model import CheckResult, Generation, Verdict
from dysnomia_tui.engine.plans.plan import Grade
from dysnomia_tui.engine.records import Change, Health, JobState

GOOD = "green"
WARN = "yellow"
BAD = "bold red"
INFO = "cyan"
DIM = "dim"
STRONG = "bold"
BUSY = "bold blue"
MARK = "bold magenta"
KEY = "bold cyan"
PLAIN = ""
ESTIMATED = "≈"
"""Before what is not exact. ``~`` is for what has changed, and for nothing else."""


@dataclass(frozen=True, slots=True)
class Look:
    """A state on the screen."""

    glyph: str
    word: str
    style: str
    long: str = ""
    """The word where there is room."""

    @property
    def words(self) -> str:
        return self.long or self.word


HEALTH = {
    Health.OK: Look("●", "ok", GOOD),
    Health.STALE: Look("!", "stale", WARN),
    Health.NEVER: Look("!", "never", WARN),
    Health.FAILED: Look("!", "FAILED", BAD),
    Health.GARBAGE: Look("○", "garbage", DIM),
    Health.INACTIVE: Look("○", "inactive", DIM),
    Health.FOUND: Look("?", "found", INFO),
    Health.GONE: Look("×", "gone", DIM),
    Health.BUSY: Look("»", "busy", BUSY),
    Health.UNKNOWN: Look("·", "unknown", WARN),
}

JOB = {
    JobState.QUEUED: Look("…", "queued", INFO),
    JobState.RUNNING: Look("»", "running", BUSY),
    JobState.CANCELLING: Look("»", "cancelling", WARN),
    JobState.DONE: Look("●", "done", GOOD),
    JobState.PARTLY: Look("!", "partly", WARN),
    JobState.FAILED: Look("✗", "FAILED", BAD),
    JobState.CANCELLED: Look("○", "cancelled", DIM),
    JobState.STALE: Look("○", "stale", WARN),
    JobState.INTERRUPTED: Look("✗", "INTERRUPTED", BAD),
    JobState.UNREADABLE: Look("?", "UNREADABLE", BAD),
}

CHANGE = {
    Change.ADDED: Look("+", "added", GOOD),
    Change.REMOVED: Look("-", "removed", BAD),
    Change.CHANGED: Look("~", "changed", WARN),
    Change.SAME: Look("=", "same", DIM),
}

GRADE = {
    Grade.READ: Look("·", "reads only", DIM),
    Grade.ADDS: Look("+", "adds; nothing is replaced", GOOD),
    Grade.UNDOABLE: Look("!", "can be undone", WARN),
    Grade.FINAL: Look("‼", "CANNOT BE UNDONE", BAD),
}

_OK = Look("●", "ok", GOOD)
_KNOWN_GOOD = Look("●", "good", GOOD, "known good")
_KNOWN_BAD = Look("✗", "BAD", BAD, "known BAD")
_BROKEN = Look("✗", "link", BAD, "broken link")
_CORRUPT = Look("✗", "CORR", BAD, "CORRUPT")
_MISSING = Look("✗", "MISS", BAD, "files MISSING")
_PART = Look("✗", "PART", BAD, "INCOMPLETE")
_SUSPICIOUS = Look("!", "susp", WARN, "suspicious")
_UNSURE = Look("●", "ok?", WARN, "complete?")


def state_of(generation: Generation) -> Look:
    """The one state of a generation that matters most, the worst first."""
    check = generation.last_check
    if generation.problem:
        return _BROKEN
    if check is not None and check.result is CheckResult.CORRUPT:
        return _CORRUPT
    if check is not None and check.result is CheckResult.MISSING:
        return _MISSING
    if generation.metadata is not None and generation.metadata.complete is False:
        return _PART
    if generation.marks.verdict is Verdict.BAD:
        return _KNOWN_BAD
    if generation.marks.verdict is Verdict.GOOD:
        return _KNOWN_GOOD
    if generation.suspicious:
        return _SUSPICIOUS
    if generation.metadata is None or generation.metadata.complete is None:
        return _UNSURE
    return _OK
