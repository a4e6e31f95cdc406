"""Subversion repositories: whose they are, who serves them, what another tool left, what is not trusted."""

from __future__ import annotations

import io
import os
import pwd
import random
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dysnomia_plugins.base import Component, Purpose, Severity
from dysnomia_plugins.errors import NotSafe, PluginError, Truncated
from dysnomia_plugins.process import ProcessRunner
from dysnomia_plugins.svn import contents
from dysnomia_plugins.svn import swap as swapping
from dysnomia_plugins.svn.servers import root_of
from dysnomia_plugins.trees.exchange import RootSwap, swap_roots
from dysnomia_store.model import CheckResult, Section
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine import activities
from dysnomia_tui.engine.activities import RestoreTarget
from dysnomia_tui.engine.indexing import DigestingDraft
from tests.plugins.driver import Driver
from tests.plugins.services import GUARDED, free_port
from tests.plugins.subversion_changes import ENVIRONMENT, mucc, run, svn, url_of
from tests.plugins.worlds_subversion import SubversionWorld
from tests.waiting import wait_until

pytestmark = pytest.mark.server

FIXTURE = Path(__file__).parents[1] / "fixtures" / "upstream-store.tar.gz"
ROOT = os.geteuid() == 0
as_root = pytest.mark.skipif(not ROOT, reason="needs root to give files away")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[SubversionWorld]:
    with SubversionWorld(tmp_path / "world") as world:
        yield world


@pytest.fixture
def driver(world: SubversionWorld, tmp_path: Path) -> Driver:
    return Driver(world, tmp_path / "store")


@pytest.fixture
def theirs(world: SubversionWorld, tmp_path: Path) -> Driver:
    """A store that Dysnomia 0.10.2 wrote, and a repository of the name it knows."""
    (tmp_path / "store").mkdir()
    with tarfile.open(FIXTURE) as archive:
        archive.extractall(tmp_path / "store", filter="tar")
    key = ComponentKey.of("subversion-repository", "repo")
    world.component = replace(world.component, key=key)
    return Driver(world, tmp_path / "store")


def number_of(path: Path) -> int:
    return int(run("svnlook", "youngest", str(path)))


def with_properties(world: SubversionWorld, **properties: str) -> None:
    world.component = replace(world.component, properties={**world.component.properties, **properties})


# --- Dysnomia's own snapshots ---------------------------------------------------------------------------------------


def test_a_snapshot_of_dysnomias_is_listed_checked_and_proved(theirs: Driver) -> None:
    assert [one.id for one in theirs.generations()] == ["3", "4", "5"]
    bench = theirs.bench()
    assert activities.check(bench, 3).result is CheckResult.OK
    newest = theirs.generations()[-1]
    stored = theirs.store.stored(theirs.key, newest.id)
    sections = {(one.kind, one.name): one for one in stored.sections()}
    assert set(sections) == {contents.HISTORY, contents.LOCKED}
    plugin = theirs.world.plugin
    section = sections[contents.HISTORY]
    rows = [plugin.parse_row(section, raw) for batch in plugin.raw_rows(stored, section) for raw in batch]
    assert [row.cells[:5] for row in rows] == [("r5", "root", "r5", "2026-11-22 12:44:30Z", "5")]
    assert activities.verify(theirs.bench(), 3).result is CheckResult.OK


def test_a_snapshot_of_dysnomias_keeps_its_number_and_the_hooks_of_what_is_live(
    theirs: Driver, world: SubversionWorld
) -> None:
    live = world.base / "repo"
    run("mkdir", "-p", str(world.base))
    run("svnadmin", "create", str(live))
    (live / "hooks/post-commit").write_text("#!/bin/sh\n")
    (live / "hooks/post-commit").chmod(0o750)
    mucc(live, "later", "mkdir", "later")
    result = theirs.restore(2)
    assert result.guard is not None
    assert number_of(live) == 4
    assert svn("list", url_of(live)).split() == [b"d1/", b"d2/", b"d3/", b"d4/"]
    assert b"r4 | root | 2026-11-22" in svn("log", "-r", "4", url_of(live))
    assert (live / "hooks/post-commit").stat().st_mode & 0o777 == 0o750
    theirs.restore(result.guard.number)
    assert svn("list", url_of(live)).split() == [b"later/"]


def test_a_restore_of_dysnomias_says_what_it_holds(theirs: Driver) -> None:
    stored = theirs.store.stored(theirs.key, "5")
    with theirs.context() as ctx:
        found = theirs.world.plugin.preflight(ctx, stored, replace=True).findings
    assert any("another tool's" in one.text and "locks are not in it" in one.text for one in found)


# --- what a snapshot is ---------------------------------------------------------------------------------------------


def test_a_snapshot_that_was_copied_alone_explains_itself(
    world: SubversionWorld, driver: Driver, tmp_path: Path
) -> None:
    world.seed()
    generation = driver.snapshot().generation
    stored = driver.store.stored(driver.key, generation.id)
    assert stored.artefacts() == ("dump", "files.tar", "locks", "revisions")
    found: list[Section] = []
    draft = DigestingDraft(tmp_path, _Collected(found))
    with driver.context() as ctx:
        assert world.plugin.rescan_artefacts(ctx, stored, draft) is True
    assert draft.digest == generation.id
    assert found == list(stored.sections())


def test_the_dump_in_a_snapshot_is_what_svnadmin_takes(world: SubversionWorld, driver: Driver) -> None:
    world.seed()
    stored = driver.store.stored(driver.key, driver.snapshot().generation.id)
    with stored.open("dump") as stream:
        assert stream.read() == run("svnadmin", "dump", "-q", str(world.live))


def test_the_same_revision_with_another_content_is_another_snapshot(world: SubversionWorld, driver: Driver) -> None:
    world.seed()
    first = driver.snapshot().generation
    world.change("a log message", random.Random(1))
    second = driver.snapshot().generation
    assert first.id != second.id
    for one in (first, second):
        assert one.metadata is not None
        assert one.metadata.surroundings["youngest"] == number_of(world.live)


def test_a_dump_that_ends_early_is_not_kept(
    world: SubversionWorld, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``svnadmin dump`` has no end marker: which revision is the last must be known before."""
    world.seed()
    part = run("svnadmin", "dump", "-q", "-r", "0:4", str(world.live))

    class Short(ProcessRunner):
        def reading(self, argv: Sequence[str | bytes], **more: object):  # type: ignore[no-untyped-def]
            assert argv[:2] == ["svnadmin", "dump"]
            return io.BytesIO(part)

    bench = replace(driver.bench(), runner=Short())
    with pytest.raises(Truncated, match="ended at r4"):
        activities.snapshot(bench)
    assert driver.generations() == ()


def test_a_damaged_repository_is_not_snapshotted_and_can_be_replaced(world: SubversionWorld, driver: Driver) -> None:
    world.seed()
    generation = driver.snapshot().generation
    whole = world.whole()
    current = world.live / "db/current"
    current.write_text("no number\n")
    with pytest.raises(PluginError):
        driver.snapshot()
    stored = driver.store.stored(driver.key, generation.id)
    with driver.context() as ctx:
        found = world.plugin.preflight(ctx, stored, replace=True).findings
    assert any(one.severity is Severity.IRREVERSIBLE for one in found)
    restored = activities.restore(driver.bench(), generation.number, guard=False)
    assert world.whole() == whole
    assert restored.guard is None
    assert Path(restored.aside, "db/current").read_text() == "no number\n", "it stands, for whoever wants to mend it"


def test_locks_without_what_they_lock_are_refused(world: SubversionWorld, driver: Driver) -> None:
    world.seed()
    number = driver.snapshot().generation.number
    with pytest.raises(NotSafe, match="lock paths that are not there"):
        driver.restore(number, RestoreTarget("sections", "part", ("list:locks",)))
    assert not driver.named("part").name or not Path(driver.named("part").name).exists()
    driver.restore(number, RestoreTarget("sections", "part", ("history:revisions", "list:locks")))
    listed = run("svnadmin", "lslocks", driver.named("part").name)
    assert b"Owner: alice" in listed


# --- whose it is ----------------------------------------------------------------------------------------------------


@as_root
def test_activation_gives_it_to_the_group_that_is_configured(world: SubversionWorld, driver: Driver) -> None:
    with_properties(world, svnGroup="daemon")
    driver.activity("activate")
    for path in (world.live, world.live / "db", world.live / "db/current", world.live / "conf/authz"):
        seen = path.stat()
        assert seen.st_gid == 1, path
        assert seen.st_mode & 0o020, path
    assert (world.live / "db").stat().st_mode & 0o2000
    assert (world.live / "db/revs/0").stat().st_mode & 0o2000


@as_root
def test_what_is_restored_belongs_to_whom_it_belonged_to(world: SubversionWorld, driver: Driver) -> None:
    nobody = pwd.getpwnam("nobody")
    world.folder.chmod(0o755)
    for path in (world.folder, *world.folder.parents):
        path.chmod(path.stat().st_mode | 0o011)
    world.seed()
    give(world.live, nobody.pw_uid, 1)
    (world.live / "db").chmod(0o2770)
    (world.live / "db/current").chmod(0o660)
    number = driver.snapshot().generation.number
    mucc_as(nobody, world.live, "later")
    driver.restore(number)
    seen = [(world.live / name).stat() for name in ("db", "db/current", "db/revs/0/0", "db/locks", "db/rep-cache.db")]
    assert {one.st_uid for one in seen} == {nobody.pw_uid}
    assert {one.st_gid for one in seen} == {1}
    assert [oct(one.st_mode & 0o7777) for one in seen[:2]] == ["0o2770", "0o660"]
    mucc_as(nobody, world.live, "again")


@as_root
def test_what_was_collected_comes_back_to_whom_it_belonged(world: SubversionWorld, driver: Driver) -> None:
    nobody = pwd.getpwnam("nobody")
    for path in (world.folder, *world.folder.parents):
        path.chmod(path.stat().st_mode | 0o011)
    driver.activity("activate")
    give(world.live, nobody.pw_uid, 1)
    number = driver.snapshot().generation.number
    driver.activity("deactivate")
    driver.activity("collect-garbage")
    driver.restore(number)
    seen = [(world.live / name).stat() for name in (".", "db", "db/current", "conf/authz")]
    assert {(one.st_uid, one.st_gid) for one in seen} == {(nobody.pw_uid, 1)}
    mucc_as(nobody, world.live, "again")


@as_root
def test_what_says_nothing_of_its_owner_goes_to_the_group_that_is_configured(
    theirs: Driver, world: SubversionWorld
) -> None:
    with_properties(world, svnGroup="daemon")
    world.base.mkdir()
    theirs.restore(3)
    seen = [(world.base / "repo" / name).stat() for name in ("db", "db/current", "db/revs/0")]
    assert {one.st_gid for one in seen} == {1}
    assert all(one.st_mode & 0o020 for one in seen)


def give(folder: Path, uid: int, gid: int) -> None:
    for at, names, files in os.walk(folder):
        for name in (".", *names, *files):
            os.chown(Path(at, name), uid, gid, follow_symlinks=False)


def mucc_as(user: pwd.struct_passwd, repository: Path, name: str) -> None:
    """A commit as somebody else, who must be able to write all that a commit writes."""
    argv = ["svnmucc", "--non-interactive", "-m", name, "-U", url_of(repository), "mkdir", name]
    done = subprocess.run(argv, env=ENVIRONMENT, user=user.pw_uid, group=1, extra_groups=[], capture_output=True)
    assert done.returncode == 0, done.stderr


def test_a_component_without_a_folder_for_repositories_is_told_so(world: SubversionWorld, driver: Driver) -> None:
    with_properties(world, svnBaseDir="")
    with pytest.raises(PluginError, match="svnBaseDir is not set"):
        driver.snapshot()


# --- what is not trusted --------------------------------------------------------------------------------------------


def test_hooks_that_were_not_made_here_cannot_be_run(world: SubversionWorld, driver: Driver) -> None:
    world.seed()
    generation = driver.snapshot().generation
    stored = driver.store.stored(driver.key, generation.id)
    with driver.context() as ctx:
        untrusted = replace(ctx, made_here=False)
        found = world.plugin.preflight(untrusted, stored, replace=True).findings
        assert any("none of them may be run" in one.text for one in found)
        beside = world.plugin.place(ctx, Purpose.BESIDE)
        world.plugin.load(untrusted, stored, beside)
        hooks = Path(beside.name, "hooks")
        assert (hooks / "post-commit").read_text() == (world.live / "hooks/post-commit").read_text()
        assert not any(path.stat().st_mode & 0o111 for path in hooks.iterdir())
        assert not (hooks / "pre-revprop-change").is_symlink()
        assert Path(beside.name, "conf/authz").read_text() == "[/]\n* = rw\n"
        world.plugin.drop(ctx, beside)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("db/current", tarfile.REGTYPE),
        ("locks/db.lock", tarfile.REGTYPE),
        ("format", tarfile.REGTYPE),
        ("db", tarfile.SYMTYPE),
        ("../outside", tarfile.REGTYPE),
        ("/outside", tarfile.REGTYPE),
    ],
)
def test_files_that_reach_into_the_database_or_out_of_the_repository_are_refused(
    world: SubversionWorld, driver: Driver, tmp_path: Path, name: str, kind: bytes
) -> None:
    world.seed()
    before = world.whole()
    folder = tmp_path / "imported" / "1"
    folder.mkdir(parents=True)
    (folder / "dump").write_bytes(run("svnadmin", "dump", "-q", str(world.live)))
    with tarfile.open(folder / "files.tar", "w") as tar:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, "/etc" if kind == tarfile.SYMTYPE else ""
        tar.addfile(member, io.BytesIO())
    number = activities.import_folder(driver.bench(), folder).generation.number
    bench = driver.bench()
    with pytest.raises(PluginError):
        activities.restore(bench, number)
    assert world.whole() == before
    assert driver.left_behind(bench.job) == []
    assert not (tmp_path / "outside").exists()


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


# --- names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a@b", "x@1", "$(touch x)", "tschüß", "semi;colon 'n' \"quotes\"", "n" * 255])
def test_a_name_is_a_name(tmp_path: Path, name: str) -> None:
    world = SubversionWorld(tmp_path / "world")
    world.component = Component(ComponentKey.of("box", name), world.component.path, world.component.properties)
    driver = Driver(world, tmp_path / "store")
    driver.activity("activate")
    number = driver.snapshot().generation.number
    driver.restore(number)
    assert os.listdir(world.base) == [name]
    assert number_of(world.base / name) == 1


def test_a_name_that_subversion_cannot_take_is_refused(world: SubversionWorld) -> None:
    name = os.fsdecode(b"not \xff utf-8")
    component = Component(ComponentKey.of("box", name), world.component.path, world.component.properties)
    with pytest.raises(PluginError, match="UTF-8"):
        world.plugin.live(component)
    for bad in (name, "../up", "", ".hidden", world.live.name):
        with pytest.raises(PluginError):
            world.plugin.named(world.component, bad)


# --- helpers --------------------------------------------------------------------------------------------------------


class _Collected:
    def __init__(self, sections: list[Section]) -> None:
        self._sections = sections

    def add(self, section: Section) -> None:
        self._sections.append(section)

    def amend(self, kind: str, name: str, key: tuple[str, ...]) -> None:
        raise AssertionError("keys are known when a section begins")
