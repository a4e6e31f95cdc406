"""Small files are dumped and loaded with less done for each, and come out as all others do."""

from __future__ import annotations

import os
import tarfile
from io import BytesIO
from pathlib import Path
from random import Random

import pytest

from dysnomia_plugins.base import Component
from dysnomia_plugins.toolkit.trees import plain_members
from dysnomia_plugins.toolkit.trees.extract import Trust
from dysnomia_plugins.toolkit.trees.plain import PlainFiles
from dysnomia_plugins.toolkit.trees.plain_members import Ahead, PlainMembers
from dysnomia_plugins.toolkit.trees.tarheader import BadArchive
from dysnomia_plugins.toolkit.trees.tarread import TarReader
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
