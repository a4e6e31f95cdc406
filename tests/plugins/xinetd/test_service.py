"""The type xinetd-service on a real xinetd, Debian's: by command, as an operator or Disnix calls it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.deployed import ROOT, Components
from tests.plugins.systemd.machine import SystemdMachine
from tests.waiting import wait_until

column = "xinetd-service"
server = ("xinetd", "-version")
pytestmark = [pytest.mark.server, pytest.mark.xdist_group("systemd")]

TARGET = Path("/etc/xinetd.d")
ENTRY = """# a comment
service {name}
{{
    type = UNLISTED
    port = {port}
    bind = 127.0.0.1
    socket_type = stream
    protocol = tcp
    wait = no
    user = {user}
    server = {program}
{more}}}
"""
ASK = """
import socket, sys
try:
    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 20) as one:
        one.sendall(b"hello")
        one.shutdown(socket.SHUT_WR)
        print(one.makefile().read())
except ConnectionRefusedError:
    print("refused")
"""
WHO = "#!/bin/sh\ncat >/dev/null; id -un\n"


class Served(Components):
    """Components of a container ``inetd``."""

    def __init__(self, machine: SystemdMachine) -> None:
        super().__init__(machine, "inetd", "type=xinetd-service\n", "etc/xinetd.d")

    def service(self, name: str, port: int, program: str = "/bin/cat", user: str = "nobody", more: str = "") -> Path:
        """A component with one service more, called after its port."""
        text = ENTRY.format(name=f"s{port}", port=port, program=program, user=user, more=more)
        return self.make(name, **{f"s{port}": text})

    def ask(self, port: int) -> str:
        return self.machine.run(sys.executable, "-c", ASK, str(port)).strip()

    def links(self) -> list[str]:
        return self.machine.run("find", TARGET, "-type", "l", "-printf", "%f\\n").split()


@pytest.fixture
def served(systemd: SystemdMachine) -> Iterator[Served]:
    systemd.run("systemctl", "start", "xinetd")
    wait_until(lambda: systemd.run("pgrep", "-x", "xinetd", check=False))
    yield Served(systemd)
    systemd.run("systemctl", "stop", "xinetd")


def test_a_service_is_put_into_service_and_taken_out_again(served: Served) -> None:
    """Dysnomia's own story: activated and deactivated twice."""
    served.service("echoes", 7777)
    served.service("echoes", 7778, more="    disable = yes\n")
    for _ in range(2):
        served.dysnomia("activate", "echoes")
        assert (served.ask(7777), served.ask(7778)) == ("hello", "refused")
    assert served.told("echoes")["own"]["word"] == "listening"
    for _ in range(2):
        served.dysnomia("deactivate", "echoes")
        assert served.ask(7777) == "refused"
    assert served.links() == []
    told = served.told("echoes")["own"]
    assert (told["word"], told["broken"]) == ("not listening", False)


def test_lock_and_unlock_allow_as_dysnomia_does(served: Served) -> None:
    served.service("locked", 7777)
    served.dysnomia("lock", "locked")
    served.dysnomia("unlock", "locked")
    assert served.links() == [], "they change nothing"


def test_its_users_and_groups_come_and_go_with_it(served: Served) -> None:
    path = served.path("who")
    served.service("who", 7779, str(path / "bin" / "who"), "inetshop")
    served.make("who", **{"bin/who": WHO, "dysnomia-support/users/inetshop": "group=inetshop\n"})
    served.make("who", **{"dysnomia-support/groups/inetshop": ""})
    served.dysnomia("activate", "who")
    assert served.ask(7779) == "inetshop"
    served.dysnomia("deactivate", "who")
    assert (served.links(), served.accounts("inetshop")) == ([], ("", ""))


@pytest.mark.worlds
def test_a_failed_activation_leaves_nothing(served: Served) -> None:
    """xinetd says nothing to whoever reloads it: what it cannot do is seen by the port at which it does not listen."""
    served.service("fails", 7777)
    served.service("fails", 7780, "/no/such/program")
    served.make("fails", **{"dysnomia-support/users/fails": "", "dysnomia-support/groups/gfails": ""})
    assert "xinetd does not listen for s7780 (tcp port 7780)" in served.dysnomia("activate", "fails", status=1)
    assert (served.links(), served.ask(7777)) == ([], "refused")
    assert (served.there("passwd", "fails"), served.there("group", "gfails")) == ("", "")
    assert "inetd/fails" not in served.active()


def test_without_its_server_it_is_not_activated_and_can_be_deactivated(served: Served) -> None:
    served.service("alone", 7777)
    served.dysnomia("activate", "alone")
    served.machine.run("systemctl", "stop", "xinetd")
    wait_until(lambda: not served.machine.run("pgrep", "-x", "xinetd", check=False))
    assert "no xinetd runs" in served.dysnomia("activate", "alone", status=8)
    assert not served.told("alone")["condition"]["probe"]["up"]
    served.dysnomia("deactivate", "alone")
    assert served.links() == []


def test_a_file_of_the_operators_own_is_never_replaced_or_removed(served: Served) -> None:
    served.machine.write(
        TARGET / "s7777", ENTRY.format(name="s7777", port=7777, program="/bin/cat", user="nobody", more="")
    )
    served.service("strange", 7777)
    assert "s7777 already exists, and is not a link" in served.dysnomia("activate", "strange", status=6)
    served.dysnomia("deactivate", "strange")
    assert served.ask(7777) == "hello"
    served.machine.run("rm", TARGET / "s7777")


def test_a_file_of_another_user_has_no_process_of_their_choice_signalled(served: Served) -> None:
    served.machine.write("/etc/dysnomia/containers/theirs", "type=xinetd-service\nxinetdPidFile=/srv/theirs/pid\n")
    served.service("theirs", 7777)
    served.machine.run("mkdir", "-p", "/etc/dysnomia/components/theirs", "/srv/theirs")
    served.machine.run("cp", "-a", served.path("theirs"), "/etc/dysnomia/components/theirs/theirs")
    served.machine.write("/srv/theirs/pid", "1\n")
    served.machine.run("chown", "-R", "daemon", "/srv/theirs")
    served.machine.run("sh", "-c", "pgrep -x xinetd > /srv/theirs/pid")
    said = served.dysnomia("activate", "theirs", status=6, container="theirs")
    assert "/srv/theirs/pid names process" in said
    served.machine.run("chown", "-R", "root", "/srv/theirs")
    served.dysnomia("activate", "theirs", container="theirs")
    served.dysnomia("deactivate", "theirs", container="theirs")


@pytest.mark.worlds
def test_killed_at_every_step_it_is_healed_by_recovery_activation_or_deactivation(served: Served) -> None:
    path = served.service("killed", 7781)
    served.service("killed", 7782)
    served.make("killed", **{"dysnomia-support/users/killed": "group=killed\n", "dysnomia-support/groups/killed": ""})
    said = served.machine.run(sys.executable, "-m", "tests.plugins.xinetd.inside", path, cwd=ROOT)
    assert int(said.split()[1]) > 10, said
