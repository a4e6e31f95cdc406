"""How a component is, in one word, and what a person should know of it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from dysnomia_base.records import dataclass
from dysnomia_store.model import CheckResult, Verdict, lacks_words
from dysnomia_tui.config.durations import format_duration
from dysnomia_tui.engine.records import Health, JobState, JobView

if TYPE_CHECKING:
    from dysnomia_store.model import Generation
    from dysnomia_store.store import Summary

SILENCE = 3
"""Usual distances without a good generation, from which a component is stale where nothing is configured."""
SHORTEST, UNKNOWN_RHYTHM = timedelta(days=1), timedelta(days=31)
"""Of nothing configured: never stale before, and stale after where no rhythm can be told."""
TIMED = timedelta(hours=26)
"""Of a daily timer where no rhythm can be told yet: a day, and two hours for it to run."""
AHEAD = timedelta(minutes=10)
"""How far ahead of the clock a generation may be: clocks are set by so much."""
SNAPSHOTS = frozenset({"snapshot"})
PROOFS = frozenset({"check", "verify"})
"""Kinds of jobs that say how well a component is backed up. A proof of an older generation does not end the failure
of a snapshot: live may be past saving, and nobody would hear of it."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the health of a component is judged from."""

    configured: bool
    holds_state: bool
    problem: str
    """Of its container: a syntax error, an unknown type."""
    summary: Summary | None
    """None where the store knows nothing of it."""
    job: JobView | None
    """The running or waiting job on it."""
    snapshotted: JobView | None
    """The last job that snapshotted it, and has ended."""
    proved: JobView | None
    """The same of one that checked or verified."""
    stale_after: timedelta | None
    """As config.toml says; None: as the distances of its generations let one expect."""
    readable: bool = True
    """Whether this user may read what the store holds of it."""
    gone: datetime | None = None
    """Of one that its server held and holds no more: when it was last seen there."""
    vanished: str = ""
    """Of one that is active and no longer configured: the file in a folder of components that it was activated by."""
    timed: bool = False
    """Whether a timer snapshots it at least once a day."""


def judge(facts: Facts, now: datetime) -> tuple[Health, str]:
    """Health and the one line that goes with it (``""`` if nothing needs saying)."""
    summary = facts.summary
    failure = _failure(facts, now)
    if facts.job is not None:
        return Health.BUSY, failure or _while_busy(facts, now)
    if not facts.configured:
        return Health.GONE, VANISHED.format(facts.vanished) if facts.vanished else NOT_CONFIGURED
    if facts.gone is not None:
        return Health.GONE, f"{DROPPED} (last seen {facts.gone:%Y-%m-%d %H:%M} UTC)"
    if facts.problem:
        return Health.FAILED, facts.problem
    if summary is not None and summary.garbage:
        return Health.GARBAGE, failure
    if failure:
        return Health.FAILED, failure
    if not facts.readable:
        return Health.UNKNOWN, "permission denied: its part of the store"
    if summary is None or not summary.active:
        return Health.INACTIVE, ""
    if not facts.holds_state:
        return Health.OK, ""
    if summary.generations == 0:
        last = facts.snapshotted
        kept_nothing = last is not None and str(summary.key) in last.details.get("nothing", {})
        return (Health.OK, "") if kept_nothing else (Health.NEVER, "never snapshotted")
    return _age(summary, facts, now)


def silence(usually: timedelta | None, timed: bool = False) -> timedelta:
    """The age from which a newest good generation is stale where config.toml says nothing. ``timed``: a timer makes one
    at least once a day, whatever the distances were before it was there."""
    by_rhythm = UNKNOWN_RHYTHM if usually is None else max(SILENCE * usually, SHORTEST)
    return min(by_rhythm, TIMED) if timed else by_rhythm


def _while_busy(facts: Facts, now: datetime) -> str:
    """What a job that is under way does not mend before it has ended: it may hang."""
    summary = facts.summary
    if summary is None or not (summary.active and facts.configured and facts.holds_state and summary.newest_good):
        return ""
    return _age(summary, facts, now)[1]


def _failure(facts: Facts, now: datetime) -> str:
    """What went wrong last, in one line."""
    newest = facts.summary.newest if facts.summary else None
    for last in (facts.snapshotted, facts.proved):
        failed = "" if last is None else _failed_in(last, facts, now)
        if failed:
            return failed
    if newest is None:
        return ""
    if newest.problem:
        return f"generation {newest.number}: {newest.problem}"
    if newest.last_check is not None and newest.last_check.result in (CheckResult.CORRUPT, CheckResult.MISSING):
        return f"generation {newest.number} is {newest.last_check.result.value}"
    if newest.suspicious and newest.marks.verdict is not Verdict.GOOD:
        return f"generation {newest.number} is suspicious: {newest.suspicious}"
    return ""


def _failed_in(last: JobView, facts: Facts, now: datetime) -> str:
    """How a job failed on the component; ``""`` where it did not, or a snapshot came after it."""
    if last.state not in (JobState.FAILED, JobState.PARTLY, JobState.INTERRUPTED):
        return ""
    newest = facts.summary.newest if facts.summary else None
    ended = last.ended or last.created
    if newest is not None and ended < newest.unchanged_until <= now + AHEAD:
        return ""
    component = str(last.keys[0]) if len(last.keys) == 1 else ""
    failed = last.details.get("failed", {})
    key = str(facts.summary.key) if facts.summary else component
    concerned = component or key in failed or last.state is JobState.INTERRUPTED
    return f"{last.kind} failed: {failed.get(key, last.message)}" if concerned else ""


def _age(summary: Summary, facts: Facts, now: datetime) -> tuple[Health, str]:
    stale_after = facts.stale_after
    good = summary.newest_good
    if good is None:
        return Health.FAILED, "no good generation"
    age = now - good.unchanged_until
    if -age > AHEAD:
        when = f"{good.unchanged_until:%Y-%m-%d %H:%M} UTC"
        return Health.UNKNOWN, (
            f"generation {good.number} is of {when}, which is yet to come, so its age is not known: set the clock "
            "right; if it was wrong then, the first snapshot of a changed state ends this"
        )
    if age > (silence(summary.usually, facts.timed) if stale_after is None else stale_after):
        text = f"the newest good generation is {_in_hours(age)} old"
        if stale_after is None and summary.usually is not None:
            text += f"; usually one comes every {_in_hours(summary.usually)}"
        if stale_after is None and facts.timed:
            text += "; a timer should make one each day (dysnomia-tui schedule)"
        return Health.STALE, text
    return Health.OK, _lacking(summary.newest) or _lost(summary)


def _lacking(newest: Generation | None) -> str:
    """What is not in the newest generation though the component names it, nor was in those before."""
    if newest is None or newest.metadata is None or newest.marks.verdict is Verdict.GOOD or not newest.metadata.lacks:
        return ""
    return f"generation {newest.number}: {lacks_words(newest.metadata.lacks)}"


def _lost(summary: Summary) -> str:
    """Which older generations cannot be restored: found once, by a check or a proof, and as good as forgotten since."""
    if not summary.lost:
        return ""
    first, *more = summary.lost
    end = f"; once you know: dysnomia-tui mark {summary.key} {first} --bad"
    if not more:
        return f"generation {first} is damaged or missing, and cannot be restored{end}"
    named = ", ".join(map(str, summary.lost[:NAMED])) + (" …" if len(summary.lost) > NAMED else "")
    return f"{len(summary.lost)} generations are damaged or missing, and cannot be restored: {named}{end}"


def _in_hours(span: timedelta) -> str:
    return format_duration(timedelta(hours=max(1, round(span.total_seconds() / 3600))))


NOT_CONFIGURED = "in the store, and no longer configured"
VANISHED = (
    "active, but {} is not there any more, so nothing snapshots it: bring that back (and deactivate it, if it is to go)"
)
"""Of what nobody took out of service: a file that was deleted, a folder that is not mounted."""
DROPPED = "no longer on its server; its generations stay, and can be restored: restore one, or name it in except="
"""Of what was dropped behind our back, which may have been an accident."""
NAMED = 5
"""Numbers in one line."""
_TELLS_NOTHING = (JobState.CANCELLED, JobState.STALE, JobState.UNREADABLE)


def last_of(jobs: Iterable[JobView], kinds: Collection[str]) -> JobView | None:
    """The first of these jobs, newest first, that is of one of the kinds and tells how it went."""
    ended = (one for one in jobs if one.kind in kinds and one.state.ended)
    return next((one for one in ended if one.state not in _TELLS_NOTHING), None)
