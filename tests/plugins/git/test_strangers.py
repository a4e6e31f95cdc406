"""Repositories and snapshots of somebody who means no good: what they name is not run, and not read as root."""

from __future__ import annotations

import io
import os
import random
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO

import pytest

from dysnomia_plugins.base import Component
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.guarded.acting import Actor
from dysnomia_plugins.toolkit.guarded.way import NOBODY
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_plugins.toolkit.trees.member import Kind, Member
from dysnomia_plugins.types.git.load import tamed_file
from dysnomia_plugins.types.git.refs import BadBundle, Ref, read_header
from dysnomia_plugins.types.git.repository import Repository
from tests.plugins.conformance.driver import Driver
from tests.plugins.fileset.changes import all_below
from tests.plugins.git.changes import git
from tests.plugins.git.world import GitWorld
from tests.plugins.other_user import needs_root, open_folder, other_user

pytestmark = pytest.mark.server
WORLD = GitWorld


def actor_at(world: GitWorld) -> Actor | None:
    return Repository(str(world.live), ProcessRunner()).actor


@pytest.mark.parametrize("name", ["config", "HEAD", "packed-refs", "shallow"])
def test_a_pipe_in_the_place_of_a_file_is_refused_at_once(world: GitWorld, driver: Driver, name: str) -> None:
    world.seed()
    (world.live / name).unlink(missing_ok=True)
    os.mkfifo(world.live / name)
    with pytest.raises(NotSafe, match="not a file of git"):
        driver.snapshot()


@pytest.mark.parametrize(
    "name",
    ["refs/heads/deep/pipe", "refs/replace/x", "objects/info/alternates", "objects/pack/multi-pack-index",
     "info/grafts", "info/attributes", "worktrees/x/HEAD", "index", "config.worktree", "objects/00/pipe"],
)  # fmt: skip
def test_a_pipe_at_any_depth_that_git_would_open_is_refused_at_once(world: GitWorld, driver: Driver, name: str) -> None:
    world.seed()
    pipe = world.live / name
    pipe.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(pipe)
    with pytest.raises(NotSafe, match=f"{name} is not a file of git"):
        driver.snapshot()
    pipe.unlink()
    pipe.symlink_to("/dev/tty")
    with pytest.raises(NotSafe, match=f"{name} is not a file of git"):
        driver.snapshot()


def test_a_pipe_that_takes_the_place_of_a_folder_while_references_are_listed_holds_nobody_up(world: GitWorld) -> None:
    world.seed()
    folders = world.live / "refs/heads/a", world.live / "refs/heads/b"
    for folder in folders:
        folder.mkdir()
        (folder / "broken").touch()
    names = Repository(str(world.live), ProcessRunner())._loose()
    first = next(name for name in names if name.endswith("/broken"))
    other = next(folder for folder in folders if f"heads/{folder.name}/" not in first)
    (other / "broken").unlink()
    other.rmdir()
    os.mkfifo(other)
    assert not any(name.startswith(f"refs/heads/{other.name}/") for name in names)


def test_a_partial_clone_is_refused(world: GitWorld, driver: Driver) -> None:
    world.seed()
    (world.live / "objects/pack/pack-1.promisor").touch()
    with pytest.raises(NotSafe, match="partial clone"):
        driver.snapshot()


def test_a_work_tree_is_none(world: GitWorld, driver: Driver) -> None:
    world.live.mkdir(parents=True)
    git(world.live / ".git", "init", "--quiet")
    with pytest.raises(PluginError, match="no bare git repository"):
        driver.snapshot()


@needs_root
def test_objects_that_only_root_could_read_do_not_come_into_a_snapshot(tmp_path: Path) -> None:
    """The owner of a repository lets it borrow from one that is root's alone."""
    folder = open_folder()
    secret = tmp_path / "secret.git"
    with other_user() as other, GitWorld(folder / "world") as world:
        driver = Driver(world, tmp_path / "store")
        world.seed()
        git(secret, "init", "--quiet", "--bare")
        blob = git(secret, "hash-object", "-w", "--stdin", stdin=b"a secret of root's")
        secret.chmod(0o700)
        (world.live / "refs/tags/mine").write_text(f"{blob}\n")
        (world.live / "objects/info/alternates").write_text(f"{secret}/objects\n")
        other.own(world.base, world.live, *all_below(world.live))
        assert Repository(str(world.live), ProcessRunner()).actor is not None
        with pytest.raises(PluginError, match="missing object"):
            driver.snapshot()
    folder.rmdir()


@needs_root
def test_root_runs_git_as_whoever_may_write_in_it(world: GitWorld) -> None:
    """The folder is root's, and its references are a group's."""
    world.seed()
    refs = world.live / "refs"
    os.chown(refs, 0, 54321)
    refs.chmod(0o2775)
    actor = Repository(str(world.live), ProcessRunner()).actor
    assert actor is not None
    assert actor.uid != 0


@needs_root
@pytest.mark.parametrize(
    "name",
    ["config", "config.worktree", "packed-refs", "HEAD", "objects/info", "objects/pack", "objects/info/alternates"],
)
def test_root_runs_git_as_whoever_may_write_a_file_that_git_obeys(world: GitWorld, name: str) -> None:
    world.seed()
    git(world.live, "pack-refs", "--all")
    path = world.live / name
    if not path.exists():
        path.touch()
    mode = path.stat().st_mode
    assert actor_at(world) is None
    os.chown(path, 54321, 54321)
    assert (actor_at(world) or Actor(0, 0)).uid == 54321
    os.chown(path, 0, 54321)
    path.chmod(mode | 0o020)
    assert actor_at(world) == Actor(NOBODY, 54321)
    path.chmod(mode | 0o002)
    assert (actor_at(world) or Actor(0, 0)).uid == NOBODY
    path.chmod(mode)
    assert actor_at(world) is None


@needs_root
def test_a_configuration_of_others_runs_nothing_as_root(world: GitWorld, driver: Driver) -> None:
    world.seed()
    with other_user() as other:
        other.own(world.live / "config")
        argv = Repository(str(world.live), ProcessRunner()).command("for-each-ref")
    assert f"--reuid={other.uid}" in argv


def test_git_uses_no_protocol_whatever_is_configured(world: GitWorld) -> None:
    world.seed()
    git(world.live, "config", "protocol.ext.allow", "always")
    git(world.live, "config", "protocol.file.allow", "always")
    repository = Repository(str(world.live), ProcessRunner())
    for address in (f"file://{world.live}", "ext::true"):
        with pytest.raises(PluginError, match="not allowed"):
            repository.run("ls-remote", address)


@pytest.mark.parametrize("mode", [0o600, 0o664])
def test_the_configuration_of_live_stays_with_its_mode(world: GitWorld, driver: Driver, mode: int) -> None:
    world.seed()
    stored = driver.store.stored(driver.key, driver.snapshot().generation.id)
    git(world.live, "config", "gitweb.owner", "mine")
    (world.live / "config").chmod(mode)
    place = world.plugin.named(world.component, "strange.git")
    with driver.context() as ctx:
        world.plugin.load(replace(ctx, made_here=False), stored, place)
    made = Path(place.name) / "config"
    assert made.read_bytes() == (world.live / "config").read_bytes()
    assert made.stat().st_mode & 0o7777 == mode


@needs_root
def test_a_configuration_that_its_owner_may_not_read_is_not_copied(tmp_path: Path) -> None:
    """A hard link to a file of root's."""
    folder = open_folder()
    with other_user() as other, GitWorld(folder / "world") as world:
        driver = Driver(world, tmp_path / "store")
        world.seed()
        stored = driver.store.stored(driver.key, driver.snapshot().generation.id)
        other.own(world.base, world.live, *all_below(world.live))
        secret = folder / "secret"
        secret.write_text("[a secret]\n")
        secret.chmod(0o600)
        (world.live / "config").unlink()
        os.link(secret, world.live / "config")
        place = world.plugin.named(world.component, "strange.git")
        with driver.context() as ctx:
            world.plugin.load(replace(ctx, made_here=False), stored, place)
        assert b"secret" not in (Path(place.name) / "config").read_bytes()
        secret.unlink()
    folder.rmdir()


def test_configuration_links_and_hooks_of_a_stranger_are_not_taken(world: GitWorld, driver: Driver) -> None:
    world.seed()
    git(world.live, "config", "core.fsmonitor", "/bin/true")
    number = driver.snapshot().generation.number
    git(world.live, "config", "--unset", "core.fsmonitor")
    mine = (world.live / "config").read_bytes()
    world.change("a commit", random.Random(1))
    stored = driver.store.stored(driver.key, driver.ids()[number])
    with driver.context() as ctx:
        ctx = replace(ctx, made_here=False)
        place = world.plugin.named(world.component, "strange.git")
        world.plugin.load(ctx, stored, place)
    made = Path(place.name)
    assert (made / "config").read_bytes() == mine
    assert not (made / "hooks/post-receive").stat().st_mode & 0o111
    assert not (made / "hooks/pre-rebase").is_symlink()
    assert git(made, "for-each-ref") != git(world.live, "for-each-ref")


@pytest.mark.parametrize("name", ["config", "config.worktree", "worktrees/x/gitdir", "modules/x/config", "commondir"])
def test_what_git_obeys_is_left_out(name: str) -> None:
    assert tamed_file(Member(Kind.FILE, name)) is None


def test_links_are_left_out_and_hooks_may_not_run() -> None:
    assert tamed_file(Member(Kind.SYMLINK, "lfs", link="/etc")) is None
    hook = tamed_file(Member(Kind.FILE, "hooks/update", mode=0o755))
    assert hook is not None
    assert hook.mode == 0o644


@pytest.mark.parametrize(
    "name",
    ["refs/../config", "refs/heads/../../x", "/etc/passwd", "config", "refs/heads/x.lock", "refs/heads/a\nb", "refs//x",
     "refs/heads/.x", "refs/heads/", "refs/heads/a b", "refs/heads/x.lock/y"],
)  # fmt: skip
def test_a_reference_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(BadBundle):
        Ref.read(Ref(name, "0" * 40, "commit", "").line())
    with pytest.raises(BadBundle):
        Ref.read(Ref("refs/heads/x", "", "", name).line())


@pytest.mark.parametrize(
    "content",
    [b"", b"x\n", b"# v2 git bundle", b"# v2 git bundle\n", b"# v2 git bundle\n-" + b"0" * 40 + b"\n\n",
     b"# v3 git bundle\n@filter=blob:none\n\n", b"# v3 git bundle\n@object-format=md5\n\n",
     b"# v2 git bundle\n" + b"0" * 39 + b" refs/heads/x\n\n", b"# v2 git bundle\n" + b"y" * (1 << 17)],
)  # fmt: skip
def test_a_bundle_that_git_did_not_write_is_refused(content: bytes) -> None:
    with pytest.raises(BadBundle):
        read_header(io.BytesIO(content))


@pytest.mark.parametrize("line", [b"", b"{}\n", b"[1]\n", b'["a","b","c",1]\n', b"[" * 100_000, b'["HEAD","","",""]\n'])
def test_a_list_of_references_that_nobody_wrote_is_refused(line: bytes) -> None:
    with pytest.raises(BadBundle):
        Ref.read(line)


@pytest.mark.parametrize(
    "names",
    [["refs/heads/main"], ["HEAD", "refs/heads/\ud800"], ["HEAD", "refs/heads/\udcc3\udcbc"], ["HEAD", "HEAD"],
     ["HEAD", "refs/heads/main", "refs/heads/main"]],
    ids=["no HEAD", "half a character", "bytes that are a character", "HEAD twice", "a branch twice"],
)  # fmt: skip
def test_references_that_no_repository_has_are_refused_in_words(
    world: GitWorld, driver: Driver, names: list[str]
) -> None:
    world.seed()
    stored = driver.store.stored(driver.key, driver.snapshot().generation.id)
    main = git(world.live, "rev-parse", "main")
    lines = b"".join(Ref(name, main, "commit", "").line() for name in names)

    def opened(name: str) -> AbstractContextManager[BinaryIO]:
        return io.BytesIO(lines) if name == "refs" else stored.open(name)

    strange = SimpleNamespace(open=opened, metadata=stored.metadata, sections=stored.sections)
    place = world.plugin.named(world.component, "strange.git")
    with driver.context() as ctx:
        with pytest.raises(BadBundle):
            world.plugin.load(replace(ctx, made_here=False), strange, place)
        world.plugin.drop(ctx, place)
    assert not Path(place.name).exists()


@pytest.mark.parametrize("kind", ["\ud800", "x" * 100])
def test_a_kind_of_object_that_git_does_not_have_is_refused(kind: str) -> None:
    with pytest.raises(BadBundle):
        Ref.read(Ref("refs/heads/x", "0" * 40, kind, "").line())


def test_the_bundle_in_a_snapshot_is_what_git_clones(world: GitWorld, driver: Driver, tmp_path: Path) -> None:
    world.seed()
    stored = driver.store.stored(driver.key, driver.snapshot().generation.id)
    bundle = tmp_path / "repository.bundle"
    with stored.open("repository.bundle") as stream:
        bundle.write_bytes(stream.read())
    copy = tmp_path / "copy.git"
    git(copy, "init", "--quiet", "--bare")
    git(copy, "bundle", "verify", "--quiet", str(bundle))
    git(copy, "fetch", "--quiet", str(bundle), "+refs/*:refs/*")
    shown = ("for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/tags", "refs/notes")
    assert git(copy, *shown) == git(world.live, *shown)


def test_names_of_objects_by_sha256_are_kept(world: GitWorld, driver: Driver) -> None:
    world.base.mkdir()
    git(world.live, "init", "--quiet", "--bare", "--object-format=sha256")
    blob = git(world.live, "hash-object", "-w", "--stdin", stdin=b"x")
    git(world.live, "update-ref", "refs/tags/x", blob)
    first = driver.snapshot().generation
    git(world.live, "update-ref", "-d", "refs/tags/x")
    restored = driver.restore(first.number)
    assert restored.generation is not None
    assert restored.generation.id == first.id
    assert git(world.live, "cat-file", "blob", "refs/tags/x") == "x"


def test_an_empty_repository_is_a_state(world: GitWorld, driver: Driver) -> None:
    world.base.mkdir()
    git(world.live, "init", "--quiet", "--bare", "--template=")
    first = driver.snapshot().generation
    git(world.live, "symbolic-ref", "HEAD", "refs/heads/other")
    restored = driver.restore(first.number)
    assert restored.generation is not None
    assert restored.generation.id == first.id


def test_a_container_without_a_folder_says_which_setting_is_missing(world: GitWorld) -> None:
    component = Component(world.component.key, world.component.path, {"type": "git-repository"})
    with pytest.raises(PluginError, match="gitBaseDir is not set"):
        world.plugin.live(component)
