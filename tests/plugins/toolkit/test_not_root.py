"""What is restored by a user who is not root: groups that they are in stay, rights of others do not become theirs."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from dysnomia_plugins.base import Component, Purpose
from dysnomia_plugins.toolkit.trees.not_root import not_root
from dysnomia_plugins.types.fileset import Fileset
from dysnomia_plugins.types.git.load import hand_over_own
from dysnomia_plugins.types.git.repository import Access as AccessOfGit
from dysnomia_plugins.types.subversion.repository import Access as AccessOfSubversion
from tests.plugins.conformance.driver import in_child
from tests.plugins.fileset.changes import ROOT
from tests.plugins.fileset.tools import TarStored, dump_to_tar, load_beside, logged, make_context
from tests.plugins.fileset.world import fileset_component
from tests.plugins.other_user import passable

pytestmark = pytest.mark.skipif(not ROOT, reason="becomes another user")

USER, TEAM, OTHERS = 1234, 1235, 1236


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of a user's."""
    tmp_path.chmod(0o755)
    passable(tmp_path)
    folder = tmp_path / "site"
    folder.mkdir()
    return folder


def give_all(folder: Path, uid: int = USER, gid: int = USER) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, uid, gid, follow_symlinks=False)


def as_user(work: Callable[[], object]) -> int:
    """As a user who is in the team's group as well."""

    def become() -> None:
        os.setgroups([TEAM])
        os.setgid(USER)
        os.setuid(USER)
        work()

    return in_child(become)


def owners(folder: Path) -> dict[str, tuple[int, int, int]]:
    seen = {str(path.relative_to(folder)): path.lstat() for path in (folder, *folder.rglob("*"))}
    return {name: (one.st_uid, one.st_gid, stat.S_IMODE(one.st_mode)) for name, one in sorted(seen.items())}


def _a_team_s(live: Path) -> None:
    """Files that a web server reads by their group, and a folder that a team writes in."""
    (live / "shared").mkdir(parents=True)
    for name in ("conf", "shared/one", "shared/two", "large"):
        (live / name).write_bytes(b"x" * (100_000 if name == "large" else 7))
    (live / "shared" / "link").symlink_to("one")
    os.mkfifo(live / "pipe")
    give_all(live.parent)
    for name in ("conf", "shared", "shared/link", "shared/two", "large", "pipe"):
        os.chown(live / name, USER, TEAM, follow_symlinks=False)
    (live / "conf").chmod(0o640)
    (live / "large").chmod(0o2750)
    (live / "shared").chmod(0o2770)


def test_groups_that_they_are_in_come_back(site: Path) -> None:
    """Else a web server may not read its configuration any more, nor a team write."""
    live = site / "srv" / "data"
    component = fileset_component(site / "component", site / "srv", "mkdir data\n")
    _a_team_s(live)
    stored = dump_to_tar(component, site / "work")
    give_all(site / "work")

    def restored() -> None:
        ctx = make_context(component, site / "work")
        assert owners(load_beside(ctx, stored) / "data") == owners(live)
        assert list(not_root(stored)) == []
        plugin = Fileset()
        proof = plugin.place(ctx, Purpose.SCRATCH)
        plugin.load(ctx, stored, proof)
        assert logged(ctx) == []

    assert as_user(restored) == 0


def _of_others(site: Path) -> tuple[Component, TarStored]:
    live = site / "srv" / "data"
    component = fileset_component(site / "component", site / "srv", "mkdir data\n")
    live.mkdir(parents=True)
    for name in ("root's", "of a group", "plain", "their own"):
        (live / name).write_text(name)
    os.mknod(live / "device", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    give_all(site / "srv")
    os.chown(live / "root's", 0, 0)
    os.chown(live / "device", 0, 0)
    os.chown(live / "plain", 0, TEAM)
    os.chown(live / "of a group", USER, OTHERS)
    for name, mode in (("root's", 0o6755), ("of a group", 0o6755), ("plain", 0o644), ("their own", 0o6755)):
        (live / name).chmod(mode)
    stored = dump_to_tar(component, site / "work")
    give_all(site / "work")
    return component, stored


def test_the_rights_of_others_do_not_become_theirs(site: Path) -> None:
    """A program that had root's rights for whoever runs it would have the user's own after the restore."""
    component, stored = _of_others(site)

    def restored() -> None:
        ctx = make_context(component, site / "work")
        assert owners(load_beside(ctx, stored) / "data") == {
            ".": (USER, USER, 0o755),
            "of a group": (USER, USER, 0o4755),
            "plain": (USER, TEAM, 0o644),
            "root's": (USER, USER, 0o755),
            "their own": (USER, USER, 0o6755),
        }
        assert logged(ctx) == [
            "left out, since you are not root: data/device: a character device, which only root can make",
            "left out, since you are not root: data/of a group: setuid, setgid or privileged attributes",
            "left out, since you are not root: data/root's: setuid, setgid or privileged attributes",
        ]

    assert as_user(restored) == 0


def test_a_plan_says_what_would_be_lost(site: Path) -> None:
    _, stored = _of_others(site)
    assert list(not_root(stored)) == []

    def planned() -> None:
        (finding,) = not_root(stored)
        assert finding.text == (
            "not root: 2 files that belong to others will belong to you, without their set-id bits; "
            "1 file of groups that you are not in will have yours; 1 device will be left out"
        )

    assert as_user(planned) == 0


def test_a_repository_stays_its_team_s(site: Path) -> None:
    """What git and Subversion make is given the group that it had."""
    (site / "git" / "objects" / "ab").mkdir(parents=True)
    (site / "git" / "refs").mkdir()
    for name in ("objects/ab/cd", "HEAD"):
        (site / "git" / name).write_text("x")
    (site / "svn" / "revs").mkdir(parents=True)
    (site / "svn" / "revs" / "0").write_text("x")
    give_all(site)
    subprocess.run(["chmod", "-R", "go=", site], check=True)

    def handed_over() -> None:
        hand_over_own(str(site / "git"), AccessOfGit(USER, TEAM, 0o2775, 0o664))
        AccessOfSubversion(USER, TEAM, 0o2775, 0o664).apply(str(site / "svn"))

    assert as_user(handed_over) == 0
    made = {**owners(site / "git"), **owners(site / "svn")}
    assert made.pop(".") == (USER, TEAM, 0o2775)
    assert {(uid, gid) for uid, gid, _ in made.values()} == {(USER, TEAM)}
    assert {mode for _, _, mode in made.values()} == {0o2775, 0o664}
