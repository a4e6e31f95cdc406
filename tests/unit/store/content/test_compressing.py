"""Frames of the default level: each readable, and about as small as the better of the two ways makes them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from dysnomia_store.content.compressing import frame_compressor
from dysnomia_store.content.frames import decompress_frame
from dysnomia_store.content.zstandard import ZstdDecompressor

SIZE = 256 << 10


def hashes(frames: int) -> Sequence[bytes]:
    """Rows of a table of orders with random hexadecimal text, as PostgreSQL copies them."""
    return _frames("".join(map(_row, range(frames * 3000))).encode(), frames)


def _row(number: int) -> str:
    note = hashlib.sha256(str(number).encode()).hexdigest()
    placed = datetime.fromtimestamp(1_700_000_000 + 7 * number, UTC)
    return f"{number}\t{int(note[:4], 16)}\t{placed:%Y-%m-%d %H:%M:%S}+00\t{note}\n"


def sources(frames: int) -> Sequence[bytes]:
    """Text that people wrote: modules of Python's own library."""
    paths = sorted(Path(hashlib.__file__).parent.glob("*.py"))
    return _frames(b"".join(path.read_bytes() for path in paths), frames)


def _frames(text: bytes, frames: int) -> Sequence[bytes]:
    pieces = [text[start : start + SIZE] for start in range(0, frames * SIZE, SIZE)]
    assert len(pieces[-1]) == SIZE
    return pieces


def stored(pieces: Sequence[bytes], level: int | None) -> int:
    compress = frame_compressor(level)
    made = [compress(piece) for piece in pieces]
    assert [decompress_frame(frame, SIZE) for frame in made] == list(pieces)
    return sum(map(len, made))


def test_rows_of_hashes_are_smaller_than_any_usual_level_makes_them() -> None:
    pieces = hashes(4)
    assert stored(pieces, None) < 0.96 * min(stored(pieces, level) for level in (1, 2, 3, 9))


def test_written_text_is_about_as_small_as_level_3_makes_it() -> None:
    pieces = sources(8)
    assert stored(pieces, None) < 1.03 * stored(pieces, 3)


def test_each_frame_is_compressed_in_its_own_way_whatever_came_before() -> None:
    both = [*hashes(2), *sources(2)]
    assert stored([*both, *reversed(both)], None) == 2 * (stored(hashes(2), None) + stored(sources(2), None))


def test_what_cannot_be_compressed_and_what_is_short_is_stored_whole() -> None:
    random = Random(1).randbytes(SIZE)
    compress = frame_compressor(None)
    for content in (random, random[: 3 << 10], b"\0", b"short", b""):
        frame = compress(content)
        assert ZstdDecompressor().decompress(frame) == content
        assert len(frame) < len(content) + 64


def test_a_level_that_was_asked_for_is_taken() -> None:
    pieces = sources(2)
    assert stored(pieces, 19) < 0.95 * stored(pieces, 1)
