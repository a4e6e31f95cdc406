"""Adoption of an application: its components are configured as any found state, a group of config.toml joins them."""

from __future__ import annotations

import fcntl
import json
import os
import stat
import tomllib
from collections.abc import Iterator, Mapping
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from dysnomia_base.escape import visible
from dysnomia_base.ownership import refusal
from dysnomia_tui.config.load import MACHINE
from dysnomia_tui.engine.applications.model import Application, Part
from dysnomia_tui.engine.applications.recognise import FILESET
from dysnomia_tui.engine.errors import Stale
from dysnomia_tui.engine.group.hooks import why_not_run
from dysnomia_tui.engine.machine.machine import Machine
from dysnomia_tui.engine.operations.adopt import adopt_folders, container_text
from dysnomia_tui.engine.plans.grades import confirmation, graded
from dysnomia_tui.engine.plans.plan import Grade, Kind, Plan, Step


def plan_adopt_application(machine: Machine, application: Application, now: datetime) -> Plan:
    """The files that would be written, and the lines that config.toml would get. Raises Blocked."""
    files, blockers = _files(machine, application)
    config = group_file(machine)
    text = group_text(application)
    new = tuple(part.key for part in application.parts if not part.configured)
    blockers = [*application.problems, *blockers, *_against(machine, application, config)]
    grade = graded(machine.settings, application.keys, Grade.ADDS)
    return Plan(
        kind=Kind.ADOPT,
        title=f"adopt {application.title} as group {application.name}",
        keys=application.keys,
        grade=grade,
        steps=tuple(_steps(application, files, config, text)),
        params={
            "files": files, "active": [str(key) for key in new], "config": str(config), "group": text,
            "seen": _digest(config),
        },
        warnings=tuple(application.notes),
        blockers=tuple(blockers),
        command=("dysnomia-tui", "applications", application.name, "--adopt"),
        confirm=confirmation(grade, application.keys, application.name),
        made=now,
    )  # fmt: skip


def _files(machine: Machine, application: Application) -> tuple[dict[str, str], list[str]]:
    """What would be written for each part, and what stands against it."""
    containers, components = adopt_folders(machine.settings)
    files: dict[str, str] = {}
    blockers: list[str] = []
    for part in application.parts:
        if part.configured:
            continue
        if part.key in machine.inventory().components:
            blockers.append(f"{part.key} is configured already, for something else")
        existing = machine.inventory().containers.get(part.key.container)
        if existing is None:
            files[str(containers / part.key.container)] = container_text(part.type, part.properties)
        elif existing.problem or dict(existing.properties) != {**part.properties, "type": part.type}:
            blockers.append(f"{existing.path} already exists with other content")
        path = components / part.key.container / part.key.component
        if part.type == FILESET:
            files[str(path / ".dysnomia-fileset")] = f"mkdir {part.folder}\n"
        else:
            files[str(path)] = ""
    return files, blockers


def _against(machine: Machine, application: Application, config: Path) -> Iterator[str]:
    if not application.parts:
        yield f"nothing of {application.title} can be adopted"
    if application.name in machine.settings.groups:
        yield f"there is a group {application.name} already"
    refused = refusal(config)
    if refused:
        yield refused
    if config.is_symlink():
        yield f"{config} is a link, which is not replaced: add the lines of [groups.{application.name}] where it leads"
    for argv in (application.before, application.after):
        reason = why_not_run(argv[0]) if argv else ""
        if reason:
            yield f"{argv[0]} is not run: {reason}"


def group_file(machine: Machine) -> Path:
    """The config.toml that gets a group: the first read that may be written, else the machine's or the user's."""
    writable = [path for path in machine.settings.files if os.access(path, os.W_OK)]
    folder = MACHINE if os.geteuid() == 0 else machine.settings.user_config
    return writable[0] if writable else folder / "config.toml"


def group_text(application: Application) -> str:
    """The lines of config.toml."""
    lines = [
        f"# {application.title}, recognised by {visible(application.config)}; what belongs to it: {application.source}",
        f"[groups.{application.name}]",
        f"components = {_toml([str(key) for key in application.keys])}",
    ]
    lines += [
        f"{name} = {_toml(argv)}"
        for name, argv in (("before", application.before), ("after", application.after))
        if argv
    ]
    return "\n".join(lines) + "\n"


def _toml(words: list[str] | tuple[str, ...]) -> str:
    return json.dumps(list(words), ensure_ascii=False).replace("\x7f", "\\u007f")


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


def _digest(config: Path) -> str:
    try:
        return sha256(config.read_bytes()).hexdigest()
    except FileNotFoundError:
        return ""
    except OSError:
        return "unreadable"


def add_group(params: Mapping[str, Any]) -> None:
    """Write the lines of a plan behind what its config.toml holds. Raises Stale, OSError."""
    config = Path(params["config"])
    config.parent.mkdir(parents=True, exist_ok=True)
    folder = os.open(config.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)  # one adoption after the other
        if _digest(config) != params["seen"] or config.is_symlink():
            raise Stale(
                f"{config} was changed by another program since the plan was made", "look at it, then adopt again"
            )
        _replace(config, params["group"])
        os.fsync(folder)
    finally:
        os.close(folder)


def _replace(config: Path, group: str) -> None:
    try:
        old, like = config.read_text("utf-8"), config.stat()
    except FileNotFoundError:
        old, like = "", None
    new = f"{old}{'' if not old or old.endswith(chr(10)) else chr(10)}{chr(10) if old else ''}{group}"
    try:
        tomllib.loads(new)
    except tomllib.TOMLDecodeError as error:
        raise Stale(f"{config} cannot take a group at its end ({error})", f"write it there yourself: {group}") from None
    making = config.with_name(f".{config.name}.dysnomia")
    making.unlink(missing_ok=True)
    fd = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(new)
        file.flush()
        if like is not None:
            os.fchown(fd, like.st_uid, like.st_gid)
        os.fchmod(fd, stat.S_IMODE(like.st_mode) if like is not None else 0o644)
        os.fsync(fd)
    making.rename(config)
