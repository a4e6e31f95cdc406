"""The type ``docker-volume``: a named volume of Docker's, as a set of files.

A component is called as its volume. What is live is the volume's folder ``_data``; a restore is loaded beside it, and
exchanged in one rename. A container has that folder mounted, whatever it is called then: so those that run and use the
volume are stopped for the exchange and started again, where the container's file says so (``volumeRestore=stop``), or
the restore is refused with their names. A copy is another volume.

Container properties: those of ``client``, ``volumeRestore``, ``volumeSnapshot``, ``dockerStopTimeout``.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import ClassVar

from dysnomia_plugins.base import (
    Component,
    Context,
    Draft,
    Dumped,
    Finding,
    Found,
    Listed,
    ListedState,
    Place,
    Preflight,
    Probe,
    Runner,
    Severity,
    Stored,
    WarningLine,
)
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.interface.status import Fact, Status, Tone
from dysnomia_plugins.toolkit.containers.engine import SOCKET
from dysnomia_plugins.toolkit.filesets.load import Loader
from dysnomia_plugins.toolkit.filesets.plugin import FilesetState
from dysnomia_plugins.toolkit.filesets.spec import FilesetSpec
from dysnomia_plugins.toolkit.guarded.removal import remove_empty
from dysnomia_plugins.toolkit.guarded.system import LinkInTheWay
from dysnomia_plugins.toolkit.servers import down
from dysnomia_plugins.toolkit.trees.extract import Trust
from dysnomia_plugins.toolkit.trees.names import purpose_of
from dysnomia_plugins.types.docker import client
from dysnomia_plugins.types.docker.client import Docker, Nothing, names_in_words
from dysnomia_plugins.types.docker.containers import Container
from dysnomia_plugins.types.docker.held import (
    REFUSE,
    RESTORE_SETTING,
    STOP,
    Settings,
    bring_back_left,
    held,
    running,
    why_not_stopped,
)
from dysnomia_plugins.types.docker.volumes import DATA, Volume, all_volumes, asked, require_reached, why_no_folder
from dysnomia_store.model import Section

MADE = "docker-volume-made"
"""Written in journals, of jobs before an upgrade too: not to be renamed."""
LABEL = "dysnomia-tui.copy"
_NOTED = "labels"
"""In a snapshot's surroundings."""
_COMPOSED = re.compile(r"com\.docker\.compose\.[a-z.-]{1,64}=[^\x00-\x1f\x7f]{1,256}")
"""By these Compose knows a volume again, and says of one without them that it has not made it. Others are not kept:
they would be words of a command, and may be secrets."""
_ANONYMOUS = re.compile(r"[0-9a-f]{64}")


class DockerVolume(FilesetState):
    """A named volume."""

    type: ClassVar[str] = "docker-volume"
    title: ClassVar[str] = "Docker volume"
    property_names: ClassVar[tuple[str, ...]] = (
        "dockerSocket",
        "dockerProgram",
        "volumeRestore",
        "volumeSnapshot",
        "dockerStopTimeout",
    )
    tools: ClassVar[tuple[str, ...]] = client.TOOLS
    packages: ClassVar[Mapping[str, str]] = client.PACKAGES
    alternatives: ClassVar[Mapping[str, tuple[str, ...]]] = client.ALTERNATIVES

    def __init__(self) -> None:
        super().__init__()
        self._labels: dict[str, Sequence[str]] = {}
        """Of the volume that a job would make, by its tag."""

    def spec_of(self, component: Component) -> FilesetSpec:
        """All that is in the volume's folder. Raises NotSafe where that cannot be reached, PluginError."""
        return _spec(self._volume(component))

    def _volume(self, component: Component) -> Volume:
        docker = asked(component)
        volume = Volume.of(docker, component.key.component)
        if volume.exists:
            require_reached(docker, volume)
        return volume

    # Life.

    def activate(self, ctx: Context) -> None:
        """A new volume is empty: its first container fills it. Idempotent."""
        docker = asked(ctx.component, ctx.runner)
        volume = Volume.of(docker, ctx.component.key.component)
        if not volume.exists:
            docker.run("volume", "create", volume.name)
        require_reached(docker, volume)

    def deactivate(self, ctx: Context) -> None:
        """The volume stays; the engine marks it as garbage."""

    def collect_garbage(self, ctx: Context) -> None:
        """Remove the volume, where no container uses it, not even one that is stopped. Raises NotSafe, PluginError."""
        docker = asked(ctx.component, ctx.runner)
        volume = Volume.of(docker, ctx.component.key.component)
        users = volume.users(docker) if volume.exists else []
        if users:
            raise NotSafe(f"the volume {volume.name} is used by {names_in_words(users)}", "remove them first")
        if volume.exists:
            docker.run("volume", "rm", volume.name)

    def probe(self, component: Component, runner: Runner) -> Probe:
        """Size as far as it can be counted in a second, and which containers use it."""
        try:
            probe = super().probe(component, runner)
            docker = asked(component, runner)
            users = running(Volume.of(docker, component.key.component), docker)
        except PluginError as error:
            return down(error)
        who = (*(f"the container {one.name}" for one in users), *probe.who)
        return replace(probe, clients=len(who), who=who)

    def status(self, component: Component, runner: Runner) -> Status:
        try:
            docker = asked(component, runner)
            volume = Volume.of(docker, component.key.component)
            users = volume.users(docker)
        except PluginError:
            return Status()
        folder = Fact(f"in {volume.folder}" if volume.exists else "there is no such volume", tone=Tone.DIM)
        return Status(facts=(*(Fact(f"{one.name} ({one.status}) uses it") for one in users), folder))

    # Places.

    def address(self, component: Component) -> str:
        return f"volumes of {asked(component).title}"

    def location(self, component: Component) -> tuple[str, ...]:
        try:
            docker = asked(component)
        except PluginError:
            return super().location(component)
        return (docker.program, os.path.realpath(docker.socket), component.key.component)

    def named(self, component: Component, name: str) -> Place:
        """The folder of a volume of that name. Raises PluginError."""
        place = super().named(component, name)
        root = posixpath.dirname(posixpath.dirname(self.layout_of(component).target))
        if name == component.key.component or len(name) < 2:
            raise PluginError(f"{name!r} cannot be the name of a copy", "choose another, of two characters or more")
        return Place(f"{root}/{posixpath.basename(place.name)}/{DATA}")

    def exists(self, ctx: Context, place: Place) -> bool:
        if _is_copy(place, self.live(ctx.component)):
            return os.path.lexists(posixpath.dirname(place.name))
        return super().exists(ctx, place)

    def drop(self, ctx: Context, place: Place) -> None:
        live = self.live(ctx.component)
        if _is_copy(place, live):
            self._drop_copy(ctx, place)
            return
        super().drop(ctx, place)
        if not os.path.lexists(live.name):
            with suppress(OSError, LinkInTheWay):
                remove_empty(posixpath.dirname(live.name))

    def _drop_copy(self, ctx: Context, place: Place) -> None:
        """One that this job made, and no other volume that has its name."""
        docker, name = asked(ctx.component), posixpath.basename(posixpath.dirname(place.name))
        try:
            labels = docker.inspect("volume", name)[0].get("Labels") or {}
        except Nothing:
            return
        if labels.get(LABEL) != ctx.tag:
            ctx.progress.log(f"the volume {name} is not what this job made, and was left as it is")
            return
        docker.run("volume", "rm", name)

    # Snapshot.

    def dump(self, ctx: Context, place: Place, draft: Draft) -> Dumped:
        """Containers that use the volume are read beside, paused or stopped, as ``volumeSnapshot`` says.

        Raises PluginError."""
        if place != self.live(ctx.component):
            return super().dump(ctx, place, draft)
        docker, how = asked(ctx.component, ctx.runner), Settings.of(ctx.component).snapshot
        volume = Volume.of(docker, ctx.component.key.component)
        if not volume.exists:
            raise PluginError(
                f"{docker.title} has no volume {volume.name}",
                f"restore a generation of it, or make it: {docker.program} volume create {volume.name}",
            )
        with held(ctx, docker, volume, how):
            dumped = super().dump(ctx, place, draft)
        return replace(dumped, surroundings={**dumped.surroundings, _NOTED: composed(docker, volume.name)})

    # Restore.

    def preflight(self, ctx: Context, stored: Stored, *, replace: bool) -> Preflight:
        result = super().preflight(ctx, stored, replace=replace)
        docker = asked(ctx.component, ctx.runner)
        volume = Volume.of(docker, ctx.component.key.component)
        users = running(volume, docker) if volume.exists and replace else []
        return _with_users(result, volume, users, Settings.of(ctx.component)) if users else result

    def load(self, ctx: Context, stored: Stored, place: Place, sections: Sequence[Section] | None = None) -> None:
        if not _is_copy(place, self.live(ctx.component)):
            self._labels[ctx.tag] = _noted(ctx, stored)
            super().load(ctx, stored, place, sections)
            return
        home = posixpath.dirname(place.name)
        if os.path.lexists(home):
            raise NotSafe(f"{home} already exists", "nothing was loaded over it")
        docker = asked(ctx.component, ctx.runner)
        docker.run("volume", "create", "--label", f"{LABEL}={ctx.tag}", posixpath.basename(home))
        remove_empty(place.name)
        Loader(ctx, self.layout_of(ctx.component), stored, place, Trust(ctx.made_here, None)).run(sections)

    def swap(self, ctx: Context, beside: Place, aside: Place) -> None:
        docker, how = asked(ctx.component), Settings.of(ctx.component).restore
        volume = Volume.of(docker, ctx.component.key.component)
        with held(ctx, docker, volume, how):
            if not volume.exists:
                ctx.journal.step(MADE, name=volume.name)
                labels = [word for text in self._labels.get(ctx.tag, ()) for word in ("--label", text)]
                docker.run("volume", "create", *labels, volume.name)
                remove_empty(volume.folder)
                require_reached(docker, volume)
            super().swap(ctx, beside, aside)
            late = running(volume, docker)
            if late:
                text = f"{names_in_words(late)} was started during the exchange, what it writes is lost: restart it"
                ctx.progress.log(WarningLine.of(text))

    def recover(self, ctx: Context) -> bool:
        """Also brings back containers that were stopped or paused."""
        swapped = super().recover(ctx)
        docker = asked(ctx.component)
        made = dict(ctx.journal.steps()).get(MADE)
        if made is not None and not swapped:
            volume = Volume.of(docker, str(made["name"]))
            if volume.exists and not os.path.lexists(volume.folder):
                docker.run("volume", "rm", volume.name)
        bring_back_left(ctx, docker)
        return swapped

    # What there is.

    def list_state(self, container: Component, runner: Runner) -> ListedState:
        """All volumes that have names. Those that containers made without a name are left out."""
        docker = asked(container, runner)
        listed = []
        for one in all_volumes(docker):
            why = why_no_folder(one)
            if _ANONYMOUS.fullmatch(str(one["Name"])) is None:
                listed.append(Listed(str(one["Name"]), f"it {why}" if why else ""))
        return ListedState(listed, "volumes without a name (of 64 digits) are left out")

    def discover(self, runner: Runner) -> Iterable[Found]:
        """The volumes of this machine's Docker that have names, and who uses them."""
        properties = {"type": self.type}
        docker = Docker(runner, "docker", SOCKET)
        if not os.path.lexists(SOCKET):
            return
        try:
            volumes = all_volumes(docker)
            containers = docker.containers()
        except PluginError:
            return
        may = os.geteuid() == 0
        for one in volumes:
            name = str(one["Name"])
            if _ANONYMOUS.fullmatch(name) or why_no_folder(one):
                continue
            users = [each for each in containers if Volume(name, str(one["Mountpoint"]), exists=True).uses(each)]
            detail = f"used by {names_in_words(users)}" if users else "used by no container"
            yield Found(self.type, "docker-volumes", name, properties, detail=detail, readable=may,
                        remedy="" if may else "sudo dysnomia-tui")  # fmt: skip


def composed(docker: Docker, name: str) -> list[str]:
    """The labels of a volume that Compose gave it, ``name=value``. Raises PluginError."""
    labels = docker.inspect("volume", name)[0].get("Labels") or {}
    return sorted(text for text in (f"{label}={value}" for label, value in labels.items()) if _COMPOSED.fullmatch(text))


def _noted(ctx: Context, stored: Stored) -> Sequence[str]:
    """Those that a snapshot tells of; of a stranger's none."""
    noted = stored.metadata.surroundings.get(_NOTED) if stored.metadata is not None and ctx.made_here else None
    return (
        [text for text in noted if isinstance(text, str) and _COMPOSED.fullmatch(text)]
        if isinstance(noted, list)
        else []
    )


def _spec(volume: Volume) -> FilesetSpec:
    return FilesetSpec(target=volume.folder, folders=(".",), links=(), owner="", setting="the volume")


def _is_copy(place: Place, live: Place) -> bool:
    return place != live and not purpose_of(place) and posixpath.basename(place.name) == DATA


def _with_users(result: Preflight, volume: Volume, users: Sequence[Container], settings: Settings) -> Preflight:
    names = names_in_words(users)
    if settings.restore == REFUSE:
        text = f"{volume.name} is used by {names}: stop them, or set {RESTORE_SETTING}={STOP} in the container's file"
        return replace(result, findings=(*result.findings, Finding(Severity.BLOCKER, text)))
    obstacle = why_not_stopped(users)
    if obstacle:
        return replace(result, findings=(*result.findings, Finding(Severity.BLOCKER, obstacle)))
    text = f"{names} would be stopped (within {settings.timeout} s each) for the exchange, and started again"
    return replace(
        result,
        findings=(*result.findings, Finding(Severity.WARNING, text)),
        swap=f"{names} would be stopped; {result.swap}; then they would be started again",
    )
