"""Small sections, read one after the other: what they share is read and decompressed once."""

from __future__ import annotations

from dataclasses import replace
from lzma import LZMADecompressor
from pathlib import Path

import pytest

from dysnomia_store.content import artefact_reader, footer, frame_file, frame_folder, frames
from dysnomia_store.content.artefact_reader import _unxz as unxz
from dysnomia_store.content.cutting import Cutting
from dysnomia_store.content.snapshots import StoredSnapshot
from dysnomia_store.errors import Corrupt
from dysnomia_store.model import Section
from tests.unit.store.frames import flip, frames_of, lines
from tests.unit.store.shop import KEY, SMALL, Shop

ROWS = lines(6000).splitlines(keepends=True)
TABLES = {f"t{number:04}": b"".join(ROWS[3 * number : 3 * number + 3]) for number in range(2000)}


class Counted:
    """What was read and decompressed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.footers = self.frames = 0
        read_footer, decompress = frame_folder.read_footer, frames.decompress_frame
        artefact = footer.artefact

        def reading(*arguments: object) -> object:
            self.footers += 1
            return read_footer(*arguments)  # type: ignore[arg-type]

        def explaining(*arguments: object) -> object:
            self.footers += 1
            return artefact(*arguments)  # type: ignore[arg-type]

        def decompressing(frame: bytes, size: int) -> bytes:
            self.frames += 1
            return decompress(frame, size)

        monkeypatch.setattr(frame_folder, "read_footer", reading)
        monkeypatch.setattr(footer, "artefact", explaining)
        monkeypatch.setattr(frame_file, "decompress_frame", decompressing)
        monkeypatch.setattr(frames, "decompress_frame", decompressing)


def read(stored: StoredSnapshot, section: Section) -> bytes:
    assert section.offset is not None
    assert section.length is not None
    with stored.open_range(section.artefact or "dump", section.offset, section.length) as stream:
        return stream.read()


@pytest.mark.parametrize("cutting", [SMALL, Cutting(whole=1 << 30)], ids=["a folder of frames", "one file"])
def test_of_two_thousand_each_frame_and_the_footer_are_read_once(
    place: Path, cutting: Cutting, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(place / "state", cutting=cutting)
    stored = shop.store.stored(KEY, shop.commit(TABLES).generation.id)
    sections = list(stored.sections())
    count = Counted(monkeypatch)
    assert {section.name: read(stored, section) for section in sections} == TABLES
    reader = stored.reader("dump")
    assert count.footers == 1
    assert 0 < count.frames <= (len(reader.frames) if isinstance(reader, frame_folder.FolderReader) else 1)
    assert {section.name: read(stored, section) for section in reversed(sections)} == TABLES


@pytest.mark.parametrize("compression", ["xz", "plain"])
def test_one_stream_is_read_once_and_parts_in_any_order_are_right(
    place: Path, compression: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(place / "state")
    stored = shop.store.stored(KEY, shop.commit(TABLES, compression=compression).generation.id)
    sections = list(stored.sections())
    begun: list[LZMADecompressor] = []

    def beginning() -> LZMADecompressor:
        begun.append(unxz())
        return begun[-1]

    monkeypatch.setattr(artefact_reader, "_unxz", beginning)
    assert {section.name: read(stored, section) for section in sections} == TABLES
    assert len(begun) == (compression == "xz")
    for one, other in ((5, 1500), (1500, 5), (1999, 0), (7, 7)):
        first, second = sections[one], sections[other]
        with stored.open_range("dump", first.offset or 0, first.length or 0) as stream:
            assert stream.read(10) == TABLES[first.name][:10]
            assert read(stored, second) == TABLES[second.name]
            assert stream.read() == TABLES[first.name][10:]
    with pytest.raises(Corrupt, match="less than the contents index says"):
        read(stored, replace(sections[-1], length=1_000_000))


def test_damage_is_said_by_each_section_that_it_is_in(place: Path) -> None:
    shop = Shop(place / "state", cutting=SMALL)
    made = shop.commit(TABLES).generation
    flip(frames_of(shop, made.id)[3])
    stored = shop.store.stored(KEY, made.id)
    wrong = 0
    for section in stored.sections():
        try:
            assert read(stored, section) == TABLES[section.name]
        except Corrupt:
            wrong += 1
    assert 1 < wrong < len(TABLES) / 2
