"""A collection that was planned by a timer and waits for a person: ``planned/collect.json`` in the state directory.

Generations that come meanwhile do not spoil it: what is applied is what was planned, reviewed anew as the store is now,
with everything else kept. Where that is not the same any longer, it is out of date, and says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypedDict

from dysnomia_base.plurals import plural
from dysnomia_base.sizes import size
from dysnomia_store.errors import StoreError
from dysnomia_store.names import ComponentKey
from dysnomia_store.records import codec as records
from dysnomia_store.records import typed
from dysnomia_store.records.retention import GcLine, GcPlan, Policy
from dysnomia_tui.config import Settings
from dysnomia_tui.engine.machine.machine import Machine
from dysnomia_tui.engine.machine.own_record import replace_record
from dysnomia_tui.engine.plans.json_codec import gc_from_json, gc_to_json
from dysnomia_tui.engine.records import WAITING, Alarm, WaitingCollection

NOT_OURS = "newer than the plan that waits: it would go with the next one"
AGAIN = "to plan it again: dysnomia-snapshots --gc --policy --review"
InUse = Mapping[tuple[ComponentKey, str], str]


class _File(TypedDict):
    made: datetime
    who: str
    review: dict[str, Any]


def _path(statedir: Path) -> Path:
    return statedir / "planned" / "collect.json"


def keep(machine: Machine, review: GcPlan, in_use: InUse, *, who: str, now: datetime) -> WaitingCollection | None:
    """Let a review wait, in the place of the one that did; None where it would remove nothing, and none waits then.

    One that waits already and would do the same stays as it is. Raises OSError, LookupError."""
    if is_empty(review):
        forget(machine.settings.statedir)
        return None
    before = waiting(machine, in_use)
    if before is not None and not before.stale and taken(before.review) == taken(review):
        return before
    path = _path(machine.settings.statedir)
    record = {"made": now.isoformat(), "who": who, "review": gc_to_json(review)}
    replace_record(path, record, machine.settings.group)
    return WaitingCollection(now, who, review, "")


def forget(statedir: Path) -> None:
    """None waits any longer. Raises OSError."""
    _path(statedir).unlink(missing_ok=True)


def forget_done(statedir: Path, done: GcPlan) -> None:
    """None waits any longer where a collection has taken all of it. Raises OSError."""
    saved = _read(statedir)
    if saved is not None and _numbers(saved.review) <= _numbers(done):
        forget(statedir)


def waiting(machine: Machine, in_use: InUse) -> WaitingCollection | None:
    """The collection that waits, as a review of the store as it is now: it can be applied where it is not stale.

    Raises StoreError."""
    saved = _read(machine.settings.statedir)
    if saved is None:
        return None
    keys = sorted({line.key for line in saved.review.lines})
    policy = _policies(machine.settings)
    now = machine.store.plan_gc(keys, policy, in_use=in_use)
    planned = _numbers(saved.review)
    by_rule = {(line.key, line.number): line for line in now.lines}
    for line in saved.review.dropped:
        reason = _why_not(line, by_rule.get((line.key, line.number)))
        if reason:
            return replace(saved, stale=reason)
    later = _numbers(now) - planned
    exactly = machine.store.plan_gc(keys, policy, keep=later, in_use=in_use)
    if taken(exactly) != taken(saved.review):
        return replace(saved, stale="the snapshots that it would free are others now")
    lines = tuple(
        replace(line, rules=(NOT_OURS,)) if (line.key, line.number) in later else line for line in exactly.lines
    )
    return replace(saved, review=replace(exactly, lines=lines))


def _policies(settings: Settings) -> Callable[[ComponentKey], Policy]:
    return lambda key: settings.component(key.container, key.component).policy


def _why_not(planned: GcLine, now: GcLine | None) -> str:
    name = f"generation {planned.number} of {planned.key}"
    if now is None or now.id != planned.id:
        return f"{name} is no longer there"
    return f"{name} is kept now: {'; '.join(now.rules)}" if now.keep else ""


def alarms(machine: Machine) -> Iterator[Alarm]:
    """That a collection waits, that it is out of date, or that its record cannot be read; nothing where all that it
    would have dropped is kept now, or gone. Quick: nothing is counted on disk."""
    try:
        saved = _saved(machine.settings.statedir)
    except (OSError, StoreError) as error:
        words = error.strerror if isinstance(error, OSError) else error
        where = _path(machine.settings.statedir)
        yield Alarm(f"a collection may wait for a person, and {where} cannot be read: {words}; {AGAIN}", topic=WAITING)
        return
    if saved is None:
        return
    review = saved.review
    dropped = len(review.dropped)
    keys = sorted({line.key for line in review.lines})
    since = f"{saved.made:%Y-%m-%d %H:%M} UTC"
    reasons = _differences(machine, review)
    if dropped and len(reasons) == dropped:
        return
    if reasons:
        text = f"the collection that was planned on {since} is out of date: {reasons[0]}; {AGAIN}"
    else:
        text = (
            f"a collection waits for a person since {since}: {plural(dropped, 'generation')},"
            f" {size(review.freed)}; see it with X, or: dysnomia-snapshots --gc --planned --dry-run"
        )
    yield Alarm(text, keys[0] if keys else None, topic=WAITING)


def _differences(machine: Machine, review: GcPlan) -> Sequence[str]:
    """Why each generation that was to go does not any more."""
    try:
        now = machine.store.gc_lines({line.key for line in review.dropped}, _policies(machine.settings))
    except StoreError:  # whatever reads the store says so
        return ()
    differences = (_why_not(line, now.get((line.key, line.number))) for line in review.dropped)
    return tuple(filter(None, differences))


def _read(statedir: Path) -> WaitingCollection | None:
    """The same; None too where it cannot be read (``alarms`` says so)."""
    try:
        return _saved(statedir)
    except (OSError, StoreError):
        return None


def _saved(statedir: Path) -> WaitingCollection | None:
    """As it was written; None where none waits. Raises OSError, Corrupt."""
    try:
        raw = records.read_file(_path(statedir))
    except FileNotFoundError:
        return None
    record = typed.shaped(records.load(raw, "collect.json"), _File, "collect.json")
    return WaitingCollection(record["made"], record["who"], gc_from_json(record["review"]), "")


def _numbers(review: GcPlan) -> set[tuple[ComponentKey, int]]:
    return {(line.key, line.number) for line in review.dropped}


def is_empty(review: GcPlan) -> bool:
    """Whether a review removes nothing."""
    return not (review.dropped or review.snapshots or review.broken_links)


def taken(review: GcPlan) -> tuple[object, ...]:
    """What a collection takes, whatever the rules say why."""
    return (
        sorted((line.key, line.number, line.id) for line in review.dropped),
        sorted((one.key, one.id) for one in review.snapshots),
        sorted(review.broken_links),
    )
