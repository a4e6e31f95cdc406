"""The type ``docker-container``: a container made of a component's image, started and stopped.

Holds no state: what a container keeps is in volumes and databases, which are components of their own. What an
activation is about to make stands in the journal first, so that one that fails, is cancelled or dies is taken back: the
container, if the job has made it, and the image, if it came with it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from dysnomia_plugins.base import Component, Context, Plugin, Probe, Runner, WarningLine
from dysnomia_plugins.errors import NotSafe, PluginError, ProcessFailed
from dysnomia_plugins.interface.context import SERVICE_UMASK
from dysnomia_plugins.interface.status import Fact, Status, Tone
from dysnomia_plugins.toolkit import deployment
from dysnomia_plugins.toolkit.process import NeverCancelled, ProcessRunner
from dysnomia_plugins.toolkit.servers import PROBE_SECONDS, down
from dysnomia_plugins.types.docker import client
from dysnomia_plugins.types.docker.client import Docker, names_in_words
from dysnomia_plugins.types.docker.containers import Container
from dysnomia_plugins.types.docker.spec import ContainerSpec
from dysnomia_plugins.types.docker.told import last_lines, overall, status_of

IMAGE, CONTAINER, STARTED = "docker-image", "docker-container", "docker-started"
"""Written in journals, of jobs before an upgrade too: not to be renamed."""
LABEL = "dysnomia-tui.job"
"""Of the containers that a job makes: its tag. Nothing else that has their name is taken back."""
READABLE = (
    "in *-docker-createparams could be read by every user of this machine while the container is created: Docker takes"
    " it from no file (options of logs can stand in daemon.json)"
)
SETTLE = 0.5
"""Seconds in which a container that was started must not have failed."""
LOOK = 0.1
LAST = 10


class DockerContainer(Plugin):
    """Puts a component's container into service."""

    type: ClassVar[str] = "docker-container"
    title: ClassVar[str] = "Docker container"
    property_names: ClassVar[tuple[str, ...]] = ("dockerSocket", "dockerProgram", "dockerStatelessDeployment")
    tools: ClassVar[tuple[str, ...]] = client.TOOLS
    packages: ClassVar[Mapping[str, str]] = client.PACKAGES
    alternatives: ClassVar[Mapping[str, tuple[str, ...]]] = client.ALTERNATIVES
    stateless: ClassVar[str] = (
        f"{deployment.no_state('a container')} (its volumes: type docker-volume)."
        " What it writes elsewhere goes with the container, when it is deactivated"
    )

    def activities(self) -> frozenset[str]:
        return super().activities() | {"collect-garbage"}

    # Into service.

    def activate(self, ctx: Context) -> None:
        spec, docker = ContainerSpec.of(ctx.component), Docker.of(ctx.component, ctx.runner)
        creation = spec.created(f"{LABEL}={ctx.tag}")
        if spec.image:
            ctx.progress.phase("load")
            ctx.journal.step(IMAGE, tag=spec.tag, was=docker.image(spec.tag), images=docker.images())
            for line in docker.run("load", "--input", spec.image, timeout=None).splitlines():
                ctx.progress.log(line)
            if not docker.image(spec.tag):
                raise PluginError(f"there is no image {spec.tag} in {spec.image}", "correct dockerImageTag")
        ctx.progress.phase("create")
        ctx.cancel.check()
        before = docker.container(spec.name)  # as late as can be: others make containers too
        if before is None:
            ctx.journal.step(CONTAINER, name=spec.name, job=ctx.tag)
            ctx.progress.log(f"create {spec.name}")
            if creation.readable:
                ctx.progress.log(WarningLine.of(f"{', '.join(creation.readable)} {READABLE}"))
            with creation.command() as words:
                _asking(ctx).run(*words, timeout=None, env=creation.variables, stdin=creation.lines)
        elif before.image != docker.image(spec.tag):
            ctx.progress.log(
                WarningLine.of(
                    f"{spec.name} is there already, and was made of another image than {spec.tag} is now:"
                    " deactivate it first to have it made anew"
                )
            )
        ctx.progress.phase("start")
        ctx.cancel.check()
        was_up = before is not None and before.is_up
        ctx.journal.step(STARTED, name=spec.name, id=before.id if before else "", up=was_up)
        ctx.progress.log(f"start {spec.name}")
        _start(ctx, spec.name)
        self._settle(ctx, docker, spec.name)

    def _settle(self, ctx: Context, docker: Docker, name: str) -> None:
        until = time.monotonic() + SETTLE
        while True:
            now = docker.container(name)
            if now is None and time.monotonic() < until:
                return  # --rm, and it has done what it was for
            if now is None or now.failed or now.exit_status or now.restarts:
                why = "it is gone" if now is None else now.error or f"{now.status}, status {now.exit_status}"
                for line in last_lines(docker, name, LAST)[0]:
                    ctx.progress.log(line.text)
                raise PluginError(f"{name} did not start ({why})", "see the job's log; nothing of it stays")
            if now.status == "exited" or time.monotonic() > until:
                return
            ctx.cancel.check()
            time.sleep(LOOK)

    # Out of service.

    def deactivate(self, ctx: Context) -> None:
        deployment.require_obeyed(ctx.component)
        spec, docker = ContainerSpec.of(ctx.component), Docker.of(ctx.component, ctx.runner)
        ctx.progress.phase("stop")
        container = docker.container(spec.name)
        if container is not None and container.is_up:
            ctx.progress.log(f"stop {spec.name}")
            docker.run("stop", "-t", str(spec.timeout), spec.name, timeout=None)
        if spec.stateless:
            self._remove(ctx, docker, spec)

    def leaves_garbage(self, component: Component) -> bool:
        """Where the component says that its container is to be kept."""
        return not ContainerSpec.of(component).stateless

    def deactivation_in_words(self, component: Component) -> str:
        if self.leaves_garbage(component):
            return "its container would be stopped and kept, marked as garbage"
        return "its container would be removed, with all that it wrote outside of volumes"

    def collect_garbage(self, ctx: Context) -> None:
        """Remove the container, and the image where nothing else uses it. Raises PluginError, NotSafe while it runs."""
        deployment.require_obeyed(ctx.component)
        spec, docker = ContainerSpec.of(ctx.component), Docker.of(ctx.component, ctx.runner)
        container = docker.container(spec.name)
        if container is not None and container.is_up:
            raise NotSafe(f"the container {spec.name} runs", "deactivate the component first")
        self._remove(ctx, docker, spec)

    def _remove(self, ctx: Context, docker: Docker, spec: ContainerSpec) -> None:
        ctx.progress.phase("remove")
        if docker.container(spec.name) is not None:
            ctx.progress.log(f"remove {spec.name}")
            docker.run("rm", spec.name)
        image = docker.image(spec.tag)
        if not image:
            return
        users = [one for one in docker.containers() if image == one.image]
        if users:
            ctx.progress.log(f"the image {spec.tag} is used by {names_in_words(users)}, and stays")
            return
        ctx.progress.log(f"remove the image {spec.tag}")
        try:
            docker.run("rmi", spec.tag)
        except ProcessFailed as error:  # an image that was made of it, say
            ctx.progress.log(f"the image {spec.tag} stays: {error.message}")

    def rollback_activation(self, ctx: Context) -> None:
        """In the other order than it was made. Goes on after a fault, and says all of them."""
        done = dict(ctx.journal.steps())
        docker = Docker.of(ctx.component, ctx.runner)
        made, started = done.get(CONTAINER), done.get(STARTED)
        with deployment.taken_back() as faults:
            if made is not None:
                with deployment.noting(faults):
                    _remove_made(ctx, docker, made)
            elif started is not None and not started.get("up"):
                with deployment.noting(faults):
                    _stop_again(docker, started)
            if IMAGE in done:
                with deployment.noting(faults):
                    _take_image_back(docker, done[IMAGE])

    # Looking.

    def probe(self, component: Component, runner: Runner) -> Probe:
        try:
            docker = Docker.of(component, runner)
            version = docker.version(PROBE_SECONDS)
        except PluginError as error:
            return down(error)
        try:
            spec = ContainerSpec.of(component)
            word, tone = overall(docker.container(spec.name, PROBE_SECONDS))
        except PluginError as error:
            return Probe(up=True, version=version, detail=error.message, word="unknown", broken=True)
        return Probe(up=True, version=version, word=word, broken=tone is Tone.BAD)

    def status(self, component: Component, runner: Runner) -> Status:
        spec, docker = ContainerSpec.of(component), Docker.of(component, runner)
        container = docker.container(spec.name, PROBE_SECONDS)
        if container is None:
            facts = (Fact(f"there is no container {spec.name}", tone=Tone.DIM),)
            return Status(*overall(None), facts, (), "a container that is not there has no log")
        return status_of(docker, container)

    def shell(self, component: Component) -> tuple[Sequence[str], Mapping[str, str]]:
        """A shell, with the commands for this container told first, as Dysnomia does."""
        name, docker = ContainerSpec.of(component).name, Docker.of(component, ProcessRunner(NeverCancelled()))
        verbs = (f"ps --all --filter name={name}", f"logs --follow {name}", f"exec --interactive --tty {name} /bin/sh",
                 f"stats {name}", f"stop {name}", f"start {name}")  # fmt: skip
        hints = [f"Container of {component.key}:", *(f"{docker.program} {verb}" for verb in verbs)]
        argv, environment = deployment.hinted_shell(hints)
        elsewhere = {"DOCKER_HOST": f"unix://{docker.socket}"} if docker.socket else {}
        return argv, {**environment, **elsewhere}


def _asking(ctx: Context) -> Docker:
    """For what takes a moment and must not be cut off: what Docker has been asked to make, it makes."""
    return Docker.of(ctx.component, ProcessRunner(NeverCancelled(), tool_path=ctx.tool_path))


def _start(ctx: Context, name: str) -> None:
    """Podman leaves a process behind that watches the container. Raises PluginError."""
    docker = Docker.of(ctx.component, ctx.runner)
    ctx.runner.follow(docker.command("start", name), env=docker.environment, umask=SERVICE_UMASK)


def _remove_made(ctx: Context, docker: Docker, step: Mapping[str, Any]) -> None:
    """What was never in service: its anonymous volumes with it. One that has the name and was not made by the job that
    wrote the step is somebody else's."""
    container = docker.container(str(step["name"]))
    if container is None:
        return
    if "job" in step and container.labels.get(LABEL) != step["job"]:  # jobs before an upgrade labelled none
        ctx.progress.log(f"the container {container.name} is not what this job made, and was left as it is")
        return
    docker.run("rm", "--force", "--volumes", container.id, timeout=None)


def _stop_again(docker: Docker, step: Mapping[str, Any]) -> None:
    """The one that was there before and did not run; not one that has its name since."""
    container: Container | None = docker.container(str(step["name"]))
    if container is not None and container.is_up and step.get("id", container.id) == container.id:
        docker.run("stop", container.id, timeout=None)


def _take_image_back(docker: Docker, step: Mapping[str, Any]) -> None:
    """The name leads where it led before; an image that was not there before, and that nothing uses, goes."""
    tag, was, now = str(step["tag"]), str(step["was"]), docker.image(str(step["tag"]))
    if now == was:
        return
    if was and docker.image(was):
        docker.run("tag", was, tag)
    elif now:
        docker.run("rmi", tag)
    left = docker.inspect("image", now) if docker.image(now) else []
    used = any(one.image == now for one in docker.containers())
    if left and not left[0].get("RepoTags") and now not in step["images"] and not used:
        docker.run("rmi", now)
