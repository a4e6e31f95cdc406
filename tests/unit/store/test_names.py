"""Which names may stand in the store, and what of it is told where others do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dysnomia_store.disk.layout import Layout, pointed_at, stem
from dysnomia_store.errors import NameRejected
from dysnomia_store.names import MAX_NAME_BYTES, ComponentKey, validate_name
from tests.unit.store.shop import KEY, Shop, rows

BYTES = st.binary(max_size=300).map(os.fsdecode)


@given(BYTES | st.text(max_size=300))
def test_a_name_is_one_harmless_part_of_a_path(name: str) -> None:
    try:
        raw = os.fsencode(validate_name(name, "component"))
    except NameRejected:
        return
    except UnicodeEncodeError:
        return  # half a surrogate pair, which no bytes stand for
    assert 0 < len(raw) <= MAX_NAME_BYTES
    assert b"/" not in raw
    assert raw[:1] not in (b".", b"-")
    assert not any(byte < 32 or byte == 127 for byte in raw)


@given(st.text(st.sampled_from("ab.-/\n é"), min_size=1, max_size=6))
def test_and_every_harmless_one_is_taken(name: str) -> None:
    if name[0] not in ".-" and "/" not in name and "\n" not in name:
        assert validate_name(name, "component") == name


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "-rf", ".x", "a\0", "\x1b[2J", "a\x7f", "é" * 128, "\x85"])
def test_these_are_refused_with_a_reason(name: str) -> None:
    with pytest.raises(NameRejected, match="cannot be the name of a component, because it"):
        ComponentKey.of("c", name)


@given(st.tuples(BYTES, BYTES, BYTES))
def test_a_link_names_its_snapshot_and_no_other_components(names: tuple[str, str, str]) -> None:
    try:
        key, snapshot_id = ComponentKey.of(*names[:2]), validate_name(names[2], "snapshot id")
    except NameRejected:
        return
    target = Layout.target(key, snapshot_id)
    assert pointed_at(key, target) == snapshot_id
    assert pointed_at(ComponentKey(key.container, key.component + "x"), target) is None
    assert pointed_at(ComponentKey("x" + key.container, key.component), target) is None


@given(st.lists(st.binary(min_size=1, max_size=255).map(os.fsdecode), unique=True, max_size=8))
def test_files_of_different_ids_have_different_names_that_fit(ids: list[str]) -> None:
    stems = [stem(one) for one in ids if not one.startswith(".")]
    assert len(set(stems)) == len(stems)
    assert all(len(os.fsencode(f"123456789012345.1.{one}.index.zst")) <= 255 for one in stems)


class TestStrange:
    def test_what_is_none_of_ours_is_named(self, shop: Shop) -> None:
        shop.commit(rows(1))
        for path in ("lost+found", "snapshots/.hidden/x", "generations/databases/-c", "snapshots/a\nb/c"):
            (shop.root / path).mkdir(parents=True)
        (shop.root / "generations/databases/orders/notes.txt").write_text("")
        (shop.root / "generations/databases/orders/007").symlink_to("x")
        (shop.root / "generations/databases/orders/8").write_text("no link")
        (shop.root / "snapshots/file").write_text("")
        said = "\n".join(shop.store.strange())
        for word in ("lost+found", ".hidden", "'-c'", "a\\nb", "notes.txt", "007", "'8'", "'file' in snapshots"):
            assert word in said
        assert shop.store.keys() == (KEY,)
        assert [one.number for one in shop.store.generations(KEY)] == [1, 8]
        assert shop.newest().problem == "is not a link"

    @pytest.mark.parametrize(
        "target", ["/etc", "..", "../../../snapshots/databases/other/1", "../../../snapshots/databases/orders/..", "x"]
    )
    def test_links_to_elsewhere(self, shop: Shop, target: str) -> None:
        shop.commit(rows(1))
        (shop.root / "generations/databases/orders/2").symlink_to(target)
        found = shop.newest()
        assert (found.number, found.id, found.good) == (2, "", False)
        assert "not a snapshot of databases/orders" in found.problem
        assert shop.store.summary(KEY).problems == 1
        assert shop.commit(rows(2)).generation.number == 3

    def test_a_store_that_was_moved_with_absolute_links(self, shop: Shop, place: Path) -> None:
        made = shop.commit(rows(1)).generation
        (shop.root / "generations/databases/orders/2").symlink_to(f"/old/place/snapshots/databases/orders/{made.id}")
        assert shop.newest().id == made.id
        assert not shop.newest().problem
