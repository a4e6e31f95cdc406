"""The type sysvinit-script with the scripts of Dysnomia's own tests, and one as Debian writes them: by command."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.plugins.deployed import ROOT, Components
from tests.plugins.systemd.machine import SystemdMachine
from tests.waiting import wait_until

column = "sysvinit-script"
server = ("daemon", "--version")
pytestmark = [pytest.mark.server, pytest.mark.xdist_group("systemd")]

LOOP = "#!/bin/bash -e\nwhile true; do echo Loop forever...; sleep 1; done\n"
DYSNOMIA = """#!/bin/sh -e
case "$1" in
    start) daemon --pidfile {pid} --unsafe {more} -- {loop} ;;
    stop) if [ -e {pid} ]; then kill "$(cat {pid})"; fi ;;
esac
"""
DEBIAN = """#!/bin/sh
. /lib/lsb/init-functions
echo "{name} $1" >> /run/order
case "$1" in
    start) start-stop-daemon --start --oknodo --background --make-pidfile --pidfile {pid} --startas {loop}; {end} ;;
    stop) start-stop-daemon --stop --oknodo --retry TERM/5 --remove-pidfile --pidfile {pid} ;;
    status) status_of_proc -p {pid} {loop} {name} ;;
    *) echo "Usage: $0 {{start|stop|status}}" >&2; exit 1 ;;
esac
"""


class Scripts(Components):
    """Components of a container ``scripts``."""

    def __init__(self, machine: SystemdMachine) -> None:
        super().__init__(machine, "scripts", "type=sysvinit-script\n")

    def script(self, name: str, service: str, template: str, link: str, more: str = "", end: str = "exit 0") -> None:
        """A script of a component, and the link to it in run level 3."""
        path = self.path(name)
        loop = path / "bin" / f"loop-{service}"
        text = template.format(name=service, pid=f"/run/{service}.pid", loop=loop, more=more, end=end)
        self.make(name, **{f"etc/rc.d/init.d/{service}": text, f"bin/{loop.name}": LOOP})
        level = path / "etc/rc.d/rc3.d"
        self.machine.run("mkdir", "-p", level)
        self.machine.run("ln", "-sfn", f"../init.d/{service}", level / link)

    def pid(self, service: str) -> str:
        return self.machine.run("cat", f"/run/{service}.pid", check=False).strip()

    def calls(self) -> list[str]:
        """What scripts were asked to do, in order; then it is forgotten."""
        done = self.machine.run("cat", "/run/order", check=False).splitlines()
        self.machine.run("rm", "-f", "/run/order")
        return done


@pytest.fixture
def scripts(systemd: SystemdMachine) -> Scripts:
    return Scripts(systemd)


def test_a_service_is_put_into_service_and_taken_out_again(scripts: Scripts) -> None:
    """Dysnomia's own story, with its script as a user of the component's: activated and deactivated twice."""
    template = DYSNOMIA.replace("{pid}", "/tmp/loop.pid")  # libslack's daemon writes it as that user
    scripts.script("loop", "loop", template, "S00loop", "--user unprivileged:unprivileged")
    scripts.make(
        "loop",
        **{"dysnomia-support/users/unprivileged": "uid=20000\n", "dysnomia-support/groups/unprivileged": "gid=20000\n"},
    )
    scripts.dysnomia("activate", "loop")
    assert set(scripts.running("loop")) == {"unprivileged"}
    scripts.dysnomia("activate", "loop")
    scripts.dysnomia("deactivate", "loop")
    assert (scripts.running("loop"), scripts.accounts("unprivileged")) == ([], ("", ""))
    scripts.dysnomia("deactivate", "loop")


def test_scripts_are_started_in_order_and_stopped_in_the_other(scripts: Scripts) -> None:
    scripts.script("two", "back", DEBIAN, "S10back")
    scripts.script("two", "front", DEBIAN, "S20front")
    scripts.dysnomia("activate", "two")
    assert [call for call in scripts.calls() if "status" not in call] == ["back start", "front start"]
    told = scripts.told("two")["condition"]
    assert (told["probe"]["word"], told["status"]["word"]) == ("running", "running")
    assert told["status"]["facts"][0]["text"].startswith("back: running by its script (back is running")
    scripts.machine.run("pkill", "-KILL", "-f", "loop-back")
    wait_until(lambda: "loop-back" not in scripts.machine.run("ps", "-e", "-o", "args="))
    own = scripts.told("two")["own"]
    assert (own["word"], own["broken"]) == ("dead", True)
    scripts.calls()
    scripts.dysnomia("deactivate", "two")
    assert scripts.calls() == ["front stop", "back stop"]
    assert scripts.running("two") == []


def test_lock_and_unlock_allow_as_dysnomia_does(scripts: Scripts) -> None:
    scripts.script("locked", "locked", DEBIAN, "S00locked")
    scripts.dysnomia("lock", "locked")
    scripts.dysnomia("unlock", "locked")
    assert scripts.calls() == [], "they change nothing"


def test_a_failed_activation_leaves_nothing(scripts: Scripts) -> None:
    """What was started is stopped by its script, what the failing one left is ended, and no account stays."""
    scripts.script("fails", "good", DEBIAN, "S10good")
    scripts.script("fails", "bad", DEBIAN, "S20bad", end="echo I cannot >&2; exit 4")
    scripts.make("fails", **{"dysnomia-support/users/fails": "", "dysnomia-support/groups/gfails": ""})
    assert "S20bad ended with status 4 (I cannot)" in scripts.dysnomia("activate", "fails", status=1)
    assert [call for call in scripts.calls() if "stop" in call] == ["bad stop", "good stop"]
    assert (scripts.running("fails"), scripts.pid("good"), scripts.pid("bad")) == ([], "", "")
    assert (scripts.there("passwd", "fails"), scripts.there("group", "gfails")) == ("", "")
    assert "scripts/fails" not in scripts.active()


def test_an_upgrade_that_fails_leaves_what_was_there_before(scripts: Scripts) -> None:
    scripts.script("grows", "grows", DEBIAN, "S10grows")
    scripts.dysnomia("activate", "grows")
    pid = scripts.pid("grows")
    scripts.script("grows", "more", DEBIAN, "S20more", end="exit 1")
    scripts.dysnomia("activate", "grows", status=1)
    assert (scripts.pid("grows"), scripts.pid("more")) == (pid, "")
    scripts.machine.run("rm", scripts.path("grows") / "etc/rc.d/rc3.d/S20more")
    scripts.dysnomia("deactivate", "grows")
    scripts.calls()


def test_a_component_that_others_may_write_stops_nothing(scripts: Scripts) -> None:
    """Its scripts would run as root."""
    scripts.script("astray", "astray", DEBIAN, "S00astray")
    scripts.machine.run("chown", "daemon", scripts.path("astray") / "etc/rc.d/init.d/astray")
    assert "astray belongs to user daemon (1), neither root nor you" in scripts.dysnomia(
        "deactivate", "astray", status=6
    )
    assert scripts.calls() == []


@pytest.mark.worlds
def test_killed_at_every_step_it_is_healed_by_recovery_activation_or_deactivation(scripts: Scripts) -> None:
    scripts.script("killed", "killed-a", DEBIAN, "S10a")
    scripts.script("killed", "killed-b", DEBIAN, "S20b", end="echo started")
    path = scripts.make("killed", **{"dysnomia-support/users/killed": "group=killed\n"})
    scripts.make("killed", **{"dysnomia-support/groups/killed": ""})
    said = scripts.machine.run(sys.executable, "-m", "tests.plugins.sysvinit.inside", path, cwd=ROOT)
    assert int(said.split()[1]) > 15, said
    scripts.calls()


def test_the_run_level_is_the_containers(scripts: Scripts) -> None:
    scripts.script("level", "level", DEBIAN, "S00level")
    scripts.machine.write("/etc/dysnomia/containers/fifth", "type=sysvinit-script\nrunlevel=5\n")
    scripts.machine.run("mkdir", "-p", "/etc/dysnomia/components/fifth")
    scripts.machine.run("cp", "-a", scripts.path("level"), "/etc/dysnomia/components/fifth/level")
    assert "has no scripts of run level 5" in scripts.dysnomia("activate", "level", status=1, container="fifth")
    folder = Path("/etc/dysnomia/components/fifth/level/etc/rc.d")
    scripts.machine.run("mv", folder / "rc3.d", folder / "rc5.d")
    scripts.dysnomia("activate", "level", container="fifth")
    assert "level start" in scripts.calls()
    scripts.dysnomia("deactivate", "level", container="fifth")
    scripts.calls()
