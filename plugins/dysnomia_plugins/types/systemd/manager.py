"""Talking to systemd: the system's manager, or with ``systemdUserServices=1`` the caller's own."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dysnomia_plugins.base import Component, Runner
from dysnomia_plugins.errors import PluginError, ProcessFailed, ServerDown

MUTABLE = Path("/etc/systemd-mutable/system")
"""Where Dysnomia puts units: NixOS owns /etc/systemd/system."""
SYSTEM = Path("/etc/systemd/system")
QUIET = ("--no-pager", "--no-ask-password")
STAMP = "%a %Y-%m-%d %H:%M:%S UTC"
PROPERTIES = (
    "Id", "LoadState", "FragmentPath", "ActiveState", "SubState", "Result", "MainPID", "ExecMainStatus", "NRestarts",
    "ActiveEnterTimestamp", "StateChangeTimestamp", "NeedDaemonReload", "NextElapseUSecRealtime",
)  # fmt: skip
ABSENT = ("not-found", "")


@dataclass(frozen=True, slots=True)
class UnitState:
    """What systemd says of one unit."""

    name: str
    values: Mapping[str, str]

    @property
    def loaded(self) -> bool:
        return self.values.get("LoadState", "") not in ABSENT

    @property
    def file(self) -> str:
        """Where systemd read it from; ``""`` where it does not say."""
        return self.values.get("FragmentPath", "")

    @property
    def active(self) -> str:
        """``active``, ``inactive``, ``failed``, ``activating``…"""
        return self.values.get("ActiveState", "")

    @property
    def sub(self) -> str:
        return self.values.get("SubState", "")

    @property
    def pid(self) -> int:
        """Of its main process; 0 where it has none."""
        return int(self.values.get("MainPID", "0") or 0)

    @property
    def broken(self) -> bool:
        """Failed, or being started over and over."""
        return self.active == "failed" or self.sub == "auto-restart"

    @property
    def why(self) -> str:
        """Why it failed, as far as systemd knows."""
        result, status = self.values.get("Result", ""), self.values.get("ExecMainStatus", "0")
        words = "" if result in ("success", "") else result
        return ", ".join(filter(None, (words, f"status {status}" if status not in ("0", "") else "")))

    def time(self, name: str) -> datetime | None:
        """A time among its properties; None where it has not been."""
        try:
            return datetime.strptime(self.values.get(name, ""), STAMP).replace(tzinfo=UTC)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Manager:
    """One systemd, and where units for it are put."""

    runner: Runner
    user: bool
    target: str
    """The folder that the container's file names; ``""`` where it names none."""
    wants: str
    """The folder in it whose units are started with the root target."""

    @classmethod
    def of(cls, component: Component, runner: Runner) -> Manager:
        """The manager that a container's properties name. Raises PluginError where they make no sense."""
        wants = component.prop("systemdRootTarget") or "dysnomia.target.wants"
        if "/" in wants or wants.startswith("."):
            raise PluginError(
                f"systemdRootTarget is not the name of a folder ({wants})", "write it as dysnomia.target.wants"
            )
        return cls(runner, component.prop("systemdUserServices") == "1", component.prop("systemdTargetDir"), wants)

    @property
    def environment(self) -> Mapping[str, str]:
        """Times come in UTC; a user's manager is found by their runtime folder."""
        if not self.user:
            return {"TZ": "UTC"}
        run = f"/run/user/{os.geteuid()}"
        return {"TZ": "UTC", "XDG_RUNTIME_DIR": run, "DBUS_SESSION_BUS_ADDRESS": f"unix:path={run}/bus"}

    @property
    def scope(self) -> tuple[str, ...]:
        return ("--user",) if self.user else ()

    def run(self, *words: str, timeout: float | None = None) -> str:
        """One call of systemctl. Raises ProcessFailed, ToolMissing."""
        done = self.runner.run(
            ("systemctl", *self.scope, *QUIET, *words), env=self.environment, timeout=timeout
        )  # fmt: skip
        return done.stdout.decode("utf-8", "replace")

    def about(self) -> Mapping[str, str]:
        """Version, state and search path of systemd itself. Raises ServerDown."""
        try:
            return parsed(self.run("show", "-p", "Version,SystemState,UnitPath,NFailedUnits"))
        except ProcessFailed as error:
            whose = "your own systemd (systemd --user)" if self.user else "systemd"
            hint = "log in, or loginctl enable-linger" if self.user else "was this machine booted with it?"
            raise ServerDown(f"{whose} does not answer: {error.message}", hint) from error

    def folder(self) -> Path:
        """Where units are put: what the container's file names, else where Dysnomia does, else systemd's own.

        Raises ServerDown; PluginError where systemd does not look for units there."""
        looks = [Path(part) for part in self.about().get("UnitPath", "").split()]
        if self.target:
            wanted = [Path(self.target)]
        elif self.user:
            wanted = [Path(pwd.getpwuid(os.geteuid()).pw_dir) / ".config" / "systemd" / "user"]
        else:
            wanted = [MUTABLE, SYSTEM]
        real = {os.path.realpath(path) for path in looks}
        path_of_unit = next((path for path in wanted if os.path.realpath(path) in real), None)
        if path_of_unit is None:
            lasting = [str(path) for path in looks if path.parts[1:2] != ("run",)]
            raise PluginError(
                f"systemd does not look for units in {wanted[0]}, but in {', '.join(lasting)}",
                "set systemdTargetDir to one of those",
            )
        return path_of_unit

    def states(self, units: Sequence[str]) -> tuple[UnitState, ...]:
        """How units are, in their order. Raises ProcessFailed."""
        if not units:
            return ()
        blocks = self.run("show", "-p", ",".join(PROPERTIES), "--", *units).strip("\n").split("\n\n")
        return tuple(UnitState(unit, parsed(block)) for unit, block in zip(units, blocks, strict=False))

    def journal(self, units: Sequence[str], lines: int) -> tuple[bytes, str]:
        """The last lines that units logged, as journalctl's JSON, and what it said of its own. Raises ProcessFailed."""
        names = [word for unit in units for word in (("--user-unit" if self.user else "--unit"), unit)]
        done = self.runner.run(
            ("journalctl", *self.scope, "--no-pager", "--output=json", f"--lines={lines}", *names), env=self.environment
        )
        return done.stdout, done.stderr


def parsed(text: str) -> Mapping[str, str]:
    """``key=value`` lines of ``systemctl show``."""
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def version_of(about: Mapping[str, str]) -> str:
    """``252.38`` of ``252.38-1~deb12u1``."""
    return about.get("Version", "").split("-")[0].split(" ")[0]
