"""Web applications on Apache and nginx as Debian has them, started by systemd: Dysnomia's own story, by command."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from tests.plugins.deployed import ROOT, Components
from tests.plugins.systemd.machine import SystemdMachine
from tests.waiting import wait_until

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("systemd")]
GET = "import sys, urllib.request; print(urllib.request.urlopen('http://localhost/' + sys.argv[1]).read().decode())"
PAGE = "test/index.html"


class Sites(Components):
    """Components of a container that is called as its server, which serves Debian's own document root."""

    def __init__(self, machine: SystemdMachine, server: str, kind: str) -> None:
        properties = f'type={kind}\ndocumentRoot=/var/www/html\nreloadCommand=("systemctl" "reload" "{server}")\n'
        super().__init__(machine, server, properties, "webapps/test")

    def get(self, path: str = PAGE) -> str:
        """What is served there; ``""`` where nothing is."""
        return self.machine.run(sys.executable, "-c", GET, path, check=False).strip()

    def reloads(self) -> int:
        return self.machine.run("journalctl", "--no-pager", "-u", self.container).count(": Reloaded")


class Story:
    """Of each server. The matrix has these cases for both."""

    column: ClassVar[str]
    server: ClassVar[tuple[str, ...]]
    unit: ClassVar[str]

    @pytest.fixture
    def sites(self, systemd: SystemdMachine) -> Iterator[Sites]:
        sites = Sites(systemd, self.unit, self.column)
        systemd.run("systemctl", "start", self.unit)
        yield sites
        systemd.run("systemctl", "stop", self.unit)

    def test_a_web_application_is_served_and_no_longer(self, sites: Sites) -> None:
        """Dysnomia's own story: activated and deactivated twice."""
        sites.make("plain", **{"index.html": "hello"})
        for _ in range(2):
            sites.dysnomia("activate", "plain")
            assert sites.get() == "hello"
        wait_until(lambda: sites.reloads() >= 2)
        assert f"{self.unit}/plain" in sites.active()
        told = sites.told("plain")["condition"]
        assert (told["probe"]["up"], told["probe"]["word"]) == (True, "linked")
        for _ in range(2):
            sites.dysnomia("deactivate", "plain")
            assert sites.get() == ""

    def test_a_web_application_whose_links_are_listed_is_served_and_no_longer(self, sites: Sites) -> None:
        """The same story with a ``.dysnomia-fileset`` of nothing but links."""
        path = sites.make("listed", **{"index.html": "hello"})
        sites.make("listed", **{"./.dysnomia-fileset": f"symlink {path}/webapps/{PAGE}\ntarget test\n"})
        for _ in range(2):
            sites.dysnomia("activate", "listed")
            assert sites.get() == "hello"
        assert "keeps nothing" in sites.dysnomia("snapshot", "listed")
        sites.dysnomia("restore", "listed")
        assert sites.get() == "hello"
        for _ in range(2):
            sites.dysnomia("deactivate", "listed")
            assert sites.get() == ""
        sites.dysnomia("collect-garbage", "listed")

    def test_there_is_nothing_to_snapshot_without_a_list(self, sites: Sites) -> None:
        """Every activity of one without state ends well, as Dysnomia's do."""
        sites.make("plain", **{"index.html": "hello"})
        for activity in ("snapshot", "restore", "collect-garbage", "lock", "unlock"):
            sites.dysnomia(activity, "plain")

    def test_a_user_has_a_document_root_of_their_own(self, sites: Sites) -> None:
        """Below the server's, and without any privilege: links, a set of files, and a restore of it."""
        machine, home, root = sites.machine, Path("/srv/wilma"), Path("/var/www/html/wilma")
        machine.run("useradd", "-d", home, "-s", "/bin/sh", "-U", "wilma")
        machine.write(home / "containers" / "mine", f"type={self.column}\ndocumentRoot={root}\n")
        machine.write(home / "components" / "mine" / "plain" / "webapps" / "plain.html", "hello")
        machine.write(home / "components" / "mine" / "filled" / ".dysnomia-fileset", "mkdir up\n")
        machine.run("mkdir", root)
        machine.run("chown", "-R", "wilma", home, root)
        paths = {"DYSNOMIA_CONTAINERS_PATH": f"{home}/containers", "DYSNOMIA_COMPONENTS_PATH": f"{home}/components",
                 "HOME": str(home), "DYSNOMIA_STATEDIR": f"{home}/state"}  # fmt: skip

        def run(activity: str, name: str) -> None:
            dysnomia = Path(sys.executable).with_name("dysnomia")
            machine.as_user("wilma", dysnomia, "-o", activity, "-C", "mine", "-c", name, **paths)

        try:
            run("activate", "plain")
            assert sites.get("wilma/plain.html") == "hello"
            run("activate", "filled")
            machine.as_user("wilma", "sh", "-c", 'echo first > "$1"', "sh", root / "up" / "page.html")
            run("snapshot", "filled")
            machine.as_user("wilma", "sh", "-c", 'echo second > "$1"', "sh", root / "up" / "page.html")
            assert sites.get("wilma/up/page.html") == "second"
            run("restore", "filled")
            assert sites.get("wilma/up/page.html") == "first"
            run("deactivate", "plain")
            assert sites.get("wilma/plain.html") == ""
        finally:
            machine.run("rm", "-rf", root, home)
            machine.run("userdel", "wilma")


class TestApache(Story):
    column = "apache-webapplication"
    server = ("apache2", "-v")
    unit = "apache2"

    @pytest.mark.worlds
    def test_killed_at_every_step_it_is_healed_by_recovery_activation_or_deactivation(self, sites: Sites) -> None:
        path = sites.make("killed", **{"webapps/one.html": "one", "webapps/two/index.html": "two"})
        said = sites.machine.run(sys.executable, "-m", "tests.plugins.webapplication.inside", path, cwd=ROOT)
        assert int(said.split()[1]) > 10, said

    def test_a_failed_activation_leaves_nothing(self, sites: Sites) -> None:
        sites.machine.write("/etc/apache2/conf-enabled/broken.conf", "NoSuchDirective\n")
        try:
            sites.make("fails", **{"index.html": "hello"})
            assert "systemctl ended with status 1" in sites.dysnomia("activate", "fails", status=1)
            assert (sites.get(), "apache2/fails" in sites.active()) == ("", False)
        finally:
            sites.machine.run("rm", "/etc/apache2/conf-enabled/broken.conf")


@pytest.mark.worlds
class TestNginx(Story):
    column = "nginx-webapplication"
    server = ("nginx", "-v")
    unit = "nginx"
