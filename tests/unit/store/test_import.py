"""What was made elsewhere is taken in, and not believed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from dysnomia_store.catalog import cache
from dysnomia_store.content.cutting import Cutting
from dysnomia_store.disk.syscalls import Disk
from dysnomia_store.errors import Corrupt, NameRejected, NotFound, Refused
from dysnomia_store.model import CheckResult, Reason
from dysnomia_store.store import Committed
from tests.unit.store.frames import folder_of, frames_of, lines
from tests.unit.store.shop import KEY, SMALL, Shop, rows


def take(shop: Shop, folder: Path, *, move: bool = False) -> Committed:
    with shop.store.lock(KEY, who="alice", job="5", doing="import") as lock:
        return shop.store.import_folder(lock, folder, who="alice", job="5", move=move)


@pytest.fixture
def folder(place: Path) -> Path:
    """A snapshot folder of another store, copied alone."""
    other = Shop(place / "other")
    made = other.commit(rows(500), type="sqlite-database", digest_version=3).generation
    target = place / "in" / made.id
    shutil.copytree(other.store.stored(KEY, made.id).folder, target)
    return target


def foreign(place: Path, name: str = "7", **files: bytes) -> Path:
    target = place / "in" / name
    target.mkdir(parents=True)
    for path, data in files.items():
        (target / path).write_bytes(data)
    return target


def test_one_that_explains_itself_is_verified_and_described(shop: Shop, folder: Path) -> None:
    made = take(shop, folder).generation
    assert (made.number, made.id, made.reason) == (1, folder.name, Reason.IMPORT)
    assert made.metadata is not None
    assert (made.metadata.type, made.metadata.digest, made.metadata.digest_version) == (
        "sqlite-database",
        folder.name,
        3,
    )
    assert (made.metadata.rows, made.metadata.complete, made.metadata.origin) == (500, True, "")
    assert shop.content(made) == rows(500)
    assert folder.exists()
    assert not take(shop, folder).new


def test_a_flipped_byte_is_found(shop: Shop, folder: Path) -> None:
    path = folder / "dump.zst"
    data = bytearray(path.read_bytes())
    data[20] ^= 1
    path.write_bytes(data)
    with pytest.raises(Corrupt):
        take(shop, folder)
    assert shop.numbers() == []
    assert os.listdir(shop.root / "staging") == []


def test_one_under_anothers_name_is_refused(shop: Shop, folder: Path) -> None:
    renamed = folder.with_name("0" * 64)
    folder.rename(renamed)
    with pytest.raises(Corrupt, match="holds another snapshot"):
        take(shop, renamed)
    assert shop.numbers() == []


def test_another_tools_is_taken_as_it_is_and_known_by_its_bytes(shop: Shop, place: Path) -> None:
    source = foreign(place, dump=b"SVN-fs-dump", extra=b"x")
    os.utime(source / "dump", (shop.now.timestamp() - 7200,) * 2)
    os.utime(source / "extra", (shop.now.timestamp() - 3600,) * 2)
    made = take(shop, source).generation
    assert (made.id, made.as_of.timestamp()) == ("7", shop.now.timestamp() - 3600)
    assert made.metadata is not None
    assert (made.metadata.complete, made.metadata.digest) == (None, "")
    assert shop.store.check(KEY, "7").result is CheckResult.OK


def test_moved_it_is_gone_from_where_it_was(shop: Shop, place: Path) -> None:
    source = foreign(place, dump=b"x")
    take(shop, source, move=True)
    assert not source.exists()
    assert shop.all_ok()


def test_one_that_is_in_the_store_is_only_linked(shop: Shop) -> None:
    first = shop.commit(rows(3)).generation
    shop.commit(rows(4))
    made = take(shop, shop.store.stored(KEY, first.id).folder).generation
    assert (made.number, made.id) == (3, first.id)


@pytest.mark.parametrize("points_at", ["/etc/passwd", "../../secret", "a/../../b"])
def test_a_link_that_leads_out_is_refused(shop: Shop, place: Path, points_at: str) -> None:
    source = foreign(place, dump=b"x")
    (source / "link").symlink_to(points_at)
    with pytest.raises(Refused, match="leads out"):
        take(shop, source)
    assert shop.numbers() == []


def test_links_within_it_stay_links(shop: Shop, place: Path) -> None:
    source = foreign(place, dump=b"x")
    (source / "latest").symlink_to("dump")
    made = take(shop, source).generation
    assert os.readlink(shop.store.stored(KEY, made.id).folder / "latest") == "dump"


def test_pipes_are_refused_and_not_opened(shop: Shop, place: Path) -> None:
    source = foreign(place, dump=b"x")
    os.mkfifo(source / "pipe")
    with pytest.raises(Refused, match="neither a file"):
        take(shop, source)


def test_no_setuid_and_nothing_for_others(shop: Shop, place: Path) -> None:
    source = foreign(place, run=b"#!/bin/sh")
    (source / "run").chmod(0o4777)
    made = take(shop, source).generation
    assert (shop.store.stored(KEY, made.id).folder / "run").stat().st_mode & 0o7777 == 0o700


@pytest.mark.parametrize("name", ["-rf", ".hidden", "a\nb"])
def test_names_that_are_none(shop: Shop, place: Path, name: str) -> None:
    with pytest.raises(NameRejected):
        take(shop, foreign(place, name, dump=b"x"))


def test_a_folder_that_is_none(shop: Shop, place: Path) -> None:
    with pytest.raises(NotFound):
        take(shop, place / "nothing")
    (place / "link").symlink_to(place)
    with pytest.raises(NotFound):
        take(shop, place / "link")


def test_an_import_looks_at_none_of_the_generations_that_are_there(
    shop: Shop, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(shop, foreign(place, "6", dump=b"six"))

    def look(*_: object) -> None:
        raise AssertionError("the whole component was read")

    with monkeypatch.context() as watched:
        watched.setattr(cache, "read", look)
        made = take(shop, foreign(place, "7", dump=b"seven")).generation
    assert (made.number, made.id, made.reason) == (2, "7", Reason.IMPORT)
    assert made == shop.store.generation(KEY, 2)


class TestItsOwnerExchangesIt:
    """Root reads and deletes what it holds open, never what has taken the name since."""

    @pytest.fixture
    def root_s(self, place: Path) -> Path:
        (place / "etc" / "keys").mkdir(parents=True)
        (place / "etc" / "keys" / "dump").write_bytes(b"root's")
        return place / "etc"

    def test_a_folder_in_it_while_it_is_copied(self, shop: Shop, place: Path, root_s: Path) -> None:
        source = foreign(place, a=b"x")
        (source / "keys").mkdir()
        (source / "keys" / "dump").write_bytes(b"their own")

        def exchange(call: str, path: str) -> None:
            if call == "create" and path.endswith("/a") and not source.is_symlink():
                source.rename(place / "aside")
                source.symlink_to(root_s)

        made = take(shop.again(Disk(before=exchange)), source, move=True).generation
        assert (shop.store.stored(KEY, made.id).folder / "keys" / "dump").read_bytes() == b"their own"
        assert (root_s / "keys" / "dump").exists()

    def test_a_folder_in_it_while_it_is_deleted(self, shop: Shop, place: Path, root_s: Path) -> None:
        source = foreign(place, a=b"x")
        (source / "keys").mkdir()
        (source / "keys" / "dump").write_bytes(b"their own")

        def exchange(call: str, path: str) -> None:
            if call in ("unlink", "rmdir") and path.startswith(str(source)) and not source.is_symlink():
                source.rename(place / "aside")
                source.symlink_to(root_s)

        take(shop.again(Disk(before=exchange)), source, move=True)
        assert (root_s / "keys" / "dump").exists()

    def test_a_folder_above_it_before(self, shop: Shop, place: Path, root_s: Path) -> None:
        above = place / "all may write here" / "theirs"
        above.parent.mkdir()
        above.parent.chmod(0o777)
        above.symlink_to(root_s)
        with pytest.raises(Refused, match="is a link that was not followed"):
            take(shop, above / "keys", move=True)
        assert (root_s / "keys" / "dump").exists()


def test_the_same_state_that_is_stored_as_one_file_is_seen_again(shop: Shop, place: Path) -> None:
    """As an earlier version stored it; what arrives is in frames."""
    earlier = Shop(shop.root, cutting=Cutting(whole=1 << 30))
    stored = earlier.commit(lines(100)).generation
    other = Shop(place / "other", cutting=SMALL)
    made = other.commit(lines(100)).generation
    assert frames_of(other, made.id)
    assert not frames_of(shop, stored.id)
    came = take(shop, folder_of(other, made.id))
    assert (came.new, came.generation.number, came.generation.id) == (False, 1, stored.id)
    assert shop.numbers() == [1]
    assert shop.all_ok()
