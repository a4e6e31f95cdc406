"""What a commit makes of a state, and what is known of it afterwards."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from dysnomia_store.errors import NotFound, Refused
from dysnomia_store.model import Marks, Reason, Verdict
from dysnomia_store.names import ComponentKey
from dysnomia_store.store import Store
from tests.unit.store.shop import HOUR, KEY, START, Shop, rows


def test_a_new_state_is_a_new_generation(shop: Shop) -> None:
    first = shop.commit(rows(100))
    second = shop.commit(rows(101))
    assert (first.new, second.new) == (True, True)
    assert shop.numbers() == [1, 2]
    generation = second.generation
    assert generation.as_of == START + 2 * HOUR
    assert not generation.as_of_estimated
    assert generation.who == "alice"
    assert generation.metadata is not None
    assert generation.metadata.rows == 101
    assert generation.metadata.origin == shop.store.id
    assert generation.good
    assert shop.content(generation) == rows(101)


def test_the_same_state_is_seen_again_and_no_generation(shop: Shop) -> None:
    shop.commit(rows(100))
    again = shop.commit(rows(100))
    assert not again.new
    assert again.generation.number == 1
    assert again.generation.seen == 2
    assert again.generation.as_of == START + HOUR
    assert again.generation.unchanged_until == START + 2 * HOUR
    assert [one.as_of for one in shop.store.seen(KEY, 1)] == [START + 2 * HOUR]


def test_the_id_is_that_of_the_content_whatever_the_compression(shop: Shop) -> None:
    ids = {shop.commit(rows(500), compression=c, level=n).generation.id for c, n in (("zstd", 1), ("xz", 1))}
    ids |= {shop.commit(rows(500), compression="plain").generation.id, shop.commit(rows(500), level=9).generation.id}
    assert len(ids) == 1
    assert shop.numbers() == [1]


def test_a_state_that_comes_back_shares_its_snapshot(shop: Shop) -> None:
    for count in (100, 90, 100):
        shop.commit(rows(count))
    ids = shop.ids()
    assert ids[1] == ids[3] != ids[2]
    assert len(os.listdir(shop.root / "snapshots/databases/orders")) == 2


def test_a_guard_is_compared_with_what_was_before_it_not_with_what_was_restored(shop: Shop) -> None:
    """It stands before the generation that the restore makes, and is committed behind it."""
    first = shop.commit(rows(10)).generation
    shop.commit(rows(12))
    with shop.store.lock(KEY, who="alice", job="7", doing="restore") as lock:
        number = shop.store.reserve(lock)
        shop.store.link(lock, first.id, shop.link_info(first.number))
    guard = shop.commit(rows(15), number=number, reason=Reason.GUARD).generation
    assert number == 3
    assert guard.delta is not None
    assert (guard.delta.since, guard.delta.net_rows) == (2, 3)


def test_a_reserved_number_always_becomes_a_generation(shop: Shop) -> None:
    shop.commit(rows(10))
    with shop.store.lock(KEY, who="alice", job="9", doing="restore") as lock:
        number = shop.store.reserve(lock)
        restored = shop.store.link(lock, shop.ids()[1], shop.link_info(1))
    assert (number, restored.number) == (2, 3)
    guard = shop.commit(rows(10), number=number, reason=Reason.GUARD)
    assert guard.new
    assert guard.generation.number == 2
    assert shop.newest().number == 3
    assert shop.newest().restored == 1
    with pytest.raises(Refused, match="already exists"):
        shop.commit(rows(10), number=number)


def test_numbers_are_never_used_twice(shop: Shop) -> None:
    """Not those of links, nor of history whose link is gone, nor reserved ones, nor those in the trash."""
    shop.commit(rows(10))
    shop.commit(rows(11))
    (shop.root / "generations/databases/orders/2").unlink()
    assert shop.commit(rows(12)).generation.number == 3
    with shop.store.lock(KEY, who="", job="", doing="") as lock:
        assert shop.store.reserve(lock) == 4
        assert shop.store.reserve(lock) == 5
    assert shop.commit(rows(13)).generation.number == 6


def test_links_and_checksum_are_dysnomias_to_the_byte(shop: Shop) -> None:
    made = shop.commit(rows(10)).generation
    link = shop.root / "generations/databases/orders/1"
    assert os.readlink(link) == f"../../../snapshots/databases/orders/{made.id}"
    said = (shop.root / "checksums/databases/orders" / made.id).read_bytes()
    assert len(said) == 71
    assert said.startswith(b"sha256:")


def test_nobody_else_may_look(shop: Shop) -> None:
    before = os.umask(0)
    try:
        shop.commit_files("5", {"a/run.sh": b"#!/bin/sh", "b": b"b"})
        shop.commit(rows(3))
    finally:
        os.umask(before)
    for path in shop.root.rglob("*"):
        if not path.is_symlink():
            assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files to any group")
def test_a_group_may_read_and_a_modules_user_its_snapshots(place: Path) -> None:
    with_group = Shop(place / "group")
    with_group.store = Store(place / "group", clock=lambda: with_group.now, group="daemon")
    with_group.commit(rows(3))
    gid = grp.getgrnam("daemon").gr_gid
    for path in with_group.root.rglob("*"):
        if not path.is_symlink():
            assert path.stat().st_gid == gid, path
            assert stat.S_IMODE(path.stat().st_mode) == (0o750 if path.is_dir() else 0o640), path
    shop = Shop(place / "reader")
    made = shop.commit(rows(3), compression="xz", reader="nobody").generation
    file = shop.store.stored(KEY, made.id).folder / "dump.xz"
    child = os.fork()
    if child == 0:
        place.chmod(0o711)
        os.setgroups([])
        os.setgid(pwd.getpwnam("nobody").pw_gid)
        os.setuid(pwd.getpwnam("nobody").pw_uid)
        readable = os.access(file, os.R_OK)
        listed = os.access(shop.root, os.R_OK) or os.access(file, os.W_OK)
        os._exit(0 if readable and not listed else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_an_empty_draft_is_refused_and_leaves_nothing(shop: Shop) -> None:
    with pytest.raises(Refused, match="wrote nothing"), shop.store.draft(KEY, job="1") as made:
        made.seal()
    assert os.listdir(shop.root / "staging") == []
    assert shop.numbers() == []


def test_a_commit_needs_the_lock_it_is_given(shop: Shop) -> None:
    with shop.store.lock(KEY, who="", job="", doing="") as lock:
        pass
    with pytest.raises(Refused, match="not locked"):
        shop.store.reserve(lock)


def test_a_folder_in_the_way_that_nothing_vouches_for_goes_to_the_trash(shop: Shop) -> None:
    made = shop.commit(rows(10)).generation
    shop.commit(rows(11))
    folder = shop.root / "snapshots/databases/orders" / made.id
    (folder / "dump.zst").write_bytes(b"cut sh")
    third = shop.commit(rows(10)).generation
    assert third.number == 3
    assert shop.all_ok()
    (entry,) = shop.store.trash()
    assert entry.id == made.id
    assert entry.generations == ()


def test_a_snapshot_that_is_gone_is_put_back_by_the_next_of_the_same_state(shop: Shop) -> None:
    made = shop.commit(rows(10)).generation
    folder = shop.root / "snapshots/databases/orders" / made.id
    (folder / "dump.zst").unlink()
    folder.rmdir()
    assert "is missing" in shop.newest().problem
    shop.commit(rows(10))
    assert shop.numbers() == [1]
    assert shop.all_ok()


def test_a_module_that_names_other_content_by_the_same_name_loses_neither(shop: Shop) -> None:
    """Subversion's module names a snapshot by its revision; after a restore another revision 5 comes."""
    first = shop.commit_files("5", {"dump": b"one"}).generation
    second = shop.commit_files("5", {"dump": b"other"}).generation
    again = shop.commit_files("5", {"dump": b"other"})
    assert first.id == "5"
    assert second.id.startswith("5-")
    assert shop.store.stored(KEY, first.id).folder.joinpath("dump").read_bytes() == b"one"
    assert shop.store.stored(KEY, second.id).folder.joinpath("dump").read_bytes() == b"other"
    assert not again.new
    assert again.generation.number == 2


def test_names_of_any_bytes(shop: Shop) -> None:
    for container, component in (
        ("[bold]", "a b\u202e"),
        ("x" * 255, "\udcff\udcfe"),
        ("ü", "ü" * 127),
        ("$(id)", "%s"),
    ):
        key = ComponentKey.of(container, component)
        made = shop.commit(rows(3), key=key).generation
        shop.store.mark(key, 1, Marks(note="\udcff"), who="\udcff")
        assert shop.again().store.generation(key, made.number).marks.note == "\udcff"
        assert key in shop.store.summaries()
    long = "n" * 255
    assert shop.commit_files(long, {"f": b"1"}).generation.id == long
    shop.store.mark(KEY, 1, Marks(note="long"), who="alice")
    assert shop.newest().marks.note == "long"
    assert shop.newest().metadata is not None


def test_no_such_generation_says_what_there_is(shop: Shop) -> None:
    shop.commit(rows(1))
    with pytest.raises(NotFound, match="it has 1, 1 to 1"):
        shop.store.generation(KEY, 7)
    with pytest.raises(NotFound, match="no snapshot"):
        shop.store.stored(KEY, "0" * 64)


class TestSuspicious:
    def test_no_sections(self, shop: Shop) -> None:
        assert shop.commit({}).generation.suspicious == "it holds no sections"

    def test_under_half_of_the_median_of_the_last_five_good_ones(self, shop: Shop) -> None:
        for count in (1000, 1001, 1002, 1003, 4000):
            assert shop.commit(rows(count)).generation.good
        median = len(rows(1002))
        assert shop.commit(b"x" * (median // 2 + 1)).generation.good
        assert "under half" in shop.commit(b"y" * (median // 2 - 50)).generation.suspicious

    def test_a_suspicious_one_does_not_lower_the_measure(self, shop: Shop) -> None:
        for count in (1000, 100, 101, 102, 103, 104, 105):
            shop.commit(rows(count))
        assert [one.good for one in shop.store.generations(KEY)] == [True] + [False] * 6

    def test_one_known_good_restarts_the_median(self, shop: Shop) -> None:
        for count in (1000, 1001, 100, 101):
            shop.commit(rows(count))
        assert not shop.newest().good
        shop.store.mark(KEY, 3, Marks(verdict=Verdict.GOOD), who="alice")
        assert [one.good for one in shop.store.generations(KEY)] == [True] * 4

    def test_one_that_lacks_what_the_good_one_before_it_had(self, shop: Shop) -> None:
        """It pushes none that is whole out of a retention; what none ever had asks for nobody here."""
        shop.commit(rows(10), lacks=["never"])
        assert shop.newest().good
        lacking = shop.commit(rows(9), lacks=["never", "up\udce9", "b", "c", "d"]).generation
        assert lacking.suspicious == "it lacks up\\xe9, b, c and 1 more: not there when it was made"
        assert lacking.metadata is not None
        assert lacking.metadata.lacks == ("never", "up\udce9", "b", "c", "d")
        assert not shop.commit(rows(8), lacks=["b"]).generation.good, "the one before it is not the measure"
        shop.store.mark(KEY, 2, Marks(verdict=Verdict.GOOD), who="alice")
        assert [one.good for one in shop.again().store.generations(KEY)] == [True] * 3
        assert shop.commit(rows(7)).generation.good

    def test_known_bad_is_not_good(self, shop: Shop) -> None:
        shop.commit(rows(10))
        shop.store.mark(KEY, 1, Marks(verdict=Verdict.BAD), who="alice")
        assert not shop.newest().good

    def test_an_incomplete_one_is_not_good_whatever_is_said(self, shop: Shop) -> None:
        shop.commit(rows(10), complete=False)
        shop.store.mark(KEY, 1, Marks(verdict=Verdict.GOOD), who="alice")
        assert not shop.newest().good
        assert shop.store.summary(KEY).newest_good is None


class TestMarkers:
    def test_they_are_dysnomias_empty_files(self, shop: Shop) -> None:
        shop.store.set_state(KEY, active=True, garbage=False)
        assert (shop.root / "activated/databases/orders").read_bytes() == b""
        assert shop.store.keys() == (KEY,)
        shop.store.set_state(KEY, active=False, garbage=True)
        summary = shop.store.summary(KEY)
        assert (summary.active, summary.garbage) == (False, True)
        shop.store.set_state(KEY, active=False, garbage=False)
        assert shop.store.keys() == ()


def test_usage_adds_up(shop: Shop) -> None:
    sizes = []
    for count in (100, 200, 300):
        made = shop.commit(rows(count)).generation
        assert made.metadata is not None
        sizes.append(made.metadata.stored_size)
        shop.now += timedelta(days=1)
    (shop.root / "generations/databases/orders/2").unlink()
    usage = shop.store.usage()
    assert usage.by_component == {KEY: sum(sizes)}
    assert usage.orphans == sizes[1]
    assert [size for _, size in usage.growth] == [sizes[0], sizes[0], sizes[0] + sizes[2]]
    assert 0 < usage.disk_free <= usage.disk_total
