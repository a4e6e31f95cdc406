"""Plans of garbage collection, the trash, marks, imports, adoption and recovery."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from dysnomia_plugins.base import Found, PropertyValue
from dysnomia_store.errors import NameRejected
from dysnomia_store.names import ComponentKey, validate_name
from dysnomia_store.records.retention import GcPlan, Policy, TrashEntry
from dysnomia_tui.config import Settings
from dysnomia_tui.engine.errors import Blocked, Unknown
from dysnomia_tui.engine.jobs.board import JobBoard
from dysnomia_tui.engine.machine.machine import Machine
from dysnomia_tui.engine.plans.grades import confirmation, graded
from dysnomia_tui.engine.plans.json_codec import gc_to_json
from dysnomia_tui.engine.plans.plan import Grade, Kind, Plan, Step
from dysnomia_tui.engine.plans.staleness import trash_depends
from dysnomia_tui.engine.redact import is_secret

MOST_COMPARED = 2000
"""Generations up to which the command that would do the same as a review is looked for."""
MOST_TRIED = 4


def plan_gc(machine: Machine, review: GcPlan, *, free_now: bool, text: str, now: datetime) -> Plan:
    """The plan that carries a review out."""
    dropped = Counter(line.key for line in review.dropped)
    bytes_of = Counter[ComponentKey]()
    for snapshot in review.snapshots:
        bytes_of[snapshot.key] += snapshot.stored_size
    broken = Counter(key for key, _ in review.broken_links)
    keys = tuple(sorted({*dropped, *bytes_of, *broken}))
    grade = graded(machine.settings, keys, Grade.FINAL if free_now else Grade.UNDOABLE)
    where = "freed at once" if free_now else "moved to the trash"
    steps = [
        Step(
            f"{dropped[key]} generations and {bytes_of[key]:,} bytes of {key} would be {where}"
            + (f", and {broken[key]} links that lead nowhere removed" if broken[key] else ""),
            str(key),
        )
        for key in keys
    ]
    if not free_now and keys:
        until = now + machine.settings.grace
        steps.append(Step(f"{review.freed:,} bytes would be free after {until:%Y-%m-%d %H:%M} UTC"))
    elif len(keys) > 1:
        steps.append(Step(f"{review.freed:,} bytes would be free at once, in all"))
    count = len(review.dropped)
    grades = confirmation(grade, keys, str(count))
    return Plan(
        kind=Kind.GC,
        title=f"collect {count} generations of {keys[0] if len(keys) == 1 else f'{len(keys)} components'}",
        keys=keys,
        grade=grade,
        steps=tuple(steps),
        params={"review": gc_to_json(review), "now": free_now, "text": text},
        warnings=("what is freed at once cannot be brought back",) if free_now else (),
        blockers=() if keys else ("nothing would be collected",),
        command=_gc_command(machine, review, keys, free_now, text),
        confirm=grades,
        made=now,
    )


def _gc_command(
    machine: Machine, review: GcPlan, keys: Sequence[ComponentKey], free_now: bool, text: str
) -> tuple[str, ...]:
    """``dysnomia-snapshots --gc --keep N`` where it would do exactly this; a collection picked by hand has none."""
    if not keys or len(review.lines) > MOST_COMPARED:
        return ()
    containers = sorted({key.container for key in keys})
    where: tuple[str, ...] = ("-C", containers[0]) if len(containers) == 1 else ()
    if len(keys) == 1:
        where += ("-c", keys[0].component)
    stored = [key for key in machine.store.keys() if not where or key.container == containers[0]]  # noqa: SIM118
    of = keys if len(keys) == 1 else stored
    kept = Counter(line.key for line in review.lines if line.keep)
    for last in sorted({1, *kept.values()})[:MOST_TRIED]:
        if _taken(machine.store.plan_gc(of, _always(Policy(last=last)))) == _taken(review):
            now = ("--now",) if free_now else ("--trash",)
            reason = ("--reason", text) if text else ()
            return ("dysnomia-snapshots", "--gc", "--keep", str(last), *where, *now, *reason)
    return ()


def _always(policy: Policy) -> Callable[[ComponentKey], Policy]:
    return lambda key: policy


def _taken(review: GcPlan) -> tuple[object, ...]:
    """What a collection takes, whatever the rules say why."""
    return (
        sorted((line.key, line.number, line.id) for line in review.dropped),
        sorted((one.key, one.id) for one in review.snapshots),
        sorted(review.broken_links),
    )


def plan_empty_trash(machine: Machine, names: Collection[str] | None, now: datetime) -> Plan:
    """Raises Unknown where a name is not in the trash."""
    entries = [entry for entry in machine.store.trash() if names is None or entry.name in names]
    missing = sorted(set(names or ()) - {entry.name for entry in entries})
    if missing:
        raise Unknown(f"{missing[0]} is not in the trash", "see what is there")
    keys = tuple(sorted({entry.key for entry in entries}))
    grade = graded(machine.settings, keys, Grade.FINAL)
    size = sum(entry.stored_size for entry in entries)
    return Plan(
        kind=Kind.EMPTY_TRASH,
        title=f"empty the trash: {len(entries)} snapshots",
        keys=keys,
        grade=grade,
        steps=(
            *(
                Step(f"{entry.stored_size:,} bytes of {entry.key} would be freed at once", str(entry.key))
                for entry in entries
            ),
            *([Step(f"{size:,} bytes would be freed in all")] if len(entries) > 1 else []),
        ),
        params={"names": [entry.name for entry in entries]},
        depends=trash_depends({entry.name: entry.id for entry in entries}),
        warnings=("what is freed cannot be brought back",),
        blockers=() if entries else ("the trash is empty",),
        confirm=confirmation(grade, keys, str(len(entries))) if keys else "",
        made=now,
    )


def plan_bring_back(machine: Machine, names: Collection[str], now: datetime) -> Plan:
    """Raises Unknown where a name is not in the trash."""
    there = {entry.name: entry for entry in machine.store.trash()}
    missing = sorted(set(names) - there.keys())
    if missing:
        raise Unknown(f"{missing[0]} is not in the trash", "see what is there")
    entries = [there[name] for name in sorted(set(names))]
    keys = tuple(sorted({entry.key for entry in entries}))
    grade = graded(machine.settings, keys, Grade.ADDS)
    count = sum(len(entry.generations) for entry in entries)
    return Plan(
        kind=Kind.BRING_BACK,
        title=f"bring back {count} generations",
        keys=keys,
        grade=grade,
        steps=come_back(entries),
        params={"names": [entry.name for entry in entries]},
        depends=trash_depends({entry.name: entry.id for entry in entries}),
        blockers=() if entries else ("nothing was chosen",),
        command=_bring_back_command(machine, entries),
        confirm=confirmation(grade, keys, str(count)) if keys else "",
        made=now,
    )


def _bring_back_command(machine: Machine, entries: Collection[TrashEntry]) -> tuple[str, ...]:
    """All that one collection took comes back by its undo; a part of it has no command."""
    jobs = {entry.job for entry in entries}
    job = next(iter(jobs)) if len(jobs) == 1 else ""
    if not job or {entry.name for entry in machine.store.trash() if entry.job == job} != {one.name for one in entries}:
        return ()
    return ("dysnomia-tui", "undo", job)


def plan_import(
    machine: Machine, key: ComponentKey, folders: Collection[Path], now: datetime, *, move: bool = False
) -> Plan:
    """Folders named by their snapshot's id. They stay untrusted until an operator says otherwise.

    Args:
        move: the folders are gone afterwards, each once its generation stands. One of this store is only linked.
    """
    what = "moved" if move else "copied"
    blockers = [f"{folder} is no folder" for folder in folders if not folder.is_dir()]
    grade = graded(machine.settings, (key,), Grade.ADDS)
    return Plan(
        kind=Kind.IMPORT,
        title=f"import {len(folders)} snapshots into {key}",
        keys=(key,),
        grade=grade,
        steps=tuple(Step(f"{folder} would be {what} into the store, and verified", str(key)) for folder in folders),
        params={"folders": [str(folder.absolute()) for folder in folders], "move": move},
        blockers=tuple(blockers) if folders else ("no folder was named",),
        command=("dysnomia-snapshots", "--import", "-C", key.container, "-c", key.component, *map(str, folders)),
        confirm=confirmation(grade, (key,), str(len(folders))),
        made=now,
    )


def come_back(entries: Collection[TrashEntry]) -> tuple[Step, ...]:
    """What bringing these back would do, a step a component."""
    numbers: dict[ComponentKey, list[int]] = {}
    for entry in entries:
        numbers.setdefault(entry.key, []).extend(entry.generations)
    return tuple(
        Step(f"{_ranges(found)} of {key} would come back" if found else f"an orphan of {key} would come back", str(key))
        for key, found in sorted(numbers.items())
    )


def _ranges(numbers: Collection[int]) -> str:
    """``generations 1-4, 7``."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    said = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
    return f"generation {said}" if len(set(numbers)) == 1 else f"generations {said}"


def plan_adopt(machine: Machine, found: Found, now: datetime) -> Plan:
    """The files that would be written: the container's, where there is none yet, and the component's."""
    blockers = []
    for name, what in ((found.container, "container"), (found.component, "component")):
        try:
            validate_name(name, what)
        except NameRejected as error:
            blockers.append(error.message)
    if not found.readable:
        blockers.append("it cannot be read by this user" + (f": {found.remedy}" if found.remedy else ""))
    key = ComponentKey(found.container, found.component)
    if key in machine.inventory().components:
        blockers.append(f"{key} is configured already")
    containers, components = adopt_folders(machine.settings)
    files: dict[str, str] = {}
    existing = machine.inventory().containers.get(found.container)
    if existing is None:
        files[str(containers / found.container)] = container_text(found.type, found.properties)
    elif existing.problem or dict(existing.properties) != {"type": found.type, **found.properties}:
        blockers.append(f"{existing.path} is there already and says something else")
    files[str(components / found.container / found.component)] = ""
    grade = graded(machine.settings, (key,), Grade.ADDS)
    return Plan(
        kind=Kind.ADOPT,
        title=f"adopt {key}",
        keys=(key,),
        grade=grade,
        steps=tuple(
            Step(f"{path} would be written: {'; '.join(content.splitlines()) or 'empty'}", str(key))
            for path, content in files.items()
        ),
        params={"files": files},
        blockers=tuple(blockers),
        confirm=confirmation(grade, (key,), key.component),
        made=now,
    )


def adopt_folders(settings: Settings) -> tuple[Path, Path]:
    """Where adopted containers and components are written: the first folder of the search path that can be, else
    the user's own."""
    return (
        _writable(settings.containers_path) or settings.user_config / "containers",
        _writable(settings.components_path) or settings.user_config / "components",
    )


def _writable(folders: Collection[Path]) -> Path | None:
    for folder in folders:
        there = folder
        while not there.exists() and there != there.parent:
            there = there.parent
        if os.access(there, os.W_OK | os.X_OK):
            return folder
    return None


def container_text(type_name: str, properties: Mapping[str, PropertyValue]) -> str:
    """A container's file, as Dysnomia reads it. Raises Blocked where a secret would be written."""
    lines = [f"type={quoted(type_name)}"]
    for name, value in properties.items():
        if name == "type":
            continue
        if is_secret(name) and value:
            raise Blocked(f"{name} would stand in a file", "write it there yourself")
        text = quoted(value) if isinstance(value, str) else "(" + " ".join(quoted(one) for one in value) + ")"
        lines.append(f"{name}={text}")
    return "\n".join(lines) + "\n"


def quoted(value: str) -> str:
    """A value as both bash and our reader take it for itself."""
    plain = value and all(char.isascii() and (char.isalnum() or char in "_-./:@%+,") for char in value)
    return value if plain else "'" + value.replace("'", "'\\''") + "'"


def plan_recover(board: JobBoard, job_id: str, now: datetime) -> Plan:
    """Put right what an interrupted job left. Raises Unknown.

    Never more than grade 1, whatever the labels: it is submitted unasked, and only finishes what was confirmed.
    """
    view = board.view(job_id)
    return Plan(
        kind=Kind.RECOVER,
        title=f"recover job {job_id}: {view.title}",
        keys=view.keys,
        grade=Grade.ADDS,
        steps=(
            Step(f"what job {job_id} began would be finished or taken back"),
            Step("what is named after it would be removed"),
        ),
        params={"job": job_id},
        made=now,
    )
