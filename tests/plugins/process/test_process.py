"""The type process with the daemons of Dysnomia's own tests: by command, as an operator or Disnix calls it."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.plugins.deployed import ROOT, Components
from tests.plugins.systemd.machine import SystemdMachine
from tests.thorough import seldom
from tests.waiting import wait_until

column = "process"
server = ("daemon", "--version")
pytestmark = [pytest.mark.server, pytest.mark.xdist_group("systemd")]

LOOP = "#!/bin/bash -e\nwhile true; do echo Loop forever...; sleep 1; done\n"
DAEMON = "#!/bin/bash -e\nexec daemon --pidfile {pid} --unsafe {more} -- {loop}\n"


class Processes(Components):
    """Components of a container ``process``, as Dysnomia's NixOS module always has it."""

    def __init__(self, machine: SystemdMachine) -> None:
        super().__init__(machine, "process", "type=process\n")

    def daemon(self, name: str, more: str = "", pid: str = "", **files: str) -> Path:
        """A component with a configuration; its daemon is libslack's, around an endless loop."""
        path, pid = self.path(name), pid or f"/var/run/{name}.pid"
        script = DAEMON.format(pid=pid, more=more, loop=path / "bin" / "loop")
        config = f"process={path}/bin/daemon\npidFile={pid}\n"
        return self.make(
            name, **{"bin/daemon": script, "bin/loop": LOOP, f"etc/dysnomia/process/{name}": config, **files}
        )

    def pid(self, name: str) -> int:
        """The number in the file of a daemon; 0 where there is none."""
        text = self.machine.run("cat", f"/run/{name}.pid", check=False).strip()
        return int(text) if text else 0

    def sleeper(self, user: str = "root") -> str:
        """A process that is none of a component's: its number."""
        script = 'setpriv --reuid="$1" --clear-groups sleep 1000 >/dev/null 2>&1 & echo $!'
        return self.machine.run("sh", "-c", script, "sh", user).strip()

    def lives(self, pid: str) -> bool:
        return self.machine.run("ps", "-o", "stat=", "-p", pid, check=False).strip()[:1] not in ("", "Z")

    def kill(self, *pids: str) -> None:
        self.machine.run("kill", *pids, check=False)


@pytest.fixture
def processes(systemd: SystemdMachine) -> Processes:
    return Processes(systemd)


@pytest.mark.parametrize("name", seldom(["configured", "simple"], "configured"))
def test_a_service_is_put_into_service_and_taken_out_again(processes: Processes, name: str) -> None:
    """Dysnomia's own story: activated twice and deactivated twice, with a configuration and without one."""
    if name == "configured":
        processes.daemon(name)
    else:
        processes.make("looping", **{"bin/loop": LOOP})
        loop = processes.path("looping") / "bin" / "loop"
        processes.make(name, **{f"bin/{name}": DAEMON.format(pid=f"/run/{name}.pid", more="", loop=loop)})
    shown = "looping" if name == "simple" else name
    processes.dysnomia("activate", name)
    pid = processes.pid(name)
    assert pid
    assert processes.running(shown)
    assert set(processes.running(shown)) == {"root"}
    assert "is active already" in processes.dysnomia("activate", name)
    assert processes.pid(name) == pid, "what runs is left running"
    processes.dysnomia("deactivate", name)
    assert (processes.pid(name), processes.running(shown)) == (0, [])
    processes.dysnomia("deactivate", name)


def test_what_bash_dysnomia_started_is_found_and_ended(processes: Processes) -> None:
    """Its file, and no record of ours."""
    path = processes.daemon("theirs")
    processes.machine.run(path / "bin" / "daemon")
    pid = wait_until(lambda: processes.pid("theirs"))
    assert f"already runs as process {pid}" in processes.dysnomia("activate", "theirs")
    processes.dysnomia("deactivate", "theirs")
    assert processes.running("theirs") == []


def test_lock_and_unlock_allow_as_dysnomia_does(processes: Processes) -> None:
    processes.make("locked", **{"bin/locked": "#!/bin/sh\nexit 1\n"})
    processes.dysnomia("lock", "locked")
    processes.dysnomia("unlock", "locked")
    assert processes.running("locked") == [], "they change nothing"


def test_there_is_nothing_to_snapshot(processes: Processes) -> None:
    processes.daemon("bare")
    assert "type process has no snapshot" in processes.dysnomia("snapshot", "bare"), "nor is that an error in Dysnomia"


def test_its_users_and_groups_come_and_go_with_it(processes: Processes) -> None:
    """Made before the daemon that runs as them, removed when it has ended; the home folder stays."""
    processes.daemon(
        "wharf",
        "--user wharf:wharf",
        "/srv/wharf/wharf.pid",
        **{
            "dysnomia-support/users/wharf": "group=wharf\nhomeDir=/srv/wharf\ncreateHomeDir=1\n",
            "dysnomia-support/groups/wharf": "gid=4343\n",
        },
    )
    processes.dysnomia("activate", "wharf")
    assert set(processes.running("wharf")) == {"wharf"}
    assert ":4343:" in processes.there("passwd", "wharf")
    processes.dysnomia("deactivate", "wharf")
    assert (processes.running("wharf"), processes.accounts("wharf")) == ([], ("", ""))
    assert processes.machine.root("/srv/wharf").is_dir()


@pytest.mark.parametrize(
    ("name", "script", "why"),
    [
        ("status", "#!/bin/sh\necho I cannot >&2\nexit 3\n", "start ended with status 3 (I cannot)"),
        ("leaves", "#!/bin/sh\nsetsid sleep 1000 >/dev/null 2>&1 &\nexit 3\n", "start ended with status 3"),
        ("stubborn", "#!/bin/bash\n(trap '' TERM; while :; do sleep 1; done) & disown\nexit 4\n", "status 4"),
        ("dies", "#!/bin/sh\nsetsid sleep 0.2 & echo $! > /run/dies.pid\n", "start ended at once"),
    ],
)
def test_a_failed_activation_leaves_nothing(processes: Processes, name: str, script: str, why: str) -> None:
    processes.make(
        name,
        **{
            "bin/start": script,
            f"etc/dysnomia/process/{name}": f"process={processes.path(name)}/bin/start\npidFile=/run/{name}.pid\n",
            f"dysnomia-support/users/{name}": "createHomeDir=0\n",
            f"dysnomia-support/groups/g{name}": "",
        },
    )
    before = processes.machine.run("ps", "-e", "-o", "args=").count("sleep 1000")
    said = processes.dysnomia("activate", name, status=1)
    assert why in said
    assert processes.machine.run("ps", "-e", "-o", "args=").count("sleep 1000") == before
    assert (processes.pid(name), processes.running(name)) == (0, [])
    assert (processes.there("passwd", name), processes.there("group", f"g{name}")) == ("", "")
    assert f"process/{name}" not in processes.active()


def test_a_daemon_without_its_file_is_warned_of_and_ended_all_the_same(processes: Processes) -> None:
    """Dysnomia warns too, and then cannot end it."""
    start = "#!/bin/sh\nsetsid sleep 1000 >/dev/null 2>&1 &\n"
    processes.make("silent", **{"bin/silent": start})
    said = processes.dysnomia("activate", "silent")
    assert "warning: there is no /var/run/silent.pid 1 s (timeout) after silent has ended: process" in said
    (pid,) = {*re.findall(r"process (\d+) is taken for it", said)}  # in the log, and at the end
    assert processes.lives(pid)
    processes.dysnomia("deactivate", "silent")
    assert not processes.lives(pid)
    assert "does not exist: the process has ended already" in processes.dysnomia("deactivate", "silent")


def test_a_file_that_is_left_stands_in_no_ones_way(processes: Processes) -> None:
    """Its daemon was killed; then another process has its number, which is neither taken for it nor ended."""
    processes.daemon("crashed")
    processes.dysnomia("activate", "crashed")
    processes.machine.run("pkill", "-KILL", "-f", "crashed.pid|crashed/bin")
    wait_until(lambda: not processes.running("crashed"))
    assert "which has ended: the file is removed" in processes.dysnomia("activate", "crashed")
    assert processes.running("crashed")

    processes.machine.run("pkill", "-KILL", "-f", "crashed.pid|crashed/bin")
    wait_until(lambda: not processes.running("crashed"))
    other = processes.sleeper()
    processes.machine.write("/run/crashed.pid", f"{other}\n")
    processes.machine.run("touch", "-d", "-1 hour", "/run/crashed.pid")
    assert "another has that number now" in processes.dysnomia("deactivate", "crashed")
    assert processes.lives(other)
    processes.kill(other)


def test_a_file_of_another_user_ends_no_process_of_their_choice(processes: Processes) -> None:
    """The file is in a folder of the daemon's user, as many are."""
    machine = processes.machine
    machine.run("useradd", "-M", "mallory")
    machine.run("install", "-d", "-o", "mallory", "/run/mallory")
    victim, own = processes.sleeper(), processes.sleeper("mallory")
    file = "/run/mallory/app.pid"
    machine.write("/tmp/put", f'#!/bin/sh\nrm -f {file}; echo "$1" > {file}\n', 0o755)
    processes.daemon("app", "--user mallory", pid=file)
    processes.daemon("rooted", "--noconfig", pid=file)
    try:
        machine.as_user("mallory", "/tmp/put", victim)
        for operation in ("activate", "deactivate"):  # nobody knows whose it is
            said = processes.dysnomia(operation, "app", status=6)
            assert f"names process {victim} of user root, but may be written by user mallory" in said
        machine.as_user("mallory", "rm", "-f", file)

        processes.dysnomia("activate", "app")
        machine.as_user("mallory", "/tmp/put", victim)
        assert "the process is not stopped" in processes.dysnomia("deactivate", "app")
        assert (processes.running("app"), processes.lives(victim)) == ([], True), "the daemon that was started is ended"

        machine.as_user("mallory", "rm", "-f", file)
        processes.dysnomia("activate", "rooted")  # a daemon of root's
        assert set(processes.running("rooted")) == {"root"}
        machine.as_user("mallory", "/tmp/put", own)
        processes.dysnomia("deactivate", "rooted")
        assert (processes.running("rooted"), processes.lives(own)) == ([], False), "what they could end themselves"
        assert processes.lives(victim)
    finally:
        processes.kill(victim, own)
        machine.run("userdel", "mallory")


def test_a_component_that_others_may_write_ends_nothing(processes: Processes) -> None:
    """The name of its program says which file's process is ended, and its configuration says it in words."""
    victim = processes.sleeper()
    processes.machine.write("/run/victim.pid", f"{victim}\n")
    processes.make("astray", **{"bin/victim": LOOP})
    processes.machine.run("chown", "daemon", processes.path("astray") / "bin")
    assert "bin is left out: it belongs to user daemon" in processes.dysnomia("deactivate", "astray", status=6)
    assert processes.lives(victim)
    processes.kill(victim)
    processes.machine.run("rm", "/run/victim.pid")


def test_what_is_told_of_a_process(processes: Processes) -> None:
    processes.daemon("talks", "--output /var/log/talks-out.log")
    processes.dysnomia("activate", "talks")
    umask = processes.machine.run("grep", "Umask", f"/proc/{processes.pid('talks')}/status")
    assert umask.split() == ["Umask:", "0022"], "a service's, and not a job's"
    wait_until(lambda: "Loop" in processes.machine.run("cat", "/var/log/talks-out.log", check=False))
    status = processes.told("talks")["condition"]["status"]
    (fact,) = status["facts"]
    assert status["word"] == "running"
    assert fact["text"].startswith(f"daemon pid {processes.pid('talks')} and ")
    assert fact["text"].endswith("user root, since")
    assert fact["memory"] > 500_000
    assert abs((datetime.now(UTC) - datetime.fromisoformat(fact["at"])).total_seconds()) < 300
    assert status["log_note"] == "last lines of /var/log/talks-out.log"
    assert status["log"][-1]["text"].endswith("Loop forever...")
    processes.machine.run("pkill", "-KILL", "-f", "talks.pid|talks/bin")
    own = processes.told("talks")["own"]
    assert (own["word"], own["broken"]) == ("dead", True)
    processes.dysnomia("deactivate", "talks")


def test_a_user_has_processes_of_their_own(processes: Processes) -> None:
    machine, home = processes.machine, Path("/srv/walter")
    machine.run("useradd", "-d", home, "-s", "/bin/sh", "walter")
    machine.write(home / "containers" / "mine", f"type=process\nruntimeDir={home}\n")
    loop = home / "loop"
    script = DAEMON.format(pid=home / "daemon.pid", more="", loop=loop)
    machine.write(home / "components" / "mine" / "one" / "bin" / "daemon", script, 0o755)
    machine.write(loop, LOOP, 0o755)
    machine.run("chown", "-R", "walter", home)
    paths = {"DYSNOMIA_CONTAINERS_PATH": f"{home}/containers", "DYSNOMIA_COMPONENTS_PATH": f"{home}/components",
             "HOME": str(home), "DYSNOMIA_STATEDIR": f"{home}/state"}  # fmt: skip
    dysnomia = Path(sys.executable).with_name("dysnomia")
    try:
        machine.as_user("walter", dysnomia, "-o", "activate", "-C", "mine", "-c", "one", **paths)
        pid = machine.run("cat", home / "daemon.pid").strip()
        assert machine.run("ps", "-o", "user=", "-p", pid).strip() == "walter"
        machine.as_user("walter", dysnomia, "-o", "deactivate", "-C", "mine", "-c", "one", **paths)
        assert not processes.lives(pid)
    finally:
        machine.run("pkill", "-u", "walter", check=False)


def test_killed_at_every_step_it_is_healed_by_recovery_activation_or_deactivation(processes: Processes) -> None:
    start = DAEMON.format(pid="/run/killed.pid", more="", loop=processes.path("killed") / "bin" / "loop")
    path = processes.make(
        "killed",
        **{
            "bin/killed": start.replace("exec ", "") + "until [ -s /run/killed.pid ]; do :; done\necho started\n",
            "etc/dysnomia/process/killed": f"process={processes.path('killed')}/bin/killed\n",
            "bin/loop": LOOP,
            "dysnomia-support/users/killed": "group=killed\n",
            "dysnomia-support/groups/killed": "",
        },
    )
    said = processes.machine.run(sys.executable, "-m", "tests.plugins.process.inside", path, cwd=ROOT)
    assert int(said.split()[1]) > 15, said
