"""A store written by Dysnomia 0.10.2 itself, and ours beside what it does to one."""

from __future__ import annotations

import hashlib
import os
import tarfile
from pathlib import Path

import pytest

from dysnomia_store.errors import NotFound
from dysnomia_store.model import CheckResult, Form, Marks, Metadata, Pin, Reason, Section
from dysnomia_store.names import ComponentKey
from dysnomia_store.records.retention import Policy
from tests.unit.store.shop import KEY, START, Shop, rows
from tests.unit.store.test_faults import as_bash_collects

FIXTURE = Path(__file__).parents[2] / "fixtures" / "upstream-store.tar.gz"


@pytest.fixture
def theirs(place: Path) -> Shop:
    with tarfile.open(FIXTURE) as archive:
        archive.extractall(place, filter="tar")
    return Shop(place / "state")


def test_it_opens_and_lists(theirs: Shop) -> None:
    found = {str(key): summary for key, summary in theirs.store.summaries().items()}
    assert sorted(found) == [
        "fileset/files", "mysql-database/testdb", "postgresql-database/testdb", "subversion-repository/repo",
        "wrapper/app",
    ]  # fmt: skip
    assert all(one.generations == 3 and one.active and not one.garbage and not one.problems for one in found.values())
    assert theirs.store.strange() == ()
    key = ComponentKey("subversion-repository", "repo")
    assert [one.id for one in theirs.store.generations(key)] == ["3", "4", "5"]


def test_what_it_does_not_know_is_said_as_unknown(theirs: Shop) -> None:
    key = ComponentKey("postgresql-database", "testdb")
    for generation in theirs.store.generations(key):
        link = theirs.root / "generations" / key.container / key.component / str(generation.number)
        assert generation.as_of.timestamp() == pytest.approx(link.lstat().st_mtime, abs=1e-5)
        assert generation.as_of_estimated
        assert generation.reason is Reason.UNKNOWN
        assert generation.metadata is None
        assert generation.good


def test_it_checks(theirs: Shop) -> None:
    for key in theirs.store.keys():  # noqa: SIM118 (no mapping)
        for generation in theirs.store.generations(key):
            found = theirs.store.check(key, generation.id)
            if found.result is not CheckResult.OK:  # it was unpacked here, so that its files may be in another order
                assert key.container == "wrapper"
                assert (found.result, found.text.partition(" ")[0]) == (CheckResult.UNVERIFIABLE, "its")
    key = ComponentKey("mysql-database", "testdb")
    newest = theirs.store.generations(key)[-1]
    path = theirs.store.stored(key, newest.id).folder / "dump.sql.xz"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert theirs.store.check(key, newest.id).result is CheckResult.CORRUPT


def test_its_content_is_read(theirs: Shop) -> None:
    key = ComponentKey("postgresql-database", "testdb")
    stored = theirs.store.stored(key, theirs.store.generations(key)[-1].id)
    assert stored.artefacts() == ("dump.pgsql",)
    with stored.open() as stream:
        assert b"PostgreSQL database dump complete" in stream.read()
    key = ComponentKey("wrapper", "app")
    stored = theirs.store.stored(key, theirs.store.generations(key)[0].id)
    assert stored.artefacts() == ("a.txt", "b.txt", "state")
    with pytest.raises(NotFound, match="holds 3 files"):
        stored.open()


def test_what_is_worked_out_afterwards_stays(theirs: Shop) -> None:
    key = ComponentKey("postgresql-database", "testdb")
    newest = theirs.store.generations(key)[-1]
    section = Section("table", "t", Form.ROWS, 3, "ab" * 32, rows=3)
    with theirs.store.lock(key, who="alice", job="1", doing="check") as lock:
        theirs.store.write_index(
            lock, newest.id, Metadata(newest.id, "postgresql-database", 10, 0, (), "", 1, None, 1, 3), [section]
        )
    found = theirs.store.generation(key, newest.number)
    assert found.metadata is not None
    assert found.metadata.rows == 3
    assert [file.path for file in found.metadata.files] == ["dump.pgsql.xz"]
    assert list(theirs.store.stored(key, newest.id).sections()) == [section]
    assert theirs.store.check(key, newest.id).text == ""


def test_we_go_on_where_it_stopped(theirs: Shop) -> None:
    key = ComponentKey("postgresql-database", "testdb")
    made = theirs.commit(rows(10), key=key).generation
    assert made.number == 4
    assert made.delta is None
    link = theirs.root / "generations/postgresql-database/testdb/4"
    assert link.samefile(theirs.store.stored(key, made.id).folder)


def test_a_snapshot_that_is_a_file_is_named_checked_and_never_collected(shop: Shop) -> None:
    """As a module that bash Dysnomia runs may make one: its link leads to state, and is not one that leads nowhere."""
    file = shop.root / "snapshots/databases/orders/one"
    shop.commit(rows(10))
    file.write_text("state")
    link = shop.root / "generations/databases/orders/2"
    link.symlink_to("../../../snapshots/databases/orders/one")
    for number in (3, 4):
        shop.commit(rows(number))
    for store in (shop.store, shop.again().store):
        problem = store.generation(KEY, 2).problem
        assert problem == "its snapshot one is a file, not a folder: only bash Dysnomia restores it"
    assert not shop.store.generation(KEY, 2).good
    assert shop.store.check(KEY, "one").result is CheckResult.UNVERIFIABLE
    checksum = shop.root / "checksums/databases/orders/one"
    checksum.write_text("sha256:5abf0d76b5dd2e0a8ae6d4b25d1c6eb1a0a0d9f7c4bdc3b0b80a2f1c1f0f6f0f")
    assert shop.store.check(KEY, "one").result is CheckResult.CORRUPT
    checksum.write_text(f"sha256:{hashlib.sha256(b'state').hexdigest()}")
    assert shop.store.check(KEY, "one").result is CheckResult.OK
    for policy in (Policy(last=1), Policy(nothing=True)):
        assert shop.plan(policy).broken_links == ()
        shop.collect(policy, grace=0)
        assert (link.is_symlink(), file.read_text()) == (True, "state")


class TestItsCollectionUnderUs:
    def test_history_and_marks_hold_only_for_the_same_snapshot(self, shop: Shop) -> None:
        shop.commit(rows(100))
        shop.store.mark(KEY, 1, Marks(note="mine"), who="alice")
        as_bash_collects(shop, keep=0)
        folder = shop.root / "snapshots/databases/orders/other"
        folder.mkdir(parents=True)
        (shop.root / "generations/databases/orders/1").symlink_to("../../../snapshots/databases/orders/other")
        (generation,) = shop.store.generations(KEY)
        assert (generation.id, generation.marks, generation.reason) == ("other", Marks(), Reason.UNKNOWN)

    def test_what_was_pinned_comes_back_under_its_number(self, shop: Shop) -> None:
        for count in (100, 101, 102):
            shop.commit(rows(count))
        shop.store.mark(KEY, 1, Marks(pins=(Pin("mine", "alice", START),), note="here"), who="alice")
        before = shop.store.generation(KEY, 1)
        as_bash_collects(shop, keep=1)
        assert shop.numbers() == [3]
        shop.commit(rows(103))
        assert shop.numbers() == [1, 3, 4]
        assert shop.store.generation(KEY, 1) == before
        assert shop.all_ok()
        assert (shop.root / "checksums/databases/orders" / before.id).exists()

    def test_where_its_numbers_began_again_what_is_live_stays_the_newest(self, shop: Shop) -> None:
        for count in (100, 101):
            shop.commit(rows(count))
        pinned = shop.ids()[2]
        shop.store.mark(KEY, 2, Marks(pins=(Pin("mine", "alice", START),)), who="alice")
        as_bash_collects(shop, keep=0)
        folder = shop.root / "snapshots/databases/orders/live"
        folder.mkdir(parents=True)
        (folder / "dump").write_bytes(b"live")
        (shop.root / "generations/databases/orders/1").symlink_to("../../../snapshots/databases/orders/live")
        with shop.store.lock(KEY, who="alice", job="1", doing="heal") as lock:
            (healed,) = shop.store.heal(lock)
            assert shop.store.heal(lock) == ()
        assert healed.number == 3
        assert shop.ids() == {1: "live", 3: pinned, 4: "live"}
        back = shop.store.generation(KEY, 3)
        assert back.marks.pins[0].why == "mine"
        assert back.reason is Reason.MANUAL
        assert shop.content(back) == rows(101)
        assert 3 in {line.number for line in shop.plan(Policy(last=1)).lines if line.keep}

    def test_a_pin_that_was_taken_back_brings_nothing_back(self, shop: Shop) -> None:
        for count in (100, 101):
            shop.commit(rows(count))
        shop.store.mark(KEY, 1, Marks(pins=(Pin("mine", "alice", START),)), who="alice")
        copies = shop.root / "marks/databases/orders/copies"
        assert len(os.listdir(copies)) == 1
        shop.store.mark(KEY, 1, Marks(), who="alice")
        assert os.listdir(copies) == []
        as_bash_collects(shop, keep=1)
        shop.commit(rows(102))
        assert shop.numbers() == [2, 3]

    def test_a_copy_takes_no_space(self, shop: Shop) -> None:
        made = shop.commit(rows(100)).generation
        shop.store.mark(KEY, 1, Marks(pins=(Pin("mine", "alice", START),)), who="alice")
        copy = shop.root / "marks/databases/orders/copies" / made.id / "snapshot/dump.zst"
        assert copy.samefile(shop.store.stored(KEY, made.id).folder / "dump.zst")
