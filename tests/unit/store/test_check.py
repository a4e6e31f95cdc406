"""A check reads every byte, and says by name what is wrong; each check here is shown what it must not pass."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import pytest

from dysnomia_store.errors import Corrupt
from dysnomia_store.model import Check, CheckResult, Marks, Verdict
from tests.unit.store.shop import KEY, START, Shop, rows

FILES = {"a.txt": b"alpha", "sub/b.txt": b"beta", "c.txt": b"gamma"}


def checked(shop: Shop, snapshot_id: str = "5") -> Check:
    return shop.store.check(KEY, snapshot_id)


def folder(shop: Shop, snapshot_id: str = "5") -> Path:
    return shop.root / "snapshots/databases/orders" / snapshot_id


def forget_manifest(shop: Shop) -> None:
    shutil.rmtree(shop.root / "metadata")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def swap(at: Path) -> None:
    (at / "a.txt").rename(at / "x")
    (at / "c.txt").rename(at / "a.txt")
    (at / "x").rename(at / "c.txt")


def to_link(at: Path) -> None:
    (at / "a.txt").rename(at.parent / "elsewhere")
    (at / "a.txt").symlink_to("../elsewhere")


def to_pipe(at: Path) -> None:
    (at / "a.txt").unlink()
    os.mkfifo(at / "a.txt")


DAMAGE: dict[str, tuple[Callable[[Path], object], CheckResult, str]] = {
    "a flipped bit": (lambda at: flip(at / "a.txt"), CheckResult.CORRUPT, "a.txt is damaged: its bytes changed"),
    "cut short": (lambda at: (at / "a.txt").write_bytes(b"al"), CheckResult.CORRUPT, "2 bytes, not 5"),
    "emptied": (lambda at: (at / "a.txt").write_bytes(b""), CheckResult.CORRUPT, "0 bytes, not 5"),
    "two exchanged": (swap, CheckResult.CORRUPT, "a.txt is damaged: its bytes changed, c.txt"),
    "one missing": (lambda at: (at / "sub/b.txt").unlink(), CheckResult.MISSING, "sub/b.txt is missing"),
    "one too many": (lambda at: (at / "d").write_bytes(b""), CheckResult.CORRUPT, "d does not belong to it"),
    "a link in place of a file": (to_link, CheckResult.CORRUPT, "a.txt is damaged"),
    "a pipe in place of a file": (
        to_pipe, CheckResult.CORRUPT, "a.txt cannot be read"),
    "a link into an older snapshot": (
        lambda at: (at / "99").symlink_to("x"), CheckResult.CORRUPT, "99 does not belong to it"),
    "all of it gone": (shutil.rmtree, CheckResult.MISSING, "its folder is gone"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_by_our_manifest(shop: Shop, damage: str) -> None:
    shop.commit_files("5", FILES)
    assert checked(shop).result is CheckResult.OK
    do, result, text = DAMAGE[damage]
    do(folder(shop))
    found = checked(shop)
    assert found.result is result
    assert text in found.text


@pytest.mark.parametrize("damage", ["a flipped bit", "cut short", "emptied", "two exchanged", "one too many"])
def test_by_dysnomias_checksum(shop: Shop, damage: str) -> None:
    shop.commit_files("5", FILES)
    forget_manifest(shop)
    assert (checked(shop).result, checked(shop).text) == (CheckResult.OK, "by Dysnomia's checksum")
    DAMAGE[damage][0](folder(shop))
    assert checked(shop).result is CheckResult.CORRUPT


def with_checksum_in_order(shop: Shop, names: list[str]) -> None:
    """Write the checksum that a disk which lists the files in this order gives."""
    from hashlib import sha256

    at = folder(shop)
    listing = "".join(f"{line}\n" for line in [".", *(f"./{name}" for name in names)]) + "\n"
    said = sha256(listing.encode() + b"".join((at / name).read_bytes() for name in names)).hexdigest()
    (shop.root / "checksums/databases/orders/5").write_text(f"sha256:{said}")


def test_a_copy_whose_order_differs_is_neither_damaged_nor_proved(shop: Shop) -> None:
    shop.commit_files("5", {"a": b"1", "b": b"22", "c": b"333"})
    there = os.listdir(folder(shop))
    for order in permutations(["a", "b", "c"]):
        with_checksum_in_order(shop, list(order))
        assert checked(shop).result is CheckResult.OK, "our manifest knows no order"
    forget_manifest(shop)
    for order in permutations(["a", "b", "c"]):
        with_checksum_in_order(shop, list(order))
        expected = CheckResult.OK if list(order) == there else CheckResult.UNVERIFIABLE
        assert checked(shop).result is expected, order
    assert "another order" in checked(shop).text or there == ["c", "b", "a"]
    flip(folder(shop) / "b")
    assert checked(shop).result is CheckResult.CORRUPT


def test_where_too_many_orders_are_possible_nothing_can_be_said(shop: Shop) -> None:
    names = [f"f{number:02}" for number in range(12)]
    shop.commit_files("5", {name: name.encode() for name in names})
    forget_manifest(shop)
    listed = os.listdir(folder(shop))
    with_checksum_in_order(shop, listed[1:] + listed[:1])
    found = checked(shop)
    assert found.result is CheckResult.UNVERIFIABLE
    assert "depends on the order" in found.text


def test_with_nothing_written_beside_it_an_artefact_explains_itself(shop: Shop) -> None:
    made = shop.commit(rows(1000)).generation
    forget_manifest(shop)
    shutil.rmtree(shop.root / "checksums")
    assert checked(shop, made.id).text == "by its own footer"
    flip(folder(shop, made.id) / "dump.zst")
    found = checked(shop, made.id)
    assert found.result is CheckResult.CORRUPT
    assert "dump.zst" in found.text


def test_with_nothing_at_all_it_is_unverifiable(shop: Shop) -> None:
    shop.commit_files("5", FILES)
    forget_manifest(shop)
    shutil.rmtree(shop.root / "checksums")
    assert checked(shop).result is CheckResult.UNVERIFIABLE
    shutil.rmtree(folder(shop))
    folder(shop).mkdir()
    assert checked(shop).result is CheckResult.UNVERIFIABLE


def test_damaged_metadata_is_said_and_the_checksum_decides(shop: Shop) -> None:
    shop.commit_files("5", {"one": b"1"})
    path = shop.root / "metadata/databases/orders/5.json"
    path.write_bytes(path.read_bytes()[:40])
    found = checked(shop)
    assert found.result is CheckResult.OK
    assert found.text == "its metadata cannot be read; by Dysnomia's checksum"
    assert "metadata cannot be read" in shop.newest().problem
    assert not shop.newest().good


def test_results_are_kept_and_make_a_generation_not_good(shop: Shop) -> None:
    shop.commit_files("5", FILES)
    assert shop.newest().good
    flip(folder(shop) / "a.txt")
    shop.store.record_check(KEY, "5", checked(shop))
    assert shop.newest().last_check == checked(shop)
    assert not shop.newest().good
    assert (shop.store.summary(KEY).problems, shop.store.summary(KEY).lost) == (1, (1,))
    flip(folder(shop) / "a.txt")
    shop.store.record_check(KEY, "5", checked(shop))
    assert shop.newest().good
    assert shop.store.summary(KEY).lost == ()
    assert [one.result for one in shop.store.checks(KEY, "5")] == [CheckResult.CORRUPT, CheckResult.OK]


def test_what_cannot_be_restored_is_named_until_somebody_marks_it_bad(shop: Shop) -> None:
    for name in ("5", "6", "7"):
        shop.commit_files(name, FILES)
    shutil.rmtree(folder(shop, "5"))
    flip(folder(shop, "6") / "a.txt")
    shop.store.record_check(KEY, "6", checked(shop, "6"))
    assert shop.store.summary(KEY).lost == (1, 2)
    shop.store.mark(KEY, 1, Marks(verdict=Verdict.BAD), who="alice")
    assert shop.store.summary(KEY).lost == (2,)
    assert shop.again().store.summaries()[KEY].lost == (2,)


def test_a_line_that_a_crash_cut_short_costs_only_itself(shop: Shop) -> None:
    shop.commit_files("5", FILES)
    shop.store.record_check(KEY, "5", Check(START, "bytes", CheckResult.OK))
    path = shop.root / "checks/databases/orders/5.jsonl"
    with path.open("ab") as file:
        file.write(b'{"at": "2026')
    assert shop.newest().last_check == Check(START, "bytes", CheckResult.OK)
    shop.store.record_check(KEY, "5", Check(START, "restore", CheckResult.OK))
    assert shop.again().newest().last_check == Check(START, "restore", CheckResult.OK)


def test_reading_a_damaged_snapshot_fails_before_its_end(shop: Shop) -> None:
    made = shop.commit(rows(200_000)).generation
    flip(folder(shop, made.id) / "dump.zst.d/00000003.zst")
    with pytest.raises(Corrupt, match=r"00000003\.zst"):
        shop.content(made)


def test_every_byte_is_told_of(shop: Shop) -> None:
    shop.commit_files("5", FILES)
    told: list[int] = []
    shop.store.check(KEY, "5", on_bytes=told.append)
    assert sum(told) == sum(map(len, FILES.values()))
