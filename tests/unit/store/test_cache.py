"""The index is never the truth: whatever happens to it, what is shown is what is on the disk."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from dysnomia_store.catalog import component
from dysnomia_store.catalog.cache import prove
from dysnomia_store.disk.layout import Layout
from dysnomia_store.errors import NotPermitted
from dysnomia_store.model import Check, CheckResult, Marks
from dysnomia_store.names import ComponentKey
from tests.unit.store.shop import KEY, START, Shop, rows
from tests.waiting import wait_until

SECOND = 10**9


def index(shop: Shop) -> Path:
    (path,) = (shop.root / "cache").glob("*.db")
    return path


def settled(shop: Shop) -> None:
    """Read until the index has proof that it is fresh."""

    def proven() -> bool:
        shop.store.summaries()
        with sqlite3.connect(index(shop)) as db:
            return all(proof for (proof,) in db.execute("SELECT proof FROM comp"))

    wait_until(proven)


@pytest.fixture
def full(shop: Shop) -> Shop:
    for count in (100, 101, 102):
        shop.commit(rows(count))
    settled(shop)
    return shop


class WholeSeconds:
    """``os`` on a file system whose times are whole seconds, as ext2's are."""

    def __getattr__(self, name: str) -> object:
        return getattr(os, name)

    def stat(self, path: str) -> SimpleNamespace:
        at = os.stat(path)  # noqa: PTH116
        floored = (stamp // SECOND * SECOND for stamp in (at.st_mtime_ns, at.st_ctime_ns))
        written, changed = floored
        return SimpleNamespace(st_ino=at.st_ino, st_mtime_ns=written, st_ctime_ns=changed, st_size=at.st_size)


def test_a_second_in_which_a_folder_changed_may_see_it_change_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restore that reserved its guard's number in the second of its own generation did not find that number."""
    shop.commit(rows(100))
    monkeypatch.setattr("dysnomia_store.catalog.cache.os", WholeSeconds())
    written = (shop.root / "generations" / "databases" / "orders").stat().st_ctime_ns // SECOND * SECOND
    for later, still in ((60_000_000, False), (SECOND - 1, False), (2 * SECOND, False), (3 * SECOND, True)):
        monkeypatch.setattr(time, "time_ns", lambda later=later: written + later)
        assert prove(Layout(shop.root), KEY)[1] is still
    monkeypatch.undo()
    wait_until(lambda: prove(Layout(shop.root), KEY)[1], timeout=2)


def test_a_fresh_index_is_not_read_again(full: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    other = full.again()

    def refuse(*_: object) -> component.ComponentReading:
        raise AssertionError("the disk was read")

    monkeypatch.setattr("dysnomia_store.catalog.cache.read", refuse)
    assert len(other.store.generations(KEY)) == 3
    assert other.store.summaries()[KEY].generations == 3
    full.store.close()
    os.utime(full.root / "history/databases/orders")
    with pytest.raises(AssertionError, match="was read"):
        other.store.summaries()


def test_of_all_components_those_are_read_again_that_have_changed(full: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stock", "users"):
        full.commit(rows(7), key=ComponentKey("databases", name))
    settled(full)
    before = full.store.summaries()
    other = full.again()
    other.commit(rows(103))
    read_again = []

    def noted(layout: Layout, key: ComponentKey, known: component.ComponentReading) -> component.ComponentReading:
        read_again.append(key)
        return component.read(layout, key, known)

    monkeypatch.setattr("dysnomia_store.catalog.cache.read", noted)
    after = full.store.summaries()
    assert read_again == [KEY]
    assert after[KEY].generations == 4
    assert after[KEY].newest == full.store.generations(KEY)[-1]
    assert {key: one for key, one in after.items() if key != KEY} == {
        key: one for key, one in before.items() if key != KEY
    }


def every_check(shop: Shop) -> None:
    for result in CheckResult:
        shop.store.record_check(KEY, shop.ids()[2], Check(START, "bytes", result))


def all_deleted(shop: Shop) -> None:
    for name in ("generations", "snapshots"):
        shutil.rmtree(shop.root / name)


CHANGES: dict[str, Callable[[Shop], object]] = {
    "a commit": lambda it: it.commit(rows(200)),
    "seen again": lambda it: it.commit(rows(102)),
    "a mark": lambda it: it.store.mark(KEY, 2, Marks(note="new"), who="a"),
    "a check": lambda it: it.store.record_check(KEY, it.ids()[2], Check(START, "bytes", CheckResult.CORRUPT)),
    "every check": every_check,
    "a link deleted": lambda it: (it.root / "generations/databases/orders/2").unlink(),
    "a link that leads nowhere": lambda it: (it.root / "generations/databases/orders/9").symlink_to("nowhere"),
    "a snapshot deleted": lambda it: shutil.rmtree(it.root / "snapshots/databases/orders" / it.ids()[2]),
    "history deleted": lambda it: shutil.rmtree(it.root / "history/databases/orders"),
    "metadata deleted": lambda it: shutil.rmtree(it.root / "metadata"),
    "marks deleted": lambda it: shutil.rmtree(it.root / "marks", ignore_errors=True),
    "all of it deleted": all_deleted,
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_changes_is_seen_by_another_process(full: Shop, change: str) -> None:
    """And what was kept of before gives the same as reading all of it anew."""
    reader = full.again()
    reader.store.mark(KEY, 1, Marks(note="old"), who="a")
    settled(reader)
    before = reader.store.generations(KEY)
    CHANGES[change](full)
    after = reader.store.generations(KEY)
    shutil.rmtree(full.root / "cache")
    assert after == full.again().store.generations(KEY)
    assert after != before
    assert [one.number for one in after] == reader.numbers()


def test_after_a_change_only_what_changed_is_made_again(full: Shop) -> None:
    before = full.store.generations(KEY)
    assert full.store.generations(KEY) is before
    full.store.record_check(KEY, full.ids()[2], Check(START, "bytes", CheckResult.CORRUPT))
    full.commit(rows(103))
    after = full.store.generations(KEY)
    assert [one.number for one in after] == [1, 2, 3, 4]
    assert [new is old for new, old in zip(after, before, strict=False)] == [True, False, True]
    assert after[1].last_check is not None


def test_an_index_made_anew_in_between_is_not_taken_for_the_one_before(full: Shop) -> None:
    reader = full.again()
    before = reader.store.generations(KEY)
    reader.store.close()
    shutil.rmtree(full.root / "cache")
    full.store.close()
    (full.root / "generations/databases/orders/2").unlink()
    full.store.generations(KEY)
    assert reader.store.generations(KEY) == full.store.generations(KEY) == (before[0], before[2])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b"no database" * 1000),
        lambda path: path.write_bytes(path.read_bytes()[:5000]),
        lambda path: path.write_bytes(path.read_bytes()[:4096] + os.urandom(30000)),
        lambda path: path.write_bytes(b""),
        lambda path: (path.unlink(), path.mkdir()),
    ],
)
def test_an_index_that_is_spoiled_is_made_again(full: Shop, spoil: Callable[[Path], object]) -> None:
    expected = full.store.generations(KEY)
    path = index(full)
    full.store.close()
    spoil(path)
    for _ in range(2):
        other = full.again()
        assert other.store.generations(KEY) == expected
        assert other.store.summaries()[KEY].generations == 3
        other.store.close()


def test_a_process_that_holds_the_index_for_long_holds_nobody_up(full: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dysnomia_store.catalog.cache.PATIENCE", 0.05)
    with sqlite3.connect(index(full)) as db:
        db.execute("BEGIN EXCLUSIVE")
        full.commit(rows(103))
        assert len(full.again().store.generations(KEY)) == 4


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_one_who_may_only_read_sees_all_and_changes_nothing(full: Shop, place: Path) -> None:
    for path in [place, *full.root.rglob("*"), full.root]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
    full.commit(rows(103))
    for path in full.root.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
    expected = full.store.generations(KEY)
    before = sorted((str(path), path.lstat().st_mtime_ns) for path in full.root.rglob("*"))

    def look() -> None:
        other = full.again()
        assert other.store.generations(KEY) == expected
        assert other.store.summaries()[KEY].generations == 4
        assert other.all_ok()
        with pytest.raises(NotPermitted):
            other.commit(rows(9))
        with pytest.raises(NotPermitted):
            other.store.mark(KEY, 1, Marks(), who="eve")

    assert as_nobody(look) == 0
    assert sorted((str(path), path.lstat().st_mtime_ns) for path in full.root.rglob("*")) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_what_may_not_be_read_is_said(full: Shop, place: Path) -> None:
    """Dysnomia's own folders are open to all, ours are not: what it knows is shown, the rest is named."""
    for path in (place, full.root, *(full.root / "generations").rglob("*"), full.root / "generations"):
        if not path.is_symlink():
            path.chmod(0o755)

    def look() -> None:
        store = full.again().store
        assert [one.number for one in store.generations(KEY)] == [1, 2, 3]
        assert all(one.as_of_estimated and not one.problem for one in store.generations(KEY))
        assert "permission denied: metadata" in store.strange()
        with pytest.raises(NotPermitted):
            store.stored(KEY, full.ids()[1])

    assert as_nobody(look) == 0
    full.root.chmod(0o700)

    def refused() -> None:
        with pytest.raises(NotPermitted, match="permission denied"):
            full.again().store.keys()

    assert as_nobody(refused) == 0


def as_nobody(work: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1]
