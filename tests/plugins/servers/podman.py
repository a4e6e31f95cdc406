"""A Podman for the tests, in namespaces of its own: its containers, images and networks are nobody else's.

Podman has no service: whatever is to find its containers has to be started in the same namespaces (``through``).
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

from tests.plugins.servers.docker import DockerServer

SETTINGS = """[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
STORAGE = """[storage]
driver = "vfs"
graphroot = "{home}/storage"
runroot = "/run/containers"
"""
APART = """set -e
mount --bind {home}/etc /etc/containers
mount -t tmpfs tmpfs /run
mkdir -p /var/lib/cni
mount -t tmpfs tmpfs /var/lib/cni
touch {home}/ready
exec sleep infinity
"""
_WITH_GROUP = ("run", "create")
"""Its calls that make a container."""


class PodmanServer(DockerServer):
    """The Podman of root, with nothing in it; what a test asks a dockerd works as well."""

    program: ClassVar[str] = "podman"
    package: ClassVar[str] = "podman"

    @property
    def through(self) -> list[str]:
        """Of a program that is to run where these containers are."""
        return ["nsenter", f"--target={self.init}", "--mount", "--pid", "--net"]

    def start(self) -> Self:
        shutil.copytree("/etc/containers", self.home / "etc")
        (self.home / "etc" / "containers.conf").write_text(SETTINGS)
        (self.home / "etc" / "storage.conf").write_text(STORAGE.format(home=self.home))
        apart = ("--mount", "--pid", "--net", "--fork", "--kill-child", "--mount-proc", "--propagation", "private")
        self._launch(["unshare", *apart, "sh", "-c", APART.format(home=self.home)])
        return self

    def _answers(self) -> bool:
        return (self.home / "ready").exists()

    def _call(self, words: Sequence[str | Path], stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        group = ("--cgroup-parent", f"/{self._group}") if words[0] in _WITH_GROUP else ()
        argv = [*self.through, "podman", words[0], *group, *words[1:]]
        return subprocess.run(argv, input=stdin, capture_output=True, check=False, cwd="/", timeout=120)
