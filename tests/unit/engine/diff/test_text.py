"""Lines: what was removed and added turns the old text into the new one, and is short where it can be."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dysnomia_store.content.index_diff import changed_sections
from dysnomia_tui.engine.diff import compare
from dysnomia_tui.engine.diff import text as lines_diff
from dysnomia_tui.engine.diff.compare import AS_A_SET, Comparer
from dysnomia_tui.engine.diff.text import LineChange, changed_lines, hunks_of
from tests.unit.engine.diff.tables import opened, text, write

few = st.lists(st.sampled_from([b"a", b"b", b"c", b"", b"x\0\xff"]), max_size=14)
many = st.lists(st.integers(0, 30).map(lambda number: b"%d" % number), max_size=40)


def quiet(_: int) -> None:
    return


def changes(old: Sequence[bytes], new: Sequence[bytes], batch: int = 3) -> list[LineChange]:
    def batches(lines: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
        for start in range(0, len(lines), batch):
            yield lines[start : start + batch]

    return list(changed_lines(lambda: batches(old), lambda: batches(new), quiet))


def applied(old: Sequence[bytes], found: Sequence[LineChange]) -> list[bytes]:
    """The old text with the changes made to it."""
    gone = {number for was, now, number in found if was is not None}
    left = [line for number, line in enumerate(old, 1) if number not in gone]
    for was, now, number in found:
        if was is None and now is not None:
            left.insert(number - 1, now)
    return left


@settings(max_examples=300)
@given(few | many, few | many)
def test_the_changes_turn_the_old_text_into_the_new(old: list[bytes], new: list[bytes]) -> None:
    found = changes(old, new)
    assert applied(old, found) == new
    for was, _, number in found:
        if was is not None:
            assert old[number - 1] == was


@given(many)
def test_equal_texts_have_no_changes(lines: list[bytes]) -> None:
    assert changes(lines, list(lines)) == []


def test_one_changed_line_in_a_long_text_is_one_change() -> None:
    old = [b"line %d" % number for number in range(50_000)]
    new = [*old[:20_000], b"changed", *old[20_001:]]
    assert changes(old, new, 1000) == [(b"line 20000", None, 20_001), (None, b"changed", 20_001)]


def test_scattered_changes_stay_small() -> None:
    chance = random.Random(1)
    old = [b"%d" % chance.randrange(5000) for _ in range(20_000)]
    new = list(old)
    for place in sorted(chance.sample(range(20_000), 50), reverse=True):
        if chance.random() < 0.5:
            del new[place]
        else:
            new.insert(place, b"new %d" % place)
    found = changes(old, new, 1000)
    assert applied(old, found) == new
    assert len(found) == 50


def test_a_gap_without_anchors_is_still_right() -> None:
    old, new = [1, 2] * 2000, [2, 2, 1] * 1500
    hunks = hunks_of(old, new)
    made = list(old)
    for a, b, c, d in reversed(hunks):
        made[a:b] = new[c:d]
    assert made == new
    assert hunks == sorted(hunks)


def test_too_long_a_text_is_compared_as_a_set_and_says_so(tmp_path: Path) -> None:
    old = opened(write(tmp_path / "old", text("s", [b"a", b"b", b"c", b"d"])))
    new = opened(write(tmp_path / "new", text("s", [b"z", b"d", b"c", b"b", b"y"])))
    (pair,) = changed_sections(old.stored.sections(), new.stored.sections())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines_diff, "MOST_BETWEEN", 2)
        found = Comparer(old, new, tmp_path, quiet).compare(pair)
        assert found.note == AS_A_SET
        assert found.counts == (2, 1, 0)
        patch.setattr(lines_diff, "MOST_LINES", 1)
        again = Comparer(old, new, tmp_path, quiet).compare(pair)
        assert (again.note, again.counts) == (AS_A_SET, (2, 1, 0))
    assert Comparer(old, new, tmp_path, quiet).compare(pair).note != compare.AS_A_SET
