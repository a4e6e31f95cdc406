"""The conformance world of volumes: one volume of a real dockerd."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from random import Random

from dysnomia_plugins.base import Component, Place
from dysnomia_plugins.types.docker.volume import DockerVolume
from dysnomia_store.names import ComponentKey
from tests.plugins.fileset.changes import CHANGES
from tests.plugins.fileset.world import FilesetWorld, tree
from tests.plugins.servers.docker import DockerServer

_NUMBERS = itertools.count()


class VolumeWorld(FilesetWorld):
    """Its files are made and read in the folder that Docker's own client names."""

    def __init__(self, server: DockerServer, folder: Path, **properties: str) -> None:
        super().__init__(folder)
        self.server = server
        self.name = f"world{next(_NUMBERS)}"
        self.copy_prefix = f"{self.name}-"
        self.plugin = DockerVolume()
        given = {"type": "docker-volume", "dockerSocket": str(server.socket), "volumeRestore": "stop", **properties}
        self.component = Component(ComponentKey("volumes", self.name), folder / "component", given)
        self.target = Path(server.docker("info", "--format", "{{.DockerRootDir}}"), "volumes", self.name, "_data")

    def close(self) -> None:
        self._remove_users()
        for volume in self.server.docker("volume", "ls", "--quiet").split():
            if volume == self.name or volume.startswith(self.copy_prefix):
                self.server.docker("volume", "rm", volume)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _remove_users(self) -> None:
        for container in self.server.docker("ps", "--all", "--quiet", "--filter", f"name=^/{self.name}-").split():
            self.server.docker("rm", "--force", container)

    def seed(self) -> None:
        self.server.docker("volume", "create", self.name)
        super().seed()

    def whole(self, place: Place | None = None) -> object:
        return tree(self.path(".", place))

    def change(self, name: str, random: Random) -> str:
        root = self.path(random.choice(("data", "more/uploads")))
        return f"{name}: {CHANGES[name](root, random)}"

    def touch(self) -> str:
        done = super().touch()
        self.path("elsewhere").unlink()
        return done
