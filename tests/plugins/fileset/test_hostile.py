"""Archives that were made to do harm: nothing outside of the folder is touched, and nothing is replaced."""

from __future__ import annotations

import io
import os
import random
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dysnomia_plugins.base import Component, Context, Purpose
from dysnomia_plugins.errors import PluginError, Truncated
from dysnomia_plugins.toolkit.trees import extract
from dysnomia_plugins.toolkit.trees.compare import compare
from dysnomia_plugins.toolkit.trees.member import Kind, Member
from dysnomia_plugins.toolkit.trees.names import RootAt
from dysnomia_plugins.toolkit.trees.tarheader import BadArchive
from dysnomia_plugins.toolkit.trees.tarread import TarReader
from dysnomia_plugins.toolkit.trees.tarwrite import END, header
from dysnomia_plugins.toolkit.trees.walk import Walk
from dysnomia_plugins.types.fileset import Fileset
from dysnomia_store.model import Metadata
from tests.plugins.fileset.changes import ROOT
from tests.plugins.fileset.tools import TarStored, add, dump_to_tar, load_beside, logged, make_context, make_tar
from tests.plugins.fileset.world import fileset_component, make_tree, tree

LINK, HARD, FOLDER = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE


@pytest.fixture
def component(tmp_path: Path) -> Component:
    (tmp_path / "srv" / "data").mkdir(parents=True)
    (tmp_path / "srv" / "data" / "live").write_text("live")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    return fileset_component(tmp_path / "component", tmp_path / "srv", "mkdir data\n")


@pytest.fixture
def ctx(component: Component, tmp_path: Path) -> Context:
    return make_context(component, tmp_path, made_here=False)


Filled = Callable[[tarfile.TarFile, Path], None]


def _through_link(archive: tarfile.TarFile, outside: Path) -> None:
    add(archive, "data/door", type=LINK, linkname=str(outside))
    add(archive, "data/door/planted", b"planted")


def _link_in_place_of_folder(archive: tarfile.TarFile, outside: Path) -> None:
    add(archive, "data/door", type=FOLDER, mode=0o755)
    add(archive, "data/door", type=LINK, linkname=str(outside))
    add(archive, "data/door/planted", b"planted")


def _folder_over_link(archive: tarfile.TarFile, outside: Path) -> None:
    add(archive, "data/door", type=LINK, linkname=str(outside))
    add(archive, "data/door", type=FOLDER, mode=0o777)


def _hard_link_out(archive: tarfile.TarFile, outside: Path) -> None:
    add(archive, "data/secret", type=HARD, linkname=f"../../{outside.name}/secret")


def _hard_link_absolute(archive: tarfile.TarFile, outside: Path) -> None:
    add(archive, "data/secret", type=HARD, linkname=str(outside / "secret"))


def _hard_link_through_link(archive: tarfile.TarFile, outside: Path) -> None:
    add(archive, "data/door", type=LINK, linkname=str(outside))
    add(archive, "data/secret", type=HARD, linkname="data/door/secret")


def _hard_link_to_nothing(archive: tarfile.TarFile, outside: Path) -> None:
    add(archive, "data/secret", type=HARD, linkname="data/not there")


def _hard_link_to_folder(archive: tarfile.TarFile, outside: Path) -> None:
    add(archive, "data/sub", type=FOLDER, mode=0o755)
    add(archive, "data/secret", type=HARD, linkname="data/sub")


def _named(name: str) -> Filled:
    return lambda archive, outside: add(archive, name.format(outside=outside), b"planted")


HOSTILE: dict[str, Filled] = {
    "absolute": _named("{outside}/planted"),
    "dot dot": _named("data/../../outside/planted"),
    "only dot dot": _named(".."),
    "dot dot at the end": _named("data/sub/.."),
    "another folder": _named("other/planted"),
    "beside the folder": _named("data2"),
    "a name of 256 bytes": _named("data/" + "n" * 256),
    "through a link": _through_link,
    "a link in place of a folder": _link_in_place_of_folder,
    "a folder over a link": _folder_over_link,
    "hard link out": _hard_link_out,
    "hard link absolute": _hard_link_absolute,
    "hard link through a link": _hard_link_through_link,
    "hard link to nothing": _hard_link_to_nothing,
    "hard link to a folder": _hard_link_to_folder,
    "the root as a file": _named("data"),
}


@pytest.mark.parametrize("made_here", [True, False])
@pytest.mark.parametrize("case", HOSTILE)
def test_it_is_refused_and_nothing_is_touched(component: Component, tmp_path: Path, case: str, made_here: bool) -> None:
    ctx = make_context(component, tmp_path, made_here=made_here)
    outside = tmp_path / "outside"
    before = tree(outside), tree(tmp_path / "srv" / "data"), outside.stat().st_mtime_ns
    root = [] if case == "the root as a file" else ["data"]

    def fill(archive: tarfile.TarFile) -> None:
        for name in root:
            add(archive, name, type=FOLDER, mode=0o755)
        HOSTILE[case](archive, outside)

    stored = make_tar(tmp_path / "hostile.tar", fill, format=tarfile.GNU_FORMAT)
    if case == "the root as a file":
        place = load_beside(ctx, stored)
        assert (place / "data").is_file(), "a root that is a file is a state as any other"
    else:
        with pytest.raises(PluginError):
            load_beside(ctx, stored)
    assert (tree(outside), tree(tmp_path / "srv" / "data"), outside.stat().st_mtime_ns) == before
    plugin = Fileset()
    plugin.drop(ctx, plugin.place(ctx, Purpose.BESIDE))
    assert sorted(os.listdir(tmp_path / "srv")) == ["data"]
    assert (tree(outside), outside.stat().st_mtime_ns) == (before[0], before[2])


@pytest.mark.skipif(not ROOT, reason="only root is in danger")
def test_devices_setuid_and_capabilities_of_strangers_are_left_out(ctx: Context, tmp_path: Path) -> None:
    members = [
        Member(Kind.FOLDER, "data", 0o2755, mtime=10**9),
        Member(
            Kind.FILE, "data/shell", 0o6755, mtime=10**9, xattrs=(("security.capability", bytes(20)), ("user.a", b"b"))
        ),
        Member(Kind.DISK, "data/disk", 0o666, device=(8, 0)),
        Member(Kind.FIFO, "data/pipe", 0o6666),
    ]
    path = tmp_path / "hostile.tar"
    path.write_bytes(b"".join(header(member)[0] for member in members) + END)
    place = load_beside(ctx, TarStored(path))
    assert sorted(os.listdir(place / "data")) == ["pipe", "shell"]
    assert (place / "data" / "shell").stat().st_mode & 0o7777 == 0o755
    assert (place / "data" / "pipe").stat().st_mode & 0o7777 == 0o666
    assert os.listxattr(place / "data" / "shell") == ["user.a"]
    assert any("data/disk" in line for line in logged(ctx))
    assert any("data/shell" in line for line in logged(ctx))


def test_odd_names_are_names(ctx: Context, tmp_path: Path) -> None:
    names = ["a\nb", "\x1b[31mred", "[bold]", "-rf", "n" * 255, os.fsdecode(b"\xff\xfe"), " ", "\\", "$(id)"]

    def fill(archive: tarfile.TarFile) -> None:
        for name in names:
            add(archive, f"data/{name}", name.encode("utf-8", "surrogateescape"))

    stored = make_tar(tmp_path / "odd.tar", fill, format=tarfile.GNU_FORMAT, errors="surrogateescape")
    place = load_beside(ctx, stored)
    assert sorted(os.listdir(place / "data")) == sorted(names)
    for name in names:
        assert (place / "data" / name).read_bytes() == os.fsencode(name)


def _lying_size(size: int) -> bytes:
    blocks = bytearray(header(Member(Kind.FILE, "data/big", 0o644, size=0))[0])
    blocks[124:136] = b"%011o\0" % size if size < 8**11 else b"\x80" + size.to_bytes(11, "big")
    blocks[148:156] = b" " * 8
    blocks[148:156] = b"%06o\0 " % sum(blocks)
    return bytes(blocks)


@pytest.mark.parametrize("size", [1, 10**6, 8**11 - 1, 2**60, 2**70])
def test_a_size_that_lies(ctx: Context, tmp_path: Path, size: int) -> None:
    path = tmp_path / "bomb.tar"
    path.write_bytes(_lying_size(size) + b"short" + END)
    with pytest.raises(PluginError):
        load_beside(ctx, TarStored(path))


def test_a_header_out_of_all_proportion_is_not_read_into_memory(ctx: Context, tmp_path: Path) -> None:
    blocks = bytearray(_lying_size(2**33))
    blocks[156:157] = b"x"
    blocks[148:156] = b" " * 8
    blocks[148:156] = b"%06o\0 " % sum(blocks)
    path = tmp_path / "bomb.tar"
    path.write_bytes(bytes(blocks) + END)
    with pytest.raises(BadArchive, match="headers of"):
        load_beside(ctx, TarStored(path))


ATTRIBUTE = "SCHILY.xattr.user."


@pytest.mark.parametrize(
    ("what", "attributes"),
    [
        ("uid", {"pax_headers": {"uid": str(2**32)}}),
        ("uid", {"uid": 2**40}),
        ("gid", {"pax_headers": {"gid": str(2**32 - 1)}}),
        ("time", {"pax_headers": {"mtime": str(2**63)}}),
        ("time", {"pax_headers": {"mtime": f"-{2**63}.5"}}),
        ("device", {"type": tarfile.CHRTYPE, "devmajor": 2**13, "devminor": 1}),
        ("device", {"type": tarfile.BLKTYPE, "devmajor": 1, "devminor": 2**21 - 1}),
        ("attribute", {"pax_headers": {f"{ATTRIBUTE}a\0b": "x"}}),
        ("attribute", {"pax_headers": {ATTRIBUTE + "a" * 300: "x"}}),
        ("link", {"type": tarfile.SYMTYPE, "pax_headers": {"linkpath": "a\0b"}}),
        ("link", {"type": tarfile.SYMTYPE, "pax_headers": {"linkpath": "a" * 5000}}),
        ("link", {"type": tarfile.SYMTYPE, "linkname": ""}),
    ],
)
@pytest.mark.parametrize("made_here", [True, False])
def test_numbers_and_names_that_no_system_takes(
    component: Component, tmp_path: Path, what: str, attributes: dict[str, Any], made_here: bool
) -> None:
    ctx = make_context(component, tmp_path, made_here=made_here)
    stored = make_tar(
        tmp_path / "odd.tar",
        lambda archive: add(archive, "data/f", **attributes),
        format=tarfile.PAX_FORMAT if "pax_headers" in attributes else tarfile.GNU_FORMAT,
    )
    with pytest.raises(BadArchive, match=what):
        load_beside(ctx, stored)


def test_a_file_that_is_nothing_but_a_hole_takes_no_room(ctx: Context, tmp_path: Path) -> None:
    """Its size is more than the disk; it is as large as it says, and takes a block."""
    path = tmp_path / "hole.tar"
    blocks, size = header(Member(Kind.FILE, "data/hole", 0o644, size=2**42), [(0, 512)])
    path.write_bytes(blocks + bytes(size) + bytes(-size % 512) + END)
    seen = (load_beside(ctx, TarStored(path)) / "data" / "hole").stat()
    assert (seen.st_size, seen.st_blocks <= 16) == (2**42, True)


def test_a_hole_larger_than_any_file_may_be_is_said(ctx: Context, tmp_path: Path) -> None:
    path = tmp_path / "hole.tar"
    blocks, size = header(Member(Kind.FILE, "data/hole", 0o644, size=2**62), [(0, 512)])
    path.write_bytes(blocks + bytes(size) + bytes(-size % 512) + END)
    with pytest.raises(PluginError, match="could not be loaded"):
        load_beside(ctx, TarStored(path))


def test_of_very_much_that_is_left_out_a_part_is_named(component: Component, tmp_path: Path) -> None:
    def fill(archive: tarfile.TarFile) -> None:
        for number in range(extract.KEPT + 30):
            add(archive, f"data/d{number}", type=tarfile.CHRTYPE, devmajor=1, devminor=3)

    ctx = make_context(component, tmp_path, made_here=False)
    load_beside(ctx, make_tar(tmp_path / "many.tar", fill, format=tarfile.GNU_FORMAT))
    assert len(logged(ctx)) == 21
    assert "10,010 more" in logged(ctx)[-1]


@pytest.mark.parametrize(
    "extents",
    [
        [(0, 10), (5, 10)],
        [(20, 10), (0, 10)],
        [(0, 2000)],
        [(2**61, 10)],
    ],
)
def test_a_sparse_map_that_makes_no_sense(ctx: Context, tmp_path: Path, extents: list[tuple[int, int]]) -> None:
    path = tmp_path / "bomb.tar"
    blocks, size = header(Member(Kind.FILE, "data/sparse", 0o644, size=1000), extents)
    path.write_bytes(blocks + bytes(min(size, 4096)) + bytes(-size % 512) + END)
    with pytest.raises(BadArchive, match="sparse"):
        load_beside(ctx, TarStored(path))


def test_folders_nested_without_end(ctx: Context, tmp_path: Path) -> None:
    def fill(archive: tarfile.TarFile) -> None:
        add(archive, "data/" + "d/" * 1500 + "f", b"deep")

    with pytest.raises(PluginError, match="nested"):
        load_beside(ctx, make_tar(tmp_path / "deep.tar", fill, format=tarfile.GNU_FORMAT))


def test_garbage_after_the_end_marker(ctx: Context, component: Component, tmp_path: Path) -> None:
    stored = dump_to_tar(component, tmp_path / "dump")
    stored.tar.write_bytes(stored.tar.read_bytes() + b"x" * 512)
    with pytest.raises(BadArchive, match="end marker"):
        load_beside(ctx, stored)


def test_dysnomias_nested_folders_are_stored_twice_and_loaded_once(ctx: Context, tmp_path: Path) -> None:
    """GNU tar stores ``mkdir data`` and ``mkdir data/uploads`` with files as hard links to themselves."""

    def fill(archive: tarfile.TarFile) -> None:
        add(archive, "data/", type=FOLDER, mode=0o755)
        add(archive, "data/uploads/", type=FOLDER, mode=0o750)
        add(archive, "data/uploads/f", b"content")
        add(archive, "data/uploads/", type=FOLDER, mode=0o750)
        add(archive, "data/uploads/f", type=HARD, linkname="data/uploads/f")

    stored = make_tar(tmp_path / "twice.tar", fill)
    place = load_beside(ctx, stored)
    assert (place / "data" / "uploads" / "f").read_bytes() == b"content"
    assert (place / "data" / "uploads").stat().st_mode & 0o777 == 0o750
    _, sections, complete = stored.rescanned()
    assert complete
    assert [section.name for section in sections] == ["data", "data/uploads", "data/uploads/f"]


def test_an_index_in_any_order_is_compared(tmp_path: Path) -> None:
    """GNU tar stores in the order of the directory, so another name of a file may come first."""
    component = fileset_component(tmp_path / "component", tmp_path / "srv", "mkdir data\n")

    def fill(archive: tarfile.TarFile) -> None:
        add(archive, "data/", type=FOLDER, mode=0o755)
        add(archive, "data/z", b"content")
        add(archive, "data/a", type=HARD, linkname="data/z")
        add(archive, "data/m", b"more")

    stored = make_tar(tmp_path / "any.tar", fill)
    digest, sections, complete = stored.rescanned()
    stored.metadata = Metadata(digest, "fileset", 0, 0, (), "", 1, complete, sections=len(sections))
    ctx = make_context(component, tmp_path)
    place = load_beside(ctx, stored)
    assert (place / "data" / "a").stat().st_ino == (place / "data" / "z").stat().st_ino
    members = [seen.member for seen in Walk([RootAt("data", str(place / "data"), "")], open_files=False)]
    for wrong in (sections[:-1], [*sections, replace(sections[-1], name="data/b")], [*sections[:-1], sections[1]]):
        with pytest.raises(PluginError, match="not loaded as it was stored"):
            compare(lambda wrong=wrong: wrong, lambda: members, strict=False, owners=False, check=lambda: None)  # type: ignore[misc]


def test_any_flipped_byte_is_an_error_or_another_archive_but_never_a_crash(tmp_path: Path) -> None:
    make_tree(tmp_path / "srv" / "data")
    component = fileset_component(tmp_path / "component", tmp_path / "srv", "mkdir data\n")
    content = dump_to_tar(component, tmp_path / "dump").tar.read_bytes()
    choose = random.Random(5)
    refused = 0
    for _ in range(400):
        spoiled = bytearray(content)
        for _ in range(choose.choice([1, 1, 20])):
            spoiled[choose.randrange(len(content))] = choose.randrange(256)
        del spoiled[choose.choice([len(content), choose.randrange(len(content))]) :]
        try:
            for entry in TarReader(io.BytesIO(spoiled)):
                assert ".." not in entry.member.name.split("/")
                assert not entry.member.name.startswith("/")
        except (BadArchive, Truncated):
            refused += 1
    assert refused > 100
