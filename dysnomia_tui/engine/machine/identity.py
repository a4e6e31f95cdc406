"""Who a process is, and who a person is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from dysnomia_base.records import dataclass
from dysnomia_base.users import user_name

NO_LOGIN = 4294967295


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process, identified by pid, start time and boot id, so that a reused pid is not taken for it.

    The start is in clock ticks since the boot, so that a change of the clock does not move it.
    """

    pid: int
    start: int
    boot: str
    space: str = ""
    """Of process numbers (a PID namespace): a container has its own, in which the same number is another process."""

    @classmethod
    def of(cls, pid: int) -> ProcessIdentity | None:
        """The process ``pid`` now; None where there is none, or only a zombie."""
        try:
            text = Path(f"/proc/{pid}/stat").read_bytes()
        except OSError:
            return None
        fields = text.rpartition(b")")[2].split()
        if fields[0] in (b"Z", b"X"):
            return None
        return cls(pid, int(fields[19]), _boot(), _space())

    @property
    def alive(self) -> bool:
        return ProcessIdentity.of(self.pid) == self

    @property
    def elsewhere(self) -> bool:
        """Whether it was on another machine or in another container: whether it is alive cannot be seen from here."""
        return self.boot != _boot() or (bool(self.space) and self.space != _space())


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _space() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def login_user(environ: Mapping[str, str]) -> str:
    """The user who logged in, behind sudo and su too: ``/proc/self/loginuid``, else what sudo says."""
    try:
        uid = int(Path("/proc/self/loginuid").read_text())
    except (OSError, ValueError):
        uid = NO_LOGIN
    if uid != NO_LOGIN:
        return user_name(uid)
    return environ.get("SUDO_USER", "")


def who(environ: Mapping[str, str]) -> str:
    """``root(alice)``: the effective user, and the login user where they differ."""
    effective = user_name(os.geteuid())
    login = login_user(environ)
    return f"{effective}({login})" if login and login != effective else effective
