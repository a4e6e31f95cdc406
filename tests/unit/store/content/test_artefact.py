"""An artefact: what is written is what is read, whatever the compression; what is damaged never passes for whole."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import lzma
import os
import shutil
import struct
import subprocess
import threading
from pathlib import Path
from typing import BinaryIO, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dysnomia_store.content import footer
from dysnomia_store.content.artefact_writer import SUFFIXES, ArtefactReader, ArtefactResult, ArtefactWriter
from dysnomia_store.content.files import PlainFiles
from dysnomia_store.content.frames import FRAME
from dysnomia_store.content.zstandard import compress
from dysnomia_store.errors import Corrupt, NotFound, StoreFull
from dysnomia_store.model import Form, Section
from tests.memory import at_most

MIB = 1 << 20


class Kept:
    """Sections in a list."""

    def __init__(self) -> None:
        self.sections: list[Section] = []
        self.amended: list[tuple[str, str, tuple[str, ...]]] = []

    def add(self, section: Section) -> None:
        self.sections.append(section)

    def amend(self, kind: str, name: str, key: tuple[str, ...]) -> None:
        self.amended.append((kind, name, key))


def mixed(size: int, seed: int = 1) -> bytes:
    """Bytes that compress somewhat."""
    words = [hashlib.sha256(b"%d.%d" % (seed, number)).hexdigest().encode() for number in range(size // 600 + 1)]
    return b"\n".join(word * 9 for word in words)[:size]


def write(folder: Path, parts: list[tuple[str, bytes]], compression: str = "zstd") -> tuple[ArtefactResult, Kept]:
    """An artefact of parts; those without a name stand between sections."""
    kept = Kept()
    with ArtefactWriter(folder, "dump", compression=compression, index=kept) as sink:
        for name, data in parts:
            if name:
                sink.begin_section("table", name, Form.ROWS)
            for start in range(0, len(data), 100_000):
                sink.write(data[start : start + 100_000])
            if name:
                sink.end_section(data.count(b"\n"))
    assert sink.result is not None
    return sink.result, kept


def content(path: Path, sha256: str | None = None) -> bytes:
    with ArtefactReader(path, sha256=sha256).open() as stream:
        return stream.read()


PARTS = [
    ("", b"-- header\n"),
    ("small", mixed(1000)),
    ("large", mixed(3 * MIB, 2)),
    ("", b"-- between\n"),
    *[(f"tiny{number}", mixed(5000, number)) for number in range(300)],
    ("empty", b""),
    ("last", mixed(MIB, 3)),
    ("", b"-- end\n"),
]
WHOLE = b"".join(data for _, data in PARTS)


@pytest.mark.parametrize("compression", SUFFIXES)
def test_what_is_written_is_read(tmp_path: Path, compression: str) -> None:
    result, kept = write(tmp_path, PARTS, compression)
    path = tmp_path / result.file_name
    assert result.file_name == "dump" + SUFFIXES[compression]
    assert content(path, result.sha256) == WHOLE
    assert result.stored_size == path.stat().st_size
    assert result.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert result.content_size == len(WHOLE)
    assert result.sections == len(kept.sections) == 304
    assert result.rows == sum(data.count(b"\n") for name, data in PARTS if name)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("compression", SUFFIXES)
def test_each_section_is_read_alone(tmp_path: Path, compression: str) -> None:
    result, kept = write(tmp_path, PARTS, compression)
    reader = ArtefactReader(tmp_path / result.file_name)
    wanted = dict(PARTS)
    for section in [*kept.sections[:5], *kept.sections[-3:]]:
        assert section.offset is not None
        assert section.length is not None
        with reader.open_range(section.offset, section.length) as stream:
            data = stream.read()
        assert data == wanted[section.name]
        assert section.digest == hashlib.sha256(data).hexdigest()


def test_the_identity_does_not_depend_on_compression_level_or_the_size_of_writes(tmp_path: Path) -> None:
    digests = set()
    for number, (compression, level, piece) in enumerate(
        [("zstd", 1, 7), ("zstd", 9, 10_000), ("xz", 0, 1000), ("plain", None, 4096)]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        with ArtefactWriter(folder, "dump", compression=compression, level=level, index=Kept()) as sink:
            for name, data in PARTS[:4]:
                if name:
                    sink.begin_section("table", name, Form.ROWS)
                for start in range(0, len(data), max(piece, len(data) // 50)):
                    sink.write(memoryview(data)[start : start + max(piece, len(data) // 50)])
                if name:
                    sink.end_section()
        assert sink.result is not None
        digests.add(sink.result.digest)
    assert len(digests) == 1


def test_a_large_section_starts_a_frame_and_small_ones_share(tmp_path: Path) -> None:
    result, kept = write(tmp_path, PARTS)
    about = ArtefactReader(tmp_path / result.file_name).about
    assert about is not None
    starts = [0]
    for _, size in about["frames"]:
        starts.append(starts[-1] + size)
    large = next(section for section in kept.sections if section.name == "large")
    assert large.offset in starts
    assert len(about["frames"]) <= len(WHOLE) // FRAME + 4
    assert all(size < 2 * FRAME for _, size in about["frames"])


@pytest.mark.skipif(shutil.which("zstd") is None, reason="no zstd command here")
def test_plain_zstd_reads_the_whole(tmp_path: Path) -> None:
    result, _ = write(tmp_path, PARTS)
    out = subprocess.run(["zstd", "-dc", str(tmp_path / result.file_name)], capture_output=True, check=True)
    assert out.stdout == WHOLE


def test_xz_is_one_stream_that_python_and_bash_read(tmp_path: Path) -> None:
    result, _ = write(tmp_path, PARTS, "xz")
    data = (tmp_path / result.file_name).read_bytes()
    decoder = lzma.LZMADecompressor()
    assert decoder.decompress(data) == WHOLE
    assert decoder.eof
    assert decoder.unused_data == b""


def test_gz_and_foreign_zstd_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(WHOLE[:MIB]) + gzip.compress(WHOLE[MIB:]))
    assert content(tmp_path / "a.gz") == WHOLE
    (tmp_path / "b.zst").write_bytes(compress(WHOLE[:MIB]) + compress(WHOLE[MIB:]))
    assert content(tmp_path / "b.zst") == WHOLE
    with ArtefactReader(tmp_path / "b.zst").open_range(MIB - 5, 10) as stream:
        assert stream.read() == WHOLE[MIB - 5 : MIB + 5]


def test_without_threads_the_same_is_read_and_damage_is_seen(tmp_path: Path) -> None:
    result, _ = write(tmp_path, PARTS)
    path = tmp_path / result.file_name
    before = threading.active_count()
    with ArtefactReader(path, workers=0).open_range(3, len(WHOLE) - 3) as stream:
        assert stream.read(10) == WHOLE[3:13]
        assert threading.active_count() == before
        assert stream.read() == WHOLE[13:]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(Corrupt), ArtefactReader(path, workers=0).open() as stream:
        stream.read()


def test_the_footer_says_what_it_is_without_metadata(tmp_path: Path) -> None:
    with ArtefactWriter(tmp_path, "dump", index=Kept(), about={"type": "echo", "digest_version": 3}) as sink:
        sink.write(b"content")
    assert sink.result is not None
    about = ArtefactReader(sink.path).about
    assert about is not None
    assert about["digest"] == sink.result.digest
    assert about["about"] == {"type": "echo", "digest_version": 3}
    assert about["content_size"] == 7


# Damage.


@pytest.mark.parametrize("compression", SUFFIXES)
def test_any_flipped_byte_is_noticed_with_the_manifest(tmp_path: Path, compression: str) -> None:
    result, _ = write(tmp_path, PARTS[:3], compression)
    path = tmp_path / result.file_name
    data = path.read_bytes()
    for place in [*range(0, len(data), len(data) // 40), len(data) - 1]:
        path.write_bytes(data[:place] + bytes((data[place] ^ 4,)) + data[place + 1 :])
        with pytest.raises(Corrupt, match=result.file_name):
            content(path, result.sha256)


def test_any_flipped_byte_of_content_is_noticed_by_the_file_alone(tmp_path: Path) -> None:
    result, _ = write(tmp_path, PARTS[:3])
    path = tmp_path / result.file_name
    data = path.read_bytes()
    for place in range(0, len(data), len(data) // 60):
        path.write_bytes(data[:place] + bytes((data[place] ^ 4,)) + data[place + 1 :])
        with pytest.raises(Corrupt, match=result.file_name):
            content(path)


@pytest.mark.parametrize("compression", SUFFIXES)
def test_a_file_cut_anywhere_is_noticed(tmp_path: Path, compression: str) -> None:
    result, _ = write(tmp_path, PARTS[:3], compression)
    path = tmp_path / result.file_name
    data = path.read_bytes()
    for size in [0, 1, 100, len(data) // 2, len(data) - 1]:
        path.write_bytes(data[:size])
        with pytest.raises(Corrupt):
            content(path, result.sha256)


def test_the_last_piece_of_a_damaged_artefact_is_never_handed_out(tmp_path: Path) -> None:
    """Someone who reads exactly as much as there is, and never past it, still learns of damage."""
    result, _ = write(tmp_path, PARTS, "plain")
    path = tmp_path / result.file_name
    data = bytearray(path.read_bytes())
    data[5] ^= 1
    path.write_bytes(data)
    got = 0
    with ArtefactReader(path, sha256=result.sha256).open() as stream:
        try:
            while got < len(data):
                got += len(stream.read(min(65536, len(data) - got)))
        except Corrupt:
            noticed = True
    assert noticed
    assert got < len(data)


def test_a_range_behind_damage_is_read_and_one_on_it_is_not(tmp_path: Path) -> None:
    result, kept = write(tmp_path, PARTS)
    path = tmp_path / result.file_name
    data = bytearray(path.read_bytes())
    data[30] ^= 1
    path.write_bytes(data)
    reader = ArtefactReader(path)
    last = kept.sections[-1]
    with reader.open_range(cast(int, last.offset), cast(int, last.length)) as stream:
        assert stream.read() == PARTS[-2][1]
    with pytest.raises(Corrupt), reader.open_range(0, 10) as stream:
        stream.read()


def test_a_footer_that_lies_is_refused(tmp_path: Path) -> None:
    result, _ = write(tmp_path, PARTS[:3])
    path = tmp_path / result.file_name
    with path.open("rb", buffering=0) as file:
        found = footer.artefact(cast(BinaryIO, file), path)
    assert found is not None
    about, start = found
    frames = path.read_bytes()[:start]
    for lie in (
        [],
        [[start, 5]],
        [[start, 1 << 40]],
        [[size, content - 1] for size, content in about["frames"]],
        [[0, 0], *about["frames"]],
        "no table",
    ):
        path.write_bytes(frames + footer.encode(about | {"frames": lie}))
        with pytest.raises(Corrupt, match=result.file_name):
            content(path)


def test_a_range_beyond_the_end_is_damage(tmp_path: Path) -> None:
    result, _ = write(tmp_path, PARTS[:2])
    for offset, length in [(0, 100_000), (100_000, 1)]:
        with (
            pytest.raises(Corrupt, match="less than"),
            ArtefactReader(tmp_path / result.file_name).open_range(offset, length) as stream,
        ):
            stream.read()


def test_links_pipes_and_missing_files_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "link.zst").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe.zst")
    with pytest.raises(Corrupt, match=r"link\.zst"):
        ArtefactReader(tmp_path / "link.zst")
    with pytest.raises(Corrupt, match="not a regular file"):
        ArtefactReader(tmp_path / "pipe.zst")
    with pytest.raises(NotFound, match=r"gone\.zst"):
        ArtefactReader(tmp_path / "gone.zst")


# Bad luck while writing.


class Failing(PlainFiles):
    """A disk that is full after some bytes."""

    def __init__(self, room: int) -> None:
        self.room = room

    def create(self, path: Path) -> BinaryIO:
        real = super().create(path)
        outer = self

        class Full(io.RawIOBase):
            def write(self, data: object) -> int:
                size = len(cast(bytes, data))
                if outer.room <= 0:
                    raise OSError(errno.ENOSPC, "No space left on device")
                written = real.write(cast(bytes, data)[: outer.room])
                outer.room -= written
                assert written <= size
                return written

            def fileno(self) -> int:
                return real.fileno()

            def close(self) -> None:
                real.close()
                super().close()

        return cast(BinaryIO, Full())


def test_a_full_disk_is_said_so_at_whatever_byte(tmp_path: Path) -> None:
    data = os.urandom(8 * MIB)

    def fill(folder: Path, room: int) -> None:
        with ArtefactWriter(folder, "dump", index=Kept(), files=Failing(room)) as sink:
            for start in range(0, len(data), MIB):
                sink.write(data[start : start + MIB])

    for room in (0, 1, MIB, 5 * MIB, 8 * MIB + 100):
        folder = tmp_path / str(room)
        folder.mkdir()
        with pytest.raises(StoreFull, match=r"dump\.zst"):
            fill(folder, room)


def test_an_exception_in_the_body_leaves_no_artefact_and_no_threads(tmp_path: Path) -> None:
    before = threading.active_count()
    sink = ArtefactWriter(tmp_path, "dump", index=Kept())

    def dump() -> None:
        with sink:
            sink.write(os.urandom(5 * MIB))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        dump()
    assert sink.result is None
    assert threading.active_count() == before
    with pytest.raises(Corrupt, match="cut short"):
        ArtefactReader(sink.path)


def test_an_artefact_is_never_written_over(tmp_path: Path) -> None:
    write(tmp_path, PARTS[:1])
    with pytest.raises(FileExistsError):
        write(tmp_path, PARTS[:1])


def test_sections_must_nest_right(tmp_path: Path) -> None:
    sink = ArtefactWriter(tmp_path, "dump", index=Kept())
    with pytest.raises(ValueError, match="no section"):
        sink.end_section()
    sink.begin_section("table", "a", Form.ROWS)
    with pytest.raises(ValueError, match="inside section 'a'"):
        sink.begin_section("table", "b", Form.ROWS)
    with pytest.raises(ValueError, match="has not ended"):
        sink.close()
    sink.abort()


def test_an_unknown_compression_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="zstd, xz, plain"):
        ArtefactWriter(tmp_path, "dump", compression="lz4", index=Kept())


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.binary(max_size=60), st.integers(1, 60_000)), max_size=8),
    st.sampled_from(sorted(SUFFIXES)),
    st.data(),
)
def test_any_content_and_any_range_comes_back(
    tmp_path_factory: pytest.TempPathFactory,
    parts: list[tuple[bool, bytes, int]],
    compression: str,
    data: st.DataObject,
) -> None:
    folder = tmp_path_factory.mktemp("any")
    given_parts = [(f"s{number}" if named else "", seed * times) for number, (named, seed, times) in enumerate(parts)]
    whole = b"".join(part for _, part in given_parts)
    result, kept = write(folder, given_parts, compression)
    assert content(folder / result.file_name, result.sha256) == whole
    start = data.draw(st.integers(0, len(whole)))
    length = data.draw(st.integers(0, len(whole) - start))
    with ArtefactReader(folder / result.file_name).open_range(start, length) as stream:
        assert stream.read() == whole[start : start + length]
    assert [section.name for section in kept.sections] == [name for name, _ in given_parts if name]


# Of strangers.


def _footed(path: Path, said: bytes) -> Path:
    """A file with nothing in it but a footer that says so."""
    body = compress(said)
    payload = body + struct.pack("<I8s", len(body), b"DYSNOMIA")
    path.write_bytes(footer.OPENING + struct.pack("<II", 0x184D2A5E, len(payload)) + payload)
    return path


@pytest.mark.parametrize(
    "said",
    [
        b"[" * 50_000,
        b'{"a":' * 50_000,
        b" " * (40 << 20),
        b'{"frames":[' + b"[]," * (4 << 20) + b"0]}",
        b"{" + b"\0" * 99,
    ],
    ids=["deep lists", "deep objects", "blanks", "more frames than fit", "zeros"],
)
def test_a_footer_made_to_fill_memory_is_refused(tmp_path: Path, said: bytes) -> None:
    path = _footed(tmp_path / "a.zst", said)
    with at_most(8), pytest.raises(Corrupt, match="footer"):
        ArtefactReader(path)


def test_xz_is_unpacked_in_bounded_memory_whatever_its_header_says(tmp_path: Path) -> None:
    greedy = [{"id": lzma.FILTER_LZMA2, "preset": 1, "dict_size": 1 << 30}]
    (tmp_path / "a.xz").write_bytes(lzma.compress(b"x" * 1000, filters=greedy))
    with pytest.raises(Corrupt, match=r"[Mm]emory"):
        content(tmp_path / "a.xz")


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("padding", [b"", bytes(8)])
def test_xz_of_several_streams_is_read_whole(tmp_path: Path, parts: int, padding: bytes) -> None:
    texts = [mixed(300_000, seed) for seed in range(parts)]
    strongest = lzma.compress(texts[0], preset=9)
    (tmp_path / "a.xz").write_bytes(strongest + padding + padding.join(map(lzma.compress, texts[1:])))
    assert content(tmp_path / "a.xz") == b"".join(texts)
    (tmp_path / "a.xz").write_bytes(strongest + padding + b"no stream")
    with pytest.raises(Corrupt):
        content(tmp_path / "a.xz")
