"""A server that serves while what it serves is exchanged: by command, as an operator calls it."""

from __future__ import annotations

import http.client
import shutil
import subprocess
import threading
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import psutil
import pytest

from tests.e2e.world import World
from tests.plugins.other_user import open_folder
from tests.plugins.servers.web import Apache, Nginx, WebServer
from tests.thorough import seldom
from tests.waiting import wait_until

pytestmark = pytest.mark.server
SIZE = 100_000
NAMES = tuple(f"page{number}.html" for number in range(30))
WEB = ("-C", "web", "-c", "shop")


class Site(World):
    """A machine with a container ``web``, and the server that serves its document root."""

    def __init__(self, root: Path, server: WebServer, kind: str) -> None:
        super().__init__(root)
        self.server = server
        self.kind = kind
        self.configure()

    def configure(self, reload_command: str = "") -> None:
        """The container's file. ``reload_command`` as bash reads it."""
        path = self.root / "containers" / "web"
        path.parent.mkdir(exist_ok=True)
        more = f"reloadCommand={reload_command}\n" if reload_command else ""
        path.write_text(f"type={self.kind}\ndocumentRoot={self.server.root}\n{more}")

    def fill(self, version: int) -> None:
        """Every page in this version, in the place of another."""
        for name in NAMES:
            (self.server.root / "pages" / name).write_bytes(b"%d" % version * SIZE)


@pytest.fixture(params=seldom([Nginx, Apache], Nginx), ids=["nginx", "apache"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """State: ``pages``. Nothing else is set than an operator sets."""
    folder = open_folder()
    with request.param(folder / "srv" / "www") as server:
        site = Site(folder, server, f"{request.node.callspec.id}-webapplication")
        site.component("web/shop", ".dysnomia-fileset", "mkdir pages\n")
        yield site
    shutil.rmtree(folder)


class Visitor(threading.Thread):
    """Asks for page after page, on one connection as long as that lasts, and keeps what it was answered."""

    def __init__(self, server: WebServer) -> None:
        super().__init__(daemon=True)
        self._server = server
        self._enough = threading.Event()
        self.seen: list[tuple[int, bytes]] = []
        """Status, and the version: the bytes there are in the page, if it is a whole one."""
        self.broken: list[str] = []

    def run(self) -> None:
        connection = self._server.connect()
        while not self._enough.is_set():
            for name in NAMES:
                try:
                    connection.request("GET", f"/pages/{name}")
                    answer = connection.getresponse()
                    body = answer.read()
                except (OSError, http.client.HTTPException) as error:
                    self.broken.append(f"{name}: {error!r}")
                    connection.close()
                    continue
                versions = set(body)
                if answer.status == 200 and (len(body) != SIZE or len(versions) != 1):
                    self.broken.append(f"{name}: {len(body)} bytes of {versions}")
                self.seen.append((answer.status, body[:1]))
        connection.close()

    def ask_more(self, count: int = 60) -> None:
        """Return when it has been answered so often once more."""
        until = len(self.seen) + count
        wait_until(lambda: len(self.seen) >= until or self.broken or not self.is_alive())

    def stop(self) -> None:
        self._enough.set()
        self.join(60)


def test_no_request_sees_half_of_a_restore(site: Site) -> None:
    """Each visitor sees the pages of before, then those of the snapshot, and after an undo those of before again."""
    site.run("dysnomia", "-o", "activate", *WEB)
    site.fill(1)
    assert site.server.get(f"/pages/{NAMES[0]}") == (200, b"1" * SIZE), "the folders that were made can be entered"
    site.run("dysnomia", "-o", "snapshot", *WEB)
    site.fill(2)
    visitors = [Visitor(site.server) for _ in range(3)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.ask_more()
    restored = site.run("dysnomia", "-o", "restore", *WEB, "--json").json
    for visitor in visitors:
        visitor.ask_more()
    site.run("dysnomia-tui", "undo", restored["job"]["id"])
    for visitor in visitors:
        visitor.ask_more()
    for visitor in visitors:
        visitor.stop()
        assert visitor.broken == []
        assert [seen for seen, _ in groupby(visitor.seen)] == [(200, b"2"), (200, b"1"), (200, b"2")]


def test_what_is_kept_beside_is_not_served(site: Site) -> None:
    """While the guard is not a generation yet, what was live before is in the document root too."""
    site.run("dysnomia", "-o", "activate", *WEB)
    site.fill(1)
    site.run("dysnomia", "-o", "snapshot", *WEB)
    site.fill(2)
    with (site.server.root / "pages" / NAMES[0]).open("ab"):  # a writer: what is set aside is kept until it ends
        site.run("dysnomia", "-o", "restore", *WEB, status=3)
        (aside,) = site.server.root.glob(".dysnomia-*-aside")
        assert (aside / "pages" / NAMES[0]).read_bytes() == b"2" * SIZE
        assert site.server.get(f"/{aside.name}/pages/{NAMES[0]}")[0] in (403, 404)


def test_the_server_is_reloaded_where_the_container_says_so(site: Site) -> None:
    words = " ".join(f'"{word}"' for word in site.server.reload)
    site.configure(f"({words})")

    def workers() -> set[int]:
        return {child.pid for child in psutil.Process(site.server.pid).children()}

    def run_and_see(*argv: str) -> None:
        before = workers()
        site.run(*argv)
        wait_until(lambda: workers() and not before & workers())

    run_and_see("dysnomia", "-o", "activate", *WEB)
    site.fill(1)
    site.run("dysnomia", "-o", "snapshot", *WEB)
    run_and_see("dysnomia", "-o", "restore", *WEB)
    run_and_see("dysnomia", "-o", "deactivate", *WEB)
    assert site.server.get("/")[0] in (403, 404), "it serves"


def test_one_page_is_put_back_while_all_others_are_served(site: Site) -> None:
    marker = site.root / "reloaded"
    site.run("dysnomia", "-o", "activate", *WEB)
    site.fill(1)
    site.run("dysnomia", "-o", "snapshot", *WEB)
    site.fill(2)
    site.configure(f'"touch {marker}"')
    site.run("dysnomia", "-o", "put-back", *WEB, "--generation", "1", "--section", f"file:pages/{NAMES[0]}")
    assert [site.server.get(f"/pages/{name}")[1][:1] for name in NAMES[:2]] == [b"1", b"2"]
    assert marker.exists()


def test_a_reload_that_fails_undoes_no_restore_and_takes_an_activation_back(site: Site) -> None:
    code = site.root / "code.html"
    code.write_text("code")
    site.component("web/shop", ".dysnomia-fileset", f"mkdir pages\nsymlink {code}\ntarget .\n")
    site.run("dysnomia", "-o", "activate", *WEB)
    assert site.server.get("/code.html") == (200, b"code")
    site.fill(1)
    site.run("dysnomia", "-o", "snapshot", *WEB)
    site.fill(2)
    site.configure("\"sh -c 'echo no such site >&2; exit 3'\"")
    plan = site.run("dysnomia", "-o", "restore", *WEB, "--dry-run")
    assert "then sh -c 'echo no such site >&2; exit 3' would be run" in plan.out + plan.err
    done = site.run("dysnomia", "-o", "restore", *WEB)
    assert "the web server was not reloaded (sh ended with status 3 (no such site)): reload it" in done.err
    assert site.server.get(f"/pages/{NAMES[0]}") == (200, b"1" * SIZE)
    site.run("dysnomia", "-o", "deactivate", *WEB, status=1)
    assert "sh ended with status 3 (no such site)" in site.run("dysnomia", "-o", "activate", *WEB, status=1).err
    assert site.server.get("/code.html")[0] == 404, "no link of an activation that failed"


def test_what_dysnomias_module_stored_under_its_own_name_is_taken_over(site: Site) -> None:
    """It keeps state under the module's name, whatever the container is called: as recorded of 0.10.2."""
    site.run("dysnomia", "-o", "activate", *WEB)
    site.fill(1)
    theirs = site.root / "theirs" / "nginx-webapplication" / "shop" / ("5a" * 32)
    theirs.mkdir(parents=True)
    subprocess.run(["tar", "cfJ", theirs / "state.tar.xz", "pages"], cwd=site.server.root, check=True)
    site.fill(2)
    site.run("dysnomia-snapshots", "--import", *WEB, str(theirs))
    site.run("dysnomia", "-o", "restore", *WEB)
    assert site.server.get(f"/pages/{NAMES[0]}") == (200, b"1" * SIZE)


def test_a_container_of_both_kinds_is_snapshotted(site: Site) -> None:
    """Those without state are no failure, and nothing that waits for a first snapshot."""
    site.component("web/plain", "webapps/plain.html", "plain")
    site.run("dysnomia-containers", "--deploy")
    assert site.server.get("/plain.html") == (200, b"plain")
    site.fill(1)
    site.run("dysnomia-containers", "--snapshot")
    assert len(site.run("dysnomia-snapshots", "--query-all").lines) == 1
    told = {one["key"]: one["health"] for one in site.run("dysnomia-tui", "status", "--json").json["components"]}
    assert told == {"web/plain": "ok", "web/shop": "ok"}
    site.run("dysnomia-containers", "--restore", "-y")
    (site.root / "components" / "web" / "plain" / ".dysnomia-fileset").write_text("mkdir up\n")
    assert site.run("dysnomia", "-o", "snapshot", "-C", "web", "-c", "plain", status=1).err, "it has state now"
