"""Adoption of an application: its components are configured as any found state, a group of config.toml joins them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from dysnomia_base.escape import visible
from dysnomia_tui.config.edit import appended, identity, in_toml, replace_if_same, target_of, text_of, why_not_written
from dysnomia_tui.config.errors import SettingsError
from dysnomia_tui.config.toml import read_text
from dysnomia_tui.engine.applications.model import Application, Part
from dysnomia_tui.engine.applications.recognise import FILESET
from dysnomia_tui.engine.errors import EngineError, Stale
from dysnomia_tui.engine.group.hooks import why_not_run
from dysnomia_tui.engine.machine.machine import Machine
from dysnomia_tui.engine.operations.adopt import add_container, adopt_folders
from dysnomia_tui.engine.plans.grades import confirmation, graded
from dysnomia_tui.engine.plans.plan import Grade, Kind, Plan, Step


def plan_adopt_application(machine: Machine, application: Application, now: datetime) -> Plan:
    """The files that would be written, and the lines that config.toml would get. Raises Blocked."""
    files, own, blockers = _files(machine, application)
    config = target_of(machine.settings, os.geteuid())
    text = group_text(application)
    blockers = [*application.problems, *blockers, *_against(machine, application, config)]
    grade = graded(machine.settings, application.keys, Grade.ADDS)
    return Plan(
        kind=Kind.ADOPT,
        title=f"adopt {application.title} as group {application.name}",
        keys=application.keys,
        grade=grade,
        steps=tuple(_steps(application, files, config, text)),
        params={
            "files": files, "components": own, "config": str(config), "group": text, "identity": identity(config),
        },
        warnings=tuple(application.notes),
        blockers=tuple(blockers),
        command=("dysnomia-tui", "applications", application.name, "--adopt"),
        confirm=confirmation(grade, application.keys, application.name),
        made=now,
    )  # fmt: skip


def _files(machine: Machine, application: Application) -> tuple[dict[str, str], dict[str, str], list[str]]:
    """What would be written for each part, which file of it is whose, and what stands against it."""
    containers, components = adopt_folders(machine.settings)
    files: dict[str, str] = {}
    own: dict[str, str] = {}
    blockers: list[str] = []
    for part in application.parts:
        if part.configured:
            continue
        if part.key in machine.inventory().components:
            blockers.append(f"{part.key} is configured already, for something else")
        refused = add_container(machine, files, containers / part.key.container, part.type, part.properties)
        if refused:
            blockers.append(refused)
        path = components / part.key.container / part.key.component
        content = ""
        if part.type == FILESET:
            path, content = path / ".dysnomia-fileset", f"mkdir {part.folder}\n"
        files[str(path)], own[str(path)] = content, str(part.key)
    return files, own, blockers


def _against(machine: Machine, application: Application, config: Path) -> Iterator[str]:
    if not application.parts:
        yield f"nothing of {application.title} can be adopted"
    if application.name in machine.settings.groups:
        yield f"there is a group {application.name} already"
    refused = why_not_written(config, os.environ, os.geteuid())
    if refused:
        yield refused
    else:
        try:
            _with_group(config, text_of(config), group_text(application))
        except SettingsError as error:
            yield error.message
    for argv in (application.before, application.after):
        reason = why_not_run(argv[0]) if argv else ""
        if reason:
            yield f"{argv[0]} is not run: {reason}"


def group_text(application: Application) -> str:
    """The lines of config.toml."""
    lines = [
        f"# {application.title}, recognised by {visible(application.config)}; what belongs to it: {application.source}",
        f"[groups.{application.name}]",
        f"components = {in_toml([str(key) for key in application.keys])}",
    ]
    lines += [
        f"{name} = {in_toml(list(argv))}"
        for name, argv in (("before", application.before), ("after", application.after))
        if argv
    ]
    return "\n".join(lines) + "\n"


def _steps(application: Application, files: Mapping[str, str], config: Path, text: str) -> Iterator[Step]:
    for part in application.parts:
        if part.configured:
            yield Step(f"{part.key} is configured already and stays as it is: {part.detail}", str(part.key))
    for path, content in files.items():
        yield Step(
            f"{path} would be written: {'; '.join(content.splitlines()) or 'empty'}", _key_of(application.parts, path)
        )
    yield Step(f"{config} would get: {'; '.join(text.splitlines()[1:])}")


def _key_of(parts: tuple[Part, ...], path: str) -> str:
    return next((str(part.key) for part in parts if f"/{part.key}" in path), "")


def add_group(params: Mapping[str, Any]) -> str:
    """Write the lines of a plan at the end of its config.toml, which is returned. Raises Stale, EngineError."""
    path = Path(params["config"])
    try:
        written = replace_if_same(path, params["identity"], lambda text: _with_group(path, text, params["group"]))
    except (SettingsError, OSError) as error:
        message = error.message if isinstance(error, SettingsError) else f"{path} was not written: {error.strerror}"
        raise EngineError(
            f"{message}; the components are adopted, without a group", "write it there yourself"
        ) from None
    if not written:
        raise Stale(
            f"another program changed {path} after the plan was made: the components are adopted, but no group"
            " was written",
            "look at it, then adopt the application again",
        )
    return str(path)


def _with_group(path: Path, text: str, group: str) -> str:
    """What the file would hold. Raises SettingsError."""
    new = appended(text, group)
    read_text(path, new)
    return new
