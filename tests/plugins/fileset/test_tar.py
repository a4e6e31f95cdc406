"""The tar that filesets are stored in: what is written is read again, by us and by GNU tar, and so is what GNU tar
writes."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dysnomia_plugins.base import Component
from dysnomia_plugins.toolkit.trees.access_lists import list_in_words
from dysnomia_plugins.toolkit.trees.contents import rescan_tar
from dysnomia_plugins.toolkit.trees.member import BLOCK, ContentDigest, Kind, Member
from dysnomia_plugins.toolkit.trees.tarread import TarReader
from dysnomia_plugins.toolkit.trees.tarwrite import END, PlainHeaders, header, padding
from dysnomia_plugins.types.fileset import Fileset
from dysnomia_store.content.digest import DigestSink
from dysnomia_store.content.snapshots import SnapshotDraft
from tests.benchmarks.made_tree import make_tree as make_benchmark_tree
from tests.plugins.fileset.changes import ROOT
from tests.plugins.fileset.tools import Collected, TarStored, dump_to_tar, load_beside, make_context
from tests.plugins.fileset.world import fileset_component, make_tree, tree

KNOWN_ID = "712b17b8203e5938a297d2933043f3cc02a0341774a3146cc127447437d7a6b1"
"""Made of the tree of ``test_the_same_tree_has_the_id_it_always_had`` by the version before files came in batches."""

_NAME = st.binary(min_size=1, max_size=255).map(lambda raw: os.fsdecode(raw.replace(b"/", b"_").replace(b"\0", b"-")))
_PART = _NAME.filter(lambda name: name not in (".", ".."))
_PATH = st.lists(_PART, min_size=1, max_size=6).map("/".join)
_XATTRS = st.dictionaries(
    st.text("abc=%.é \n", min_size=1, max_size=20).map("user.".__add__), st.binary(max_size=300), max_size=3
)


@st.composite
def members(draw: st.DrawFn) -> Member:
    kind = draw(st.sampled_from(Kind))
    device = kind in (Kind.CHAR, Kind.DISK)
    hard = kind is Kind.HARDLINK
    return Member(
        kind=kind,
        name=draw(_PATH),
        mode=0o777 if kind is Kind.SYMLINK else draw(st.integers(0, 0o7777)),
        uid=draw(st.integers(0, 2**32 - 2)),
        gid=draw(st.integers(0, 2**32 - 2)),
        user=draw(st.sampled_from(["", "root", "someone"])),
        size=draw(st.integers(0, 3000)) if kind is Kind.FILE else 0,
        mtime=draw(st.integers(-(10**18), 9 * 10**18) | st.integers(-(10**9 << 63), (10**9 << 63) - 1)),
        link=draw(_PATH) if kind in (Kind.SYMLINK, Kind.HARDLINK) else "",
        device=(draw(st.integers(0, 4095)), draw(st.integers(0, 2**20 - 1))) if device else (0, 0),
        xattrs=() if hard else tuple(sorted(draw(_XATTRS).items())),
    )


@given(st.lists(members(), max_size=5), st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_is_read_again(tmp_path: Path, written: list[Member], data: st.DataObject) -> None:
    path = tmp_path / "archive.tar"
    contents: list[bytes] = []
    with path.open("wb") as file:
        for member in written:
            extents = None
            content = data.draw(st.binary(min_size=member.size, max_size=member.size))
            if member.kind is Kind.FILE and member.size > 1000 and data.draw(st.booleans()):
                extents = [(100, 200), (600, member.size - 700)]
                content = bytes(100) + content[100:300] + bytes(300) + content[600:-100] + bytes(100)
            blocks, size = header(member, extents)
            file.write(blocks)
            for offset, length in extents if extents is not None else [(0, member.size)]:
                file.write(content[offset : offset + length])
            file.write(padding(size))
            contents.append(content)
        file.write(END)
    with path.open("rb") as file:
        archive = TarReader(file)
        read = []
        for entry, content in zip(archive, contents, strict=True):
            found = bytearray(entry.member.size)
            for offset, part in entry.content():
                found[offset : offset + len(part)] = part
            assert bytes(found) == content
            read.append(entry.member)
    assert read == written
    assert archive.ended
    with tarfile.open(path, encoding="utf-8", errors="surrogateescape") as theirs:
        assert [info.name for info in theirs] == [member.name for member in written]


@given(
    st.lists(st.tuples(st.sampled_from([0, 0, 1, 65535, 65536, 65537, 200000]), st.binary(max_size=100)), max_size=6)
)
@settings(max_examples=60, deadline=None)
def test_a_hole_and_zeros_have_one_digest_however_they_come(parts: list[tuple[int, bytes]]) -> None:
    skipping, whole, piecemeal = ContentDigest(), ContentDigest(), ContentDigest()
    content = b"".join(bytes(zeros) + data for zeros, data in parts)
    for zeros, data in parts:
        skipping.skip(zeros)
        skipping.feed(data)
    whole.feed(content)
    for at in range(0, len(content), 4099):
        piecemeal.feed(content[at : at + 4099])
    assert skipping.end() == whole.end() == piecemeal.end()


@given(st.binary(max_size=300), st.binary(max_size=300), st.integers(0, 200000))
@settings(max_examples=60, deadline=None)
@example(b"", b"\0", 1)
def test_other_content_has_another_size_or_digest(one: bytes, other: bytes, zeros: int) -> None:
    """Of zeros alone the digest is the same up to a block: the size stands beside it, in member and index."""
    seen = []
    for data in (one, other):
        digest = ContentDigest()
        digest.feed(data)
        digest.skip(zeros)
        digest.feed(data[:1])
        whole = data + bytes(zeros) + data[:1]
        seen.append(((len(whole), digest.end()), whole))
    (first, content), (second, other_content) = seen
    assert (first == second) == (content == other_content)


@pytest.fixture
def component(tmp_path: Path) -> Component:
    """A component whose folder ``data`` holds one of everything."""
    target = tmp_path / "srv"
    make_tree(target / "data")
    os.utime(target / "data" / "notes.txt", ns=(1, 1_600_000_000_123_456_789))
    os.utime(target / "data" / "empty", ns=(1, 5_500_000_000))
    return fileset_component(tmp_path / "component", target, "mkdir data\n")


def test_gnu_tar_extracts_the_same(component: Component, tmp_path: Path) -> None:
    stored = dump_to_tar(component, tmp_path / "dump")
    out = tmp_path / "out"
    out.mkdir()
    options = ["--xattrs", "--xattrs-include=*", "--numeric-owner", "-p"]
    run = subprocess.run(
        ["tar", "-x", "-f", stored.tar, "-C", out, *options], capture_output=True, check=True, text=True
    )
    assert run.stderr == ""
    assert tree(out / "data") == tree(tmp_path / "srv" / "data")
    for name in ("notes.txt", "empty"):
        assert (out / "data" / name).stat().st_mtime_ns == (tmp_path / "srv" / "data" / name).stat().st_mtime_ns
    assert (out / "data" / "sparse").stat().st_blocks * 512 < 1 << 20, "the hole is stored as one"


@pytest.mark.skipif(not shutil.which("setfacl"), reason="needs the package acl")
def test_gnu_tar_extracts_access_control_lists(component: Component, tmp_path: Path) -> None:
    """Without its list, a file's group would get what the list lets anyone have at most."""
    data = tmp_path / "srv" / "data"
    (data / "notes.txt").chmod(0o600)
    for words, name in (("u:1234:rwx,g:99:r", "notes.txt"), ("u:7:rwx,d:u:33:rwx,d:m:rx", "sub")):
        subprocess.run(["setfacl", "-m", words, data / name], check=True)
    stored = dump_to_tar(component, tmp_path / "dump")
    out = tmp_path / "out"
    out.mkdir()
    options = ["-p", "--xattrs", "--xattrs-include=*", "--acls"]
    subprocess.run(["tar", "-x", "-f", stored.tar, "-C", out, *options], check=True)
    for name in ("notes.txt", "sub", "empty"):
        theirs, ours = (
            subprocess.run(["getfacl", "-n", name], cwd=folder, check=True, capture_output=True, text=True).stdout
            for folder in (out / "data", data)
        )
        assert theirs == ours
    assert "user:1234:rwx" in list_in_words(os.getxattr(data / "notes.txt", "system.posix_acl_access"))


def test_what_is_no_access_control_list_is_no_text() -> None:
    assert list_in_words(b"") == list_in_words(b"\2\0\0\0\1") == list_in_words(b"\3\0\0\0") == ""
    assert list_in_words(b"\2\0\0\0\7\0\0\0\0\0\0\0") == "", "an entry of an unknown kind"


def test_gnu_tar_lists_every_member(component: Component, tmp_path: Path) -> None:
    stored = dump_to_tar(component, tmp_path / "dump")
    listing = subprocess.run(
        ["tar", "-t", "-f", stored.tar, "--quoting-style=literal", "--null"], capture_output=True, check=True
    )
    shown = sorted(line.rstrip(b"/") for line in listing.stdout.split(b"\n"))
    with stored.open() as stream:
        ours = sorted(os.fsencode(entry.member.name) for entry in TarReader(stream))
    assert b"\n".join(shown).split() == b"\n".join([b"", *ours]).split()


@pytest.mark.parametrize(
    "options",
    [
        ["--format=gnu", "--sparse"],
        ["--format=posix", "--sparse", "--sparse-version=0.0"],
        ["--format=posix", "--sparse", "--sparse-version=0.1"],
        ["--format=posix", "--sparse", "--sparse-version=1.0", "--xattrs", "--xattrs-include=*"],
        ["--format=gnu"],
        ["--format=ustar", "--exclude=*" + "x" * 200, "--exclude=" + "n" * 255, "--exclude=dangling"],
    ],
    ids=["gnu sparse", "pax 0.0", "pax 0.1", "pax 1.0", "gnu", "ustar"],
)
def test_what_gnu_tar_writes_is_read(component: Component, tmp_path: Path, options: list[str]) -> None:
    source = tmp_path / "srv" / "data"
    many = source / "many parts"
    with many.open("wb") as file:
        for part in range(60):
            file.seek(part << 17)
            file.write(b"part %d" % part)
        file.truncate(60 << 17)
    if "--format=ustar" in options:
        (source / "dangling").unlink()
        (source / "sub" / ("n" * 255)).unlink()
    if "--xattrs" not in options:
        os.removexattr(source / "notes.txt", "user.origin")
        os.removexattr(source / "sub", "user.binary")
    path = tmp_path / "theirs.tar"
    subprocess.run(["tar", "-c", "--sort=name", "-f", path, "-C", tmp_path / "srv", *options, "data"], check=True)
    ctx = make_context(component, tmp_path)
    place = load_beside(ctx, TarStored(path))
    assert tree(place / "data") == tree(source)
    _, sections, complete = TarStored(path).rescanned()
    assert complete
    assert {section.name: section.digest for section in sections} == {
        section.name: section.digest for section in dump_to_tar(component, tmp_path / "ours").rescanned()[1]
    }, "a section has one digest, whoever wrote the archive"


def test_a_snapshot_rescanned_has_the_sections_it_was_stored_with(component: Component, tmp_path: Path) -> None:
    stored = dump_to_tar(component, tmp_path / "dump")
    digest, sections, complete = stored.rescanned()
    assert complete
    assert [section.name for section in sections] == sorted(
        (section.name for section in sections), key=lambda name: os.fsencode(name).split(b"/")
    )
    shown = {section.name: section for section in sections}
    assert shown["data/notes.txt"].attributes["xattr user.origin"] == "here=there"
    assert shown["data/notes.txt"].attributes["mode"] == "0640"
    assert shown["data/second name"].attributes == {"same file as": "data/first name"}
    assert shown["data/link"].attributes["target"] == "notes.txt"
    assert shown["data/sparse"].size == 7 << 20
    again = dump_to_tar(component, tmp_path / "again").rescanned()
    assert again[0] == digest


def test_an_archive_that_is_cut_is_not_complete(component: Component, tmp_path: Path) -> None:
    stored = dump_to_tar(component, tmp_path / "dump")
    content = stored.tar.read_bytes()
    for size in (0, 512, 700, len(content) // 2, len(content) - 1024, len(content) - 600):
        stored.tar.write_bytes(content[:size])
        assert not stored.rescanned()[2], size
    stored.tar.write_bytes(content)
    assert stored.rescanned()[2]


def test_mtimes_are_restored_to_the_nanosecond(component: Component, tmp_path: Path) -> None:
    source = tmp_path / "srv" / "data"
    os.utime(source / "empty", ns=(1, -5_500_000_001))
    place = load_beside(make_context(component, tmp_path), dump_to_tar(component, tmp_path / "dump"))
    for path in sorted(source.rglob("*")):
        copy = place / "data" / path.relative_to(source)
        assert copy.lstat().st_mtime_ns == path.lstat().st_mtime_ns, path
    assert (place / "data").stat().st_mtime_ns == source.stat().st_mtime_ns


def test_holes_stay_holes(component: Component, tmp_path: Path) -> None:
    place = load_beside(make_context(component, tmp_path), dump_to_tar(component, tmp_path / "dump"))
    assert (place / "data" / "sparse").stat().st_blocks * 512 < 1 << 20
    assert dump_to_tar(component, tmp_path / "dump").tar.stat().st_size < 2 << 20


@pytest.mark.skipif(not ROOT, reason="needs root to make devices")
def test_devices_and_setuid_come_back_where_the_snapshot_was_made_here(component: Component, tmp_path: Path) -> None:
    place = load_beside(make_context(component, tmp_path), dump_to_tar(component, tmp_path / "dump"))
    null = (place / "data" / "null").stat()
    assert stat.S_ISCHR(null.st_mode)
    assert (os.major(null.st_rdev), os.minor(null.st_rdev)) == (1, 3)
    assert (place / "data" / "binary").stat().st_mode & stat.S_ISUID


@given(members().filter(lambda member: member.kind is Kind.FILE and not member.xattrs))
@settings(max_examples=300, deadline=None)
def test_headers_of_files_alike_are_those_of_each_alone(member: Member) -> None:
    headers = PlainHeaders(member)
    if headers.usable:
        blocks = headers.header(os.fsencode(member.name), member.size, member.mtime)
        assert blocks is None or blocks == header(member)[0]


@pytest.mark.parametrize("mtime", [0, 1, 10**8, 10**9 + 1, 1_700_000_000 * 10**9, 1_700_000_000_123_456_789])
@pytest.mark.parametrize("name", ["a", "x" * 100, "long/" * 30, "é" * 120, "λ/" * 60])
def test_ordinary_headers_are_made_the_short_way(name: str, mtime: int) -> None:
    member = Member(kind=Kind.FILE, name=name.rstrip("/"), mode=0o644, uid=1000, gid=7, user="me", size=9, mtime=mtime)
    assert PlainHeaders(member).header(os.fsencode(member.name), 9, mtime) == header(member)[0]


@given(st.binary(max_size=200) | st.integers(0, BLOCK).map(bytes))
def test_the_digest_of_a_small_content_is_that_of_any(content: bytes) -> None:
    digest = ContentDigest()
    digest.feed(content)
    assert ContentDigest.of_small(content) == digest.end()


def test_the_same_tree_has_the_id_it_always_had(tmp_path: Path) -> None:
    """A snapshot of another id would be another generation of a tree that did not change."""
    folder = tmp_path / "srv" / "data"
    make_benchmark_tree(folder, files=300)
    (folder / ("x" * 200)).write_text("a name that is long\n")
    (folder / os.fsdecode(b"not \xff utf-8")).write_bytes(bytes(5000))
    (folder / "link").symlink_to("nowhere")
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 1000, 1001, follow_symlinks=False)
        if not path.is_symlink():
            path.chmod(0o750 if path.is_dir() else 0o640)
    component = fileset_component(tmp_path / "component", tmp_path / "srv", "mkdir data\n")
    stored = dump_to_tar(component, tmp_path)
    sink = DigestSink(Collected(), "state.tar")
    with stored.tar.open("rb") as stream:
        rescan_tar(stream, sink)
    (tmp_path / "draft").mkdir()
    draft = SnapshotDraft(tmp_path / "draft")
    fileset = Fileset()
    fileset.dump(make_context(component, tmp_path), fileset.live(component), draft)
    assert sink.close().digest == draft.seal().id == KNOWN_ID
