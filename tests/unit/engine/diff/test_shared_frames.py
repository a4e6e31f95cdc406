"""What two generations share is not read, and the difference is what it is when everything is read."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from dysnomia_plugins.base import Row, Stored
from dysnomia_plugins.toolkit.line_batches import in_lines
from dysnomia_store import StoredSnapshot
from dysnomia_store.model import Section
from dysnomia_tui.engine.diff.compare import Comparer, Opened
from dysnomia_tui.engine.diff.pairing import Shape, Side, sides_of
from tests.thorough import often
from tests.unit.store.frames import lines
from tests.unit.store.shop import KEY, SMALL, Shop


class Lines:
    """Rows that are lines."""

    rows_by_line = True

    def raw_rows(self, stored: Stored, section: Section) -> Iterator[Sequence[bytes]]:
        assert section.offset is not None
        assert section.length is not None
        with stored.open_range(section.artefact, section.offset, section.length) as stream:
            yield from in_lines(iter(partial(stream.read, 4096), b""))

    def parse_row(self, section: Section, raw: bytes) -> Row:
        return Row((), (raw.decode("latin-1"),))


class Bench:
    """Two generations of a table."""

    def __init__(self, folder: Path, old: bytes, new: bytes) -> None:
        shop = Shop(folder, cutting=SMALL)
        stored = [self._stored(shop, content) for content in (old, new)]
        self.stored = (stored[0], stored[1])
        self.folder = folder
        self.sections = tuple(next(iter(one.sections())) for one in self.stored)

    @staticmethod
    def _stored(shop: Shop, content: bytes) -> StoredSnapshot:
        return shop.store.stored(KEY, shop.commit(content).generation.id)

    def sides(self) -> tuple[Side, Side]:
        old, new = ((Lines(), stored, section) for stored, section in zip(self.stored, self.sections, strict=True))
        return sides_of(old, new, Shape((), (), same=True))

    def difference(self) -> tuple[Counter[bytes], Counter[bytes]]:
        before, after = (Counter(chain.from_iterable(side.batches())) for side in self.sides())
        return before - after, after - before


def really(old: bytes, new: bytes) -> tuple[Counter[bytes], Counter[bytes]]:
    """The same from the contents themselves."""
    before, after = Counter(old.splitlines()), Counter(new.splitlines())
    return before - after, after - before


def test_only_what_differs_is_read(tmp_path: Path) -> None:
    old, new = lines(20_000), lines(20_000, changed=9_000)
    bench = Bench(tmp_path, old, new)
    assert bench.difference() == really(old, new)
    assert sum(side.size for side in bench.sides()) < len(old) / 20


def test_the_comparison_of_a_section_is_the_same(tmp_path: Path) -> None:
    bench = Bench(tmp_path, lines(20_000), lines(20_000, changed=9_000))
    old, new = bench.stored
    comparer = Comparer(Opened(Lines(), old), Opened(Lines(), new), tmp_path, lambda _: None)
    compared = comparer.compare((bench.sections[0], bench.sections[1]))
    assert compared.counts == (1, 1, 0)
    compared.close()


def test_nothing_is_left_out_where_nothing_is_shared(tmp_path: Path) -> None:
    old, new = lines(5_000), lines(5_000).upper()
    bench = Bench(tmp_path, old, new)
    assert bench.difference() == really(old, new)
    assert [side.stored for side in bench.sides()] == list(bench.stored)


def test_a_row_of_many_frames_is_never_cut(tmp_path: Path) -> None:
    before, wide, after = lines(300), b"".join(lines(1500).split(b"\n")), lines(2000)[300:]
    old = before + b"one " + wide + b"\n" + after
    new = before + b"two " + wide + b" end\n" + after
    bench = Bench(tmp_path, old, new)
    assert bench.difference() == really(old, new)


ROW = st.one_of(
    st.integers(0, 9).map(lambda number: b"row %d" % number),
    st.integers(0, 1 << 40).map(lambda number: b"other row %d" % number),
    st.integers(1, 30_000).map(lambda size: b"wide" * size),
)
EDIT = st.one_of(
    st.tuples(st.just("insert"), st.floats(0, 1), st.lists(ROW, min_size=1, max_size=4)),
    st.tuples(st.just("delete"), st.floats(0, 1), st.integers(1, 1000)),
    st.tuples(st.just("move"), st.floats(0, 1), st.integers(1, 1000)),
    st.tuples(st.just("again"), st.floats(0, 1), st.integers(1, 1000)),
)
BASE = lines(2_500).splitlines()


def edited(rows: list[bytes], edits: Sequence[tuple[str, float, object]]) -> list[bytes]:
    """Rows that came, went, moved or are there twice."""
    rows = list(rows)
    for what, where, how in edits:
        at = int(where * len(rows))
        if isinstance(how, list):
            rows[at:at] = how
            continue
        assert isinstance(how, int)
        block = rows[at : at + how]
        if what != "again":
            del rows[at : at + how]
        if what != "delete":
            place = len(rows) - at if what == "move" else len(rows)
            rows[place:place] = block
    return rows


@settings(max_examples=often(40, 8), deadline=None)
@given(st.lists(EDIT, max_size=4), st.lists(EDIT, max_size=4))
def test_whatever_changed_the_difference_is_that_of_the_rows(
    first: list[tuple[str, float, object]], second: list[tuple[str, float, object]]
) -> None:
    old, new = (b"".join(row + b"\n" for row in edited(BASE, edits)) for edits in (first, second))
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder) / "state", old, new)
        if len(bench.sections) == 2:
            assert bench.difference() == really(old, new)
