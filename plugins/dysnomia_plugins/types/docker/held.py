"""Containers that must not write while a volume is read or exchanged: stopped or paused, and brought back afterwards.

The journal has who they are before anything is done to them, so that whoever recovers a dead job brings them back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dysnomia_plugins.base import Component, Context, WarningLine
from dysnomia_plugins.errors import BadProperties, NotSafe, PluginError
from dysnomia_plugins.interface.context import SERVICE_UMASK
from dysnomia_plugins.toolkit.process import NeverCancelled, ProcessRunner
from dysnomia_plugins.types.docker.client import Docker, names_in_words
from dysnomia_plugins.types.docker.containers import Container
from dysnomia_plugins.types.docker.volumes import Volume

HELD, LET_GO = "docker-held", "docker-let-go"
"""Written in journals, of jobs before an upgrade too: not to be renamed."""
RESTORE_SETTING, SNAPSHOT_SETTING, TIMEOUT_SETTING = "volumeRestore", "volumeSnapshot", "dockerStopTimeout"
REFUSE, STOP, PAUSE, READ = "refuse", "stop", "pause", "read"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a container's file says of volumes that are in use."""

    restore: str
    snapshot: str
    timeout: int

    @classmethod
    def of(cls, component: Component) -> Settings:
        """Raises BadProperties."""
        return cls(
            restore=_one_of(component, RESTORE_SETTING, REFUSE, STOP),
            snapshot=_one_of(component, SNAPSHOT_SETTING, READ, PAUSE, STOP, REFUSE),
            timeout=_seconds(component),
        )


def _one_of(component: Component, setting: str, *words: str) -> str:
    value = component.prop(setting, words[0])
    if value not in words:
        raise BadProperties(f"{setting} of {component.key} must be one of {', '.join(words)}", "correct it")
    return value


def _seconds(component: Component) -> int:
    text = component.prop(TIMEOUT_SETTING, "10")
    if not text.isascii() or not text.isdigit() or int(text) > 3600:
        raise BadProperties(f"{TIMEOUT_SETTING} of {component.key} is not a number of seconds ({text})", "up to 3600")
    return int(text)


def running(volume: Volume, docker: Docker) -> list[Container]:
    """Those that use a volume and run, the one that was started first coming first. Raises PluginError."""
    return [one for one in volume.users(docker) if one.is_up]


def why_not_stopped(containers: Sequence[Container]) -> str:
    """Why one of them cannot be stopped and started again, with its name; ``""`` where all can."""
    for one in containers:
        if one.removed_when_stopped:
            return f"{one.name} is removed when it is stopped (--rm): stop it yourself"
        if one.swarm_service:
            return f"{one.name} is a task of the service {one.swarm_service}, which would start another: scale it to 0"
        if one.status == "paused":
            return f"{one.name} is paused: unpause or stop it"
    return ""


@contextmanager
def held(ctx: Context, docker: Docker, volume: Volume, how: str) -> Iterator[None]:
    """No container that runs now writes into a volume inside; afterwards they run as before.

    Raises PluginError: before the body with all as it was, after it where one does not start again."""
    if how == READ:
        yield
        return
    containers = running(volume, docker)
    if how == PAUSE:
        containers = [one for one in containers if one.status != "paused"]
    if not containers:
        yield
        return
    if how == REFUSE:
        raise NotSafe(f"{volume.name} is used by {names_in_words(containers)}", "stop them (docker stop)")
    obstacle = why_not_stopped(containers) if how == STOP else ""
    if obstacle:
        raise NotSafe(obstacle, "nothing was changed")
    ctx.cancel.check()
    patient = _patient(ctx, docker)
    ctx.journal.step(HELD, how=how, containers=[one.id for one in containers])
    try:
        ctx.progress.log(f"{how} {names_in_words(containers)}")
        _hold(patient, how, containers, Settings.of(ctx.component).timeout)
        late = [one for one in running(volume, patient) if one.status != "paused"]
        if late:
            raise NotSafe(f"{names_in_words(late)} was started now and uses {volume.name}", "stop it")
        yield
    except BaseException:
        _let_go_or_say(ctx, patient)
        raise
    _let_go(ctx, patient)


def _patient(ctx: Context, docker: Docker) -> Docker:
    """Not cut off by a cancel: what is stopping cannot be started yet."""
    return Docker(ProcessRunner(NeverCancelled(), tool_path=ctx.tool_path), docker.program, docker.socket)


def _hold(docker: Docker, how: str, containers: Sequence[Container], timeout: int) -> None:
    for one in reversed(containers):
        words = ("stop", "-t", str(timeout)) if how == STOP else ("pause",)
        docker.run(*words, one.id, timeout=None)


def _left(ctx: Context) -> Mapping[str, Any] | None:
    """What the journal has of containers that were not brought back."""
    left: Mapping[str, Any] | None = None
    for name, data in ctx.journal.steps():
        if name in (HELD, LET_GO):
            left = data if name == HELD else None
    return left


def _let_go(ctx: Context, docker: Docker) -> None:
    """Bring them back. Goes on after a fault; raises PluginError with all of them."""
    left = _left(ctx)
    if left is None:
        return
    faults: list[str] = []
    for one in map(str, left["containers"]):
        try:
            _bring_back(ctx, docker, one, str(left["how"]))
        except PluginError as error:
            faults.append(error.message)
    if faults:
        raise PluginError(f"not every container runs again: {'; '.join(faults)}", "start it (docker start)")
    ctx.journal.step(LET_GO)


def _bring_back(ctx: Context, docker: Docker, name: str, how: str) -> None:
    container = docker.container(name)
    if container is None:
        ctx.progress.log(WarningLine.of(f"the container {name[:12]} is gone, and was not started again"))
    elif how == PAUSE and container.status == "paused":
        docker.run("unpause", container.id)
    elif how == STOP and not container.is_up:
        words = docker.command("start", container.id)
        docker.runner.follow(words, env=docker.environment, umask=SERVICE_UMASK)
        ctx.progress.log(f"{container.name} was started again")


def _let_go_or_say(ctx: Context, docker: Docker) -> None:
    """After something failed: that is what is told, not how this ends."""
    try:
        _let_go(ctx, docker)
    except PluginError as error:
        ctx.progress.log(WarningLine.of(f"{error.message} ({error.hint})"))
        ctx.journal.step(LET_GO)


def bring_back_left(ctx: Context, docker: Docker) -> None:
    """Those that a dead job has stopped or paused. Idempotent. What does not start is logged: it must not be in the way
    of an undo."""
    if _left(ctx) is not None:
        _let_go_or_say(ctx, _patient(ctx, docker))
