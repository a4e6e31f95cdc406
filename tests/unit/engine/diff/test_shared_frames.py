"""What two generations share is not read, and the difference is what it is when everything is read."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dysnomia_plugins.base import Row, Stored
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.line_batches import in_lines
from dysnomia_store import Excerpt, SnapshotDraft, StoredSnapshot
from dysnomia_store.errors import Corrupt
from dysnomia_store.model import Form, Section
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


class Commented(Lines):
    """Lines, but for those in a comment: whether a line is a row is told by the lines before it."""

    def raw_rows(self, stored: Stored, section: Section) -> Iterator[Sequence[bytes]]:
        shown = True
        for batch in super().raw_rows(stored, section):
            rows = []
            for line in batch:
                if line in (b"begin", b"end"):
                    shown = line == b"end"
                elif shown:
                    rows.append(line)
            yield rows


class Strict(Lines):
    """Lines of which it is seen that they are no rows."""

    def raw_rows(self, stored: Stored, section: Section) -> Iterator[Sequence[bytes]]:
        if isinstance(stored, Excerpt):
            raise PluginError("a row that is not on one line")
        yield from super().raw_rows(stored, section)


@pytest.mark.parametrize(("reader", "added", "removed"), [(Commented(), 0, 20_000), (Strict(), 2, 0)])
def test_where_lines_are_not_rows_after_all_everything_is_read(
    tmp_path: Path, reader: Lines, added: int, removed: int
) -> None:
    bench = Bench(tmp_path, lines(20_000), b"begin\n" + lines(20_000) + b"end\n")
    counts = 20_000, 20_000 + added - removed
    was, is_ = (replace(one, rows=rows) for one, rows in zip(bench.sections, counts, strict=True))
    comparer = Comparer(Opened(reader, bench.stored[0]), Opened(reader, bench.stored[1]), tmp_path, lambda _: None)
    compared = comparer.compare((was, is_))
    assert compared.counts == (added, removed, 0)
    compared.close()


def test_what_a_dump_shares_with_a_snapshot_is_read_from_there(tmp_path: Path) -> None:
    old, new = lines(20_000), lines(20_000, changed=9_000)
    bench = Bench(tmp_path / "state", old, old)
    borrowed = bench.stored[0].borrowed()
    assert borrowed is not None
    (tmp_path / "live").mkdir()
    draft = SnapshotDraft(tmp_path / "live", frames=borrowed, cutting=SMALL)
    with draft.artefact("dump") as sink:
        sink.begin_section("table", "t", Form.ROWS)
        sink.write(new)
        sink.end_section(20_000)
    live = draft.stored()
    assert sum(path.stat().st_size for path in draft.folder.rglob("*.zst")) < len(old) / 20
    with live.open() as stream:
        assert stream.read() == new
    section = next(iter(live.sections()))
    sides = sides_of((Lines(), bench.stored[0], bench.sections[0]), (Lines(), live, section), Shape((), (), same=True))
    before, after = (Counter(chain.from_iterable(side.batches())) for side in sides)
    assert (before - after, after - before) == really(old, new)
    assert sum(side.size for side in sides) < len(old) / 10


def test_a_frame_that_is_damaged_there_is_named_as_it_is_there(tmp_path: Path) -> None:
    old = lines(20_000)
    bench = Bench(tmp_path / "state", old, old)
    borrowed = bench.stored[0].borrowed()
    (tmp_path / "live").mkdir()
    draft = SnapshotDraft(tmp_path / "live", frames=borrowed, cutting=SMALL)
    with draft.artefact("dump") as sink:
        sink.write(old)
    frame = next(bench.stored[0].folder.rglob("00000003.zst"))
    frame.chmod(0o600)
    frame.write_bytes(frame.read_bytes()[:-80])
    with draft.stored().open() as stream, pytest.raises(Corrupt, match=r"dump\.zst\.d is damaged: 00000003\.zst"):
        stream.read()


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
