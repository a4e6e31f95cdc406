"""Subversion repositories from elsewhere: what another tool left, whose they are, what is not trusted."""

from __future__ import annotations

import io
import os
import pwd
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from dysnomia_plugins.base import Purpose
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.types.subversion import contents
from dysnomia_store.model import CheckResult
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.component import activities
from tests.plugins.conformance.driver import Driver, with_properties
from tests.plugins.other_user import passable
from tests.plugins.subversion.changes import ENVIRONMENT, mucc, number_of, run, svn, url_of
from tests.plugins.subversion.world import SubversionWorld

pytestmark = pytest.mark.server
WORLD = SubversionWorld
FIXTURE = Path(__file__).parents[2] / "fixtures" / "upstream-store.tar.gz"
ROOT = os.geteuid() == 0
as_root = pytest.mark.skipif(not ROOT, reason="needs root to give files away")


@pytest.fixture
def theirs(world: SubversionWorld, tmp_path: Path) -> Driver:
    """A store that Dysnomia 0.10.2 wrote, and a repository of the name it knows."""
    (tmp_path / "store").mkdir()
    with tarfile.open(FIXTURE) as archive:
        archive.extractall(tmp_path / "store", filter="tar")
    key = ComponentKey.of("subversion-repository", "repo")
    world.component = replace(world.component, key=key)
    return Driver(world, tmp_path / "store")


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
def test_what_is_activated_in_a_folder_of_others_is_theirs_and_can_be_used(
    world: SubversionWorld, driver: Driver
) -> None:
    nobody = pwd.getpwnam("nobody")
    world.folder.chmod(0o755)
    passable(world.folder / "x")
    world.base.mkdir()
    os.chown(world.base, nobody.pw_uid, nobody.pw_gid)
    driver.activity("activate")
    for name in (".", "db/current", "conf/authz"):
        assert (world.live / name).stat().st_uid == nobody.pw_uid
    assert driver.snapshot().committed.new
    mucc_as(nobody, world.live, "a commit of theirs")


@as_root
def test_what_is_restored_belongs_to_whom_it_belonged_to(world: SubversionWorld, driver: Driver) -> None:
    nobody = pwd.getpwnam("nobody")
    world.folder.chmod(0o755)
    passable(world.folder / "x")
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
    passable(world.folder / "x")
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
