"""Components of the type docker-container, and the archives of their images, in a folder of a test's own."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.e2e.world import Done, World
from tests.plugins.servers.docker import FOREVER, DockerServer

HELLO = "echo hello from the inside; echo and an error >&2; "
SETTINGS = "dockerImage={archive}\ndockerImageTag={tag}\n"


class Deployed:
    """Those of a container ``docker`` on a dockerd, and the commands for them."""

    def __init__(self, server: DockerServer, folder: Path) -> None:
        self.server = server
        self.world = World(folder)
        folder.mkdir(exist_ok=True)
        self.world.container("docker", type="docker-container", dockerSocket=str(server.socket))

    def archive(self, name: str, command: str = HELLO + FOREVER, env: str = "") -> Path:
        """An image called ``name:test``, in a file and no longer on the server."""
        tag, path = f"{name}:test", self.world.root / f"{name}.tar"
        self.server.busybox("base:1")
        change = ("--change", f'CMD ["/bin/sh", "-c", "{command}"]', *(("--change", f"ENV {env}") if env else ()))
        container = self.server.docker("create", "base:1")
        exported = subprocess.run(
            ["docker", "--host", self.server.host, "export", container], check=True, capture_output=True
        ).stdout
        self.server.docker("rm", container)
        self.server.docker("import", *change, "-", tag, stdin=exported)
        self.server.docker("save", "--output", path, tag)
        self.server.docker("rmi", tag)
        self.server.docker("rmi", "base:1")
        return path

    def make(self, name: str, *parameters: str, settings: str = "", command: str = HELLO + FOREVER) -> Path:
        """A component with an image of its own."""
        text = SETTINGS.format(archive=self.archive(name, command), tag=f"{name}:test") + settings
        self.world.component(f"docker/{name}", f"{name}-docker-settings", text)
        lines = "".join(f"{line}\n" for line in ("--network", "none", *parameters))
        self.world.component(f"docker/{name}", f"{name}-docker-createparams", lines)
        return self.world.root / "components" / "docker" / name

    def dysnomia(self, operation: str, name: str, status: int = 0) -> Done:
        return self.world.run("dysnomia", "-o", operation, "-C", "docker", "-c", name, status=status)

    # What is there, told by Docker's own client.

    def status(self, name: str) -> str:
        """``running``, ``exited``…; ``""`` where there is no such container."""
        return self.server.docker("ps", "--all", "--filter", f"name=^/dysnomia-{name}$", "--format", "{{.State}}")

    def images(self) -> list[str]:
        return sorted(self.server.docker("images", "--all", "--format", "{{.Repository}}:{{.Tag}}").split())
