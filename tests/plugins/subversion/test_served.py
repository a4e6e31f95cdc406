"""Subversion repositories in use: swapped while somebody commits, served, looked at."""

from __future__ import annotations

import os
import pwd
import random
import subprocess
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dysnomia_plugins.base import Severity
from dysnomia_plugins.errors import NotSafe
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_plugins.toolkit.trees.exchange import RootSwap, swap_roots
from dysnomia_plugins.types.subversion import swap as swapping
from dysnomia_plugins.types.subversion.servers import root_of
from dysnomia_tui.engine.component import activities
from tests.plugins.conformance.driver import Driver
from tests.plugins.servers.common import GUARDED, free_port
from tests.plugins.subversion.changes import ENVIRONMENT, mucc, number_of, run, svn, url_of
from tests.plugins.subversion.world import SubversionWorld
from tests.waiting import wait_until

pytestmark = pytest.mark.server
WORLD = SubversionWorld


# --- swap -----------------------------------------------------------------------------------------------------------


def test_a_commit_that_waits_through_the_swap_is_never_half_in(
    world: SubversionWorld, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It begins on the old repository, waits for its lock while the folders change places, and fails."""
    world.seed()
    number = driver.snapshot().generation.number
    then = world.whole()
    world.change("a new file", random.Random(3))
    clients: list[subprocess.Popen[bytes]] = []

    def meanwhile(roots: Sequence[RootSwap], journal: object) -> None:
        argv = ["svnmucc", "--non-interactive", "-m", "late", "-U", url_of(world.live), "mkdir", "late"]
        clients.append(
            subprocess.Popen([*GUARDED, *argv], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        )
        wait_until(lambda: waits_for_a_lock(clients[0].pid))
        swap_roots(roots, journal)  # type: ignore[arg-type]

    monkeypatch.setattr(swapping, "swap_roots", meanwhile)
    result = driver.restore(number)
    said, _ = clients[0].communicate(timeout=60)
    assert clients[0].returncode != 0, said
    assert world.whole() == then
    run("svnadmin", "verify", "-q", str(world.live))
    assert result.guard is not None
    copy = driver.restored_elsewhere(result.guard.number, "guard")
    assert b"late/" not in svn("list", url_of(Path(copy.name))).split()


def waits_for_a_lock(pid: int) -> bool:
    lines = Path("/proc/locks").read_text().splitlines()
    return any(line.split()[1] == "->" and line.split()[5] == str(pid) for line in lines)


def test_a_mount_point_is_refused_before_anything_is_touched(
    world: SubversionWorld, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.seed()
    number = driver.snapshot().generation.number
    world.change("a commit", random.Random(4))
    now = world.whole()
    real = os.path.ismount
    monkeypatch.setattr(os.path, "ismount", lambda path: str(path) == str(world.live) or real(path))
    stored = driver.store.stored(driver.key, driver.newest().id)
    with driver.context() as ctx:
        found = world.plugin.preflight(ctx, stored, replace=True).findings
    assert any(one.severity is Severity.BLOCKER for one in found)
    bench = driver.bench()
    with pytest.raises(NotSafe, match="mount point"):
        activities.restore(bench, number)
    assert world.whole() == now
    assert driver.left_behind(bench.job) == []


# --- servers --------------------------------------------------------------------------------------------------------


@pytest.fixture
def served(world: SubversionWorld) -> Iterator[str]:
    """The world's repositories over svn://, with anybody writing."""
    world.seed()
    (world.live / "conf/svnserve.conf").write_text("[general]\nanon-access = write\n")
    port = free_port()
    argv = ["svnserve", "--daemon", "--foreground", "--listen-host", "127.0.0.1", "--listen-port", str(port)]
    process = subprocess.Popen([*GUARDED, *argv, "--root", str(world.base)], env=ENVIRONMENT)
    url = f"svn://127.0.0.1:{port}/it's%20a%20repo"
    wait_until(lambda: subprocess.run(["svn", "info", url], env=ENVIRONMENT, capture_output=True).returncode == 0)
    yield url
    process.kill()
    process.wait()


def test_a_repository_that_is_served_is_restored_under_its_server(
    world: SubversionWorld, driver: Driver, served: str
) -> None:
    number = driver.snapshot().generation.number
    svn("mkdir", "-q", "-m", "over the network", f"{served}/later")
    stored = driver.store.stored(driver.key, driver.newest().id)
    with driver.context() as ctx:
        found = [one.text for one in world.plugin.preflight(ctx, stored, replace=True).findings]
    assert any("svnserve (pid" in text for text in found)
    assert any("live is at r10, the snapshot at r9" in text for text in found)
    driver.restore(number)
    assert b"later/" not in svn("list", served).split()
    svn("mkdir", "-q", "-m", "again", f"{served}/again")
    assert number_of(world.live) == 10


def test_a_probe_says_revision_size_locks_and_server(world: SubversionWorld, served: str) -> None:
    probe = world.plugin.probe(world.component, ProcessRunner())
    assert probe.up
    assert probe.version.startswith("1.")
    assert probe.size is not None
    assert probe.size > 10_000
    assert probe.detail.startswith("r9, 1 lock, served by svnserve (pid")
    with world.unreachable():
        probe = world.plugin.probe(world.component, ProcessRunner())
    assert not probe.up
    assert "no Subversion repository" in probe.detail


def test_its_status_is_its_newest_commit(world: SubversionWorld) -> None:
    world.seed()
    mucc(world.live, "why\n\nand more", "mkdir", "new")
    status = world.plugin.status(world.component, ProcessRunner())
    assert status.word == "r10"
    assert status.facts[0].text == f"r10 by {pwd.getpwuid(os.geteuid()).pw_name} at"
    assert status.facts[1].text == "why"
    since = status.facts[0].at
    assert since is not None
    assert abs((datetime.now(UTC) - since).total_seconds()) < 600
    with world.unreachable():
        assert world.plugin.status(world.component, ProcessRunner()).facts == ()


def test_repositories_below_the_root_of_a_server_are_found(world: SubversionWorld, served: str) -> None:
    found = [one for one in world.plugin.discover(ProcessRunner()) if one.properties["svnBaseDir"] == str(world.base)]
    assert [one.component for one in found] == ["it's a repo"]
    assert found[0].detail.startswith("r9, at ")


@pytest.mark.parametrize(
    ("line", "root"),
    [
        ("svnserve -d -r /srv/svn", "/srv/svn"),
        ("svnserve -d --root=/srv/svn", "/srv/svn"),
        ("svnserve -r/srv/svn -d", "/srv/svn"),
        ("svnserve --root /srv/svn", "/srv/svn"),
        ("svnserve -d --read-only", "/"),
    ],
)
def test_the_root_of_a_server_is_read_from_its_command_line(line: str, root: str) -> None:
    assert root_of(line.split()) == root


def test_the_shell_stands_in_the_repository_and_knows_its_url(world: SubversionWorld) -> None:
    world.seed()
    argv, env = world.plugin.shell(world.component)
    assert list(argv[-2:]) == ["bash", "-i"]
    done = subprocess.run(
        [*argv[:-1], "-c", 'pwd; svn list "$URL"; svnlook youngest "$REPOS"'], env={**ENVIRONMENT, **env},
        capture_output=True, check=True,
    )  # fmt: skip
    assert done.stdout.split(b"\n")[:-1] == [bytes(world.live), b"branches/", b"log/", b"trunk/", b"9"]
