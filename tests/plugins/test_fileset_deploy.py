"""Fileset components: their files, activation and collection, plans, parts of a snapshot, Dysnomia's own store."""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from dysnomia_plugins.base import Component, Place, Purpose, Severity
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.fileset import Fileset
from dysnomia_plugins.fileset.confined import LinkInTheWay, folder_at
from dysnomia_plugins.fileset.load import compare
from dysnomia_plugins.fileset.places import Layout, Mount, own_name
from dysnomia_plugins.fileset.spec import collapse, owner_ids, read_spec
from dysnomia_plugins.fileset.walk import Walk
from dysnomia_plugins.process import ProcessRunner
from dysnomia_store.model import CheckResult, Form, Metadata, Section
from dysnomia_store.store import Store
from dysnomia_tui.engine import activities
from tests.plugins.driver import Driver, Token
from tests.plugins.fileset_tools import TarStored, dump_to_tar, load_beside, logged, make_context
from tests.plugins.worlds_fileset import ROOT, FilesetWorld, fileset_component, make_tree, tree

FIXTURE = Path(__file__).parents[1] / "fixtures" / "upstream-store.tar.gz"


# --- the component's files -----------------------------------------------------------------------------------------


def test_a_component_is_read(tmp_path: Path) -> None:
    spec = "mkdir a//b/./c/\n\n  mkdir d e\nsymlink /opt/bin\ntarget .\nsymlink /opt/lib/\ntarget sub/lib\n# words\n"
    found = read_spec(fileset_component(tmp_path / "one", Path("/srv/x"), spec))
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
        ("mkdir\n", "mkdir of nothing"),
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


# --- plans ---------------------------------------------------------------------------------------------------------


def _known(stored: TarStored, **more: object) -> TarStored:
    digest, sections, complete = stored.rescanned()
    size = stored.tar.stat().st_size
    surroundings = {"roots": more.get("roots", ["data"])}
    content = more.get("content_size", size)
    assert isinstance(content, int)
    metadata = Metadata(
        digest, "fileset", content, size, (), digest, 1, complete, sections=len(sections), surroundings=surroundings
    )
    return TarStored(stored.tar, metadata)


def test_a_plan_says_space_swap_and_guard(tmp_path: Path) -> None:
    component = fileset_component(tmp_path / "one", tmp_path / "srv", "mkdir data\n")
    make_tree(tmp_path / "srv" / "data")
    stored = _known(dump_to_tar(component, tmp_path / "dump"))
    ctx = make_context(component, tmp_path, made_here=False)
    preflight = Fileset().preflight(ctx, stored, replace=True)
    assert preflight.needs[0][1] == stored.tar.stat().st_size
    assert preflight.live_bytes is not None
    assert "one step" in preflight.swap or "exchanged" in preflight.swap
    assert "set aside" in preflight.guard
    assert any("setuid" in finding.text for finding in preflight.findings)
    assert not any(finding.severity is Severity.BLOCKER for finding in preflight.findings)
    copy = Fileset().preflight(ctx, stored, replace=False)
    assert copy.guard == ""


def test_a_plan_is_refused_without_room_or_for_folders_that_are_no_longer_named(tmp_path: Path) -> None:
    component = fileset_component(tmp_path / "one", tmp_path / "srv", "mkdir data\n")
    make_tree(tmp_path / "srv" / "data")
    stored = dump_to_tar(component, tmp_path / "dump")
    ctx = make_context(component, tmp_path)
    huge = Fileset().preflight(ctx, _known(stored, content_size=1 << 60), replace=True)
    assert any(one.severity is Severity.BLOCKER and "bytes free" in one.text for one in huge.findings)
    other = Fileset().preflight(ctx, _known(stored, roots=["data", "old"]), replace=True)
    assert any(one.severity is Severity.BLOCKER and "old" in one.text for one in other.findings)


# --- loading -------------------------------------------------------------------------------------------------------


def test_a_member_of_a_folder_that_is_not_named_goes_into_a_copy_only(tmp_path: Path) -> None:
    before = fileset_component(tmp_path / "one", tmp_path / "srv", "mkdir data\nmkdir old\n")
    for root in ("data", "old"):
        make_tree(tmp_path / "srv" / root)
    stored = dump_to_tar(before, tmp_path / "dump")
    component = fileset_component(tmp_path / "one", tmp_path / "srv", "mkdir data\n")
    ctx = make_context(component, tmp_path)
    with pytest.raises(PluginError, match="does not name"):
        load_beside(ctx, stored)
    plugin = Fileset()
    copy = plugin.named(component, "copy")
    plugin.load(ctx, stored, copy)
    for root in ("data", "old"):
        assert tree(tmp_path / "copy" / root) == tree(tmp_path / "srv" / root)
    with pytest.raises(NotSafe):
        plugin.load(ctx, stored, copy)
    plugin.drop(ctx, copy)
    assert not (tmp_path / "copy").exists()


def test_live_is_never_loaded_over_nor_dropped(tmp_path: Path) -> None:
    component = fileset_component(tmp_path / "one", tmp_path / "srv", "mkdir data\n")
    make_tree(tmp_path / "srv" / "data")
    before = tree(tmp_path / "srv" / "data")
    stored = dump_to_tar(component, tmp_path / "dump")
    ctx = make_context(component, tmp_path)
    plugin = Fileset()
    with pytest.raises(NotSafe):
        plugin.load(ctx, stored, plugin.live(component))
    with pytest.raises(NotSafe):
        plugin.drop(ctx, plugin.live(component))
    assert tree(tmp_path / "srv" / "data") == before


def test_nothing_is_inherited_from_the_folder_it_is_loaded_into(tmp_path: Path) -> None:
    """A default ACL or setgid on the target folder must not show in what was restored."""
    target = tmp_path / "srv"
    component = fileset_component(tmp_path / "one", target, "mkdir data\nmkdir a/b\n")
    make_tree(target / "data")
    make_tree(target / "a" / "b")
    before = tree(target / "data"), tree(target / "a" / "b")
    stored = dump_to_tar(component, tmp_path / "dump")
    entries = [(1, 7, 0xFFFFFFFF), (2, 7, 1), (4, 7, 0xFFFFFFFF), (16, 7, 0xFFFFFFFF), (32, 7, 0xFFFFFFFF)]
    acl = (2).to_bytes(4, "little") + b"".join(
        tag.to_bytes(2, "little") + bits.to_bytes(2, "little") + who.to_bytes(4, "little") for tag, bits, who in entries
    )
    os.setxattr(target, "system.posix_acl_default", acl)
    target.chmod(0o2775)
    place = load_beside(make_context(component, tmp_path), stored)
    assert (tree(place / "data"), tree(place / "a" / "b")) == before


def _load_some(tmp_path: Path, names: Sequence[str]) -> tuple[Path, Path]:
    component = fileset_component(tmp_path / "one", tmp_path / "srv", "mkdir data\n")
    make_tree(tmp_path / "srv" / "data")
    stored = dump_to_tar(component, tmp_path / "dump")
    sections = [one for one in stored.sections() if one.name in names]
    plugin = Fileset()
    plugin.load(make_context(component, tmp_path), stored, Place(f"{tmp_path}/copy"), sections)
    return tmp_path / "copy" / "data", tmp_path / "srv" / "data"


def test_some_files_come_with_the_folders_they_are_in(tmp_path: Path) -> None:
    copy, source = _load_some(tmp_path, ["data/sub/" + "n" * 255, "data/link"])
    assert sorted(os.listdir(copy)) == ["link", "sub"]
    assert os.listdir(copy / "sub") == ["n" * 255]
    assert (copy / "sub").stat().st_mode == (source / "sub").stat().st_mode
    assert os.getxattr(copy / "sub", "user.binary") == bytes(range(32))


def test_a_folder_comes_with_all_that_is_in_it(tmp_path: Path) -> None:
    copy, source = _load_some(tmp_path, ["data/sub"])
    assert os.listdir(copy) == ["sub"]
    assert tree(copy / "sub") == tree(source / "sub")


def test_a_second_name_comes_with_its_content(tmp_path: Path) -> None:
    copy, _ = _load_some(tmp_path, ["data/second name"])
    assert os.listdir(copy) == ["second name"]
    assert (copy / "second name").read_text() == "one file, two names"


def test_what_was_loaded_is_compared_with_the_index(tmp_path: Path) -> None:
    component = fileset_component(tmp_path / "one", tmp_path / "srv", "mkdir data\n")
    make_tree(tmp_path / "srv" / "data")
    sections = dump_to_tar(component, tmp_path / "dump").rescanned()[1]

    def differs(sections: Sequence[Section]) -> bool:
        layout = Layout(read_spec(component))
        members = (seen.member for seen in Walk(layout.roots_at(layout.live), open_files=False))
        try:
            compare(lambda: sections, members, strict=True, owners=ROOT, check=lambda: None)
        except PluginError:
            return True
        return False

    assert not differs(sections)
    assert differs(sections[:-1])
    assert differs([*sections, Section("file", "data/~", Form.TEXT, 0, "")])
    for spoil in (
        lambda path: path.chmod(0o600),
        lambda path: os.setxattr(path, "user.x", b"x"),
        lambda path: path.write_text("longer than before, and other"),
        lambda path: path.unlink(),
    ):
        spoil(tmp_path / "srv" / "data" / "notes.txt")
        assert differs(sections)


def test_owners_of_strangers_snapshots_are_those_configured(tmp_path: Path) -> None:
    if not ROOT:
        pytest.skip("needs root to give files away")
    component = fileset_component(tmp_path / "one", tmp_path / "srv", "mkdir data\n", filesetOwner="1234:4321")
    make_tree(tmp_path / "srv" / "data")
    stored = dump_to_tar(component, tmp_path / "dump")
    place = load_beside(make_context(component, tmp_path, made_here=False), stored)
    assert {(path.lstat().st_uid, path.lstat().st_gid) for path in (place / "data").rglob("*")} == {(1234, 4321)}


def test_text_is_shown_in_lines_and_bytes_in_hexadecimal(tmp_path: Path) -> None:
    component = fileset_component(tmp_path / "one", tmp_path / "srv", "mkdir data\n")
    make_tree(tmp_path / "srv" / "data")
    (tmp_path / "srv" / "data" / "long").write_text("x" * 1_000_000 + "\nlast")
    stored = dump_to_tar(component, tmp_path / "dump")
    sections = {section.name: section for section in stored.sections()}
    plugin = Fileset()

    def rows(name: str) -> list[tuple[str | None, ...]]:
        section = sections[f"data/{name}"]
        return [plugin.parse_row(section, raw).cells for batch in plugin.raw_rows(stored, section) for raw in batch]

    assert rows("notes.txt") == [("first",), ("second",), ("third",)]
    assert rows("binary")[0][0] == (tmp_path / "srv" / "data" / "binary").read_bytes()[:16].hex(" ")
    assert rows("empty") == rows("link") == rows("sub") == []
    assert "".join(str(cell) for (cell,) in rows("long")) == "x" * 1_000_000 + "last"
    assert sum(len(str(cell)) for cell, _ in rows("sparse")) == (7 << 20) // 16 * 47


# --- Dysnomia's own store ------------------------------------------------------------------------------------------


def test_dysnomias_snapshots_are_restored(tmp_path: Path) -> None:
    """Written by Dysnomia 0.10.2: nested mkdir lines, xz, no metadata of ours."""
    with tarfile.open(FIXTURE) as archive:
        archive.extractall(tmp_path / "upstream", filter="fully_trusted")
    target = tmp_path / "srv"
    component = fileset_component(tmp_path / "files", target, "mkdir data\nmkdir data/uploads\n")
    world = FilesetWorld(tmp_path / "world")
    world.component = Component(type(component.key).of("fileset", "files"), component.path, component.properties)
    driver = Driver(world, tmp_path / "driver")
    driver.store = Store(tmp_path / "upstream" / "state")
    (target / "data" / "uploads").mkdir(parents=True)
    (target / "data" / "uploads" / "live").write_text("live")
    for number, files in ((1, 3), (2, 4), (3, 5)):
        restored = driver.restore(number)
        assert sorted(os.listdir(target / "data" / "uploads")) == [f"f{n}.txt" for n in range(1, files + 1)]
        assert restored.guard is not None
        assert all((target / "data" / "uploads" / f"f{n}.txt").stat().st_size == 7 for n in range(1, files + 1))
    for number in (1, 2, 3) if ROOT else ():  # its files are root's, and a proof needs every attribute
        check = activities.verify(driver.bench(), number)
        assert check.result is CheckResult.OK, check.text
        driver.restore(number)
    some = [one for one in TarStored(_unpacked(driver, 3, tmp_path)).sections() if one.name == "data/uploads/f2.txt"]
    plugin = Fileset()
    with driver.context() as ctx:
        stored = driver.store.stored(driver.key, driver.ids()[3])
        plugin.load(ctx, stored, plugin.named(world.component, "some"), some)
    assert os.listdir(tmp_path / "some" / "data" / "uploads") == ["f2.txt"]


def _unpacked(driver: Driver, number: int, folder: Path) -> Path:
    """The archive of a generation, uncompressed."""
    path = folder / "unpacked.tar"
    with driver.store.stored(driver.key, driver.ids()[number]).open() as stream, path.open("wb") as file:
        shutil.copyfileobj(stream, file)
    return path


def test_a_log_says_what_was_left_out_only_once_for_many(tmp_path: Path) -> None:
    component = fileset_component(tmp_path / "one", tmp_path / "srv", "mkdir data\n")
    (tmp_path / "srv" / "data").mkdir(parents=True)
    for number in range(60):
        path = tmp_path / "srv" / "data" / f"f{number}"
        path.write_text("x")
        path.chmod(0o4755)
    ctx = make_context(component, tmp_path, made_here=False)
    load_beside(ctx, dump_to_tar(component, tmp_path / "dump"))
    assert len(logged(ctx)) == 21
    assert logged(ctx)[-1] == "…and 40 more"
