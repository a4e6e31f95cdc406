"""An sshd of the test's own, on loopback or in a network of its own: its own keys and port, gone at the end."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.world import Done
from tests.plugins.servers.common import GUARDED, free_port, missing
from tests.waiting import wait_until

SSHD = shutil.which("sshd", path=f"/usr/sbin:{os.defpath}")
PRIVILEGE_SEPARATION = Path("/run/sshd")


@dataclass(frozen=True)
class Sshd:
    """A machine that is reached by ssh, and what its sessions find in their environment."""

    folder: Path
    port: int
    address: str = "127.0.0.1"

    @property
    def options(self) -> list[str]:
        return [
            "-F", "none", "-i", str(self.folder / "key"), "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes",
            "-o", f"UserKnownHostsFile={self.folder / 'known'}", "-o", "StrictHostKeyChecking=yes",
        ]  # fmt: skip

    @property
    def user(self) -> str:
        return pwd.getpwuid(os.getuid()).pw_name

    def run(self, command: str, *, stdin: bytes = b"", status: int = 0) -> Done:
        """Run a command line there, as whoever runs the tests. ``stdin`` is what it reads."""
        done = subprocess.run(
            ["ssh", *self.options, "-p", str(self.port), f"{self.user}@{self.address}", command],
            input=stdin, capture_output=True, check=False, timeout=120,
        )  # fmt: skip
        found = Done(done.returncode, done.stdout.decode(), done.stderr.decode())
        assert found.status == status, found.err
        return found

    def fetch(self, source: str, target: Path) -> None:
        """Copy a file or folder from there, as scp does."""
        where = f"{self.user}@{self.address}:{source}"
        subprocess.run(
            ["scp", "-q", "-r", *self.options, "-P", str(self.port), where, str(target)],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip


@dataclass(frozen=True)
class Network:
    """A network namespace with an address of its own; without a name it is this machine's loopback."""

    name: str = ""
    address: str = "127.0.0.1"

    @property
    def inside(self) -> list[str]:
        """What runs a program in it."""
        return ["ip", "netns", "exec", self.name] if self.name else []


@contextmanager
def network(number: int) -> Iterator[Network]:
    """One of this process's, joined to this machine by a pair of virtual cables; loopback where none can be made."""
    name, near, far = (f"dy{os.getpid()}{kind}{number}" for kind in ("n", "a", "b"))
    net = f"10.{128 + os.getpid() // 256 % 128}.{os.getpid() % 256}"
    if os.getuid() != 0 or shutil.which("ip") is None or not _done("ip", "netns", "add", name):
        yield Network()
        return
    try:
        made = (
            _done("ip", "link", "add", near, "type", "veth", "peer", "name", far, "netns", name)
            and _done("ip", "address", "add", f"{net}.{4 * number + 1}/30", "dev", near)
            and _done("ip", "link", "set", near, "up")
            and _done("ip", "-n", name, "address", "add", f"{net}.{4 * number + 2}/30", "dev", far)
            and _done("ip", "-n", name, "link", "set", far, "up")
        )
        yield Network(name, f"{net}.{4 * number + 2}") if made else Network()
    finally:
        _done("ip", "netns", "delete", name)  # the cables go with it


def _done(*words: str) -> bool:
    return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0


@contextmanager
def sshd(environment: Mapping[str, str], where: Network | None = None) -> Iterator[Sshd]:
    """Start one. Fails or skips where there is none (see ``missing``)."""
    if SSHD is None or shutil.which("ssh") is None:
        missing("sshd", "apt-get install openssh-server openssh-client")
    assert SSHD is not None
    if os.getuid() == 0:
        PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)  # which sshd wants, and its package makes at boot
    folder = Path(tempfile.mkdtemp(prefix="ssh."))
    try:
        for name in ("key", "host"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
        shutil.copy(folder / "key.pub", folder / "authorized")
        where = where or Network()
        port = free_port()
        host_key = " ".join((folder / "host.pub").read_text().split()[:2])
        (folder / "known").write_text(f"[{where.address}]:{port} {host_key}\n")
        given = " ".join(f'"{name}={value}"' for name, value in environment.items())
        (folder / "conf").write_text(
            f"ListenAddress {where.address}:{port}\n"
            f"HostKey {folder / 'host'}\nAuthorizedKeysFile {folder / 'authorized'}\n"
            f"PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n"
            f"Subsystem sftp internal-sftp\nSetEnv {given}\n"
        )
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [*GUARDED, *where.inside, SSHD, "-D", "-e", "-f", str(folder / "conf")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        try:
            wait_until(lambda: server.poll() is not None or "listening" in (folder / "log").read_text())
            assert server.poll() is None, (folder / "log").read_text()
            yield Sshd(folder, port, where.address)
        finally:
            server.terminate()
            server.wait(30)
    finally:
        shutil.rmtree(folder)
