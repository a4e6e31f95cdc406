"""What a monitoring system is told of a machine: of each component whether someone has to act, and why. Pure."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from dysnomia_store.model import CheckResult
from dysnomia_tui.config.load import ROOT_STATEDIR
from dysnomia_tui.engine.errors import Unknown
from dysnomia_tui.engine.records import Alarm, ComponentReport, ComponentView, Health, JobView, Level, Overview, Report

LEVELS = {Health.FAILED: Level.CRITICAL, Health.STALE: Level.CRITICAL, Health.NEVER: Level.WARNING,
          Health.UNKNOWN: Level.WARNING}  # fmt: skip
"""Other healths ask for nobody."""
LONG = timedelta(days=1)
"""A job that was asked for longer ago and has not ended is worth an alarm: it hides what its component lacks."""


EMPTY = "the store is empty: nothing was ever activated or snapshotted with it"
"""What an alarm about it is known by."""
_PARTS = ("activated", "generations", "jobs", "snapshots")
"""What a store has once anything was done with it."""


def is_empty(statedir: Path) -> bool:
    """Whether there is no store, or nothing in it: a disk that is not mounted looks so, and a wrong --statedir."""
    return not any(os.path.lexists(statedir / name) for name in _PARTS)


def check_not_empty(statedir: Path) -> None:
    """Raises Unknown for a store that has nothing."""
    if is_empty(statedir):
        raise Unknown(EMPTY, f"if something was, {statedir} is not its folder, or its disk is not mounted")


def report(overview: Overview, jobs: Sequence[JobView], *, empty: bool = False) -> Report:
    """The report of what was looked at, and of the jobs of the same moment. ``empty``: there is no store, or nothing
    in it."""
    views = [one for container in overview.containers for one in container.components]
    components = tuple(map(_component, views))
    others = tuple(_others(overview.alarms, views))
    slow = tuple(_slow(jobs, overview.at))
    lost = tuple(_lost(overview)) if empty and components else ()
    alarms = (*(alarm.text for alarm in others), *slow, *lost)
    level = max((one.level for one in components), default=Level.OK)
    if any(alarm.urgent for alarm in overview.alarms):
        level = Level.CRITICAL
    elif alarms:
        level = max(level, Level.WARNING)
    return Report(
        host=overview.host,
        at=overview.at,
        level=level,
        components=components,
        alarms=alarms,
        jobs=tuple(f"{job.id}: {job.title}" for job in jobs if not job.state.ended),
        disk_free=overview.disk_free,
        disk_total=overview.disk_total,
        looks=tuple(one.look for one in overview.containers if one.look is not None),
        topics=(*(alarm.topic or alarm.text for alarm in others), *slow, *(EMPTY for _ in lost)),
        containers=len(overview.containers),
    )


def _lost(overview: Overview) -> Iterator[str]:
    """Components are configured, and their store holds nothing: each of them only looks inactive."""
    text = f"{EMPTY}; if something was, {overview.store} is not its folder, or the disk of it is not mounted"
    if overview.store != str(ROOT_STATEDIR) and os.path.lexists(ROOT_STATEDIR):
        text += f" ({ROOT_STATEDIR} is root's: --statedir {ROOT_STATEDIR}, or statedir in config.toml)"
    yield text


def _component(view: ComponentView) -> ComponentReport:
    good = view.newest_good
    check = good.last_check if good is not None else None
    return ComponentReport(
        key=view.key,
        type=view.type,
        health=view.health,
        level=_level(view),
        problem=view.problem,
        generations=view.generations,
        newest_good=good.number if good is not None else None,
        held_until=good.unchanged_until if good is not None else None,
        verified=check.at if check is not None and check.result is CheckResult.OK else None,
        stored_size=view.stored_size,
        job=view.job,
    )


def _level(view: ComponentView) -> Level:
    if view.health is Health.BUSY and view.problem:  # what failed last is not mended by a new attempt under way
        return Level.WARNING
    if view.dropped or view.vanished or (view.health is Health.OK and view.problem):
        return Level.WARNING
    if view.health is Health.STALE and not view.promised:
        return Level.WARNING
    return LEVELS.get(view.health, Level.OK)


def _others(alarms: Sequence[Alarm], views: Sequence[ComponentView]) -> Iterator[Alarm]:
    """Alarms that no component's line says already."""
    component_alarms = {view.alarm for view in views}
    for alarm in alarms:
        if alarm.text not in component_alarms:
            yield alarm


def _slow(jobs: Sequence[JobView], now: datetime) -> Iterator[str]:
    for job in jobs:
        if not job.state.ended and now - job.created > LONG:
            yield f"job {job.id} has not ended since {job.created:%Y-%m-%d %H:%M} UTC: {job.title}"
