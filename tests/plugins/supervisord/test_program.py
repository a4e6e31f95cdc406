"""The type supervisord-program on a real supervisord, Debian's: by command, as an operator or Disnix calls it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.deployed import ROOT, Components
from tests.plugins.systemd.machine import SystemdMachine
from tests.waiting import wait_until

column = "supervisord-program"
server = ("supervisord", "--version")
pytestmark = [pytest.mark.server, pytest.mark.xdist_group("systemd")]

LOOP = "#!/bin/bash -e\nwhile true; do echo Loop forever...; sleep 1; done\n"
TARGET = Path("/etc/supervisor/conf.d")
QUICK = "startsecs=0\n"


class Supervised(Components):
    """Components of a container ``supervised``."""

    def __init__(self, machine: SystemdMachine) -> None:
        super().__init__(machine, "supervised", "type=supervisord-program\n")

    def program(self, name: str, program: str, more: str = QUICK, script: str = LOOP, **files: str) -> Path:
        """A component with one program more."""
        command = self.path(name) / "bin" / program
        text = f"[program:{program}]\ncommand={command}\n{more}"
        return self.make(name, **{f"conf.d/{program}.conf": text, f"bin/{program}": script, **files})

    def ctl(self, *words: str) -> str:
        return self.machine.run("supervisorctl", *words, check=False)

    def links(self) -> list[str]:
        return self.machine.run("find", TARGET, "-type", "l", "-printf", "%f\\n").split()


@pytest.fixture
def supervised(systemd: SystemdMachine) -> Iterator[Supervised]:
    """Its server is started for each test: it costs little, and none that needs it is run with another's leavings."""
    systemd.run("systemctl", "start", "supervisor")
    wait_until(lambda: systemd.run("supervisorctl", "version", check=False).startswith("4"))
    yield Supervised(systemd)
    systemd.run("systemctl", "stop", "supervisor")


def test_a_service_is_put_into_service_and_taken_out_again(supervised: Supervised) -> None:
    """Dysnomia's own story: activated twice and deactivated twice; what the operator has waiting is left waiting."""
    supervised.machine.write(TARGET / "operators.conf", "[program:operators]\ncommand=sleep 1000\n")
    supervised.program("looping", "loop")
    supervised.dysnomia("activate", "looping")
    assert supervised.links() == ["loop.conf"]
    assert supervised.ctl("status").split()[:2] == ["loop", "RUNNING"], "and nothing else"
    pid = supervised.ctl("pid", "loop")
    supervised.ctl("stop", "loop")
    assert "start loop" in supervised.dysnomia("activate", "looping"), "what was stopped is started"
    assert supervised.ctl("pid", "loop") not in (pid, "0\n")
    supervised.dysnomia("deactivate", "looping")
    assert (supervised.links(), supervised.ctl("status"), supervised.running("looping")) == ([], "", [])
    supervised.dysnomia("deactivate", "looping")
    supervised.machine.run("rm", TARGET / "operators.conf")


def test_its_users_and_groups_come_and_go_with_it(supervised: Supervised) -> None:
    support = {"dysnomia-support/users/shop": "group=shop\n", "dysnomia-support/groups/shop": "gid=4343\n"}
    supervised.program("shop", "shop", QUICK + "user=shop\n", LOOP, **support)
    supervised.dysnomia("activate", "shop")
    assert set(supervised.running("shop")) == {"shop"}
    supervised.dysnomia("deactivate", "shop")
    assert (supervised.running("shop"), supervised.accounts("shop")) == ([], ("", ""))


def test_lock_and_unlock_allow_as_dysnomia_does(supervised: Supervised) -> None:
    supervised.program("locked", "locked")
    supervised.dysnomia("lock", "locked")
    supervised.dysnomia("unlock", "locked")
    assert supervised.links() == [], "they change nothing"


@pytest.mark.worlds
@pytest.mark.parametrize("kind", ["dies", "nonsense"])
def test_a_failed_activation_leaves_nothing(supervised: Supervised, kind: str) -> None:
    supervised.program("fails", "good")
    more = "startretries=0\n" if kind == "dies" else "startretries=many\n"
    support = {"dysnomia-support/users/fails": "", "dysnomia-support/groups/gfails": ""}
    supervised.program("fails", "bad", more, "#!/bin/sh\necho I cannot\nexit 3\n", **support)
    said = supervised.dysnomia("activate", "fails", status=1)
    if kind == "dies":
        assert "I cannot\n" in said, "the program's own last words"
        assert "bad did not start (Exited too quickly" in said
    else:
        assert "supervisord, reloadConfig: CANT_REREAD" in said
    assert (supervised.links(), supervised.ctl("status"), supervised.running("fails")) == ([], "", [])
    assert (supervised.there("passwd", "fails"), supervised.there("group", "gfails")) == ("", "")
    assert "supervised/fails" not in supervised.active()


def test_an_upgrade_that_fails_leaves_what_was_there_before(supervised: Supervised) -> None:
    """Another folder with the same component, as Nix makes them: its links are put back, and its programs run."""
    supervised.program("grows", "grows")
    supervised.dysnomia("activate", "grows")
    newer = Path("/srv/newer/grows")
    supervised.machine.run("mkdir", "-p", newer.parent)
    supervised.machine.run("cp", "-a", supervised.path("grows"), newer)
    text = f"[program:grows]\ncommand={newer}/bin/none\nstartretries=0\n"
    supervised.machine.write(newer / "conf.d" / "grows.conf", text)
    dysnomia = Path(sys.executable).with_name("dysnomia")
    words = (dysnomia, "-o", "activate", "-C", "supervised", "-c", newer)
    assert supervised.machine.run("sh", "-c", '"$@" 2>&1; echo $?', "sh", *words).endswith("\n1\n")
    assert str((supervised.machine.root(TARGET) / "grows.conf").readlink()).startswith(str(supervised.path("grows")))
    assert supervised.running("grows")
    supervised.dysnomia("deactivate", "grows")


def test_what_is_told_of_a_program(supervised: Supervised) -> None:
    supervised.program("talks", "talks")
    supervised.dysnomia("activate", "talks")
    wait_until(lambda: "Loop" in supervised.ctl("tail", "talks"))
    condition = supervised.told("talks")["condition"]
    status = condition["status"]
    assert (condition["probe"]["up"], condition["probe"]["word"], status["word"]) == (True, "running", "running")
    assert condition["probe"]["version"].startswith("4")
    assert status["facts"][0]["text"].startswith("talks RUNNING, pid ")
    assert (status["log_note"], status["log"][-1]["text"]) == ("last lines of talks", "Loop forever...")
    supervised.dysnomia("deactivate", "talks")
    supervised.machine.run("systemctl", "stop", "supervisor")
    assert "supervisord does not answer" in supervised.told("talks")["condition"]["probe"]["detail"]
    assert "supervisord does not answer" in supervised.dysnomia("activate", "talks", status=8)


def test_a_file_of_the_operators_own_is_never_replaced_or_removed(supervised: Supervised) -> None:
    supervised.machine.write(TARGET / "mine.conf", "[program:mine]\ncommand=sleep 1000\n")
    supervised.program("mine", "mine")
    assert "mine.conf already exists, and is not a link" in supervised.dysnomia("activate", "mine", status=6)
    assert "does not belong to this component and was left in place" in supervised.dysnomia("deactivate", "mine")
    assert "sleep 1000" in supervised.machine.run("cat", TARGET / "mine.conf")
    supervised.machine.run("rm", TARGET / "mine.conf")


@pytest.mark.worlds
def test_killed_at_every_step_it_is_healed_by_recovery_activation_or_deactivation(supervised: Supervised) -> None:
    path = supervised.program("killed", "killed")
    said = supervised.machine.run(sys.executable, "-m", "tests.plugins.supervisord.inside", path, cwd=ROOT)
    assert int(said.split()[1]) > 7, said
