"""The type tomcat-webapplication on a real Tomcat, Debian's, started by systemd: by command."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.deployed import ROOT, Components
from tests.plugins.systemd.machine import SystemdMachine
from tests.waiting import wait_until

column = "tomcat-webapplication"
server = ("/usr/share/tomcat10/bin/version.sh",)
pytestmark = [pytest.mark.server, pytest.mark.xdist_group("systemd")]

BASE = Path("/var/lib/tomcat10")
GET = (
    "import sys, urllib.request; print(urllib.request.urlopen('http://localhost:8080/' + sys.argv[1]).read().decode())"
)
QUICKLY = 's/<Engine name=/<Engine backgroundProcessorDelay="1" name=/'
CONTEXT = '<Context><Environment name="greeting" value="good day" type="java.lang.String"/></Context>\n'
PAGE = (
    '<%@ page import="javax.naming.InitialContext" %>hello <%= 40 + 2 %> '
    '<% try { out.print(new InitialContext().lookup("java:comp/env/greeting")); }'
    ' catch (Exception e) { out.print("no greeting"); } %>'
)


class Wars(Components):
    """Components of a container ``tomcat``."""

    def __init__(self, machine: SystemdMachine) -> None:
        super().__init__(machine, "tomcat", "type=tomcat-webapplication\n", "webapps")

    def war(self, name: str, war: str, folder: str = "webapps") -> Path:
        """A component with one archive more, of a page that the server has to compile."""
        path = self.machine.root(self.path(name) / folder / f"{war}.war")
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("index.jsp", PAGE)
        return self.path(name)

    def get(self, path: str) -> str:
        """What is served there; ``""`` where nothing is."""
        return self.machine.run(sys.executable, "-c", GET, path, check=False).strip()

    def links(self) -> list[str]:
        folders = [BASE / "webapps", BASE / "conf/Catalina"]
        return sorted(self.machine.run("find", "-L", *folders, "-xtype", "l", "-printf", "%f\\n", check=False).split())


@pytest.fixture(scope="module")
def tomcat(systemd: SystemdMachine) -> Iterator[SystemdMachine]:
    """It looks for new archives every second, not every ten."""
    systemd.run("sed", "-i", QUICKLY, "/etc/tomcat10/server.xml")
    systemd.run("systemctl", "start", "tomcat10")
    yield systemd
    systemd.run("systemctl", "stop", "tomcat10")


@pytest.fixture
def wars(tomcat: SystemdMachine) -> Wars:
    return Wars(tomcat)


def test_a_web_application_is_served_and_no_longer(wars: Wars) -> None:
    """Dysnomia's own story: activated and deactivated twice."""
    wars.war("plain", "plain")
    for _ in range(2):
        wars.dysnomia("activate", "plain")
        wait_until(lambda: wars.get("plain/") == "hello 42 no greeting")
    told = wars.told("plain")["condition"]
    assert (told["probe"]["up"], told["probe"]["word"]) == (True, "linked")
    assert told["status"]["facts"][0]["text"] == "plain.war: linked, and unpacked by the server"
    assert any("plain.war" in line["text"] for line in told["status"]["log"])
    for _ in range(2):
        wars.dysnomia("deactivate", "plain")
        wait_until(lambda: wars.get("plain/") == "")
    assert wars.links() == []


def test_its_contexts_come_and_go_with_it(wars: Wars) -> None:
    wars.war("greets", "greets", "webapps/deeper")
    wars.make("greets", **{"conf/Catalina/greets.xml": CONTEXT})
    wars.dysnomia("activate", "greets")
    wait_until(lambda: wars.get("greets/") == "hello 42 good day")
    wars.dysnomia("deactivate", "greets")
    wait_until(lambda: wars.get("greets/") == "")
    assert wars.links() == []


def test_there_is_nothing_to_snapshot(wars: Wars) -> None:
    """Every activity of a type without state ends well, as Dysnomia's do."""
    wars.war("plain", "plain")
    for activity in ("snapshot", "restore", "collect-garbage", "lock", "unlock"):
        wars.dysnomia(activity, "plain")
    assert wars.links() == []


def test_a_failed_activation_leaves_nothing(wars: Wars) -> None:
    wars.war("fails", "first")
    wars.war("fails", "second")
    wars.machine.run("mkdir", BASE / "webapps" / "second.war")
    assert "second.war already exists, and is not a link" in wars.dysnomia("activate", "fails", status=6)
    assert (wars.links(), "tomcat/fails" in wars.active()) == ([], False)
    wars.machine.run("rmdir", BASE / "webapps" / "second.war")


def test_without_a_folder_of_the_server_nothing_is_activated(wars: Wars) -> None:
    text = "type=tomcat-webapplication\ncatalinaBaseDir=/srv/later\ntimeout=0\n"
    wars.machine.write("/etc/dysnomia/containers/later", text)
    wars.war("later", "later")
    wars.machine.run("mkdir", "-p", "/etc/dysnomia/components/later", "/srv/later")
    wars.machine.run("cp", "-a", wars.path("later"), "/etc/dysnomia/components/later/later")
    assert "the folder /srv/later/webapps does not exist" in wars.dysnomia(
        "activate", "later", status=1, container="later"
    )
    assert not wars.told("later")["condition"]["probe"]["broken"]


@pytest.mark.worlds
def test_killed_at_every_step_it_is_healed_by_recovery_activation_or_deactivation(wars: Wars) -> None:
    wars.machine.run("systemctl", "stop", "tomcat10")
    path = wars.war("killed", "killed-a")
    wars.war("killed", "killed-b")
    wars.make("killed", **{"conf/Catalina/killed-a.xml": CONTEXT})
    said = wars.machine.run(sys.executable, "-m", "tests.plugins.tomcat.inside", path, cwd=ROOT)
    assert int(said.split()[1]) > 10, said
