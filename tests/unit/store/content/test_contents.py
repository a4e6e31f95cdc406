"""The contents index: every section comes back, amended, by page, in little memory; and what changed between two."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dysnomia_store.content import index_diff as compare
from dysnomia_store.content.index import Index, IndexWriter, decode, encode, identity, identity_of
from dysnomia_store.content.index_diff import Pair, changed_between, changed_sections, delta
from dysnomia_store.errors import Corrupt
from dysnomia_store.model import Form, Section

awkward = st.text(st.characters(codec=None, categories=None), max_size=12) | st.sampled_from(
    ['"],{"', "},[", '\\"],{', "\\", "a\nb", "\udcff", "été"]
)
sections = st.builds(
    Section,
    kind=st.sampled_from(["table", "schema", "file"]) | awkward,
    name=awkward,
    form=st.sampled_from(list(Form)),
    size=st.integers(0, 1 << 60),
    digest=st.sampled_from(["a" * 64, "b" * 64]),
    rows=st.none() | st.integers(0, 1 << 40),
    offset=st.none() | st.integers(0, 1 << 60),
    length=st.none() | st.integers(0, 1 << 60),
    artefact=st.sampled_from(["", "dump"]) | awkward,
    columns=st.lists(awkward, max_size=3).map(tuple),
    key=st.lists(awkward, max_size=2).map(tuple),
    attributes=st.dictionaries(awkward, awkward, max_size=2),
)


def section(name: str, digest: str = "a", *, rows: int | None = 1, kind: str = "table", offset: int = 0) -> Section:
    form = Form.TEXT if kind == "schema" else Form.ROWS if rows is not None else Form.BYTES
    return Section(kind, name, form, 10, digest * 64, rows, offset, 10, "dump", ("id",), ())


def write(path: Path, given: Iterable[Section], amended: Iterable[tuple[str, str, tuple[str, ...]]] = ()) -> Path:
    with IndexWriter(path) as index:
        for one in given:
            index.add(one)
        for kind, name, key in amended:
            index.amend(kind, name, key)
    return path


@given(sections)
def test_a_line_gives_its_section_back(given: Section) -> None:
    line = encode(given)
    assert line.count(b"\n") == 1
    assert decode(line) == given
    assert identity_of(line) == identity(given.kind, given.name)


@settings(max_examples=50)
@given(st.lists(sections, max_size=30), st.data())
def test_an_index_gives_its_sections_back_whole_and_by_page(
    tmp_path_factory: pytest.TempPathFactory, given: list[Section], data: st.DataObject
) -> None:
    path = write(tmp_path_factory.mktemp("i") / "x", given)
    start, count = data.draw(st.integers(0, 40)), data.draw(st.integers(0, 40))
    with Index(path) as index:
        assert list(index.sections()) == given
        assert len(index) == len(given)
        assert list(index.sections(start, count)) == given[start : start + count]


def test_pages_across_frames(tmp_path: Path) -> None:
    given = [section(f"schema.table_{number}") for number in range(10_000)]
    with Index(write(tmp_path / "i", given)) as index:
        for start, count in [(0, 1), (1234, 2000), (9_999, 5), (10_000, 5), (5000, 0)]:
            assert list(index.sections(start, count)) == given[start : start + count]


def test_a_key_that_is_known_later_is_in_its_section(tmp_path: Path) -> None:
    given = [section("a"), section("b"), section("a", kind="file")]
    path = write(tmp_path / "i", given, [("table", "a", ("id",)), ("table", "b", ("x",)), ("table", "b", ("id", "x"))])
    with Index(path) as index:
        found = {(one.kind, one.name): one.key for one in index.sections()}
        assert found == {("table", "a"): ("id",), ("table", "b"): ("id", "x"), ("file", "a"): ()}
        assert list(index.lines()) == [encode(one)[:-1] for one in index.sections()]


def test_an_index_that_was_not_closed_is_none(tmp_path: Path) -> None:
    index = IndexWriter(tmp_path / "i")
    for number in range(5000):
        index.add(section(str(number)))
    index.abort()
    with pytest.raises(Corrupt, match="cut short"):
        Index(tmp_path / "i")


def read_all(path: Path) -> list[Section]:
    with Index(path) as index:
        return list(index.sections())


def test_damage_is_noticed_wherever_it_is(tmp_path: Path) -> None:
    path = write(tmp_path / "i", [section(str(number)) for number in range(3000)], [("table", "5", ("id",))])
    data = path.read_bytes()
    for place in range(0, len(data), max(1, len(data) // 50)):
        path.write_bytes(data[:place] + bytes((data[place] ^ 8,)) + data[place + 1 :])
        with pytest.raises(Corrupt, match=str(path)):
            read_all(path)
    for size in (0, 3, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:size])
        with pytest.raises(Corrupt):
            read_all(path)


@pytest.mark.worlds
def test_300_000_sections_are_compared_in_little_memory(tmp_path: Path) -> None:
    def dump(shift: int) -> Iterable[Section]:
        for number in range(300_000):
            if number % 100_000 == shift:
                continue
            changed = shift and number % 1000 == 0
            yield section(f"public.table_{number}", "b" if changed else "a", offset=number * 10 + shift)

    old, new = write(tmp_path / "old", dump(0)), write(tmp_path / "new", dump(7))
    tracemalloc.start()
    counted = delta(changed_between(old, new), since=1, since_id="x")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (counted.changed, counted.added, counted.removed) == (297, 3, 3)
    assert peak < 20 << 20


# What changed.


def names(pairs: Iterable[Pair]) -> set[tuple[str | None, str | None]]:
    return {(old.name if old else None, new.name if new else None) for old, new in pairs}


def test_sections_are_told_apart_by_digest_and_attributes_not_by_place() -> None:
    old = [section("same", offset=1), section("moved", offset=2), section("changed"), section("gone")]
    new = [section("new"), replace(section("changed"), digest="b" * 64), section("moved", offset=9), section("same")]
    assert names(changed_sections(old, new)) == {("changed", "changed"), ("gone", None), (None, "new")}
    attributed = replace(section("same"), attributes={"mode": "644"})
    assert names(changed_sections([section("same")], [attributed])) == {("same", "same")}


def test_a_key_alone_is_no_change() -> None:
    assert list(changed_sections([section("t")], [replace(section("t"), key=("id",))])) == []


def test_the_delta_counts_net_rows_and_notices_schema() -> None:
    def count(old: list[Section], new: list[Section]) -> tuple[int, int, int, int | None, bool]:
        found = delta(changed_sections(old, new), since=3, since_id="id")
        assert (found.since, found.since_id) == (3, "id")
        return found.changed, found.added, found.removed, found.net_rows, found.schema

    assert count([section("t", rows=5)], [section("t", "b", rows=8)]) == (1, 0, 0, 3, False)
    assert count([section("t", rows=5)], []) == (0, 0, 1, -5, True)
    assert count([], [section("f", rows=None, kind="file")]) == (0, 1, 0, None, False)
    schema = [section("public", kind="schema", rows=None)], [section("public", "b", kind="schema", rows=None)]
    assert count(*schema) == (1, 0, 0, None, True)
    assert count([], []) == (0, 0, 0, None, False)


unique = st.dictionaries(st.sampled_from("abcdefghijklmnop"), st.sampled_from("xyz"), max_size=16)


@given(st.randoms(use_true_random=False), unique, unique, st.sampled_from([0, 3, 50_000]))
def test_any_two_indexes_differ_as_a_dictionary_would_say(
    random: Random, old: dict[str, str], new: dict[str, str], waiting: int
) -> None:
    def listed(held: dict[str, str]) -> list[Section]:
        found = [section(name, digest) for name, digest in held.items()]
        random.shuffle(found)
        return found

    wanted: set[tuple[str | None, str | None]]
    wanted = {(name, name) for name in old.keys() & new.keys() if old[name] != new[name]}
    wanted |= {(name, None) for name in old.keys() - new.keys()} | {(None, name) for name in new.keys() - old.keys()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compare, "MOST_WAITING", waiting)
        found = list(changed_sections(listed(old), listed(new)))
    assert names(found) == wanted
    assert len(found) == len(wanted)
