"""Filesets: plans of a restore, loading all or parts of a snapshot, and Dysnomia's own store."""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from dysnomia_plugins.base import Component, Place, Severity
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.filesets.places import Layout
from dysnomia_plugins.toolkit.filesets.spec import read_spec
from dysnomia_plugins.toolkit.trees.compare import compare
from dysnomia_plugins.toolkit.trees.member import Member
from dysnomia_plugins.toolkit.trees.walk import Walk
from dysnomia_plugins.types.fileset import Fileset
from dysnomia_store.model import CheckResult, Form, Metadata, Section
from dysnomia_store.store import Store
from dysnomia_tui.engine.component import activities
from tests.plugins.conformance.driver import Driver
from tests.plugins.fileset.changes import ROOT
from tests.plugins.fileset.tools import TarStored, dump_to_tar, load_beside, logged, make_context
from tests.plugins.fileset.world import FilesetWorld, fileset_component, make_tree, tree

FIXTURE = Path(__file__).parents[2] / "fixtures" / "upstream-store.tar.gz"


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


@pytest.mark.skipif(not ROOT, reason="only root sets the attributes of links")
def test_access_lists_of_pipes_and_attributes_of_links_come_back(tmp_path: Path) -> None:
    component = fileset_component(tmp_path / "one", tmp_path / "srv", "mkdir data\n")
    data = tmp_path / "srv" / "data"
    data.mkdir(parents=True)
    (data / "link").symlink_to("nowhere")
    os.mkfifo(data / "pipe", 0o640)
    os.mknod(data / "device", stat.S_IFCHR | 0o640, os.makedev(1, 3))
    entries = [(1, 6, 0xFFFFFFFF), (2, 4, 65534), (4, 4, 0xFFFFFFFF), (16, 4, 0xFFFFFFFF), (32, 0, 0xFFFFFFFF)]
    acl = (2).to_bytes(4, "little") + b"".join(
        tag.to_bytes(2, "little") + bits.to_bytes(2, "little") + who.to_bytes(4, "little") for tag, bits, who in entries
    )
    wanted = {
        "link": ("trusted.origin", b"here"),
        "pipe": ("system.posix_acl_access", acl),
        "device": ("system.posix_acl_access", acl),
    }
    for name, (key, value) in wanted.items():
        os.setxattr(data / name, key, value, follow_symlinks=False)
    ctx = make_context(component, tmp_path)
    place = load_beside(ctx, dump_to_tar(component, tmp_path / "dump"))
    assert logged(ctx) == []
    for name, (key, value) in wanted.items():
        assert os.getxattr(place / "data" / name, key, follow_symlinks=False) == value


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

        def members() -> Iterator[Member]:
            return (seen.member for seen in Walk(layout.roots_at(layout.live), open_files=False))

        try:
            compare(lambda: sections, members, strict=True, owners=ROOT, check=lambda: None)
        except PluginError:
            return True
        return False

    assert not differs(sections)
    assert not differs([*reversed(sections)])
    assert differs(sections[:-1])
    assert differs([*reversed(sections[1:])])
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
