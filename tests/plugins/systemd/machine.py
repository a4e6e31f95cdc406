"""A real systemd for the tests: PID 1 of namespaces of its own, over an overlay of this machine's own files.

Nothing in it reaches the machine outside: its files are in memory, its network is its own, and it is gone at the end.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tests.measured import bring_out, measured
from tests.plugins.servers.common import GUARDED, missing
from tests.waiting import wait_until

SYSTEMD = "/lib/systemd/systemd"
ROOT = Path(__file__).resolve().parents[3]
CGROUPS = Path("/sys/fs/cgroup")
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root"}
SHUT_DOWN = signal.SIGRTMIN + 4
MASKED = ("systemd-udevd", "systemd-udev-trigger", "systemd-timesyncd", "systemd-firstboot", "systemd-sysctl",
          "systemd-modules-load", "polkit")  # fmt: skip
"""Units that belong to a machine with devices, or that nothing here needs."""
BOOT = r"""set -e
folder=$1; here=$2; shift 2
mount --make-rprivate /
mount -t tmpfs tmpfs "$folder"
mkdir "$folder/upper" "$folder/work" "$folder/root"
root=$folder/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
if [ -d /sys/fs/cgroup/systemd ]; then
    mount -t tmpfs tmpfs "$root/sys/fs/cgroup"
    mkdir "$root/sys/fs/cgroup/systemd" "$root/sys/fs/cgroup/unified"
    mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup/unified"
else
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
fi
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"; ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
if ! [ -e "$root$here/pyproject.toml" ]; then  # it stands below /tmp, or on a file system of its own
    mkdir -p "$root$here"
    mount --bind "$here" "$root$here"
fi
rm -rf "$root"/etc/systemd/system/*.wants "$root/var/log/journal"
: > "$root/etc/fstab"
chmod 711 "$root/root"  # where the Python may be that runs us, which other users run too
echo 0123456789abcdef0123456789abcdef > "$root/etc/machine-id"
for unit in "$@"; do ln -sf /dev/null "$root/etc/systemd/system/$unit.service"; done
hostname dysnomia-test; ip link set lo up 2>/dev/null || true
mkdir "$root/.old"; cd "$root"; pivot_root . .old; umount -l /.old
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
    /lib/systemd/systemd --system --unit=multi-user.target --log-target=journal --show-status=0
"""


class SystemdMachine:
    """One booted systemd. Commands are run in it as root of a machine that is otherwise this one."""

    def __init__(self) -> None:
        if os.geteuid() != 0 or not Path(SYSTEMD).exists() or shutil.which("nsenter") is None:
            missing("a systemd of our own", "run the tests as root, with systemd and util-linux installed")
        self.folder = Path(tempfile.mkdtemp(prefix="sd-", dir="/tmp"))
        self._groups = [folder / self.folder.name for folder in _hierarchies()]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        script = self.folder.with_suffix(".boot")
        script.write_text(BOOT)
        try:
            for group in self._groups:
                group.mkdir()
            join = "; ".join(f"echo $$ > {group}/cgroup.procs 2>/dev/null || true" for group in self._groups)
            namespaces = ("--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup", "--fork", "--kill-child")
            with self.folder.with_suffix(".log").open("wb") as log:
                self._process = subprocess.Popen(
                [*GUARDED, "sh", "-c", f'{join}; exec "$@"', "sh", "unshare", *namespaces, "bash", script, self.folder,
                 ROOT, *MASKED],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, start_new_session=True,
            )  # fmt: skip
            wait_until(self._booted)
        except (AssertionError, OSError) as error:
            said = self.folder.with_suffix(".log").read_text(errors="replace")[-1000:]
            self.__exit__()
            missing("a systemd of our own", f"it does not boot here ({error}; {said})")
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired, IndexError):
                bring_out(Path(f"/proc/{self.init}/root"))
                os.kill(self.init, SHUT_DOWN)
                self._process.wait(20)
            self._process.kill()
            self._process.wait()
        for group in self._groups:
            subprocess.run(
                ["find", group, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"], capture_output=True, check=False
            )
        for path in (self.folder.with_suffix(".boot"), self.folder.with_suffix(".log")):
            path.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def init(self) -> int:
        """The pid of its PID 1, as seen from outside."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        return int(children[0])

    def _booted(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "it ended"
        try:
            state = self.run("systemctl", "is-system-running", check=False).strip()
        except IndexError:
            return False
        return state in ("running", "degraded")

    def command(self, *argv: str | Path) -> list[str]:
        """The words that run a command in it."""
        inside = ("-m", "-p", "-u", "-i", "-n", "-C", "-r", "-w")
        return ["nsenter", "-t", str(self.init), *inside, *map(str, argv)]

    def run(self, *argv: str | Path, check: bool = True, cwd: Path | None = None, **env: str) -> str:
        """Run a command in it. What it wrote; raises AssertionError with what it complained of."""
        inside = ("env", "-C", str(cwd), *argv) if cwd is not None else argv
        done = subprocess.run(
            self.command(*inside), stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=280,
            env={**ENVIRONMENT, **measured(), **env},
        )  # fmt: skip
        out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        assert done.returncode == 0 or not check, f"{argv}: status {done.returncode}: {out}{err}"
        return out

    def as_user(self, user: str, *argv: str | Path, **env: str) -> str:
        """The same as another user."""
        words = ("setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", *argv)
        environment = {"HOME": f"/home/{user}", **env}
        return self.run("env", *(f"{name}={value}" for name, value in environment.items()), *words)

    def start(self, *argv: str | Path, **env: str) -> subprocess.Popen[bytes]:
        """Start a command in it, with pipes to it."""
        return subprocess.Popen(
            self.command(*argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**ENVIRONMENT, **measured(), **env}
        )  # fmt: skip

    def write(self, path: str | Path, text: str, mode: int = 0o644) -> None:
        """A file in it, its folders with it."""
        script = 'mkdir -p "$(dirname "$1")" && cat > "$1" && chmod "$2" "$1"'
        subprocess.run(
            self.command("sh", "-c", script, "sh", path, f"{mode:o}"), input=text.encode(), check=True
        )  # fmt: skip

    def root(self, path: str | Path) -> Path:
        """A path in it as seen from outside, for looking."""
        return Path(f"/proc/{self.init}/root") / str(path).lstrip("/")


def _hierarchies() -> Sequence[Path]:
    """Where cgroups of our own are made: in every hierarchy, where they are mounted apart, so that none is shared."""
    apart = sorted(folder for folder in CGROUPS.iterdir() if (folder / "cgroup.procs").is_file())
    return apart if (CGROUPS / "systemd").is_dir() else [CGROUPS]
