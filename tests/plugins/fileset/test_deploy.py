"""Fileset components: their files, places, activation and collection."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dysnomia_plugins.base import Component, Purpose, Severity
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.filesets import load, preflight
from dysnomia_plugins.toolkit.filesets import spec as specification
from dysnomia_plugins.toolkit.filesets.places import Layout
from dysnomia_plugins.toolkit.filesets.spec import collapse, read_spec
from dysnomia_plugins.toolkit.guarded.system import LinkInTheWay, folder_at
from dysnomia_plugins.toolkit.mounts import Mount
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_plugins.toolkit.trees import known
from dysnomia_plugins.toolkit.trees.names import below, own_name, root_of
from dysnomia_plugins.toolkit.trees.owners import owner_ids
from dysnomia_plugins.types.fileset import Fileset
from dysnomia_store.model import Metadata
from tests.plugins.conformance.driver import Token
from tests.plugins.fileset.changes import ROOT
from tests.plugins.fileset.scene import Scene
from tests.plugins.fileset.tools import dump_to_tar, make_context
from tests.plugins.fileset.world import fileset_component, make_tree, tree

# --- the component's files -----------------------------------------------------------------------------------------


def test_a_component_is_read(tmp_path: Path) -> None:
    lines = "mkdir a//b/./c/\n\n  mkdir d e\nsymlink /opt/bin\ntarget .\nsymlink /opt/lib/\ntarget sub/lib\n# words\n"
    found = read_spec(fileset_component(tmp_path / "one", Path("/srv/x"), lines))
    assert found.target == "/srv/x"
    assert found.folders == ("a/b/c", "d e")
    assert [(link.source, link.path) for link in found.links] == [("/opt/bin", "bin"), ("/opt/lib/", "sub/lib/lib")]


def test_properties_come_before_the_files(tmp_path: Path) -> None:
    component = fileset_component(tmp_path / "one", Path("/srv/x"), targetDir="/srv//y/", filesetOwner="nobody:nogroup")
    (tmp_path / "one" / ".dysnomia-filesetowner").write_text("root:root\n")
    assert (read_spec(component).target, read_spec(component).owner) == ("/srv/y", "nobody:nogroup")
    plain = fileset_component(tmp_path / "one", Path("/srv/x"))
    assert (read_spec(plain).target, read_spec(plain).owner) == ("/srv/x", "root:root")


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("mkdir ok\nmkdir /abs\n", "line 2: '/abs' is absolute"),
        ("mkdir a/../../b\n", "leads out"),
        ("rmdir a\n", "unknown action 'rmdir'"),
        ("mkdir\n", "mkdir without a path"),
        ("target .\n", "without a symlink"),
        ("symlink /x\ntarget ../y\n", "leads out"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, spec: str, said: str) -> None:
    with pytest.raises(PluginError, match=said) as raised:
        read_spec(fileset_component(tmp_path / "one", Path("/srv/x"), spec))
    assert ".dysnomia-fileset, line" in str(raised.value)


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    component = fileset_component(tmp_path / "one", Path("/srv/x"))
    (tmp_path / "one" / ".dysnomia-targetdir").write_text("relative\n")
    with pytest.raises(PluginError, match="not absolute"):
        read_spec(component)
    (tmp_path / "one" / ".dysnomia-targetdir").unlink()
    with pytest.raises(PluginError, match="no target folder"):
        read_spec(component)
    (tmp_path / "one" / ".dysnomia-fileset").unlink()
    with pytest.raises(PluginError, match="is missing"):
        read_spec(Component(component.key, component.path, {"targetDir": "/x"}))


def test_nested_folders_collapse_to_the_topmost() -> None:
    assert collapse(["a/b", "a-b", "a", "a/b/c", "z/y", "z/yy"]) == ("a", "a-b", "z/y", "z/yy")
    assert collapse(["a", "."]) == (".",)
    assert collapse([]) == ()


def test_each_of_many_folders_is_looked_at_a_few_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not each compared with each: a plan of 600 folders took longer than it may, and nothing could be restored."""
    count, compared = 300, 0

    def counted(path: str, folder: str) -> bool:
        nonlocal compared
        compared += 1
        return below(path, folder)

    for module in (specification, preflight, load, known):
        monkeypatch.setattr(module, "below", counted, raising=False)
    roots = [f"many/d{number}" for number in range(count)]
    scene = Scene(tmp_path, "".join(f"mkdir {root}\n" for root in roots), tuple(roots))
    for root in roots:
        (scene.target / root).mkdir(parents=True)
        (scene.target / root / "file").write_text(root)
    scene.stored = dump_to_tar(scene.component, tmp_path / "dump")
    scene.load()
    assert scene.state(scene.place(Purpose.BESIDE)) == scene.state()
    scene.stored.metadata = Metadata("i", "fileset", 0, 0, (), "", 1, True, surroundings={"roots": roots})
    found = scene.plugin.preflight(scene.ctx, scene.stored, replace=True).findings
    assert not [finding for finding in found if finding.severity is Severity.BLOCKER]
    assert compared < 20 * count


def test_a_name_lies_in_one_of_the_roots_or_in_none() -> None:
    roots = {"a", "b/c"}
    assert [root_of(name, roots) for name in ("a", "a/x/y", "b/c/d", "b", "b/cc", "aa", "")] == [
        "a", "a", "b/c", None, None, None, None,
    ]  # fmt: skip
    assert root_of("x/y", {"."}) == "."


def test_owners_by_name_and_number() -> None:
    assert owner_ids("root:root") == (0, 0)
    assert owner_ids("12:34") == (12, 34)
    assert owner_ids("root") == (0, -1)
    assert owner_ids("") == (os.getuid(), os.getgid())
    with pytest.raises(PluginError, match="not known"):
        owner_ids("no-such-user-here:root")


def test_places_are_named_after_store_and_job(tmp_path: Path) -> None:
    component = fileset_component(tmp_path / "one", tmp_path / "srv", "mkdir data\n")
    ctx = make_context(component, tmp_path)
    plugin = Fileset()
    names = [plugin.place(ctx, purpose).name for purpose in Purpose]
    assert names == [f"{tmp_path}/srv/.dysnomia-0123abcd_7-{purpose}" for purpose in ("beside", "aside", "scratch")]
    assert all(own_name(os.path.basename(name)) for name in names)  # noqa: PTH119
    assert not own_name(".dysnomia-fileset")
    assert plugin.named(component, "copy").name == f"{tmp_path}/copy"
    for bad in ("srv", "../x", "a/b", "", ".hidden", "x\ny"):
        with pytest.raises(PluginError):
            plugin.named(component, bad)


def test_a_root_on_another_mount_has_its_places_there(tmp_path: Path) -> None:
    component = fileset_component(tmp_path / "one", Path("/srv/x"), "mkdir mnt/data\nmkdir own\nmkdir mounted\n")
    layout = Layout(read_spec(component))
    layout.mounts = (Mount("/", "ext4"), Mount("/srv/x/mnt", "xfs"), Mount("/srv/x/mounted", "tmpfs"))
    place = layout.made("0123abcd_7", Purpose.ASIDE)
    name = ".dysnomia-0123abcd_7-aside"
    assert {one.root: one.path for one in layout.roots_at(place)} == {
        "mnt/data": f"/srv/x/mnt/{name}/mnt/data",
        "mounted": f"/srv/x/mounted/{name}/mounted",
        "own": f"/srv/x/{name}/own",
    }
    assert layout.swapped_inside("mounted")
    assert not layout.swapped_inside("mnt/data")


# --- activation ----------------------------------------------------------------------------------------------------


def test_activation_makes_folders_and_links_and_deactivation_takes_the_links(tmp_path: Path) -> None:
    static = tmp_path / "static"
    static.mkdir()
    target = tmp_path / "srv"
    spec = f"mkdir data\nmkdir deep/er\nsymlink {static}\ntarget bin/links\nsymlink /nowhere/x\ntarget .\n"
    component = fileset_component(tmp_path / "one", target, spec)
    ctx = make_context(component, tmp_path)
    plugin = Fileset()
    for _ in range(2):
        plugin.activate(ctx)
        assert (target / "data").is_dir()
        assert (target / "deep" / "er").is_dir()
        assert os.readlink(target / "bin" / "links" / "static") == str(static)
        assert os.readlink(target / "x") == "/nowhere/x"
    (target / "data" / "file").write_text("kept")
    for _ in range(2):
        plugin.deactivate(ctx)
        assert sorted(os.listdir(target)) == ["data", "deep"]
    assert (target / "data" / "file").read_text() == "kept"
    for _ in range(2):
        plugin.collect_garbage(ctx)
        assert os.listdir(target) == []


def test_activation_replaces_its_own_old_link_and_keeps_a_folder_in_the_way(tmp_path: Path) -> None:
    target = tmp_path / "srv"
    component = fileset_component(tmp_path / "one", target, "symlink /opt/new/bin\ntarget .\n")
    ctx = make_context(component, tmp_path)
    target.mkdir()
    (target / "bin").symlink_to("/opt/old/bin")
    Fileset().activate(ctx)
    assert os.readlink(target / "bin") == "/opt/new/bin"
    (target / "bin").unlink()
    (target / "bin").mkdir()
    with pytest.raises(PluginError, match="is a folder"):
        Fileset().activate(ctx)
    Fileset().deactivate(ctx)
    assert (target / "bin").is_dir()


@pytest.mark.skipif(not ROOT, reason="needs root to give files away")
def test_folders_get_their_owner(tmp_path: Path) -> None:
    component = fileset_component(tmp_path / "one", tmp_path / "srv", "mkdir data\n", filesetOwner="1234:4321")
    Fileset().activate(make_context(component, tmp_path))
    seen = (tmp_path / "srv" / "data").stat()
    assert (seen.st_uid, seen.st_gid) == (1234, 4321)


def test_collection_follows_no_link_and_leaves_the_rest(tmp_path: Path) -> None:
    target = tmp_path / "srv"
    make_tree(target / "data")
    (target / "other").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_text("kept")
    (target / "data" / "door").symlink_to(tmp_path / "outside")
    (target / "data" / "closed").mkdir()
    (target / "data" / "closed" / "file").write_text("x")
    (target / "data" / "closed").chmod(0)
    component = fileset_component(tmp_path / "one", target, "mkdir data\n")
    Fileset().collect_garbage(make_context(component, tmp_path))
    assert os.listdir(target) == ["other"]
    assert (tmp_path / "outside" / "file").read_text() == "kept"


def test_no_link_above_a_root_leads_root_elsewhere(tmp_path: Path) -> None:
    """Whoever owns the target folder could put one there while a job runs."""
    target = tmp_path / "srv"
    component = fileset_component(tmp_path / "one", target, "mkdir deep/er/two\n")
    make_tree(target / "deep" / "er" / "two")
    stored = dump_to_tar(component, tmp_path / "dump")
    victim = tmp_path / "victim"
    make_tree(victim / "er" / "two")
    before = tree(victim)
    (target / "deep").rename(tmp_path / "away")
    (target / "deep").symlink_to(victim)
    ctx = make_context(component, tmp_path)
    plugin = Fileset()
    beside = plugin.place(ctx, Purpose.BESIDE)
    plugin.load(ctx, stored, beside)
    for harm in (
        lambda: plugin.collect_garbage(ctx),
        lambda: plugin.swap(ctx, beside, plugin.place(ctx, Purpose.ASIDE)),
        lambda: dump_to_tar(component, tmp_path / "dump2"),
        lambda: plugin.activate(ctx),
    ):
        with pytest.raises(PluginError, match="link"):
            harm()
        assert tree(victim) == before


def test_a_folder_is_opened_from_the_top(tmp_path: Path) -> None:
    for path in ("/", "/tmp", str(tmp_path)):
        with folder_at(path) as descriptor:
            os.fsync(descriptor)
            assert os.fstat(descriptor).st_ino == os.stat(path).st_ino  # noqa: PTH116
    (tmp_path / "link").symlink_to(tmp_path)
    for path in (f"{tmp_path}/link", f"{tmp_path}/link/x"):
        with pytest.raises(LinkInTheWay), folder_at(path):
            pass


def test_the_shell_stands_in_the_target_folder(tmp_path: Path) -> None:
    component = fileset_component(tmp_path / "one", tmp_path / "srv", "mkdir data\n")
    argv, environment = Fileset().shell(component)
    assert argv[:2] == ("env", f"--chdir={tmp_path}/srv")
    assert environment["targetDir"] == f"{tmp_path}/srv"


def test_a_probe_says_what_is_missing(tmp_path: Path) -> None:
    component = fileset_component(tmp_path / "one", tmp_path / "srv", "mkdir data\nmkdir more\n")
    make_tree(tmp_path / "srv" / "data")
    probe = Fileset().probe(component, ProcessRunner(Token()))
    assert not probe.up
    assert probe.detail == f"{tmp_path}/srv/more not there"
    assert probe.size is not None
    assert probe.size >= 200_000


@pytest.mark.parametrize("spec", ["mkdir data\n", "symlink /opt/bin\ntarget deep/er\n"])
def test_a_server_that_is_another_user_may_enter_what_activation_makes(tmp_path: Path, spec: str) -> None:
    """A job's own umask closes all that it makes to others; Dysnomia's module makes it with its caller's."""
    target = tmp_path / "srv" / "www"
    component = fileset_component(tmp_path / "one", target, spec)
    before = os.umask(0o077)
    try:
        Fileset().activate(make_context(component, tmp_path))
    finally:
        os.umask(before)
    made = [target.parent, target, *(path for path in target.rglob("*") if not path.is_symlink())]
    assert len(made) == 3 + spec.count("deep")
    assert {oct(path.stat().st_mode & 0o777) for path in made} == {"0o755"}


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_activation_replaces_no_file_or_folder_by_a_link(tmp_path: Path, kind: str) -> None:
    """Dysnomia's module deletes such a file."""
    target = tmp_path / "srv"
    target.mkdir()
    component = fileset_component(tmp_path / "one", target, "symlink /opt/new/bin\ntarget .\n")
    if kind == "file":
        (target / "bin").write_text("an operator's own")
    else:
        (target / "bin").mkdir()
    with pytest.raises(NotSafe, match=f"bin is a {kind}, where a link to /opt/new/bin should be"):
        Fileset().activate(make_context(component, tmp_path))
    assert [path.name for path in target.iterdir()] == ["bin"]
    assert kind == "folder" or (target / "bin").read_text() == "an operator's own"


def test_what_a_killed_activation_left_of_a_link_is_swept(tmp_path: Path) -> None:
    target = tmp_path / "srv"
    target.mkdir()
    component = fileset_component(tmp_path / "one", target, "symlink /opt/bin\ntarget .\n")
    (target / ".dysnomia-link-0123456789abcdef").symlink_to("/opt/bin")
    (target / ".dysnomia-link-theirs").symlink_to("/elsewhere")
    Fileset().activate(make_context(component, tmp_path))
    assert sorted(path.name for path in target.iterdir()) == [".dysnomia-link-theirs", "bin"]
