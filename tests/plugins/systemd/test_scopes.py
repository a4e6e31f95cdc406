"""Jobs where systemd runs: in a scope of their own, they outlive the session that started them. On a real systemd."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.systemd.machine import SystemdMachine
from tests.waiting import wait_until

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("systemd")]

BIN = Path(sys.executable).parent
SECRET = "hunter2-in-the-environment"
KILLS = "[Login]\nKillUserProcesses=yes\n"
SLOW = """#!/bin/sh
# A module that waits in its activation until it may go on.
touch "$dir/entered"
while [ ! -e "$dir/go" ]; do sleep 0.05; done
cat /proc/self/cgroup > "$dir/cgroup"
"""


class Slow:
    """A component whose activation waits, for one user of the machine; its files are that user's, as they must be."""

    def __init__(self, machine: SystemdMachine, user: str, name: str = "") -> None:
        self.machine = machine
        self.user = user
        self.folder = Path("/srv") / f"slow-{name or user}"
        self.environment = {
            "DYSNOMIA_CONTAINERS_PATH": f"{self.folder}/containers",
            "DYSNOMIA_COMPONENTS_PATH": f"{self.folder}/components",
            "DYSNOMIA_MODULES_PATH": f"{self.folder}/modules",
            "DYSNOMIA_STATEDIR": f"{self.folder}/state",
            "HOME": str(self.folder),
        }
        machine.write(self.folder / "containers" / "box", f"type=slow\ndir={self.folder}/live\npassword={SECRET}\n")
        machine.write(self.folder / "components" / "box" / "one" / "x", "")
        machine.write(self.folder / "modules" / "slow", SLOW, 0o755)
        machine.run("mkdir", "-p", self.folder / "live")
        machine.run("chown", "-R", user, self.folder)

    command = (str(BIN / "dysnomia"), "-o", "activate", "-C", "box", "-c", "one")

    @property
    def words(self) -> list[str]:
        """The command line that activates it, with its whole environment."""
        return ["env", *(f"{name}={value}" for name, value in self.environment.items()), *self.command]

    def entered(self) -> bool:
        return self.machine.root(self.folder / "live" / "entered").exists()

    def go(self) -> None:
        self.machine.run("touch", self.folder / "live" / "go")

    @property
    def group(self) -> str:
        """The control group that systemd had it in."""
        lines = self.machine.root(self.folder / "live" / "cgroup").read_text().splitlines()
        return next(line for line in lines if line.startswith(("0::", "1:name=systemd:"))).split(":", 2)[2]

    def done(self) -> bool:
        """Whether the job has come to its good end."""
        words = [f"{name}={value}" for name, value in self.environment.items()]
        jobs = json.loads(self.machine.run("env", *words, BIN / "dysnomia-tui", "jobs", "--json"))
        return [job["state"] for job in jobs] == ["done"]


@pytest.fixture
def killing(systemd: SystemdMachine) -> Iterator[SystemdMachine]:
    """A machine whose logind kills what is left of a session."""
    systemd.write("/etc/systemd/logind.conf.d/kill.conf", KILLS)
    systemd.run("systemctl", "restart", "systemd-logind")
    yield systemd
    systemd.run("rm", "/etc/systemd/logind.conf.d/kill.conf")
    systemd.run("systemctl", "restart", "systemd-logind")


def session_of(machine: SystemdMachine, user: str, *words: str) -> str:
    """Run a command in a login session of its own. The session's name, once there is one."""
    before = set(sessions(machine, user))
    login = (f"--unit=login-{user}", "-p", "PAMName=login", "-p", f"User={user}")
    machine.run("systemd-run", "--quiet", "--collect", *login, *words)
    return wait_until(lambda: next(iter(set(sessions(machine, user)) - before), ""))


def sessions(machine: SystemdMachine, user: str) -> list[str]:
    lines = machine.run("loginctl", "list-sessions", "--no-legend").splitlines()
    return [line.split()[0] for line in lines if line.split()[2:3] == [user]]


def test_roots_job_survives_the_death_of_its_session(killing: SystemdMachine) -> None:
    slow = Slow(killing, "root")
    session = session_of(killing, "root", *slow.words)
    wait_until(slow.entered)
    killing.run("loginctl", "terminate-session", session)
    wait_until(lambda: session not in sessions(killing, "root"))
    slow.go()
    wait_until(slow.done)
    assert slow.group.startswith("/system.slice/dysnomia-")
    assert slow.group.endswith("-job-1.scope")
    wait_until(lambda: killing.run("systemctl", "list-units", "--all", "--no-legend", "dysnomia-*") == "")


def test_nothing_that_is_told_of_a_scope_holds_a_secret(systemd: SystemdMachine) -> None:
    """Neither of those in the container's file nor of those in the environment, which is how Disnix gives them."""
    systemd.run("useradd", "-M", "reader")
    slow = Slow(systemd, "root", "told")
    command = systemd.start(*slow.command, **{**slow.environment, "SOME_PASSWORD": SECRET})
    wait_until(slow.entered)
    (scope,) = systemd.run("systemctl", "list-units", "--plain", "--no-legend", "dysnomia-*.scope").split()[:1]
    told = systemd.as_user("reader", "systemctl", "show", "--all", scope)
    assert "engine.worker" in told, "its command line is there to be read"
    processes = systemd.as_user("reader", "ps", "axww", "-o", "args")
    assert "engine.worker" in processes
    slow.go()
    command.communicate(timeout=60)
    assert command.returncode == 0
    journal = systemd.run("journalctl", "--no-pager", "--output=export")
    assert scope in journal
    for text in (told, journal, processes):
        assert SECRET not in text


def test_a_lingering_users_job_survives_their_last_session(killing: SystemdMachine) -> None:
    killing.run("useradd", "-M", "-s", "/bin/sh", "stays")
    killing.run("loginctl", "enable-linger", "stays")
    slow = Slow(killing, "stays")
    session = session_of(killing, "stays", *slow.words)
    wait_until(slow.entered)
    killing.run("loginctl", "terminate-session", session)
    wait_until(lambda: session not in sessions(killing, "stays"))
    slow.go()
    wait_until(slow.done)
    assert "/user@" in slow.group
    assert slow.group.endswith("-job-1.scope")


def test_any_other_users_job_stays_in_its_session_which_logind_leaves_alone(systemd: SystemdMachine) -> None:
    """In a scope of the user's own systemd it would end with that, soon after the last session."""
    systemd.run("useradd", "-M", "-s", "/bin/sh", "goes")
    slow = Slow(systemd, "goes")
    session = session_of(systemd, "goes", *slow.words)
    wait_until(slow.entered)
    systemd.run("systemctl", "kill", "--signal=KILL", "login-goes.service", "--kill-whom=main")
    systemd.run("systemctl", "stop", "login-goes.service", check=False)
    leader = systemd.run("loginctl", "show-session", session, "-P", "Leader").strip()
    wait_until(lambda: not systemd.root(f"/proc/{leader}/cmdline").exists())
    slow.go()
    wait_until(slow.done)
    assert slow.group.endswith(f"/session-{session}.scope")
