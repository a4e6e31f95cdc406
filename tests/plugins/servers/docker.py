"""A dockerd for the tests, in namespaces of its own, and an image made of this machine's busybox: none can be pulled.

Its folder is below ``/tmp``, so that volumes have the paths that Docker says they have. Its containers have no network
but that of the namespace: a server in one is reached by its socket in a volume, or by ``exec``.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import select
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

from tests.plugins.servers.common import Service, missing
from tests.waiting import wait_until

BUSYBOX = Path("/bin/busybox")
IMAGE = "tiny:1"
APPLETS = ("sh", "cat", "chmod", "chown", "cp", "echo", "id", "kill", "ln", "ls", "mkdir", "mv", "rm", "sleep", "stat",
           "test", "touch", "true", "false", "trap", "head", "tail", "tar", "env", "printf", "sync")  # fmt: skip
FOREVER = "trap exit TERM INT; while true; do sleep 0.1; done"
"""What a container runs that is there until it is stopped: as PID 1, ``sleep`` alone would not hear SIGTERM."""
CGROUPS = Path("/sys/fs/cgroup")


class DockerServer(Service):
    """One dockerd with nothing in it. ``busybox()`` makes the image ``tiny:1``."""

    program: ClassVar[str] = "dockerd"
    package: ClassVar[str] = "docker.io"

    def __init__(self, driver: str = "vfs", *, bridge: bool = False) -> None:
        """``bridge``: its containers have addresses, on a network that is reached from its namespace (``init``)."""
        if os.geteuid() != 0:
            missing(f"a {self.program} of our own", "run the tests as root")
        if shutil.which(self.program) is None or not BUSYBOX.exists():
            missing(self.program, f"apt-get install {self.package} busybox-static")
        super().__init__("dk.", pwd.getpwuid(0))
        self._driver = driver
        self._bridge = bridge
        self._group = self.home.name
        self.socket = self.home / "docker.sock"
        self.host = f"unix://{self.socket}"
        """What ``DOCKER_HOST`` is to be for its clients."""

    def start(self) -> Self:
        (self.home / "daemon.json").write_text("{}")
        apart = ("--mount", "--pid", "--net", "--fork", "--kill-child", "--mount-proc", "--propagation", "private")
        folders = [word for name in ("data-root", "exec-root", "pidfile") for word in (f"--{name}", self.home / name)]
        without = [f"--{word}=false" for word in ("iptables", "ip6tables", "ip-forward", "ip-masq", "userland-proxy")]
        bridge = [] if self._bridge else ["--bridge=none"]
        self._launch(
            ["unshare", *apart, "dockerd", "--config-file", self.home / "daemon.json", "-H", self.host, *folders,
             "--storage-driver", self._driver, *without, *bridge, "--shutdown-timeout", "2",
             "--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", f"/{self._group}"]
        )  # fmt: skip
        return self

    def _answers(self) -> bool:
        return self._call(("version",)).returncode == 0

    # Its client.

    def docker(self, *words: str | Path, stdin: bytes = b"") -> str:
        """What one call of Docker's own client prints. Raises AssertionError with what it complained of."""
        done = self._call(words, stdin)
        assert done.returncode == 0, (words, done.stderr.decode(errors="replace"))
        return done.stdout.decode(errors="replace").strip()

    def _call(self, words: Sequence[str | Path], stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        argv = ["docker", "--host", self.host, *words]
        return subprocess.run(argv, input=stdin, capture_output=True, check=False, cwd="/", timeout=120)

    def busybox(self, tag: str = IMAGE) -> str:
        """An image with busybox alone, which runs until it is stopped."""
        with tempfile.TemporaryDirectory(dir=self.home) as folder:
            root = Path(folder)
            root.chmod(0o755)
            for name in ("bin", "tmp", "etc"):
                (root / name).mkdir()
            shutil.copy(BUSYBOX, root / "bin" / "busybox")
            for name in APPLETS:
                (root / "bin" / name).symlink_to("busybox")
            return self.image(tag, root, f'CMD ["/bin/sh", "-c", "{FOREVER}"]')

    def image(self, tag: str, root: Path, *changes: str) -> str:
        """An image of the files in a folder; ``changes``: lines of a Dockerfile (CMD, ENV, VOLUME, USER)."""
        packed = subprocess.run(["tar", "-C", root, "-cf", "-", "."], check=True, capture_output=True).stdout
        self.docker("import", *(word for line in changes for word in ("--change", line)), "-", tag, stdin=packed)
        return tag

    def run(self, name: str, *words: str, image: str = IMAGE, command: Sequence[str] = ()) -> str:
        """Start a container in the background. Its id."""
        return self.docker("run", "--detach", "--name", name, "--network", "none", *words, image, *command)

    def clear(self) -> None:
        """Without containers and volumes; images stay."""
        for container in self.docker("ps", "--all", "--quiet").split():
            self.docker("rm", "--force", "--volumes", container)
        for volume in self.docker("volume", "ls", "--quiet").split():
            self.docker("volume", "rm", volume)

    # Its end.

    @property
    def init(self) -> int:
        """The pid of dockerd, which is PID 1 of its namespace, as seen from outside; 0 where there is none."""
        if not self.running:
            return 0
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return int(children[0]) if children else 0

    def _end(self, how: signal.Signals) -> None:
        """When dockerd has ended, the kernel has ended all its containers."""
        with contextlib.suppress(ProcessLookupError):
            if init := self.init:
                descriptor = os.pidfd_open(init)
                signal.pidfd_send_signal(descriptor, how)
                poller = select.poll()
                poller.register(descriptor, select.POLLIN)
                if not poller.poll(20_000):
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                    poller.poll()
                os.close(descriptor)
        super()._end(how)

    def remove(self) -> None:
        super().remove()
        for hierarchy in (CGROUPS, *CGROUPS.iterdir()):
            group = hierarchy / self._group
            if group.is_dir():
                find = ["find", group, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"]
                wait_until(lambda group=group, find=find: _gone(group, find))  # type: ignore[misc]


def _gone(group: Path, find: Sequence[str | Path]) -> bool:
    subprocess.run(find, capture_output=True, check=False)
    return not group.exists()
