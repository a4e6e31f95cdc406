"""Disnix's acceptance story with services as it deploys them: a process, and a web application with uploads, which move
from one machine to the other and take their state with them."""

from __future__ import annotations

import os
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.e2e.world import World
from tests.plugins.servers.common import missing

pytestmark = [pytest.mark.worlds, pytest.mark.skipif(os.geteuid() != 0, reason="processes are started as root")]
PROCESS, SITE = "process", "generic-webapplication"
LOOP = "#!/bin/bash -e\nwhile true; do sleep 0.2; done\n"
DAEMON = "#!/bin/bash -e\nexec daemon --pidfile {pid} --unsafe -- {loop}\n"
FILESET = "symlink {path}/index.html\ntarget shop\nmkdir shop/files\n"


class Quiet(SimpleHTTPRequestHandler):
    """The web server of a machine."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing is said."""


class Machine(World):
    """One of Disnix's: all that is known of a service comes with the call."""

    def prepare(self) -> None:
        for name in ("www", "run", "log"):
            (self.root / name).mkdir(parents=True)
        daemon, site = self.root / "store" / "worker", self.root / "store" / "shop"
        (daemon / "bin").mkdir(parents=True)
        pid = self.root / "run" / "worker.pid"
        text = DAEMON.format(pid=pid, loop=daemon / "loop")
        for path, script in ((daemon / "bin" / "worker", text), (daemon / "loop", LOOP)):
            path.write_text(script)
            path.chmod(0o755)
        page = site / "webapps" / "shop" / "index.html"
        page.parent.mkdir(parents=True)
        page.write_text("the shop")
        (site / ".dysnomia-fileset").write_text(FILESET.format(path=page.parent))
        self.web = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(self.root / "www")))
        Thread(target=self.web.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.activity("deactivate", PROCESS)
        self.web.shutdown()
        self.web.server_close()

    def activity(self, activity: str, type_: str) -> None:
        """As Disnix's service calls it: the container's properties are the environment."""
        path = self.root / "store" / ("worker" if type_ == PROCESS else "shop")
        properties = {
            PROCESS: {"runtimeDir": str(self.root / "run"), "logDir": str(self.root / "log")},
            SITE: {"documentRoot": str(self.root / "www")},
        }[type_]
        bash = {"PATH": f"{self.bin}:{os.defpath}", "DYSNOMIA_STATEDIR": str(self.state), "hostname": "here"}
        argv = ["dysnomia", "--type", type_, "--operation", activity, "--component", str(path), "--container", type_]
        done = subprocess.run(
            [str(self.bin / argv[0]), *argv[1:], "--environment"], env={**bash, **properties}, cwd="/",
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, f"{activity} of {type_}: {done.stdout}{done.stderr}"

    def get(self, path: str) -> str:
        """What is served; ``""`` where nothing is."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.web.server_port}/{path}", timeout=30) as answer:
                body: bytes = answer.read()
                return body.decode()
        except urllib.error.HTTPError:
            return ""

    @property
    def runs(self) -> bool:
        """Whether the daemon that its file names is there."""
        file = self.root / "run" / "worker.pid"
        return file.exists() and Path(f"/proc/{file.read_text().strip()}").exists()


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[tuple[Machine, Machine]]:
    if shutil.which("daemon") is None:
        missing("daemon", "run .ci/packages")
    both = (Machine(tmp_path / "one"), Machine(tmp_path / "two"))
    for machine in both:
        machine.prepare()
    yield both
    for machine in both:
        machine.close()


def test_a_process_and_a_web_application_move(machines: tuple[Machine, Machine]) -> None:
    one, two = machines
    for _ in range(2):
        for type_ in (PROCESS, SITE):
            one.activity("activate", type_)
        assert one.runs
        assert one.get("shop/index.html") == "the shop"
    upload = one.root / "www" / "shop" / "files" / "plum.txt"
    upload.write_text("zwölf Pflaumen")

    for type_ in (PROCESS, SITE):
        one.activity("lock", type_)
        one.activity("snapshot", type_)
    (name,) = one.run("dysnomia-snapshots", "--query-latest", "--container", SITE, "--component", "shop").lines
    assert one.run("dysnomia-snapshots", "--query-all", "--container", PROCESS).lines == [], "a process has no state"
    (folder,) = one.run("dysnomia-snapshots", "--resolve", name).lines
    shutil.copytree(folder, two.root / "arriving" / Path(folder).name)
    for type_ in (SITE, PROCESS):
        for _ in range(2):
            one.activity("deactivate", type_)
    assert (one.runs, one.get("shop/index.html")) == (False, "")

    for type_ in (PROCESS, SITE):
        two.activity("activate", type_)
    arrived = str(two.root / "arriving" / Path(folder).name)
    two.run("dysnomia-snapshots", "--import", "--container", SITE, "--component", "shop", arrived)
    for type_ in (PROCESS, SITE):
        two.activity("restore", type_)
        one.activity("unlock", type_)
    assert two.runs
    assert (two.get("shop/index.html"), two.get("shop/files/plum.txt")) == ("the shop", "zwölf Pflaumen")
    for type_ in (PROCESS, SITE):
        one.activity("collect-garbage", type_)
    assert not upload.parent.exists(), "its state is where the service is now"
    assert two.get("shop/files/plum.txt") == "zwölf Pflaumen"
