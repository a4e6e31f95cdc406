"""A Podman for the tests, in namespaces of its own: its containers, images and networks are nobody else's.

Podman has no service: whatever is to find its containers has to be started in the same namespaces (``through``).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Self

from tests.plugins.other_user import OtherUser
from tests.plugins.servers.common import missing
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


OWN = """set -e
mount -t tmpfs tmpfs /run
install -d -o {uid} -m 700 /run/user/{uid}
for file in subuid subgid; do
  touch /etc/$file
  mount --bind {home}/numbers /etc/$file
done
{opened}
touch {home}/ready
exec sleep infinity
"""
NUMBERS = "{name}:{first}:65536\n"
FIRST = 1 << 30
"""Far above the numbers that anybody has."""


class RootlessPodman(PodmanServer):
    """The Podman of another user, whose home folder is ``user_home``: no network of its containers is reached."""

    def __init__(self, user: OtherUser, user_home: Path) -> None:
        super().__init__()
        if shutil.which("newuidmap") is None:
            missing("newuidmap", "apt-get install uidmap")
        self.user = user
        self.user_home = user_home

    @property
    def through(self) -> list[str]:
        """As this user."""
        return [*super().through, *self.user.argv()]

    def start(self) -> Self:
        settings = user_folder(self.user, self.user_home / ".config" / "containers")
        (settings / "containers.conf").write_text(SETTINGS)
        (settings / "storage.conf").write_text('[storage]\ndriver = "vfs"\n')
        (self.home / "numbers").write_text(NUMBERS.format(name=self.user.name, first=FIRST))
        apart = ("--mount", "--pid", "--net", "--fork", "--kill-child", "--mount-proc", "--propagation", "private")
        opened = "\n".join(_opened(Path(sys.base_prefix), self.home / "python"))
        script = OWN.format(home=self.home, uid=self.user.uid, opened=opened)
        self._launch(["unshare", *apart, "sh", "-c", script])
        return self

    def _call(self, words: Sequence[str | Path], stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        env = {
            "HOME": str(self.user_home),
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "XDG_RUNTIME_DIR": f"/run/user/{self.user.uid}",
        }
        argv = [*self.through, "podman", *words]
        return subprocess.run(argv, input=stdin, capture_output=True, check=False, cwd="/", timeout=120, env=env)

    def remove(self) -> None:
        """Its images hold files of the user's other numbers, which root alone removes."""
        shutil.rmtree(self.user_home / ".local", ignore_errors=True)
        super().remove()


def _opened(path: Path, aside: Path) -> Iterator[str]:
    """Lines of a shell that let everybody pass to ``path``: a Python below ``/root``, say, starts as root alone."""
    closed = next((folder for folder in reversed(path.parents) if not folder.stat().st_mode & 0o001), None)
    if closed:
        yield f"mkdir {aside}"
        yield f"mount --bind {path} {aside}"
        yield f"mount -t tmpfs -o mode=755 tmpfs {closed}"
        yield f"mkdir -p {path}"
        yield f"mount --bind {aside} {path}"


def user_folder(user: OtherUser, path: Path) -> Path:
    """A folder of the user's, with those above it that are not there."""
    for folder in (*reversed(path.parents), path):
        if not folder.exists():
            folder.mkdir()
            user.own(folder)
    return path
