"""A copy of one generation's content is made into that of another by the parts that differ."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from dysnomia_store import difference
from dysnomia_store.content.snapshots import StoredSnapshot
from tests.unit.store.shop import KEY, SMALL, Shop


def stored(shop: Shop, content: bytes) -> StoredSnapshot:
    return shop.store.stored(KEY, shop.commit(content).generation.id)


def changed(content: bytes, seed: int) -> bytes:
    """With bytes overwritten, put in, cut out, and put behind it, here and there."""
    draw = random.Random(seed)
    result = bytearray(content)
    for _ in range(draw.randint(0, 4)):
        at = draw.randrange(len(result))
        way = draw.randrange(4)
        if way == 0:
            result[at : at + 50] = draw.randbytes(50)
        elif way == 1:
            result[at:at] = draw.randbytes(draw.randint(1, 9000))
        elif way == 2:
            del result[at : at + draw.randint(1, 9000)]
        else:
            result += draw.randbytes(5000)
    return bytes(result) or b"x"


@pytest.mark.parametrize("seed", range(8))
def test_the_parts_that_differ_make_one_content_of_another(tmp_path: Path, seed: int) -> None:
    shop = Shop(tmp_path, cutting=SMALL)
    before = random.Random(seed).randbytes(120_000)
    after = changed(before, seed)
    old, new = stored(shop, before), stored(shop, after)
    differs = difference(old, new)
    assert differs is not None
    copy = bytearray(before)
    (artefact,) = new.artefacts()
    with new.open() as stream:
        whole = stream.read()
    for offset, length in differs.parts:
        with new.open_range(artefact, offset, length) as stream:
            part = stream.read()
        assert len(part) == length
        copy += bytes(max(0, offset + length - len(copy)))
        copy[offset : offset + length] = part
    del copy[differs.size :]
    assert bytes(copy) == whole
    assert all(sum(one) < other[0] for one, other in zip(differs.parts, differs.parts[1:], strict=False))


def test_little_is_read_where_little_differs(tmp_path: Path) -> None:
    shop = Shop(tmp_path, cutting=SMALL)
    before = random.Random(1).randbytes(400_000)
    old, new = stored(shop, before), stored(shop, before[:200_000] + b"changed" + before[200_007:])
    differs = difference(old, new)
    assert differs is not None
    assert sum(length for _, length in differs.parts) < 100_000
    same = difference(new, new)
    assert same is not None
    assert same.parts == ()


def test_what_is_not_stored_as_frames_has_none(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    assert difference(stored(shop, b"small"), stored(shop, b"smaller")) is None
