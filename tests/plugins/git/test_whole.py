"""All that a repository leads to is in its snapshot, or the snapshot is refused: nothing is left out in silence."""

from __future__ import annotations

import itertools
import random
import shutil
import subprocess
import zlib
from pathlib import Path

import pytest

from dysnomia_plugins.base import Severity
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.types.git.refs import Ref
from dysnomia_plugins.types.git.repository import Repository
from tests.plugins.conformance.driver import Driver
from tests.plugins.git.changes import ENVIRONMENT, commit, git
from tests.plugins.git.world import GitWorld

pytestmark = pytest.mark.server
WORLD = GitWorld


def in_tree(tree: Path, *argv: str, stdin: bytes = b"") -> str:
    """git in a work tree."""
    done = subprocess.run(
        ["git", "-C", str(tree), *argv], input=stdin, env=ENVIRONMENT, capture_output=True, check=True
    )
    return done.stdout.decode().strip()


def copied(world: GitWorld, driver: Driver, number: int, folder: Path) -> Path:
    """What git itself makes of the bundle of a generation."""
    stored = driver.store.stored(driver.key, driver.ids()[number])
    bundle, copy = folder / "repository.bundle", folder / "copy.git"
    with stored.open("repository.bundle") as stream:
        bundle.write_bytes(stream.read())
    git(copy, "init", "--quiet", "--bare")
    git(copy, "bundle", "verify", "--quiet", str(bundle))
    git(copy, "fetch", "--quiet", str(bundle), "+refs/*:refs/*")
    shown = ("for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/tags")
    assert git(copy, *shown) == git(world.live, *shown)
    return copy


def test_what_is_staged_and_checked_out_in_work_trees_comes_back(
    world: GitWorld, driver: Driver, tmp_path: Path
) -> None:
    world.seed()
    tree = tmp_path / "tree"
    git(world.live, "worktree", "add", "--quiet", "--detach", str(tree), "main")
    (tree / "staged").write_text("staged, and in no commit\n")
    in_tree(tree, "add", "staged")
    blob = in_tree(tree, "rev-parse", ":staged")
    in_tree(tree, "commit", "--quiet", "--allow-empty", "-m", "of no branch")
    (tree / "staged").write_text("staged again\n")
    in_tree(tree, "add", "staged")
    again, head = in_tree(tree, "rev-parse", ":staged"), in_tree(tree, "rev-parse", "HEAD")
    for log in world.live.rglob("logs/HEAD"):
        log.unlink()
    number = driver.snapshot().generation.number
    place = driver.restored_elsewhere(number, "copy")
    for name in (blob, again, head):
        git(Path(place.name), "cat-file", "-e", name)
    copied(world, driver, number, tmp_path)
    driver.restore(number)
    assert in_tree(tree, "status", "--porcelain") == "M  staged"
    in_tree(tree, "fsck", "--no-dangling")


def test_parents_that_grafts_hide_come_back(world: GitWorld, driver: Driver, tmp_path: Path) -> None:
    world.seed()
    newest, parent = git(world.live, "rev-list", "main").split("\n")
    git(world.live, "update-ref", "-d", "refs/tags/light")
    git(world.live, "update-ref", "-d", "refs/notes/odd")
    (world.live / "info").mkdir(exist_ok=True)
    (world.live / "info/grafts").write_text(f"{newest}\n")
    assert git(world.live, "rev-list", "main") == newest
    number = driver.snapshot().generation.number
    made = Path(driver.restored_elsewhere(number, "copy").name)
    git(made, "cat-file", "-e", parent)
    (made / "info/grafts").unlink()
    assert git(made, "rev-list", "main").split("\n") == [newest, parent]
    copied(world, driver, number, tmp_path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("refs/heads/empty", ""),
        ("refs/heads/odd", "no object\n"),
        ("refs/remotes/other/HEAD", "ref: refs/heads/gone\n"),
        ("refs/heads/a..b", "{main}\n"),
    ],
)
def test_a_reference_that_git_does_not_list_is_refused_by_name(
    world: GitWorld, driver: Driver, name: str, content: str
) -> None:
    world.seed()
    number = driver.snapshot().generation.number
    path = world.live / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content.format(main=git(world.live, "rev-parse", "main")))
    with pytest.raises(NotSafe, match="is broken") as caught:
        driver.snapshot()
    assert name in caught.value.message
    stored = driver.store.stored(driver.key, driver.ids()[number])
    with driver.context() as ctx:
        findings = world.plugin.preflight(ctx, stored, replace=True).findings
    assert any(name in one.text for one in findings if one.severity is Severity.IRREVERSIBLE)


def test_the_way_out_of_a_dangling_reference_is_one(world: GitWorld, driver: Driver) -> None:
    world.seed()
    git(world.live, "symbolic-ref", "refs/remotes/other/HEAD", "refs/heads/gone")
    with pytest.raises(NotSafe) as caught:
        driver.snapshot()
    command = caught.value.hint.partition("(git ")[2].partition(")")[0]
    git(world.live, *command.split())
    driver.snapshot()


def test_a_reference_that_could_not_be_loaded_is_not_dumped(world: GitWorld, driver: Driver) -> None:
    world.seed()
    main = git(world.live, "rev-parse", "main")
    (world.live / "ODD_HEAD").write_text(f"{main}\n")
    (world.live / "refs/heads/odd").write_text("ref: ODD_HEAD\n")
    with pytest.raises(NotSafe, match="refs/heads/odd"):
        driver.snapshot()


def test_a_head_without_a_branch_is_no_broken_reference(world: GitWorld, driver: Driver) -> None:
    world.seed()
    git(world.live, "symbolic-ref", "HEAD", "refs/heads/none-yet")
    commit(world.live, "other", "x")
    driver.snapshot()


def test_references_that_come_while_they_are_read_are_not_taken_for_broken_ones(
    world: GitWorld, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them is a file that git did not list, and another one at each reading."""
    world.seed()
    main = git(world.live, "rev-parse", "main")
    read, count = Repository.head, itertools.count()

    def and_another(self: Repository) -> Ref:
        git(world.live, "update-ref", f"refs/heads/new/{next(count)}", main)
        return read(self)

    monkeypatch.setattr(Repository, "head", and_another)
    driver.snapshot()


def lists_of(path: Path) -> dict[str, bytes]:
    """What a server of plain files gives of a repository."""
    kept = (path / "info/refs", path / "objects/info/packs")
    return {one.name: one.read_bytes() for one in kept if one.exists()}


def test_what_servers_of_plain_files_read_is_there_after_a_restore(world: GitWorld, driver: Driver) -> None:
    """As git itself makes it of what was restored: references, what tags lead to, packs."""
    world.seed()
    git(world.live, "tag", "-a", "-m", "a tag of a tag", "v1.0-again", "v1.0")
    git(world.live, "update-server-info")
    number = driver.snapshot().generation.number
    commit(world.live, "main", "later", b"later\n")
    driver.restore(number)
    made = lists_of(world.live)
    owner = {(one.stat().st_uid, one.stat().st_mode) for one in (world.live / "info/refs", world.live / "HEAD")}
    assert len(owner) == 1
    for name in ("info/refs", "objects/info/packs"):
        (world.live / name).unlink()
    git(world.live, "update-server-info")
    assert made == lists_of(world.live)
    assert b"refs/tags/v1.0-again^{}" in made["refs"]
    git(world.live, "fsck", "--no-dangling")


def test_an_older_snapshot_does_not_take_them_from_what_is_live(world: GitWorld, driver: Driver) -> None:
    world.seed()
    number = driver.snapshot().generation.number
    driver.restore(number)
    assert lists_of(world.live) == {}, "where there were none, none are made"
    git(world.live, "update-server-info")
    made = lists_of(world.live)
    driver.restore(number)
    assert lists_of(world.live).keys() == made.keys()
    assert lists_of(world.live)["refs"] == made["refs"]


def packed(live: Path) -> None:
    """All objects in one pack, most of which is one large blob."""
    blob = git(live, "hash-object", "-w", "--stdin", stdin=random.Random(1).randbytes(1 << 18))
    git(live, "update-ref", "refs/blobs/large", blob)
    git(live, "repack", "-adq")


def changed_in_the_middle(pack: Path) -> None:
    """As a disk does it."""
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 0xFF
    pack.chmod(0o644)
    pack.write_bytes(data)


def test_a_damaged_pack_is_refused(world: GitWorld, driver: Driver) -> None:
    """git copies of it what it does not read: the snapshot was good, and no byte of it could be loaded."""
    world.seed()
    packed(world.live)
    stray = world.live / "objects" / "pack" / "pack-0123.pack"
    stray.write_bytes(b"PACK, begun by a fetch that was killed")  # git knows nothing of it without an index
    driver.snapshot()
    stray.unlink()
    changed_in_the_middle(next((world.live / "objects" / "pack").glob("*.pack")))
    with pytest.raises(PluginError, match=r"pack-\w+\.pack is damaged") as raised:
        driver.snapshot()
    assert "git fsck" in raised.value.hint
    assert len(driver.ids()) == 1


@pytest.mark.parametrize("how", ["borrowed", "linked"])
def test_a_damaged_pack_elsewhere_is_refused(world: GitWorld, driver: Driver, tmp_path: Path, how: str) -> None:
    world.seed()
    packed(world.live)
    packs = world.live / "objects" / "pack"
    elsewhere = tmp_path / "elsewhere"
    if how == "borrowed":
        shutil.copytree(world.live / "objects", elsewhere)
        (world.live / "objects" / "info").mkdir(exist_ok=True)
        (world.live / "objects" / "info" / "alternates").write_text(f"{elsewhere}\n")
        for path in packs.iterdir():
            path.unlink()
        pack = next((elsewhere / "pack").glob("*.pack"))
    else:
        pack = elsewhere
        name = next(packs.glob("*.pack"))
        shutil.move(name, pack)
        name.symlink_to(pack)
    assert driver.snapshot().committed.new
    changed_in_the_middle(pack)
    with pytest.raises(PluginError, match="is damaged"):
        driver.snapshot()


def test_an_object_that_is_another_one_now_is_not_restored(world: GitWorld, driver: Driver) -> None:
    """As a disk, or a program, leaves a loose object that can be read, and is not what its name says."""
    world.seed()
    blob = git(world.live, "hash-object", "-w", "--stdin", stdin=b"a file of the history\n")
    tree = git(world.live, "mktree", stdin=f"100644 blob {blob}\tfile\n".encode())
    git(world.live, "update-ref", "refs/heads/other", git(world.live, "commit-tree", tree, "-m", "of it"))
    loose = world.live / "objects" / blob[:2] / blob[2:]
    loose.chmod(0o644)
    loose.write_bytes(zlib.compress(b"blob 22\0another of that length"))
    before = git(world.live, "for-each-ref")
    number = driver.snapshot().generation.number
    with pytest.raises(PluginError, match="lacks objects of its history") as raised:
        driver.restore(number)
    assert "nothing was replaced" in raised.value.hint
    assert git(world.live, "for-each-ref") == before
