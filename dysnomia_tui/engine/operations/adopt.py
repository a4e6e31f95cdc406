"""Adoption of found state: the files that would be written, and writing them."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path

from dysnomia_plugins.base import Found, PropertyValue
from dysnomia_store.errors import NameRejected
from dysnomia_store.names import ComponentKey, validate_name
from dysnomia_tui.config import Settings
from dysnomia_tui.engine.errors import Blocked, Stale
from dysnomia_tui.engine.jobs.context import JobContext, Outcome
from dysnomia_tui.engine.machine.machine import Machine
from dysnomia_tui.engine.plans.grades import confirmation, graded
from dysnomia_tui.engine.plans.plan import Grade, Kind, Plan, Step
from dysnomia_tui.engine.records import JobState
from dysnomia_tui.engine.redact import is_secret


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
        blockers.append(f"{existing.path} already exists with other content")
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
        existing = folder
        while not existing.exists() and existing != existing.parent:
            existing = existing.parent
        if os.access(existing, os.W_OK | os.X_OK):
            return folder
    return None


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
    """Write the files, and never over one that is there."""
    written: list[str] = []
    for name, content in work.plan.params["files"].items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            raise Stale(f"{path} already exists", "check it, then adopt again") from None
        with os.fdopen(fd, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        written.append(name)
    params = work.plan.params
    for key in [ComponentKey.parse(text) for text in params["active"]] if "active" in params else work.plan.keys[:1]:
        work.machine.store.set_state(key, active=True, garbage=False)
    if "group" in params:
        from dysnomia_tui.engine.operations.adopt_application import add_group

        add_group(params)
        written.append(params["config"])
        return Outcome(JobState.DONE, "its components and its group are adopted", details={"files": written})
    return Outcome(JobState.DONE, f"{work.plan.keys[0]} is adopted", details={"files": written})
