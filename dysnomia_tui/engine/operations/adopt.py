"""Adoption of found state: the files that would be written, and writing them."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from dysnomia_base.ownership import nearest_existing
from dysnomia_plugins.base import Found, PropertyValue
from dysnomia_store.errors import NameRejected
from dysnomia_store.names import ComponentKey, validate_name
from dysnomia_tui.config import Settings
from dysnomia_tui.engine.errors import Blocked, EngineError, Stale
from dysnomia_tui.engine.jobs.context import JobContext, Outcome
from dysnomia_tui.engine.machine.machine import Machine
from dysnomia_tui.engine.operations.failures import Failures
from dysnomia_tui.engine.plans.grades import confirmation, graded
from dysnomia_tui.engine.plans.plan import Grade, Kind, Plan, Step
from dysnomia_tui.engine.records import JobState
from dysnomia_tui.engine.redact import is_secret
from dysnomia_tui.engine.schedule import timers as timers_of
from dysnomia_tui.engine.timers import (
    check,
    commands_folder,
    refuse_without_systemd,
    start_units,
    units_folder,
    why_not_lasting,
)


def plan_adopt(machine: Machine, found: Sequence[Found], now: datetime, *, timers: bool = False) -> Plan:
    """The files that would be written: each container's, where there is none yet, and each component's; with
    ``timers`` those that snapshot it regularly, too.

    Raises Blocked where nothing was chosen, or a secret would be written."""
    if not found:
        raise Blocked("nothing was chosen to adopt", "choose something that was found")
    blockers: list[str] = []
    files: dict[str, str] = {}
    steps: list[Step] = []
    components: dict[str, str] = {}
    for one in found:
        key = ComponentKey(one.container, one.component)
        files_of, refused = _files_of(machine, one)
        refused += [
            f"two of what was chosen need another {path}"
            for path in files_of
            if files.get(path, files_of[path]) != files_of[path]
        ]
        blockers += [f"{key}: {reason}" for reason in refused] if len(found) > 1 else refused
        steps += [
            Step(f"{path} would be written: {'; '.join(content.splitlines()) or 'empty'}", str(key))
            for path, content in files_of.items()
            if path not in files
        ]
        files |= files_of
        components[list(files_of)[-1]] = str(key)
    units = _units(machine.settings) if timers else None
    if units is not None:
        steps += [Step(text) for text in units.pop("steps")]
    keys = tuple(dict.fromkeys(ComponentKey(one.container, one.component) for one in found))
    grade = graded(machine.settings, keys, Grade.ADDS)
    return Plan(
        kind=Kind.ADOPT,
        title=f"adopt {keys[0]}" if len(keys) == 1 else f"adopt {len(keys)} components",
        keys=keys,
        grade=grade,
        steps=tuple(steps),
        params={"files": files, "components": components} | ({"timers": units} if units is not None else {}),
        warnings=tuple(filter(None, [why_not_lasting()])) if timers else (),
        blockers=tuple(blockers),
        confirm=confirmation(grade, keys, keys[0].component if len(keys) == 1 else str(len(keys))),
        made=now,
    )


def _units(settings: Settings) -> dict[str, Any]:
    """What ``dysnomia-tui schedule --write`` would write. Raises ConfigError, NotWritten."""
    refuse_without_systemd()
    folder = units_folder()
    every = timers_of(settings, commands_folder(), os.environ)
    check(every, settings)
    units = {unit.name: unit.text for timer in every for unit in timer.units}
    steps = [f"{folder / one.unit} would be written and started: {one.task.title}: {one.when}"
             for one in every if one.when]  # fmt: skip
    steps.append("dysnomia-tui schedule --remove would take the timers back")
    return {"folder": str(folder), "units": units, "steps": steps}


def _files_of(machine: Machine, found: Found) -> tuple[dict[str, str], list[str]]:
    """The files of one that was found, its own the last, and what stands against writing them."""
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
    refused = add_container(machine, files, containers / found.container, found.type, found.properties)
    if refused:
        blockers.append(refused)
    files[str(components / found.container / found.component)] = ""
    return files, blockers


def adopt_folders(settings: Settings) -> tuple[Path, Path]:
    """Where adopted containers and components are written: the first folder of the search path that can be, else
    the user's own."""
    return (
        _writable(settings.containers_path) or settings.user_config / "containers",
        _writable(settings.components_path) or settings.user_config / "components",
    )


def _writable(folders: Collection[Path]) -> Path | None:
    for folder in folders:
        if os.access(nearest_existing(folder), os.W_OK | os.X_OK):
            return folder
    return None


def add_container(
    machine: Machine, files: dict[str, str], path: Path, type_name: str, properties: Mapping[str, PropertyValue]
) -> str:
    """Add a container's file to those that would be written, unless there is one that says the same. Returns why it
    cannot be, or ``""``. Raises Blocked where a secret would be written."""
    existing = machine.inventory().containers.get(path.name)
    if existing is None:
        files[str(path)] = container_text(type_name, properties)
    elif existing.problem or dict(existing.properties) != {**properties, "type": type_name}:
        return f"{existing.path} already exists with other content"
    return ""


def container_text(type_name: str, properties: Mapping[str, PropertyValue]) -> str:
    """A container's file, as Dysnomia reads it. Raises Blocked where a secret would be written."""
    lines = [f"type={quoted(type_name)}"]
    for name, value in properties.items():
        if name == "type":
            continue
        if is_secret(name) and value:
            raise Blocked(f"{name} is a secret, which adopting does not write to a file", "write it there yourself")
        text = quoted(value) if isinstance(value, str) else "(" + " ".join(quoted(one) for one in value) + ")"
        lines.append(f"{name}={text}")
    return "\n".join(lines) + "\n"


def quoted(value: str) -> str:
    """A value as both bash and our reader take it for itself."""
    plain = value and all(char.isascii() and (char.isalnum() or char in "_-./:@%+,") for char in value)
    return value if plain else "'" + value.replace("'", "'\\''") + "'"


def run_adopt(work: JobContext) -> Outcome:
    """Write the files, and never over one that is there. One component that cannot be written does not stop the rest,
    unless its container cannot: then none of that container is."""
    written: list[str] = []
    adopted: list[ComponentKey] = []
    failures = Failures(work)
    lost: dict[str, Stale] = {}
    for name, content in work.plan.params["files"].items():
        work.cancel.check()
        path = Path(name)
        key = work.plan.params["components"].get(name)
        of = lost.get(ComponentKey.parse(key).container) if key else None
        try:
            if of is not None:
                raise of
            _write_new(path, content)
        except Stale as error:
            if key:
                failures.add(ComponentKey.parse(key), error)
            else:
                lost[path.name] = error
            continue
        written.append(name)
        if key:
            adopted.append(ComponentKey.parse(key))
            work.machine.store.set_state(adopted[-1], active=True, garbage=False)
    if "group" in work.plan.params and not failures.messages:
        from dysnomia_tui.engine.operations.adopt_application import add_group

        written.append(add_group(work.plan.params))
        message = f"{work.plan.title.removeprefix('adopt ')} is adopted, with {len(work.plan.keys)} components"
    else:
        message = _adopted(adopted, failures.messages)
    details = {"files": written, "failed": failures.messages}
    outcome = failures.outcome(message, details, nothing_done=not adopted)
    timers = work.plan.params.get("timers")
    if timers is None or not adopted:
        return outcome
    try:
        start_units(timers["units"], Path(timers["folder"]))
    except EngineError as error:
        return replace(outcome, state=JobState.PARTLY, message=f"{message}; no timer snapshots it: {error.message}")
    return replace(outcome, message=f"{message}; timers snapshot it (dysnomia-tui schedule)")


def _write_new(path: Path, content: str) -> None:
    """Raises Stale where there is something already."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise Stale(f"{path} already exists", "check it, then adopt again") from None
    try:
        with os.fdopen(fd, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:  # half a file would be obeyed, and be in the way of the next adoption
        path.unlink(missing_ok=True)
        raise


def _adopted(keys: Sequence[ComponentKey], failed: Mapping[str, str]) -> str:
    if len(keys) == 1 and not failed:
        return f"{keys[0]} is adopted"
    text = f"{len(keys)} components are adopted"
    return f"{text}, {len(failed)} not: {'; '.join(failed.values())}" if failed else text
