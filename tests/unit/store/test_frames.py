"""Generations that cost what changed: frames are stored once, and a snapshot is whole by itself all the same."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dysnomia_store.content import cutting
from dysnomia_store.content.cutting import ContentCutter, Cutting, Size
from dysnomia_store.errors import Corrupt, NewerFormat, StoreError
from dysnomia_store.model import Check, CheckResult, Generation, Marks, Pin
from dysnomia_store.records import codec
from dysnomia_store.records.retention import Policy
from tests.unit.store.frames import alone, flip, folder_of, frames_of, lines, on_disk, pool_of
from tests.unit.store.shop import KEY, SMALL, START, Shop, rows


@pytest.fixture
def shop(place: Path) -> Shop:
    return Shop(place / "state", cutting=SMALL)


def test_a_second_generation_costs_what_changed(shop: Shop) -> None:
    first = shop.commit(lines(2000)).generation
    before = on_disk(shop.root)
    second = shop.commit(lines(2000, changed=1000)).generation
    assert first.metadata is not None
    assert first.metadata.stored_size == sum(p.stat().st_size for p in folder_of(shop, first.id).rglob("*.zst"))
    assert on_disk(shop.root) - before < first.metadata.stored_size / 8
    assert shop.content(first) == lines(2000)
    assert shop.content(second) == lines(2000, changed=1000)
    assert shop.all_ok()
    assert {path.stat().st_mode & 0o777 for path in pool_of(shop)} == {0o400}


@pytest.mark.skipif(shutil.which("zstd") is None, reason="no zstd command here")
def test_a_snapshot_folder_alone_is_the_dump(shop: Shop, place: Path) -> None:
    """For whoever has nothing but cat and zstd."""
    made = shop.commit(lines(500)).generation
    shutil.copytree(folder_of(shop, made.id), place / "copy")
    out = subprocess.run(f"cat {place}/copy/dump.zst.d/* | zstd -dc", shell=True, capture_output=True, check=True)  # noqa: S602
    assert out.stdout == lines(500)


def test_each_section_is_read_alone(shop: Shop) -> None:
    tables = {"a": lines(300), "b": lines(5), "c": lines(400, changed=3)}
    made = shop.commit(tables).generation
    stored = shop.store.stored(KEY, made.id)
    for section in stored.sections():
        assert section.offset is not None
        assert section.length is not None
        with stored.open_range("dump", section.offset, section.length) as stream:
            assert stream.read() == tables[section.name]


def test_the_id_does_not_depend_on_the_form(shop: Shop, place: Path) -> None:
    whole = Shop(place / "whole", cutting=Cutting(whole=1 << 30))
    framed, one = shop.commit(lines(500)).generation, whole.commit(lines(500)).generation
    assert framed.id == one.id
    assert frames_of(shop, framed.id)
    assert (folder_of(whole, one.id) / "dump.zst").is_file()


def test_small_artefacts_stay_one_file_and_the_format_what_it_was(shop: Shop) -> None:
    made = shop.commit(rows(20)).generation
    assert os.listdir(folder_of(shop, made.id)) == ["dump.zst"]
    assert '"format":1' in (shop.root / "store.json").read_text()
    assert not (shop.root / "frames").exists()


def test_without_the_chunker_artefacts_are_stored_whole(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> object:
        raise ImportError("no pyfastcdc here")

    monkeypatch.setattr(cutting, "chunker", missing)
    made = shop.commit(lines(500)).generation
    assert os.listdir(folder_of(shop, made.id)) == ["dump.zst"]
    assert shop.content(made) == lines(500)


def test_an_older_program_refuses_the_store_from_the_first_frame_on(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.commit(rows(20))
    monkeypatch.setattr(codec, "NEWEST", 1)
    shop.again()
    monkeypatch.undo()
    made = shop.commit(lines(500)).generation
    metadata = (shop.root / f"metadata/databases/orders/{made.id}.json").read_text()
    assert '"format":2' in metadata
    monkeypatch.setattr(codec, "NEWEST", 1)
    with pytest.raises(NewerFormat, match="is of format 2, and this version reads up to format 1"):
        shop.again()


def test_a_folder_of_frames_that_another_tool_copied_here_raises_the_format(shop: Shop, place: Path) -> None:
    """As Disnix does: it lies in its place before it is imported."""
    made = shop.commit(lines(500)).generation
    other = Shop(place / "other", cutting=SMALL)
    other.commit(rows(5))
    shutil.copytree(folder_of(shop, made.id), folder_of(other, made.id))
    with other.store.lock(KEY, who="alice", job="7", doing="import") as lock:
        other.store.import_folder(lock, folder_of(other, made.id))
    assert other.content(other.newest()) == lines(500)
    assert '"format":2' in (other.root / "store.json").read_text()


# The pool.


def test_what_was_collected_leaves_the_pool(shop: Shop) -> None:
    first = shop.commit(lines(2000)).generation
    shop.commit(lines(2000, changed=1000))
    assert first.metadata is not None
    before = on_disk(shop.root)
    shop.collect(Policy(last=1), grace=3600)
    assert on_disk(shop.root) == before
    (entry,) = shop.store.trash()
    freed = shop.store.empty_trash([entry.name])
    assert freed == before - on_disk(shop.root)
    assert freed == entry.stored_size
    assert 0 < freed < first.metadata.stored_size / 4, "the rest is the other generation's as well"
    assert alone(shop) == []
    shop.collect(Policy(last=1, nothing=True), grace=0)
    assert pool_of(shop) == []


def test_what_another_tool_deleted_leaves_the_pool_with_a_sweep(shop: Shop) -> None:
    made = shop.commit(lines(2000)).generation
    shop.commit(lines(2000, changed=3))
    shutil.rmtree(folder_of(shop, made.id))
    assert alone(shop)
    list(shop.store.sweep(alive=lambda _: False))
    assert alone(shop) == []
    assert shop.content(shop.newest()) == lines(2000, changed=3)


def test_a_pool_deleted_by_hand_costs_nothing_but_space(shop: Shop) -> None:
    first = shop.commit(lines(500)).generation
    shutil.rmtree(shop.root / "frames")
    second = shop.commit(lines(500, changed=3)).generation
    assert shop.all_ok()
    assert shop.content(first) == lines(500)
    assert shop.content(second) == lines(500, changed=3)
    assert len(pool_of(shop)) == len(frames_of(shop, second.id))


@pytest.mark.parametrize("how", [["cp", "-r"], ["cp", "-a"], ["rsync", "-a"]], ids=" ".join)
def test_a_copied_store_is_right(shop: Shop, place: Path, how: list[str]) -> None:
    if shutil.which(how[0]) is None:
        pytest.skip(f"no {how[0]} here")
    made = [shop.commit(lines(500, changed=number)).generation for number in range(3)]
    subprocess.run([*how, f"{shop.root}/", f"{place}/copy"], check=True)
    copy = Shop(place / "copy", cutting=SMALL, now=shop.now)
    assert copy.all_ok()
    again = copy.commit(lines(500, changed=9)).generation
    list(copy.store.sweep(alive=lambda _: False))
    for generation in made:
        assert copy.content(generation) == shop.content(generation)
    assert copy.content(again) == lines(500, changed=9)


def test_a_frame_that_is_cut_short_is_not_believed(shop: Shop) -> None:
    """As a crash may leave one: it is written again, and the old generation says what it lost."""
    shop.commit(lines(500))
    victim = pool_of(shop)[0]
    victim.chmod(0o600)
    os.truncate(victim, victim.stat().st_size - 5)
    made = shop.commit(lines(500) + b"more\n").generation
    assert shop.content(made) == lines(500) + b"more\n"
    assert shop.store.check(KEY, made.id).result is CheckResult.OK
    assert shop.all_ok(), "what was brought again healed the first"


@contextmanager
def descriptors_left(count: int) -> Iterator[None]:
    """This process may open so many files more."""
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(100)]  # the lowest that are free: no gap is left below
    resource.setrlimit(resource.RLIMIT_NOFILE, (held[-1], most))
    try:
        for _ in range(count + 1):
            os.close(held.pop())
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, most))
        for descriptor in held:
            os.close(descriptor)


@pytest.mark.parametrize("form", [lines(500), b"small"], ids=["frames", "one file"])
def test_a_reader_out_of_descriptors_calls_nothing_damaged(shop: Shop, form: bytes) -> None:
    """However deep in the reading it runs out of them; what is recorded stays true."""
    made = shop.commit(form).generation

    def told(do: Callable[[], object]) -> object:
        try:
            return do()
        except StoreError as error:
            return type(error), error.message.endswith("(ulimit -n)")

    said = set()
    for left in range(8):
        with descriptors_left(left):
            said.add(told(lambda: shop.store.check_and_record(KEY, made.id, at=START).result))
            said.add(told(lambda: shop.content(made) == form))
    assert said == {(StoreError, True), CheckResult.OK, True}
    assert shop.store.generation(KEY, made.number).good
    assert not list((shop.root / "frames").glob("bad/*"))
    assert shop.all_ok()


def test_a_pin_holds_every_frame(shop: Shop) -> None:
    made = shop.commit(lines(500)).generation
    shop.store.mark(KEY, 1, Marks(pins=(Pin("audit", "alice", START),)), who="alice")
    shop.commit(lines(500, changed=3))
    shutil.rmtree(folder_of(shop, made.id))
    (shop.root / "generations/databases/orders/1").unlink()
    shop.commit(lines(500, changed=4))
    assert shop.content(shop.store.generation(KEY, 1)) == lines(500)


# Damage.


def checked(shop: Shop, generation: Generation) -> Check:
    return shop.store.check_and_record(KEY, generation.id, at=shop.now)


def test_a_flipped_byte_in_a_shared_frame_is_named_with_every_generation_and_healed(shop: Shop) -> None:
    made = [shop.commit(lines(2000, changed=number)).generation for number in (0, 1, 2)]
    shared = frames_of(shop, made[0].id)[-1]
    assert shared.stat().st_nlink == 4
    other = shop.commit(lines(20), key=type(KEY)("databases", "other")).generation
    flip(shared)
    found = checked(shop, made[1])
    assert found.result is CheckResult.CORRUPT
    assert f"{shared.name} is damaged: its bytes changed" in found.text
    assert "the same files are in generations 1, 3 of databases/orders" in found.text
    for generation in shop.store.generations(KEY):
        assert not generation.good
        assert generation.last_check is not None
        assert shared.name in generation.last_check.text
        named = {1, 2, 3} - {generation.number}
        assert f"generations {min(named)}, {max(named)} of databases/orders" in generation.last_check.text
    assert shop.store.generations(other.key)[0].good
    with pytest.raises(Corrupt, match=shared.name):
        shop.content(made[0])
    healing = shop.commit(lines(2000, changed=5)).generation
    for generation in (*made, healing):
        assert shop.store.generation(KEY, generation.number).good, generation.number
        assert shop.store.check(KEY, generation.id).result is CheckResult.OK
    assert shop.content(made[0]) == lines(2000, changed=0)
    assert frames_of(shop, made[0].id)[-1].samefile(frames_of(shop, healing.id)[-1])
    bad = list((shop.root / "frames/bad").iterdir())
    assert [path.stat().st_nlink for path in bad] == [1], "the damaged file is kept for a while, under no other name"


def test_a_damaged_frame_is_healed_by_an_import(shop: Shop, place: Path) -> None:
    made = shop.commit(lines(2000)).generation
    shutil.copytree(folder_of(shop, made.id), place / made.id)
    shop.commit(lines(2000, changed=7))
    flip(frames_of(shop, made.id)[-1])
    assert checked(shop, made).result is CheckResult.CORRUPT
    with shop.store.lock(KEY, who="alice", job="7", doing="import") as lock:
        shop.store.import_folder(lock, place / made.id)
    assert shop.all_ok()


def test_content_that_the_pool_has_in_another_file_heals_at_once(shop: Shop, place: Path) -> None:
    """The pool was lost and filled again by another snapshot: the damaged file is another than the pool's."""
    first = shop.commit(lines(100)).generation
    second = shop.commit(lines(104)).generation
    shutil.copytree(folder_of(shop, first.id), place / first.id)
    shutil.rmtree(shop.root / "frames")
    shop.commit(lines(99))
    frame = frames_of(shop, first.id)[0]
    assert frame.stat().st_ino == frames_of(shop, second.id)[0].stat().st_ino
    flip(frame)
    checked(shop, first)
    assert [one.good for one in shop.store.generations(KEY)] == [False, False, True]
    with shop.store.lock(KEY, who="", job="4", doing="") as lock:
        shop.store.import_folder(lock, place / first.id)
    assert all(one.good for one in shop.store.generations(KEY))
    assert shop.all_ok()


def test_what_a_check_found_of_a_damaged_snapshot_does_not_come_back_from_the_trash(shop: Shop, place: Path) -> None:
    """The damaged one was set aside for the import: its check says nothing of that one."""
    made = shop.commit(lines(100)).generation
    other = Shop(place / "other", cutting=SMALL)
    folder = folder_of(other, other.commit(lines(100)).generation.id)
    flip(frames_of(shop, made.id)[0])
    shop.store.check_and_record(KEY, made.id, at=shop.now)
    assert not shop.newest().good
    with shop.store.lock(KEY, who="", job="4", doing="") as lock:
        shop.store.import_folder(lock, folder)
    assert shop.newest().good
    shop.store.bring_back([entry.name for entry in shop.store.trash()], who="", job="5")
    assert shop.newest().good
    assert shop.all_ok()


def test_a_check_of_many_generations_reads_each_frame_once(shop: Shop) -> None:
    from dysnomia_store.content.proofs import Proofs

    made = [shop.commit(lines(2000, changed=number)).generation for number in range(6)]
    proofs = Proofs()
    told: list[int] = []
    for generation in made:
        shop.store.check_and_record(KEY, generation.id, at=shop.now, on_bytes=told.append, proofs=proofs)
    assert len(proofs.right) == len(pool_of(shop))
    assert sum(told) == sum(one.metadata.stored_size for one in made if one.metadata)


def test_what_is_missing_or_does_not_belong_is_said(shop: Shop) -> None:
    made = shop.commit(lines(500)).generation
    frames = frames_of(shop, made.id)
    (frames[0].parent / "extra").write_bytes(b"")
    assert "dump.zst.d/extra does not belong to it" in shop.store.check(KEY, made.id).text
    (frames[0].parent / "extra").unlink()
    frames[1].unlink()
    found = shop.store.check(KEY, made.id)
    assert (found.result, found.text) == (CheckResult.MISSING, "dump.zst.d/00000002.zst is missing")
    os.link(frames[0], frames[1])
    assert "it is another frame" in shop.store.check(KEY, made.id).text
    with pytest.raises(Corrupt, match=r"00000002\.zst"):
        shop.content(made)


def test_a_damaged_footer_is_noticed(shop: Shop) -> None:
    made = shop.commit(lines(500)).generation
    flip(folder_of(shop, made.id) / "dump.zst.d/footer.zst")
    assert shop.store.check(KEY, made.id).result is CheckResult.CORRUPT
    with pytest.raises(Corrupt, match="footer"):
        shop.content(made)


# What arrives.


def test_an_imported_frame_that_lies_about_its_content_never_reaches_the_pool(shop: Shop, place: Path) -> None:
    """Else the next dump that holds that content would take the stranger's bytes for its own."""
    other = Shop(place / "other", cutting=SMALL)
    made = other.commit(lines(500)).generation
    forged = place / made.id
    shutil.copytree(folder_of(other, made.id), forged)
    first, second = sorted((forged / "dump.zst.d").glob("0*"))[:2]
    body, trailer = second.read_bytes()[:-88], first.read_bytes()[-88:]
    first.chmod(0o600)
    first.write_bytes(body + trailer)
    with (
        shop.store.lock(KEY, who="alice", job="7", doing="import") as lock,
        pytest.raises(Corrupt, match=first.name),
    ):
        shop.store.import_folder(lock, forged)
    assert pool_of(shop) == []


def test_what_is_imported_shares_what_is_there(shop: Shop, place: Path) -> None:
    other = Shop(place / "other", cutting=SMALL)
    theirs = other.commit(lines(2000, changed=1)).generation
    other.store.export({KEY: [theirs]}, place / "archive.tar")
    shop.commit(lines(2000))
    before = on_disk(shop.root)
    shop.store.import_archive(place / "archive.tar", who="alice")
    assert shop.content(shop.newest()) == lines(2000, changed=1)
    assert shop.all_ok()
    assert theirs.metadata is not None
    assert on_disk(shop.root) - before < theirs.metadata.stored_size / 8
    assert shop.store.import_archive(place / "archive.tar", who="alice").already == 1
    newest = shop.newest()
    assert newest.metadata is not None
    assert [entry.path for entry in newest.metadata.files] == ["dump.zst.d/footer.zst"]


def test_an_archive_that_holds_frames_says_so_in_its_format(shop: Shop, place: Path) -> None:
    framed, small = shop.commit(lines(500)).generation, shop.commit(rows(5)).generation
    for number, generation in (("2", framed), ("1", small)):
        path = place / f"{number}.tar"
        shop.store.export({KEY: [generation]}, path)
        assert f'"format":{number},'.encode() in path.read_bytes()[:2000]


# Cutting.


def cut(data: bytes, piece: int, size: Cutting) -> list[bytes]:
    found: list[bytes] = []
    cutter = ContentCutter(lambda view: found.append(bytes(view)), size)
    for start in range(0, len(data), piece):
        cutter.write(data[start : start + piece])
    cutter.flush()
    return found


TINY = Cutting(zones=((1 << 62, Size(1024, 4096, 16384)),), batch=100_000)


def test_frames_are_the_same_whatever_the_size_of_writes() -> None:
    data = lines(20_000)
    expected = cut(data, len(data), TINY)
    assert b"".join(expected) == data
    for piece in (1009, 65_536, 400_000):
        assert cut(data, piece, TINY) == expected
    assert all(frame.endswith(b"\n") for frame in expected)


def test_the_same_content_is_cut_the_same_way_whatever_stood_before() -> None:
    data = lines(20_000)
    shifted = cut(b"another beginning\n" * 50 + data, 8192, TINY)
    assert len(set(cut(data, 8192, TINY)) - set(shifted)) <= 3


def test_larger_frames_further_on() -> None:
    zones = Cutting(zones=((300_000, Size(1024, 4096, 16384)), (1 << 62, Size(8192, 32768, 65536))), batch=100_000)
    sizes = [len(frame) for frame in cut(lines(20_000), 8192, zones)]
    near = [size for at, size in zip(accumulated(sizes), sizes, strict=True) if at < 300_000]
    far = [size for at, size in zip(accumulated(sizes), sizes, strict=True) if at > 400_000]
    assert sum(far[:-1]) / len(far[:-1]) > 3 * sum(near) / len(near)


def accumulated(sizes: list[int]) -> list[int]:
    return [sum(sizes[:number]) for number in range(len(sizes))]


def test_bytes_without_rows_are_cut_too() -> None:
    data = os.urandom(300_000).replace(b"\n", b" ")
    found = cut(data, 5000, TINY)
    assert b"".join(found) == data
    assert max(map(len, found)) <= 16384


# Bytes.


def test_a_plan_frees_exactly_what_nothing_else_holds(shop: Shop) -> None:
    for number in range(4):
        shop.commit(lines(2000, changed=100 * number))
    sizes = {one.number: one.metadata.stored_size for one in shop.store.generations(KEY) if one.metadata}
    for drop in ([1], [2], [1, 2], [1, 2, 3]):
        plan = shop.plan(drop=drop)
        assert plan.freed == sum(one.stored_size for one in plan.snapshots)
        assert plan.freed < sum(sizes[number] for number in drop) / 4
        copy = shop.root.parent / "copy"
        subprocess.run(["cp", "-a", shop.root, copy], check=True)
        other = Shop(copy, cutting=SMALL, now=shop.now)
        before = on_disk(copy)
        other.store.apply_gc(other.plan(drop=drop), grace=0, who="alice", job="9")
        assert before - on_disk(copy) == plan.freed, drop
        shutil.rmtree(copy)
    everything = shop.plan(Policy(nothing=True))
    assert everything.freed == on_disk(shop.root)


def test_marks_on_two_generations_that_share_a_frame_add_up(shop: Shop) -> None:
    """What both hold alone together is freed with the second of them."""
    base = lines(2000)
    for data in (base, base + lines(200, changed=5), base + lines(200, changed=5) + b"x\n", base):
        shop.commit(data)
    one, two, both = (shop.plan(drop=drop).freed for drop in ([2], [3], [2, 3]))
    assert both > one + two


def test_what_the_trash_alone_shares_comes_back_too(shop: Shop) -> None:
    shop.commit(lines(2000))
    shop.commit(lines(2000, changed=3))
    shop.collect(Policy(last=1), grace=3600)
    left = shop.plan(Policy(nothing=True))
    in_trash = sum(entry.stored_size for entry in shop.store.trash())
    assert left.freed + in_trash == on_disk(shop.root)


def test_usage_counts_what_is_shared_once(shop: Shop) -> None:
    for number in range(10):
        shop.commit(lines(2000, changed=number))
    usage = shop.store.usage()
    assert usage.by_component[KEY] == on_disk(shop.root)
    assert usage.generations == 10
    assert usage.content == 10 * len(lines(2000))
    assert usage.growth[-1][1] == on_disk(shop.root)


def test_what_each_generation_alone_holds_is_what_its_deletion_frees(shop: Shop) -> None:
    for number in range(4):
        shop.commit(lines(2000, changed=100 * number))
    alone = shop.store.alone(KEY)
    for one in shop.store.generations(KEY)[:-1]:
        assert alone[one.id] == shop.plan(drop=[one.number]).freed
    shop.collect(Policy(last=1), grace=3600)
    (left,) = shop.store.generations(KEY)
    assert shop.store.alone(KEY) == {left.id: shop.plan(Policy(nothing=True)).freed}
