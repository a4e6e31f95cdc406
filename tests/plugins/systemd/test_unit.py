"""The type systemd-unit on a real systemd: by command, as an operator or Disnix calls it."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.plugins.deployed import ROOT, Components
from tests.plugins.systemd.machine import SystemdMachine
from tests.waiting import wait_until

column = "systemd-unit"
server = ("systemctl", "--version")
pytestmark = [pytest.mark.server, pytest.mark.xdist_group("systemd")]

COMPONENTS = Path("/etc/dysnomia/components/units")
UNITS = Path("/etc/systemd/system")
LOOP = "[Unit]\nDescription=Loop\n[Service]\nExecStart=/bin/sh -c 'echo here I am; exec sleep 1000'\n"


class Units(Components):
    """Components of a container ``units``."""

    def __init__(self, machine: SystemdMachine) -> None:
        super().__init__(machine, "units", "type=systemd-unit\n", "etc/systemd/system")

    def show(self, unit: str, value: str) -> str:
        return self.machine.run("systemctl", "show", "-P", value, unit).strip()

    def links(self) -> set[str]:
        """Every link into a component that stands where units are put."""
        folder = self.machine.root(UNITS)
        links = (path for path in folder.rglob("*") if path.is_symlink())
        return {str(path.relative_to(folder)) for path in links if str(path.readlink()).startswith(str(COMPONENTS))}


@pytest.fixture
def units(systemd: SystemdMachine) -> Units:
    return Units(systemd)


def test_a_service_is_put_into_service_and_taken_out_again(units: Units) -> None:
    units.make("web", **{"web.service": LOOP})
    said = units.dysnomia("activate", "web")
    assert "there is no dysnomia.target on this machine" in said
    assert units.show("web.service", "ActiveState") == "active"
    assert units.links() == {"web.service", "dysnomia.target.wants/web.service"}
    pid = units.show("web.service", "MainPID")
    assert "is active already" in units.dysnomia("activate", "web")
    assert units.show("web.service", "MainPID") == pid, "what runs is left running"

    units.machine.run("systemctl", "stop", "web.service")
    units.machine.run("rm", UNITS / "dysnomia.target.wants" / "web.service")
    units.dysnomia("activate", "web")
    assert units.show("web.service", "ActiveState") == "active", "what was wrecked is mended"
    assert units.links() == {"web.service", "dysnomia.target.wants/web.service"}

    units.dysnomia("deactivate", "web")
    assert (units.show("web.service", "LoadState"), units.links()) == ("not-found", set())
    units.dysnomia("deactivate", "web")


def test_lock_and_unlock_allow_as_dysnomia_does(units: Units) -> None:
    units.make("locked", **{"locked.service": LOOP})
    units.dysnomia("lock", "locked")
    units.dysnomia("unlock", "locked")
    assert units.links() == set(), "they change nothing"


def test_there_is_nothing_to_snapshot(units: Units) -> None:
    units.make("bare", **{"bare.service": LOOP})
    assert "type systemd-unit has no snapshot" in units.dysnomia("snapshot", "bare"), "nor is that an error in Dysnomia"
    generations = units.machine.run(Path(sys.executable).with_name("dysnomia-snapshots"), "--query-all", "-C", "units")
    assert generations == ""


def test_the_wanted_units_come_back_with_their_target(units: Units) -> None:
    units.make("boot", **{"boot.service": LOOP})
    units.machine.write(UNITS / "dysnomia.target", "[Unit]\nDescription=All of Dysnomia\n")
    try:
        assert "there is no dysnomia.target" not in units.dysnomia("activate", "boot")
        units.machine.run("systemctl", "stop", "boot.service")
        units.machine.run("systemctl", "start", "dysnomia.target")
        wait_until(lambda: units.show("boot.service", "ActiveState") == "active")
    finally:
        units.dysnomia("deactivate", "boot")
        units.machine.run("rm", UNITS / "dysnomia.target")
        units.machine.run("systemctl", "daemon-reload")


def test_a_socket_is_started_instead_of_its_service(units: Units) -> None:
    units.make(
        "greet",
        **{
            "greet.socket": "[Socket]\nListenStream=/run/greet.sock\nAccept=yes\n",
            "greet@.service": "[Service]\nStandardInput=socket\nExecStart=/bin/sh -c 'echo hello; exec cat'\n",
        },
    )
    units.dysnomia("activate", "greet")
    assert units.links() == {"greet.socket", "greet@.service", "dysnomia.target.wants/greet.socket"}
    ask = "import socket; s = socket.socket(socket.AF_UNIX); s.connect('/run/greet.sock'); print(s.recv(9)); input()"
    held = units.machine.start(sys.executable, "-c", ask)
    try:
        assert held.stdout is not None
        assert held.stdout.readline() == b"b'hello\\n'\n"
        assert units.machine.run("systemctl", "list-units", "--no-legend", "greet@*.service").count("running") == 1
        units.dysnomia("deactivate", "greet")
        assert units.machine.run("systemctl", "list-units", "--no-legend", "greet*") == "", "its instances are stopped"
        assert units.links() == set()
    finally:
        held.kill()
        held.wait()


def test_a_timer_is_started_instead_of_its_service(units: Units) -> None:
    units.make(
        "tick",
        **{
            "tick.timer": "[Timer]\nOnActiveSec=0\nAccuracySec=10ms\nOnCalendar=daily\n",
            "tick.service": "[Service]\nType=oneshot\nExecStart=/bin/touch /run/ticked\n",
        },
    )
    units.dysnomia("activate", "tick")
    assert units.show("tick.timer", "ActiveState") == "active"
    assert "dysnomia.target.wants/tick.timer" in units.links()
    wait_until(units.machine.root("/run/ticked").exists)
    units.dysnomia("deactivate", "tick")
    assert (units.show("tick.timer", "LoadState"), units.links()) == ("not-found", set())


@pytest.mark.worlds
def test_its_users_and_groups_come_and_go_with_it(units: Units) -> None:
    """Made before the unit that runs as them, removed after it; the home folder stays."""
    units.make(
        "shop",
        **{
            "shop.service": LOOP.replace("[Service]\n", "[Service]\nUser=shop\nGroup=shop\n"),
            "dysnomia-support/users/shop": "group=shop\ndescription='The shop'\nhomeDir=/srv/shop\ncreateHomeDir=1\n"
            "shell=/bin/sh\npassword=$(echo '$6$salt$hash')\n",
            "dysnomia-support/groups/shop": "gid=4242\n",
            "dysnomia-support/groups/more": "",
        },
    )
    said = units.dysnomia("activate", "shop")
    assert "$6$salt" not in said
    assert units.there("passwd", "shop").endswith(":4242:The shop:/srv/shop:/bin/sh")
    assert units.there("shadow", "shop").startswith("shop:$6$salt$hash:")
    user = units.there("passwd", "shop").split(":")[2]
    (pid,) = {units.show("shop.service", "MainPID")}
    assert units.machine.run("ps", "-o", "uid=", "-p", pid).strip() == user
    (units.machine.root("/srv/shop") / "orders").write_text("state\n")
    units.dysnomia("activate", "shop")
    assert units.there("passwd", "shop").split(":")[2] == user

    units.dysnomia("deactivate", "shop")
    assert [units.there("passwd", "shop"), units.there("group", "shop"), units.there("group", "more")] == ["", "", ""]
    assert (units.machine.root("/srv/shop") / "orders").read_text() == "state\n"
    assert "user shop is not there" in units.dysnomia("deactivate", "shop")
    assert "hash" not in units.machine.run("journalctl", "--no-pager", "--output=export"), "nor in the journal"


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        (
            "dies",
            "[Service]\nExecStart=/bin/sh -c 'echo I cannot; exit 3'\n",
            "dies.service did not start (exit-code, status 3)",
        ),
        ("loops", "[Service]\nRestart=always\nRestartSec=60\nExecStart=/bin/false\n", "loops.service did not start"),
        (
            "fails",
            "[Service]\nType=oneshot\nExecStart=/bin/false\n",
            "fails.service did not start (exit-code, status 1)",
        ),
        ("nonsense", "[Service]\nType=simple\n", "nonsense.service did not start"),
    ],
)
def test_a_failed_activation_leaves_nothing(units: Units, name: str, text: str, why: str) -> None:
    units.make(
        name,
        **{
            f"{name}-first.service": LOOP,
            f"{name}.service": text,
            f"dysnomia-support/users/{name}": "createHomeDir=0\n",
            f"dysnomia-support/groups/g{name}": "",
        },
    )
    said = units.dysnomia("activate", name, status=1)
    assert why in said
    if name == "dies":
        assert "I cannot" in said, "the unit's own last words"
    assert units.links() == set()
    assert units.machine.run("systemctl", "list-units", "--all", "--no-legend", f"{name}*") == ""
    assert (units.there("passwd", name), units.there("group", f"g{name}")) == ("", "")
    out = units.machine.run(Path(sys.executable).with_name("dysnomia-containers"), "--query-activated-components")
    assert f"units/{name}" not in out


def test_an_upgrade_that_fails_leaves_what_was_there_before(units: Units) -> None:
    """A second activation, with one unit more: what the first has put into service goes on."""
    units.make("grows", **{"grows.service": LOOP})
    units.dysnomia("activate", "grows")
    pid = units.show("grows.service", "MainPID")
    units.make("grows", **{"grows-more.service": "[Service]\nExecStart=/bin/false\n"})
    assert "grows-more.service did not start" in units.dysnomia("activate", "grows", status=1)
    assert units.links() == {"grows.service", "dysnomia.target.wants/grows.service"}
    assert units.show("grows.service", "MainPID") == pid
    units.machine.run("rm", COMPONENTS / "grows" / "etc/systemd/system/grows-more.service")
    units.dysnomia("deactivate", "grows")


def test_what_is_told_of_a_unit(units: Units) -> None:
    units.make("talks", **{"talks.service": LOOP.replace("exec sleep 1000", 'echo "<3>worse"; sleep 1000; true')})
    before = units.told("talks")
    assert (before["own"]["word"], before["own"]["broken"]) == ("not installed", False)
    units.dysnomia("activate", "talks")
    pid = units.show("talks.service", "MainPID")
    condition = units.told("talks")["condition"]
    status = condition["status"]
    (fact,) = status["facts"]
    assert (condition["probe"]["up"], condition["probe"]["word"], status["word"]) == (True, "active", "active")
    assert fact["text"] == f"talks.service active (running), pid {pid} and 1 more, since"
    assert fact["memory"] > 500_000
    assert abs((datetime.now(UTC) - datetime.fromisoformat(fact["at"])).total_seconds()) < 300
    lines = {line["text"].split(": ", 1)[1]: line["tone"] for line in status["log"]}
    assert (lines["here I am"], lines["worse"]) == ("plain", "bad")

    units.machine.run("rm", UNITS / "dysnomia.target.wants" / "talks.service")
    (_, drift) = units.told("talks")["condition"]["status"]["facts"]
    assert "would not start after a reboot" in drift["text"]

    units.machine.run("systemctl", "kill", "--signal=KILL", "talks.service")
    wait_until(lambda: units.show("talks.service", "ActiveState") == "failed")
    after = units.told("talks")
    assert (after["own"]["word"], after["own"]["broken"]) == ("failed", True)
    assert after["condition"]["status"]["facts"][0]["text"].startswith(
        "talks.service failed (failed), signal, status 9"
    )
    units.dysnomia("deactivate", "talks")


def test_a_unit_of_the_operators_own_is_never_replaced_or_removed(units: Units) -> None:
    units.machine.write(UNITS / "mine.service", LOOP)
    units.make("mine", **{"mine.service": LOOP, "another.service": LOOP})
    assert "mine.service already exists, and is not a link" in units.dysnomia("activate", "mine", status=6)
    assert units.links() == set()
    assert "mine.service does not belong to this component and was left in place" in units.dysnomia(
        "deactivate", "mine"
    )
    assert units.machine.root(UNITS / "mine.service").read_text() == LOOP
    units.machine.run("rm", UNITS / "mine.service")


def test_a_component_that_others_may_write_stops_nothing(units: Units) -> None:
    """A file called as a unit of the machine's own would have it stopped."""
    units.make("astray", **{"dbus.service": LOOP})
    units.machine.run("chown", "daemon", COMPONENTS / "astray" / "etc/systemd/system")
    assert "system is left out: it belongs to user daemon" in units.dysnomia("deactivate", "astray", status=6)
    assert units.show("dbus.service", "ActiveState") != "inactive"


def test_where_systemd_does_not_look_nothing_is_put(units: Units) -> None:
    units.machine.write("/etc/dysnomia/containers/astray", "type=systemd-unit\nsystemdTargetDir=/srv/units\n")
    units.machine.write("/etc/dysnomia/components/astray/x/etc/systemd/system/x.service", LOOP)
    said = units.dysnomia("activate", "x", container="astray", status=1)
    assert "systemd does not look for units in /srv/units" in said
    assert "/etc/systemd/system" in said, "where it does"


def test_units_of_a_users_own_manager(units: Units) -> None:
    machine = units.machine
    machine.write("/etc/dysnomia/containers/own", "type=systemd-unit\nsystemdUserServices=1\n")
    machine.write("/etc/dysnomia/components/own/loop/etc/systemd/system/loop.service", LOOP)
    machine.run("useradd", "-m", "-s", "/bin/sh", "tester")
    machine.run("loginctl", "enable-linger", "tester")
    dysnomia = Path(sys.executable).with_name("dysnomia")
    words = ("-C", "own", "-c", "loop")
    try:
        uid = machine.run("id", "-u", "tester").strip()
        wait_until(machine.root(f"/run/user/{uid}/systemd/private").exists)
        machine.as_user("tester", dysnomia, "-o", "activate", *words)
        home = machine.root("/home/tester/.config/systemd/user")
        assert sorted(str(path.relative_to(home)) for path in home.rglob("*")) == [
            "dysnomia.target.wants", "dysnomia.target.wants/loop.service", "loop.service",
        ]  # fmt: skip
        states = machine.as_user(
            "tester", "systemctl", "--user", "is-active", "loop.service", XDG_RUNTIME_DIR=f"/run/user/{uid}"
        )
        assert states.strip() == "active"
        machine.as_user("tester", dysnomia, "-o", "deactivate", *words)
        assert [path for path in home.rglob("*") if path.is_symlink()] == []
    finally:
        machine.run("loginctl", "terminate-user", "tester", check=False)
        machine.run("loginctl", "disable-linger", "tester")


@pytest.mark.worlds
def test_killed_at_every_step_it_is_healed_by_recovery_activation_or_deactivation(units: Units) -> None:
    path = units.make(
        "killed",
        **{
            "killed.service": LOOP.replace("[Service]\n", "[Service]\nUser=killed\n"),
            "killed-tick.timer": "[Timer]\nOnCalendar=daily\n",
            "killed-tick.service": "[Service]\nType=oneshot\nExecStart=/bin/true\n",
            "dysnomia-support/users/killed": "group=killed\npassword='$6$x$y'\n",
            "dysnomia-support/groups/killed": "",
        },
    )
    said = units.machine.run(sys.executable, "-m", "tests.plugins.systemd.inside", path, cwd=ROOT)
    assert int(said.split()[1]) > 30, said
