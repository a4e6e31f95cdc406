"""The whole machine at a glance, from configuration, the store's cache and the jobs. Asks no server."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from dysnomia_base.clock import from_seconds
from dysnomia_base.host import host_name
from dysnomia_base.ownership import nearest_existing
from dysnomia_plugins.base import Plugin, PrivateStatePlugin, StatePlugin
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.loading.missing import NoSuchType
from dysnomia_store.errors import NotPermitted
from dysnomia_store.store import OnRead, not_told
from dysnomia_tui.config.model import labels_of
from dysnomia_tui.engine.machine import group_views
from dysnomia_tui.engine.machine import visibility as seeing
from dysnomia_tui.engine.machine.health import PROOFS, SNAPSHOTS, Facts, judge, last_of
from dysnomia_tui.engine.machine.identity import who
from dysnomia_tui.engine.machine.listed import alarms as listing_alarms
from dysnomia_tui.engine.machine.machine import for_component
from dysnomia_tui.engine.machine.named import NO_PATTERN, names_nothing
from dysnomia_tui.engine.machine.permissions import unwritable
from dysnomia_tui.engine.machine.slips import slips
from dysnomia_tui.engine.machine.types import what_is_missing
from dysnomia_tui.engine.records import (
    Alarm,
    ComponentView,
    ContainerView,
    GroupView,
    Health,
    JobState,
    JobView,
    Overview,
    ServerLook,
)
from dysnomia_tui.engine.redact import shown
from dysnomia_tui.engine.schedule import is_daily

if TYPE_CHECKING:
    from pathlib import Path

    from dysnomia_store.names import ComponentKey
    from dysnomia_store.store import Summary
    from dysnomia_tui.engine.machine.inventory import ConfiguredContainer, Inventory
    from dysnomia_tui.engine.machine.machine import Machine

NEARLY_FULL = 0.03
"""Share of the disk that is left when it is worth an alarm."""
STATELESS = "its type holds no state of its own: there is nothing to snapshot"
WORTH_AN_ALARM = frozenset({Health.FAILED, Health.NEVER, Health.STALE})
FULL = 1 << 20
"""Bytes without which no job begins: its record and its journal take as much."""


def look(
    machine: Machine,
    jobs: Sequence[JobView],
    read_only: str,
    now: datetime,
    more: Iterable[Alarm] = (),
    units: Path | None = None,
    on_read: OnRead = not_told,
    earlier: Sequence[JobView] = (),
) -> Overview:
    """Read everything once.

    Args:
        jobs: the newest, newest first.
        earlier: older ones that a component's health may hang on, or that need someone, newest first.
        more: alarms that the rest of the engine knows of.
        units: where the units are that work on this store.
        on_read: how far it is.
    """
    inventory = machine.inventory()
    summaries: Mapping[ComponentKey, Summary] | None
    notice = seeing.notice(machine.settings.statedir)
    try:
        summaries = machine.store.summaries(on_read)
        strange = tuple(machine.store.strange())
    except NotPermitted as error:  # what is configured can still be seen; the notice says whose store it is
        summaries, strange = None, (notice or error.message,)
    containers = tuple(_containers(machine, inventory, summaries, (*jobs, *earlier), now, units))
    disk = _disk(machine)
    free, total = (None, None) if disk is None else (disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize)
    groups = tuple(group_views.views(machine.settings.groups, containers))
    named = () if summaries is None else names_nothing(machine.settings, inventory, summaries)
    return Overview(
        host=host_name(),
        who=who(os.environ),
        read_only=read_only,
        store=str(machine.settings.statedir),
        store_id=machine.store.id,
        disk_free=free,
        disk_total=total,
        labels=machine.settings.labels,
        containers=containers,
        alarms=(
            *_alarms(inventory, containers, (*jobs, *earlier), (*_left_out(machine), *strange), free, total, now),
            *_unwritable(machine, inventory),
            *_without_files(disk),
            *map(Alarm, slips(machine)),
            *(() if summaries is None else _without_members(groups)),
            *(Alarm(f"config.toml, {table}: {NO_PATTERN}") for table in named if "*" in table.removesuffix('/*"]')),
            *more,
        ),
        at=now,
        notice=notice,
        hidden=summaries is None,
        groups=groups,
    )


def _containers(
    machine: Machine,
    inventory: Inventory,
    summaries: Mapping[ComponentKey, Summary] | None,
    jobs: Sequence[JobView],
    now: datetime,
    units: Path | None,
) -> Iterator[ContainerView]:
    readable, summaries = summaries is not None, summaries or {}
    timed = units is not None and is_daily(machine.settings, units)
    keys: dict[str, list[ComponentKey]] = {name: [] for name in inventory.containers}
    for key in sorted({*summaries, *inventory.components}):
        keys.setdefault(key.container, []).append(key)
    of_key: dict[ComponentKey, list[JobView]] = {}
    for job in jobs:
        for key in set(job.keys):
            of_key.setdefault(key, []).append(job)
    for name in sorted(keys):
        configured = inventory.containers.get(name)
        plugin, problem, remedy = _plugin(machine, configured)
        yield ContainerView(
            name=name,
            type=configured.type if configured else "",
            title=plugin.title if plugin else "",
            properties=shown(configured.properties) if configured else {},
            components=tuple(
                _component(
                    machine,
                    inventory,
                    key,
                    summaries.get(key),
                    plugin,
                    problem,
                    of_key.get(key, ()),
                    now,
                    readable=readable,
                    timed=timed,
                )
                for key in keys[name]
            ),
            problem=problem,
            file=str(configured.path) if configured else "",
            remedy=remedy,
            look=_look_of(inventory, name),
        )


def _look_of(inventory: Inventory, container: str) -> ServerLook | None:
    listing = inventory.listings.get(container)
    if listing is None:
        return None
    at = None if listing.at is None else from_seconds(listing.at)
    return ServerLook(container, at, len(inventory.components_of(container)), listing.problem, listing.remark)


def _gone(inventory: Inventory, key: ComponentKey, summary: Summary | None) -> datetime | None:
    """When it was last seen on its server, which holds it no more: unless it was restored or snapshotted since."""
    listing = inventory.listings.get(key.container)
    if key not in inventory.gone or listing is None or listing.at is None:
        return None
    newest = summary.newest if summary is not None else None
    if newest is not None and newest.unchanged_until > from_seconds(listing.at):
        return None
    return from_seconds(inventory.gone[key])


def _plugin(machine: Machine, configured: ConfiguredContainer | None) -> tuple[Plugin | None, str, str]:
    """The plugin of a container, or what is wrong with it and what would end that."""
    if configured is None:
        return None, "", ""
    if configured.problem:
        return None, configured.problem, ""
    try:
        plugin = machine.registry.get(configured.type)
    except PluginError as error:
        remedy = error.remedy if isinstance(error, NoSuchType) else error.hint
        return None, f"{configured.path}: {error.message}", remedy
    return plugin, what_is_missing(plugin), ""


def _component(
    machine: Machine,
    inventory: Inventory,
    key: ComponentKey,
    summary: Summary | None,
    plugin: Plugin | None,
    problem: str,
    own_jobs: Sequence[JobView],
    now: datetime,
    *,
    readable: bool,
    timed: bool,
) -> ComponentView:
    if plugin is not None:
        plugin = for_component(plugin, lambda: inventory.component(key))
    job = next((one for one in own_jobs if not one.state.ended and one.kind != "mark"), None)
    holds_state = isinstance(plugin, (StatePlugin, PrivateStatePlugin)) and "snapshot" in plugin.activities()
    facts = Facts(
        configured=key in inventory.components and key.container in inventory.containers,
        holds_state=holds_state,
        problem=problem,
        summary=summary,
        job=job,
        snapshotted=last_of(own_jobs, SNAPSHOTS),
        proved=last_of(own_jobs, PROOFS),
        stale_after=machine.settings.component(key.container, key.component).stale_after,
        gone=_gone(inventory, key, summary),
        readable=readable and (summary is None or summary.readable),
        timed=timed,
        vanished=_vanished(machine, inventory, key, summary),
    )
    health, words = judge(facts, now)
    return ComponentView(
        key=key,
        type=plugin.type if plugin else "",
        health=health,
        problem=words,
        active=summary.active if summary else False,
        garbage=summary.garbage if summary else False,
        generations=summary.generations if summary else 0,
        newest=summary.newest if summary else None,
        newest_good=summary.newest_good if summary else None,
        stored_size=summary.stored_size if summary else 0,
        job=job.id if job else "",
        labels=labels_of(machine.settings, key),
        can=plugin.activities() if plugin and facts.configured else frozenset(),
        promised=facts.stale_after is not None,
        dropped=health is Health.GONE and facts.configured,
        vanished=health is Health.GONE and bool(facts.vanished),
        stateless=(plugin.stateless or STATELESS) if plugin and facts.configured and not holds_state else "",
    )


def _vanished(machine: Machine, inventory: Inventory, key: ComponentKey, summary: Summary | None) -> str:
    """The component file that an active component had here, and has no more. What Disnix activates by a path of its own
    never had one."""
    if key in inventory.components or summary is None or not summary.active:
        return ""
    path = machine.store.recorded_path(key)
    return str(path) if path and any(folder in path.parents for folder in machine.settings.components_path) else ""


def _asks_for_someone(component: ComponentView) -> bool:
    return component.health in WORTH_AN_ALARM or component.dropped or component.vanished


def _alarms_of(job: JobView, recoveries: Sequence[JobView]) -> Iterator[Alarm]:
    """What a job left for a person; ``recoveries`` are those of any job, newest first."""
    key = job.keys[0] if job.keys else None
    failed = _failed_recovery(job, recoveries)
    if job.details.get("in_swap"):
        yield Alarm(
            f"job {job.id} was cut off in its swap: {job.title}; until it is recovered, applications may be locked out"
            f" or find a part of what is live: open the app, or run the next job on the component{failed}", key,
            urgent=True,
        )  # fmt: skip
    elif job.state is JobState.INTERRUPTED and "recovered" not in job.details:
        yield Alarm(f"job {job.id} was interrupted: {job.title}{failed}", key)
    elif job.details.get("uncleared") and not job.details.get("aside"):
        yield Alarm(
            f"job {job.id} could not remove what it had begun: {job.title}; the next job on the component does it,"
            f" once its server answers{failed}", key
        )  # fmt: skip
    elif "unreadable" in job.details:
        yield Alarm(f"job {job.id} cannot be read: {job.message}", key)
    if job.details.get("half"):
        guard = job.details.get("guard")
        way = f"undo job {job.id}: what was live before is generation {guard}" if guard else "restore a generation"
        yield Alarm(f"the live state of {key} may be half restored, by job {job.id}: {way}", key, urgent=True)
    elif job.details.get("stays"):
        text = f"what was live before is a generation, and still stands at {job.details['stays']}"
        yield Alarm(f"job {job.id}: {text}: it could not be removed; the next job on {key} tries again", key)
    elif job.details.get("aside") and job.undoable and _may_stand(str(job.details["aside"])):
        yield Alarm(
            f"job {job.id}: what was live is kept at {job.details['aside']}, not yet a generation: undoing the job"
            f" brings it back; once nobody needs it, remove it, then: dysnomia-tui undo {job.id} --forget", key
        )  # fmt: skip


def _failed_recovery(job: JobView, recoveries: Sequence[JobView]) -> str:
    """How the last recovery of a job failed and what ends that, as the end of a sentence; ``""`` where none did."""
    own = [one for one in recoveries if one.details.get("recovers") == job.id]
    if not own or own[0].state is not JobState.FAILED:
        return ""
    return f"; its recovery failed ({own[0].message}): correct that, the next job on the component tries it again"


def _may_stand(place: str) -> bool:
    """Whether what a job set aside may still be there: files are looked for, servers are asked by jobs alone."""
    return not place.startswith("/") or os.path.lexists(place)


def _alarms(
    inventory: Inventory,
    containers: Sequence[ContainerView],
    jobs: Sequence[JobView],
    strange: Sequence[str],
    free: int | None,
    total: int | None,
    now: datetime,
) -> Iterator[Alarm]:
    recoveries = [job for job in jobs if job.kind == "recover"]
    for job in jobs:
        yield from _alarms_of(job, recoveries)
    for container in containers:
        if container.problem:
            yield Alarm(container.alarm)
        for component in container.components:
            if _asks_for_someone(component) and not container.problem:
                yield Alarm(component.alarm, component.key)
    for problem in inventory.problems:
        yield Alarm(problem)
    for text, topic, urgent in listing_alarms(inventory, now.timestamp()):
        yield Alarm(text, urgent=urgent, topic=topic)
    for text in strange:
        yield Alarm(text)
    if free is not None and total and (free < FULL or free < total * NEARLY_FULL):
        full = free < FULL
        how = "full, so nothing can be snapshotted" if full else "nearly full"
        text = f"the disk of the store is {how}: {free:,} of {total:,} bytes are free"
        yield Alarm(text, urgent=full, topic="the disk of the store is nearly full")


def _unwritable(machine: Machine, inventory: Inventory) -> Iterator[Alarm]:
    """A disk that was mounted read-only after a fault of its own: no job can say that it failed."""
    why = unwritable(machine.settings) if inventory.components else ""
    if why:
        text = f"nothing can be snapshotted: {why}; if that is meant, write read_only = true in config.toml"
        yield Alarm(text, urgent=True, topic="nothing can be snapshotted")


def _without_members(groups: Sequence[GroupView]) -> Iterator[Alarm]:
    """Groups of which nothing can be snapshotted or restored."""
    for group in groups:
        if group.missing:
            names = ", ".join(map(str, group.missing))
            text = f"group {group.name} cannot be snapshotted or restored: not configured and not in the store: {names}"
            yield Alarm(text)


def _left_out(machine: Machine) -> Sequence[str]:
    """Configuration and modules that are not obeyed, and files that tell a secret to others."""
    return (*machine.settings.left_out, *machine.settings.exposed, *machine.registry.left_out())


def _without_files(disk: os.statvfs_result | None) -> Iterator[Alarm]:
    """A file system that counts its files, and can hold no more, however many bytes are free."""
    if disk is not None and disk.f_files and not disk.f_favail:
        text = "the disk of the store can hold no more files (see df -i), so nothing can be snapshotted"
        yield Alarm(text, urgent=True)


def _disk(machine: Machine) -> os.statvfs_result | None:
    try:
        return os.statvfs(nearest_existing(machine.settings.statedir))
    except OSError:
        return None
