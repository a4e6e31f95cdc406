"""Small files are dumped and loaded with less done for each, and come out as all others do."""

from __future__ import annotations

import os
import tarfile
from io import BytesIO
from pathlib import Path
from random import Random

import pytest

from dysnomia_plugins.base import Component
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.trees import plain_members
from dysnomia_plugins.toolkit.trees.extract import Trust
from dysnomia_plugins.toolkit.trees.member import Kind, Member
from dysnomia_plugins.toolkit.trees.plain import PlainFiles
from dysnomia_plugins.toolkit.trees.plain_members import Ahead, PlainMembers
from dysnomia_plugins.toolkit.trees.tarheader import BadArchive
from dysnomia_plugins.toolkit.trees.tarread import TarReader
from dysnomia_plugins.toolkit.trees.tarwrite import TAR_BLOCK, header
from tests.plugins.fileset.tools import dump_to_tar, load_beside, make_context
from tests.plugins.fileset.world import fileset_component

Read = list[tuple[str, int, int, bytes]]


@pytest.fixture
def component(tmp_path: Path) -> Component:
    """Files of many lengths, owners' modes, times and names, most of them small."""
    random, data = Random(3), tmp_path / "srv" / "data"
    for number in range(300):
        folder = data / f"d{number % 7}" / ("n" * random.choice((1, 60, 120)))
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / os.fsdecode(random.choice((b"plain%d", "ἀρχή%d".encode(), b"no utf-8 \xff%d")) % number)
        size = random.choice((0, 1, 511, 512, 513, 9000, 65_536, 65_537))
        path.write_bytes(random.choice((bytes(size), random.randbytes(size), b"a line\n" * (size // 7))))
        path.chmod(random.choice((0o644, 0o600, 0o4755)))
        os.utime(path, ns=(0, random.choice((0, 10**18, 10**18 + 5, 10**18 + 120_000_000, -1, 2**33 * 10**9))))
    (data / "d1" / "other name").hardlink_to(next(path for path in (data / "d1").rglob("*") if path.is_file()))
    os.setxattr(data / "d1" / "other name", "user.colour", b"red")
    (data / "hole").touch()
    os.truncate(data / "hole", 40_000)
    return fileset_component(tmp_path / "component", tmp_path / "srv", "mkdir data\n")


def _every_one(content: bytes) -> Read:
    archive = TarReader(BytesIO(content))
    return [
        (entry.member.name, entry.member.mode, entry.member.mtime, b"".join(data for _, data in entry.content()))
        for entry in archive
    ]


def _extra(records: bytes) -> bytes:
    """A pax header with these records."""
    block = bytearray(tarfile.TarInfo("PaxHeaders/member").tobuf(tarfile.USTAR_FORMAT))
    block[124:136] = b"%011o\0" % len(records)
    block[156:157] = b"x"
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + records.ljust(-(-len(records) // TAR_BLOCK) * TAR_BLOCK, b"\0")


def _plain_first(content: bytes) -> tuple[Read, int]:
    """The same, and how many of them were read as plain files."""
    ahead = Ahead(BytesIO(content))
    archive, plain = TarReader(ahead.stream()), PlainMembers(ahead, Trust(made_here=True).wanted)
    members: Read = []
    count = 0
    while True:
        while (found := plain.next()) is not None:
            members.append(
                ("/".join(filter(None, (found.folder, found.name))), found.like.mode, found.mtime, found.data)
            )
            count += 1
        entry = archive.next()
        if entry is None:
            assert archive.ended
            return members, count
        data = b"".join(data for _, data in entry.content())
        members.append((entry.member.name, entry.member.mode, entry.member.mtime, data))
        plain.learn(entry)


def test_the_archive_is_the_same_whichever_way_its_files_are_read(
    component: Component, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = dump_to_tar(component, tmp_path).tar.read_bytes()
    counts: list[int] = []
    take = PlainFiles.take

    def counted(self: PlainFiles, *arguments: object) -> int:
        counts.append(self.taken)
        return take(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(PlainFiles, "take", counted)
    assert dump_to_tar(component, tmp_path).tar.read_bytes() == taken
    assert max(counts) > 150
    monkeypatch.setattr(PlainFiles, "take", lambda self, prefix, folder, entries, at: at)
    assert dump_to_tar(component, tmp_path).tar.read_bytes() == taken


@pytest.mark.parametrize(("piece", "least"), [(700, 0), (4096, 50), (plain_members.PIECE, 100)])
def test_the_same_members_are_read_whichever_way(
    component: Component, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int, least: int
) -> None:
    """Also where what is read at a time ends inside of a header."""
    monkeypatch.setattr(plain_members, "PIECE", piece)
    content = dump_to_tar(component, tmp_path).tar.read_bytes()
    members, count = _plain_first(content)
    assert members == _every_one(content)
    assert count >= least


@pytest.mark.parametrize("style", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_archives_of_other_tools_are_read_the_same(style: int) -> None:
    data = BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=style) as archive:
        for number in range(60):
            info = tarfile.TarInfo(f"./data/{'x' * (number * 3 % 140)}/f{number}"[: 250 if style else 99])
            info.size, info.mtime = number * 40, number if number % 2 else number + 0.25
            archive.addfile(info, BytesIO(bytes([number]) * info.size))
    members, _ = _plain_first(data.getvalue())
    assert members == _every_one(data.getvalue())


@pytest.mark.parametrize("name", [b"../away", b"/etc/passwd", b"data/../../away", b"data/a/../b"])
def test_a_name_that_leaves_the_folder_is_refused_behind_others(name: bytes) -> None:
    data = BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for one in (b"data/f1", b"data/f2", name):
            archive.addfile(tarfile.TarInfo(one.decode()))
    with pytest.raises(BadArchive):
        _plain_first(data.getvalue())


def test_a_header_whose_sum_is_wrong_is_refused_behind_others() -> None:
    data = BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for one in ("data/f1", "data/f2", "data/f3"):
            archive.addfile(tarfile.TarInfo(one))
    content = bytearray(data.getvalue())
    content[2 * 512 + 6] ^= 1
    with pytest.raises(BadArchive, match="checksum"):
        _plain_first(bytes(content))


def test_what_is_loaded_is_what_was_dumped(component: Component, tmp_path: Path) -> None:
    place = load_beside(make_context(component, tmp_path), dump_to_tar(component, tmp_path))
    source = tmp_path / "srv"
    for path in (source / "data").rglob("*"):
        there = place / path.relative_to(source)
        before, after = path.lstat(), there.lstat()
        assert (before.st_mode, before.st_size, before.st_mtime_ns, before.st_uid) == (
            after.st_mode, after.st_size, after.st_mtime_ns, after.st_uid
        ), path  # fmt: skip
        assert path.is_dir() or path.read_bytes() == there.read_bytes()


def test_files_of_long_names_are_taken_too(tmp_path: Path) -> None:
    """Beyond the 100 bytes of a header: the name is in a record then, before the time or alone."""
    folder = tmp_path / "srv" / "data" / ("n" * 60) / ("m" * 60)
    folder.mkdir(parents=True)
    for number in range(40):
        path = folder / f"file {number}"
        path.write_text(f"of {number}\n")
        os.utime(path, ns=(0, 10**18 + number % 2))
    stored = dump_to_tar(fileset_component(tmp_path / "component", tmp_path / "srv", "mkdir data\n"), tmp_path)
    members, count = _plain_first(stored.tar.read_bytes())
    assert members == _every_one(stored.tar.read_bytes())
    assert count >= 35


TIME = b"30 mtime=1796016023.168654278\n"


def _named(name: bytes, more: int = 0) -> bytes:
    """A record that states a name; ``more`` is added to the length that it states."""
    size = len(name) + 9 if len(name) <= 90 else len(name) + 10
    return b"%d path=%b\n" % (size + more, name)


@pytest.mark.parametrize(
    ("records", "refused"),
    [
        (_named(b"data/long"), False),
        (_named(b"data/long") + TIME, False),
        (_named(b"data/long", -1), True),
        (_named(b"data/long", 1), True),
        (_named(b"data/long") + TIME.replace(b"30", b"31"), True),
        (_named(b"data/long") + _named(b"data/last"), False),
        (_named(b"../../long"), True),
        (_named(b"/etc/long"), True),
        (_named(b"data/long/"), False),
        (_named(b"data/" + b"x" * 256), True),
    ],
)
def test_a_record_that_is_otherwise_is_read_as_all_others_are(records: bytes, refused: bool) -> None:
    """Behind some of the same length that were right, so that its like is taken."""
    size = len(records) - 9 if len(records) <= 99 else len(records) - 10
    right = _named(b"a/" * (size // 2 - 1) + b"b" * (2 + size % 2))
    assert len(right) == len(records)
    content = b"".join(_extra(one) + header(Member(Kind.FILE, "data/f", 0o644))[0] for one in (right, right, records))
    content += bytes(2 * TAR_BLOCK)
    if refused:
        for read in (_every_one, _plain_first):
            with pytest.raises(PluginError):
                read(content)
    else:
        members, count = _plain_first(content)
        assert members == _every_one(content)
        assert count >= 1


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_modes_and_owners_come_back_whatever_files_are_made_as(
    component: Component, tmp_path: Path, umask: int
) -> None:
    if os.geteuid() == 0:
        for number, path in enumerate(sorted((tmp_path / "srv").rglob("plain*"))):
            mode = path.stat().st_mode
            os.chown(path, *((0, 0), (1234, 0), (0, 1234))[number % 3])
            path.chmod(mode)  # which loses setuid with its owner
    stored = dump_to_tar(component, tmp_path)
    before = os.umask(umask)
    try:
        place = load_beside(make_context(component, tmp_path), stored)
    finally:
        os.umask(before)
    for path in (tmp_path / "srv" / "data").rglob("*"):
        was, became = path.lstat(), (place / path.relative_to(tmp_path / "srv")).lstat()
        assert (was.st_mode, was.st_uid, was.st_gid) == (became.st_mode, became.st_uid, became.st_gid), path
