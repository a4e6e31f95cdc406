"""The restore of a system: each of its components is restored by its own type, one after the other, all or none.

Live is in as many places as there are components, so there is no one step in which it is exchanged. Each component's
own restore is exact and has a guard that lost no write. If one fails, or the job dies before the last has ended, those
that were restored are undone, each by its own job; only when all are is the restore written down as done. What was
live are the guards: their snapshots are what stands aside.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

from dysnomia_plugins.base import Context, Place, WarningLine
from dysnomia_plugins.errors import Cancelled, NotSafe, PluginError
from dysnomia_plugins.toolkit.guarded.folder import Folder
from dysnomia_plugins.toolkit.guarded.removal import remove_folder
from dysnomia_plugins.toolkit.guarded.way import real_path
from dysnomia_plugins.types.nixos.commands import System, named
from dysnomia_plugins.types.nixos.tree import Part, below, copy, parts_at
from dysnomia_store.names import ComponentKey

BEGUN = "nixos-begun"
RESTORE = "nixos-restore"
RESTORED = "nixos-restored"
ALL = "nixos-all"
ASIDE_MADE = "nixos-aside"
TAKE_BACK = "nixos-take-back"
TAKEN_BACK = "nixos-taken-back"


def swap(ctx: Context, system: System, beside: Place, aside: Place) -> None:
    """Raises PluginError: ``recover`` then undoes what was restored."""
    system.require_another(ctx)
    active = set(system.active(ctx.runner))
    parts = [part for part in parts_at(beside) if part.key in active]
    for part in parts_at(beside):
        if part.key not in active:
            ctx.progress.log(
                WarningLine.of(f"{part.key} is not deployed in {system.statedir}: its snapshot was left out")
            )
    if not parts:
        raise NotSafe(
            f"none of the snapshot's components is deployed in {system.statedir}",
            "activate the system that they belong to first",
        )
    ctx.journal.step(BEGUN, statedir=system.statedir, beside=beside.name, aside=aside.name)
    for part in parts:
        ctx.progress.log(f"restoring {part.key}")
        number = _number_of(ctx, system, beside, part)
        ctx.journal.step(RESTORE, key=str(part.key))
        words = ("--generation", str(number), "--reason", reason(ctx), "--yes-untrusted")
        job = system.change(ctx, "dysnomia", "--operation", "restore", *named(part.key), *words)
        details = job.get("details") or {}
        if details.get("aside"):
            raise PluginError(f"{part.key} was restored, but has no guard: {job.get('message')}", "see the log")
        ctx.journal.step(RESTORED, key=str(part.key), job=str(job["id"]), guard=int(details.get("guard") or 0))
    ctx.journal.step(ALL)
    _set_aside(ctx, system, aside)
    remove_folder(beside.name)  # its content is live now, as after an exchange


def reason(ctx: Context) -> str:
    """By which the restores of this job are known among those of the components."""
    return f"restore of the system, {ctx.tag}"


def _number_of(ctx: Context, system: System, beside: Place, part: Part) -> int:
    """The newest generation of a component that has this snapshot; imported where none has."""
    numbers = [kept.number for kept in system.generations(ctx.runner, part.key) if kept.id == part.id]
    if not numbers:
        given = _to_give(ctx, beside, part)
        system.run(ctx.runner, "dysnomia-snapshots", "--import", *named(part.key), given)
        numbers = [kept.number for kept in system.generations(ctx.runner, part.key) if kept.id == part.id]
        if not numbers:
            raise PluginError(f"{part.key}: the snapshot {part.id} could not be imported", "see the log")
        if ctx.made_here:
            system.run(ctx.runner, "dysnomia-tui", "trust", str(part.key), str(numbers[-1]))
    return numbers[-1]


def _to_give(ctx: Context, beside: Place, part: Part) -> str:
    """A copy of a component's snapshot, since an import takes what it is given away. Raises PluginError."""
    root = f"{ctx.staging}/import"
    try:
        with (
            Folder.at(real_path(root), make=0o700) as folder,
            Folder.at(f"{beside.name}/{part.path}") as source,
            below(folder, part) as target,
        ):
            copy(ctx, source, target, link=False)
    except OSError as error:
        raise PluginError(f"{part.key}: its snapshot could not be copied ({error.strerror})", f"see {root}") from error
    return f"{root}/{part.path}"


def _set_aside(ctx: Context, system: System, aside: Place) -> None:
    """Make the folder of what was live: the guards, and the newest snapshots of components that were not touched.

    Begun anew where a job died in it. Raises PluginError."""
    guards = {ComponentKey.parse(data["key"]): int(data["guard"]) for data in _data(ctx, RESTORED)}
    latest = system.latest(ctx.runner)
    above, name = posixpath.split(aside.name)
    try:
        remove_folder(aside.name)
        with Folder.at(above) as folder, folder.make_folder(name) as root:
            for key in system.active(ctx.runner):
                snapshot_id = _id_of(ctx, system, key, guards[key]) if key in guards else latest.get(key, "")
                if not snapshot_id:
                    continue  # nothing was live
                part = Part(key, snapshot_id)
                link = not system.component.prop("noHardlink")
                with Folder.at(f"{system.statedir}/snapshots/{part.path}") as source, below(root, part) as target:
                    copy(ctx, source, target, link=link)
            root.sync()
            folder.sync()
    except OSError as error:
        raise PluginError(
            f"{aside.name} could not be made ({error.strerror})", "all components are restored"
        ) from error
    ctx.journal.step(ASIDE_MADE)


def _id_of(ctx: Context, system: System, key: ComponentKey, number: int) -> str:
    for kept in system.generations(ctx.runner, key):
        if number and kept.number == number:
            return kept.id
    if number:
        raise PluginError(f"the guard of {key}, its generation {number}, is gone", f"see {system.statedir}")
    return ""


def _data(ctx: Context, name: str) -> list[Mapping[str, Any]]:
    return [data for step, data in ctx.journal.steps() if step == name]


# --- recovery ------------------------------------------------------------------------------------------------------


def recover(ctx: Context, system: System) -> bool:
    """Finish what had restored all, else undo what it had restored, the last first. Idempotent."""
    steps = {name for name, _ in ctx.journal.steps()}
    if ALL in steps:
        begun = _data(ctx, BEGUN)[-1]
        if ASIDE_MADE not in steps:
            _set_aside(ctx, system, Place(str(begun["aside"])))
        remove_folder(str(begun["beside"]))
        return True
    restored = {data["key"]: str(data["job"]) for data in _data(ctx, RESTORED)}
    done = {data["key"] for data in _data(ctx, TAKEN_BACK)}
    for data in reversed(_data(ctx, RESTORE)):
        if data["key"] not in done:
            _take_back(ctx, system, ComponentKey.parse(data["key"]), restored.get(data["key"], ""))
    return False


def _await_end(ctx: Context, system: System, key: ComponentKey) -> None:
    """Of a restore whose end nobody saw: whatever writes there next waits for it, or recovers it. Raises PluginError.

    What is written is a snapshot. It fails where the component has no state, which is no reason to leave the others as
    they are."""
    try:
        why = f"before {reason(ctx)} is undone"
        system.run(ctx.runner, "dysnomia", "--operation", "snapshot", *named(key), "--reason", why)
    except Cancelled:
        raise
    except PluginError as error:
        if system.is_unfinished(ctx, reason(ctx)):
            raise
        ctx.progress.log(f"{key}: {error}")


def _take_back(ctx: Context, system: System, key: ComponentKey, job: str) -> None:
    """Undo the restore of one component, if there was one and it is not undone. Raises PluginError."""
    if not job:
        _await_end(ctx, system, key)
    generations = system.generations(ctx.runner, key)
    if not job:
        job = next((one.job for one in generations if one.reason == "restore" and one.text == reason(ctx)), "")
    if job and not any(one.reason == "restore" and one.text == f"undo of job {job}" for one in generations):
        if any(one.reason == "guard" and one.job == job for one in generations) or system.stands_aside(ctx, job):
            ctx.progress.log(f"undoing the restore of {key}")
            ctx.journal.step(TAKE_BACK, key=str(key), job=job)
            system.run(ctx.runner, "dysnomia-tui", "undo", job)
        else:
            ctx.progress.log(WarningLine.of(f"{key} had no state before, so it keeps what was restored (job {job})"))
    ctx.journal.step(TAKEN_BACK, key=str(key))
