"""One file that carries snapshots to another store: whole, verified before anything is registered, and not believed."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dysnomia_store.archive import format as form
from dysnomia_store.archive.read import ArchiveReader
from dysnomia_store.errors import Corrupt, NameRejected, NotFound, Refused, StoreError, StoreFull
from dysnomia_store.model import CheckResult, Marks, Pin, Reason
from dysnomia_store.names import ComponentKey
from dysnomia_store.records import codec as records
from tests.unit.store.faults import IN_TURN, each_fault
from tests.unit.store.shop import KEY, START, Shop, rows
from tests.unit.store.test_upstream import FIXTURE

OTHER = ComponentKey("repos", "wiki")


def carry(source: Shop, path: Path, *keys: ComponentKey) -> Path:
    """An archive of every generation of these components."""
    source.store.export({key: source.store.generations(key) for key in keys or (KEY,)}, path, host="db1")
    return path


def told(shop: Shop, key: ComponentKey = KEY) -> list[tuple[int, str, str]]:
    return [(one.number, one.id, one.text) for one in shop.store.generations(key)]


@pytest.fixture
def full(place: Path) -> Shop:
    """A store with five generations of three snapshots, and a component whose module names its own."""
    source = Shop(place / "source")
    for count in (100, 2000, 100, 30):
        source.commit({"a": rows(count), "b": rows(5)})
    source.commit({"a": rows(100), "b": rows(5)})
    source.commit_files("7", {"dump": b"SVN-fs-dump", "hooks/post": b"#!/bin/sh", "empty": b""}, key=OTHER)
    hook = source.root / "snapshots/repos/wiki/7/hooks/post"
    hook.chmod(0o700)
    return source


def test_everything_arrives_in_order(full: Shop, shop: Shop, place: Path) -> None:
    path = carry(full, place / "a.tar", KEY, OTHER)
    came = shop.store.import_archive(path, who="alice", job="5")
    assert (len(came.made), came.already) == (6, 0)
    ours, theirs = shop.store.generations(KEY), full.store.generations(KEY)
    assert [one.id for one in ours] == [one.id for one in theirs]
    assert [one.as_of for one in ours] == [min(one.as_of, shop.now) for one in theirs]
    assert {one.reason for one in ours} == {Reason.IMPORT}
    assert ours[1].text == "generation 2 of db1 (manual by alice)"
    for one, other in zip(ours, theirs, strict=True):
        assert shop.content(one) == full.content(other)
        assert one.metadata is not None
        assert other.metadata is not None
        assert (one.metadata.origin, one.metadata.rows) == ("", other.metadata.rows)
        assert one.metadata.digest == other.id
    assert shop.all_ok()
    assert shop.all_ok(OTHER)
    (wiki,) = shop.store.generations(OTHER)
    folder = shop.store.stored(OTHER, wiki.id).folder
    assert (folder / "hooks/post").stat().st_mode & 0o777 == 0o700
    assert (folder / "dump").stat().st_mode & 0o777 == 0o600


def test_imported_again_nothing_comes_twice(full: Shop, shop: Shop, place: Path) -> None:
    path = carry(full, place / "a.tar")
    shop.commit(rows(3))
    shop.store.import_archive(path)
    before = told(shop)
    came = shop.store.import_archive(path)
    assert (came.made, came.already) == ((), 5)
    assert told(shop) == before
    assert len(before) == 6
    full.commit(rows(77))
    later = carry(full, place / "b.tar")
    came = shop.store.import_archive(later)
    assert (len(came.made), came.already) == (1, 5)
    assert shop.content(shop.newest()) == rows(77)


def test_into_the_store_it_is_of_only_what_is_gone_comes(full: Shop, place: Path) -> None:
    path = carry(full, place / "a.tar")
    assert full.store.import_archive(path).made == ()
    links = full.root / "generations/databases/orders"
    (links / "2").unlink()
    gone = full.root / "snapshots/databases/orders" / full.ids()[4]
    came = full.store.import_archive(path)
    assert [one.number for one in came.made] == [6]
    assert gone.exists()
    assert full.content(full.newest()) == rows(2000) + rows(5)


def test_a_store_of_dysnomias_own_is_carried(shop: Shop, place: Path) -> None:
    with tarfile.open(FIXTURE) as archive:
        archive.extractall(place, filter="tar")
    theirs = Shop(place / "state")
    keys = tuple(theirs.store.summaries())
    path = carry(theirs, place / "a.tar", *keys)
    shop.store.import_archive(path)
    for key in keys:
        assert [one.id for one in shop.store.generations(key)] == [one.id for one in theirs.store.generations(key)]
        assert shop.all_ok(key)


def test_any_tar_lists_and_unpacks_it(full: Shop, place: Path) -> None:
    path = carry(full, place / "a.tar", KEY, OTHER)
    (place / "out").mkdir()
    subprocess.run(["tar", "xf", path, "-C", place / "out"], check=True)
    with tarfile.open(path) as archive:
        assert archive.getnames()[:2] == [form.RECORD, form.DIGEST]
    for key in (KEY, OTHER):
        for one in full.store.generations(key):
            folder = full.store.stored(key, one.id).folder
            for at in folder.rglob("*"):
                copy = place / "out/snapshots" / str(key) / one.id / at.relative_to(folder)
                assert at.is_dir() or copy.read_bytes() == at.read_bytes()
    record = (place / "out" / form.RECORD).read_bytes()
    assert (place / "out" / form.DIGEST).read_text().strip() == hashlib.sha256(record).hexdigest()


def test_the_same_store_gives_the_same_bytes(full: Shop, place: Path) -> None:
    assert carry(full, place / "a.tar").read_bytes() == carry(full, place / "b.tar").read_bytes()


class TestExport:
    def test_a_file_that_is_there_is_not_written_over(self, full: Shop, place: Path) -> None:
        (place / "a.tar").write_text("mine")
        with pytest.raises(Refused, match="already exists"):
            carry(full, place / "a.tar")
        assert (place / "a.tar").read_text() == "mine"

    def test_what_is_damaged_is_not_exported(self, full: Shop, place: Path) -> None:
        stored = full.store.stored(KEY, full.ids()[2]).folder / "dump.zst"
        data = bytearray(stored.read_bytes())
        data[30] ^= 1
        stored.write_bytes(data)
        with pytest.raises(Corrupt, match=r"dump\.zst is damaged"):
            carry(full, place / "a.tar")
        assert not list(place.glob("a.tar*"))

    def test_what_is_gone_is_named(self, full: Shop, place: Path) -> None:
        generations = full.store.generations(KEY)
        shutil.rmtree(full.root / "snapshots/databases/orders" / full.ids()[2])
        with pytest.raises(NotFound, match=full.ids()[2]):
            full.store.export({KEY: generations}, place / "a.tar")

    def test_what_a_killed_one_left_is_no_hindrance(self, full: Shop, place: Path) -> None:
        (place / "a.tar.partial").write_bytes(b"half of another export, longer than what comes" * 10000)
        (place / "a.tar.partial").chmod(0o600)
        carry(full, place / "a.tar")
        assert not (place / "a.tar.partial").exists()
        with ArchiveReader(place / "a.tar") as reader:
            reader.verify()

    @pytest.mark.parametrize("what", ["readable", "linked", "link", "pipe", "folder"])
    def test_what_somebody_else_may_have_put_there_is_not_written(self, full: Shop, place: Path, what: str) -> None:
        left = place / "a.tar.partial"
        (place / "other").write_bytes(b"another's")
        (place / "other").chmod(0o644 if what == "readable" else 0o600)
        puts: dict[str, Callable[[], object]] = {
            "readable": partial(Path.rename, place / "other", left),
            "linked": partial(os.link, place / "other", left),
            "link": partial(left.symlink_to, place / "other"),
            "pipe": partial(os.mkfifo, left, 0o600),
            "folder": left.mkdir,
        }
        puts[what]()
        with pytest.raises(Refused, match=r"a\.tar\.partial is"):
            carry(full, place / "a.tar")
        assert os.path.lexists(left), "it is not ours to delete"
        assert not (place / "a.tar").exists()
        assert what == "pipe" or not left.is_file() or left.read_bytes() == b"another's"

    def test_a_folder_in_which_others_can_exchange_it_is_refused(self, full: Shop, place: Path) -> None:
        (place / "open").mkdir()
        (place / "open").chmod(0o777)
        with pytest.raises(Refused, match="can be changed by others"):
            carry(full, place / "open" / "a.tar")
        assert os.listdir(place / "open") == []


def test_an_import_survives_every_fault_and_goes_on(full: Shop, shop: Shop, place: Path) -> None:
    small = Shop(place / "small")
    small.commit(rows(50))
    small.commit(rows(60))
    path = carry(small, place / "a.tar")
    shop.commit(rows(7))
    before = shop.ids()

    def work(it: Shop) -> None:
        it.store.import_archive(path, job="7")

    for said, left in each_fault(shop, work, place / "copy", in_turn=IN_TURN):
        assert before.items() <= left.ids().items(), said
        assert left.all_ok(), said
        assert all(not one.problem for one in left.store.generations(KEY)), said
        work(left)
        assert [left.content(one) for one in left.store.generations(KEY)] == [rows(7), rows(50), rows(60)], said
        assert left.store.orphans(KEY) == (), said
        list(left.store.sweep(alive=lambda _: False))
        assert os.listdir(left.root / "staging") == [], said
        assert left.all_ok(), said


def test_a_disk_that_is_too_small_is_said_beforehand(
    full: Shop, shop: Shop, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = carry(full, place / "a.tar")
    monkeypatch.setattr("dysnomia_store.archive.read.free_bytes", lambda _: 100)
    with pytest.raises(StoreFull, match="bytes"):
        shop.store.import_archive(path)
    assert not (shop.root / "snapshots").exists()


# Damage.


def test_a_flip_of_any_byte_is_found_and_nothing_is_registered(shop: Shop, place: Path) -> None:
    source = Shop(place / "source")
    source.commit(rows(40))
    path = carry(source, place / "a.tar")
    data = path.read_bytes()
    for at in {*range(0, len(data), 7), len(data) - 1}:
        damaged = bytearray(data)
        damaged[at] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises((Corrupt, Refused)):
            shop.store.import_archive(path)
    assert not (shop.root / "snapshots").exists()
    assert not (shop.root / "generations").exists()


@pytest.mark.parametrize("size", [0, 1, 511, 512, 1000, -1024, -1])
def test_one_that_is_cut_short_is_refused(full: Shop, shop: Shop, place: Path, size: int) -> None:
    path = carry(full, place / "a.tar")
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises((Corrupt, Refused)):
        shop.store.import_archive(path)
    assert shop.numbers() == []


def test_one_with_more_behind_it_is_refused(full: Shop, shop: Shop, place: Path) -> None:
    path = carry(full, place / "a.tar")
    path.write_bytes(path.read_bytes() + b"\0" * 512)
    with pytest.raises(Refused, match="512 bytes after the end"):
        shop.store.import_archive(path)


def test_what_is_no_archive_is_refused(shop: Shop, place: Path) -> None:
    os.mkfifo(place / "pipe")
    (place / "text").write_text("hello")
    with tarfile.open(place / "tar", "w") as archive:
        archive.add(place / "text", "../../etc/passwd")
    for name in ("pipe", "text", "tar", "folder"):
        (place / "folder").mkdir(exist_ok=True)
        with pytest.raises(Refused):
            shop.store.import_archive(place / name)
    with pytest.raises(NotFound):
        shop.store.import_archive(place / "nothing")


def test_one_that_was_exchanged_since_it_was_looked_at_is_refused(full: Shop, shop: Shop, place: Path) -> None:
    path = carry(full, place / "a.tar")
    with ArchiveReader(path) as reader:
        digest = reader.digest
    shop.store.import_archive(path, digest=digest)
    full.commit(rows(1))
    path.unlink()
    carry(full, path)
    with pytest.raises(Refused, match="was replaced since it was read"):
        shop.store.import_archive(path, digest=digest)


# Hostility: a record that says what none of ours says, with digests and headers that are right.


def forged(
    path: Path, change: Callable[[dict[str, Any]], object], rename: Callable[[str], str] = lambda name: name
) -> None:
    """The archive with another record, everything else made to fit."""
    with tarfile.open(path) as archive:
        held = {member.name: archive.extractfile(member).read() for member in archive.getmembers()}  # type: ignore[union-attr]
    said = json.loads(held.pop(form.RECORD))
    held.pop(form.DIGEST)
    change(said)
    record = json.dumps(said).encode()
    out = io.BytesIO()

    def add(name: str, data: bytes) -> None:
        out.write(form.head(name, len(data)) + data + bytes(form.padded(len(data)) - len(data)))

    add(form.RECORD, record)
    add(form.DIGEST, hashlib.sha256(record).hexdigest().encode() + b"\n")
    for name, data in held.items():
        add(rename(name), data)
    path.write_bytes(out.getvalue() + form.END)


def snapshot_of(said: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = said["components"][0]["snapshots"][0]
    return found


def first_file(said: dict[str, Any]) -> list[Any]:
    found: list[Any] = snapshot_of(said)["files"][0]
    return found


def set_at(said: Any, *path: Any) -> object:
    *way, last, value = path
    for step in way:
        said = said[step]
    said[last] = value
    return said


S = ("components", 0, "snapshots", 0)
G = ("components", 0, "generations", 0)
HOSTILE: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "an absolute path": (lambda said: set_at(first_file(said), 0, "/etc/passwd"), "is an absolute path"),
    "a path that leads out": (lambda said: set_at(first_file(said), 0, "../../x"), "leads out of the snapshot"),
    "a path through a dot": (lambda said: set_at(first_file(said), 0, "./x"), "is not a path"),
    "a path with a NUL": (lambda said: set_at(first_file(said), 0, "a\0b"), "is not a path"),
    "a path into no folder": (lambda said: set_at(first_file(said), 0, "a/b"), "its folder is not in the snapshot"),
    "a name that is too long": (lambda said: set_at(first_file(said), 0, "a" * 300), "too long for any"),
    "a link that leads out": (lambda said: set_at(said, *S, "links", [["l", "../../x"]]), "link that leads out"),
    "an absolute link": (lambda said: set_at(said, *S, "links", [["l", "/etc"]]), "link that leads out"),
    "a file through a link": (
        lambda said: (set_at(said, *S, "links", [["d", "x"]]), set_at(first_file(said), 0, "d/f")),
        "its folder is not in the snapshot"),
    "a link in place of a folder": (
        lambda said: (set_at(said, *S, "folders", ["d"]), set_at(said, *S, "links", [["d", "x"]])), "twice"),
    "a file twice": (lambda said: snapshot_of(said)["files"].append(first_file(said)), "twice"),
    "a folder that leads out": (lambda said: set_at(said, *S, "folders", [".."]), "leads out"),
    "a container that is no name": (lambda said: set_at(said, "components", 0, "container", ".."), "container"),
    "a component with a slash": (lambda said: set_at(said, "components", 0, "component", "a/b"), "holds a slash"),
    "a snapshot that is no name": (lambda said: set_at(said, *S, "id", "-rf"), "snapshot id"),
    "a generation of nothing": (lambda said: set_at(said, *G, "id", "nothing"), "links to a snapshot that is not"),
    "generations out of order": (lambda said: set_at(said, *G, "number", 99), "out of order"),
    "generation 0": (lambda said: set_at(said, *G, "number", 0), "Expected `int` >= 1"),
    "a size below nothing": (lambda said: set_at(first_file(said), 1, -5), "Expected `int` >= 0"),
    "a size of another kind": (lambda said: set_at(first_file(said), 1, True), "Expected `int`, got `bool`"),
    "a size that no disk has": (lambda said: set_at(first_file(said), 1, 1 << 50), "cut short"),
    "a size that is not its file's": (lambda said: set_at(first_file(said), 1, 1), "is not at the position"),
    "a digest that is none": (lambda said: set_at(first_file(said), 2, "../x"), "matching regex"),
    "another file's digest": (lambda said: set_at(first_file(said), 2, "0" * 64), "differs from the archive's record"),
    "a time that is none": (lambda said: set_at(said, *G, "as_of", "soon"), "cannot be read"),
    "a reason that is none": (lambda said: set_at(said, *G, "reason", "because"), "cannot be read"),
    "metadata of another": (lambda said: set_at(said, *S, "metadata", "id", "x"), "belongs to another snapshot"),
    "metadata of another shape": (lambda said: set_at(said, *S, "metadata", []), "cannot be read"),
    "metadata with odd values": (lambda said: set_at(said, *S, "metadata", "rows", "many"), "cannot be read"),
    "a checksum that is none": (lambda said: set_at(said, *S, "checksum", "md5:x"), "checksum"),
    "a component twice": (lambda said: said["components"].append(said["components"][0]), "twice"),
    "a snapshot of nothing": (lambda said: set_at(said, *S, "files", []), "holds no files"),
    "another format": (lambda said: set_at(said, "format", 99), "another format"),
    "no components": (lambda said: said.pop("components"), "cannot be read"),
    "a list of lists": (lambda said: set_at(said, "components", [[[]] * 9]), "cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_record_is_refused_with_its_reason(shop: Shop, place: Path, what: str) -> None:
    source = Shop(place / "source")
    source.commit(rows(40))
    source.commit(rows(50))
    path = carry(source, place / "a.tar")
    forged(path, lambda said: None)
    with ArchiveReader(path) as reader:
        reader.verify()
    change, reason = HOSTILE[what]
    forged(path, change)
    with pytest.raises((Refused, NameRejected, Corrupt), match=reason):
        shop.store.import_archive(path)
    assert not (shop.root / "snapshots").exists()
    assert not (place / "x").exists()


def test_a_snapshot_under_anothers_id_is_refused_and_taken_out_again(shop: Shop, place: Path) -> None:
    """Every digest is right; only the snapshot's own footer tells."""
    source = Shop(place / "source")
    source.commit(rows(40))
    source.commit(rows(50))
    path = carry(source, place / "a.tar")
    ids = source.ids()

    def exchange(said: dict[str, Any]) -> None:
        one = said["components"][0]
        second = one["snapshots"][1]
        second["id"] = second["metadata"]["id"] = one["generations"][1]["id"] = "f" * 64

    forged(path, exchange, rename=lambda name: name.replace(ids[2], "f" * 64))
    with pytest.raises(Corrupt, match="holds another snapshot"):
        shop.store.import_archive(path)
    assert shop.numbers() == []
    assert shop.store.orphans(KEY) == (), "the one that was right is not left lying there"
    assert list((shop.root / "checksums/databases/orders").iterdir()) == []


def test_a_record_that_is_a_bomb_is_refused_before_it_is_parsed(shop: Shop, place: Path) -> None:
    record = b"[" * (form.MOST_VALUES + 1)
    path = place / "bomb"
    head = form.head(form.RECORD, len(record)) + record + bytes(form.padded(len(record)) - len(record))
    line = hashlib.sha256(record).hexdigest().encode() + b"\n"
    digest = form.head(form.DIGEST, len(line)) + line + bytes(form.padded(len(line)) - len(line))
    path.write_bytes(head + digest + form.END)
    with pytest.raises(Refused, match="more than an archive can"):
        shop.store.import_archive(path)
    path.write_bytes(form.head(form.RECORD, form.MOST_RECORD + 1))
    with pytest.raises(Refused, match="not an archive of snapshots"):
        shop.store.import_archive(path)


@settings(max_examples=200, deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
                        ["format", "store", "host", "made", "components", "snapshots", "generations", "id", "files"]),
                        inner, max_size=4), max_leaves=20))  # fmt: skip
def test_any_json_is_a_record_or_refused(said: object) -> None:
    with pytest.raises(StoreError):
        form.load(records.dump({"format": 1, "components": said, "store": "", "host": "", "made": "x"}), "it")


# Trust.


def test_what_came_is_nobodys_of_here(full: Shop, shop: Shop, place: Path) -> None:
    full.store.mark(KEY, 1, Marks(pins=(Pin("mine", "alice", START),), tags=("trusted",)), who="alice")
    shop.store.import_archive(carry(full, place / "a.tar"))
    assert all(one.marks == Marks() for one in shop.store.generations(KEY))
    assert all(one.metadata and one.metadata.origin == "" for one in shop.store.generations(KEY))


def test_a_strangers_bytes_never_stand_for_a_state_that_is_dumped_here(shop: Shop, place: Path) -> None:
    """Somebody who knows what a state's id will be imports something else under it: nothing in it can be proved."""
    expected = Shop(place / "oracle").commit(rows(40)).generation
    folder = place / "in" / expected.id
    folder.mkdir(parents=True)
    (folder / "dump").write_bytes(b"something else")
    with shop.store.lock(KEY, who="mallory", job="5", doing="import") as lock:
        shop.store.import_folder(lock, folder, who="mallory", job="5")
    shop.commit(rows(3))
    made = shop.commit(rows(40)).generation
    assert made.id == expected.id
    assert shop.content(made) == rows(40)
    assert shop.store.check(KEY, made.id).result is CheckResult.OK
