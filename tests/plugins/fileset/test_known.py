"""A snapshot that reads only what changed since the newest one is, byte for byte, one that reads everything."""

from __future__ import annotations

import mmap
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from dysnomia_plugins.toolkit.filesets import dump as fileset
from dysnomia_plugins.toolkit.trees import dump, plain
from dysnomia_plugins.types.fileset import Fileset
from dysnomia_store.model import Generation
from dysnomia_tui.engine.component import activities
from dysnomia_tui.engine.component.activities import ComponentJob
from tests.benchmarks.work import job_in
from tests.thorough import often

FILES = 560
"""More than are read each time anyway."""


@dataclass
class Place:
    """A tree, and a store that keeps its snapshots."""

    folder: Path
    jobs: int = 0
    read: list[int] = field(default_factory=list)
    """Bytes of each file that was read."""
    compression: str = "zstd"

    @property
    def data(self) -> Path:
        return self.folder / "srv" / "data"

    def job(self, where: str = "home") -> ComponentJob:
        self.jobs += 1
        folder = self.folder / where
        folder.mkdir(exist_ok=True)
        job = job_in(folder, str(self.jobs), Fileset(), {"type": "fileset"})
        (job.component.path / ".dysnomia-fileset").write_text("mkdir data\n")
        (job.component.path / ".dysnomia-targetdir").write_text(f"{self.folder / 'srv'}\n")
        return replace(job, compression=self.compression)

    def snapshot(self, **changes: Any) -> Generation:
        self.read.clear()
        return activities.snapshot(replace(self.job(), **changes)).generation

    def like_one_that_reads_all(self) -> None:
        """Compare the newest snapshot with one of the same tree in a new store: id, bytes and contents index."""
        ours = self.snapshot()
        read = list(self.read)
        other = self.job(f"other{self.jobs}")
        theirs = activities.snapshot(other).generation
        assert ours.id == theirs.id
        store = self.job().store
        assert store.check(other.key, ours.id).result == "ok"
        with store.stored(other.key, ours.id).open() as left, other.store.stored(other.key, ours.id).open() as right:
            assert left.read() == right.read()
        assert list(store.stored(other.key, ours.id).sections()) == list(
            other.store.stored(other.key, ours.id).sections()
        )
        shutil.rmtree(self.folder / f"other{self.jobs - 2}", ignore_errors=True)
        self.read[:] = read

    def number_of_files(self) -> int:
        return sum(len(names) for _, _, names in os.walk(self.data))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Nothing counts as just changed, unless a test says so: else it would have to wait until all of it is older."""
    place = Place(tmp_path)
    make_tree(place.data, Random(1))
    for module in (dump, plain):
        monkeypatch.setattr(module, "_read_all", counted(place, module._read_all))
    monkeypatch.setattr(fileset, "JUST", 0)
    return place


def counted(place: Place, read_all: Callable[[int, int], bytes]) -> Callable[[int, int], bytes]:
    def read(descriptor: int, size: int) -> bytes:
        place.read.append(size)
        return read_all(descriptor, size)

    return read


def make_tree(folder: Path, random: Random) -> None:
    for number in range(FILES):
        at = folder / f"d{number % 23}" / (f"e{number % 7}" if number % 3 else "")
        at.mkdir(parents=True, exist_ok=True)
        size = random.choice((0, 20, 400, 5_000)) if number % 40 else 150_000
        (at / f"f{number}").write_bytes(random.randbytes(size) if number % 2 else b"words and words\n" * (size // 16))
    (folder / "large").write_bytes(random.randbytes(1 << 20 | 1))
    (folder / os.fsdecode(b"no utf-8 \xff")).write_bytes(b"odd")
    (folder / "link").symlink_to("d1")
    (folder / "z-other-name").hardlink_to(folder / "large")


def test_what_did_not_change_is_seen_again_and_nothing_of_it_is_read(place: Place) -> None:
    first = place.snapshot()
    assert len(place.read) > FILES
    again = place.snapshot()
    assert place.read == []
    assert (again.number, again.id) == (first.number, first.id)
    assert len(place.job().store.seen(first.key, first.number)) == 1


@pytest.mark.parametrize("seed", range(often(3, 1)))
def test_after_any_changes_it_is_what_reading_everything_gives(place: Place, seed: int) -> None:
    random = Random(seed)
    place.snapshot()
    for _ in range(4):
        for _ in range(random.randint(1, 6)):
            random.choice(CHANGES)(place, random)
        place.like_one_that_reads_all()
        assert len(place.read) < FILES / 2


def test_only_what_changed_is_read(place: Place) -> None:
    place.snapshot()
    (place.data / "d5" / "new").write_bytes(b"12345")
    (place.data / "d1" / "e1" / "f1").write_bytes(b"1234567")
    place.like_one_that_reads_all()
    assert sorted(place.read) == [5, 7]


def test_a_change_that_hides_its_time_is_found(place: Place) -> None:
    place.snapshot()
    path = place.data / "d1" / "f507"
    before, content = path.stat(), path.read_bytes()
    path.write_bytes(b"!" + content[1:])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    place.like_one_that_reads_all()
    with place.job().store.stored(place.job().key, place.snapshot().id).open() as stream:
        assert b"!" + content[1:] in stream.read()


def test_what_had_just_changed_is_read_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fileset, "JUST", 60_000_000_000)
    place.snapshot()
    place.snapshot()
    assert len(place.read) > FILES


MAPPING = """
import mmap, sys
with open(sys.argv[1], "r+b") as file:
    mapped = mmap.mmap(file.fileno(), 0)
for line in sys.stdin:
    mapped[0] = ord(line[0])
    print("written", flush=True)
"""


def test_what_a_program_writes_through_a_mapping_is_found_though_no_time_tells(place: Place) -> None:
    """The kernel sets the times at the first write to a page, and not at the next ones before it wrote the page."""
    path = place.data / "mapped"
    path.write_bytes(bytes(mmap.PAGESIZE))
    with subprocess.Popen(
        [sys.executable, "-c", MAPPING, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        asks, says = program.stdin, program.stdout
        assert asks is not None
        assert says is not None

        def write(letter: str) -> int:
            print(letter, file=asks, flush=True)
            assert says.readline() == "written\n"
            return path.stat().st_ctime_ns

        first = write("a")
        before = place.snapshot()
        if write("b") != first:
            pytest.skip("the kernel wrote the page in between")
        assert place.snapshot().id != before.id
        asks.close()


def test_everything_is_read_again_now_and_then(place: Place) -> None:
    place.snapshot()
    place.snapshot(read_all_every=timedelta(0))
    assert len(place.read) > FILES
    place.snapshot()
    assert place.read == []


def test_a_file_system_that_does_not_tell_is_read(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fileset, "FILE_SYSTEMS", frozenset())
    place.snapshot()
    place.snapshot()
    assert len(place.read) > FILES


@pytest.mark.parametrize("how", ["a frame that is read", "every frame", "the index"])
def test_what_is_stored_is_damaged_and_everything_is_read(place: Place, how: str) -> None:
    first = place.snapshot()
    state = place.folder / "home" / "state"
    frames = sorted(state.glob("snapshots/*/*/*/*.zst.d/0*.zst"), key=lambda path: path.name)
    index = list(state.glob("metadata/*/*/*.index.zst"))
    damaged = {"a frame that is read": frames[:1], "every frame": frames, "the index": index}[how]
    for path in damaged:
        path.chmod(0o600)
        whole = bytearray(path.read_bytes())
        whole[len(whole) // 2] ^= 1
        path.write_bytes(whole)
    (place.data / "d0").rename(place.data / "d00")
    made = place.snapshot()
    assert made.id != first.id
    assert place.read
    other = activities.snapshot(place.job("other")).generation
    assert made.id == other.id
    if how != "every frame":
        assert place.job().store.check(made.key, made.id).result == "ok"


def test_a_snapshot_that_failed_a_check_is_not_built_upon(place: Place) -> None:
    first = place.snapshot()
    state = place.folder / "home" / "state"
    path = max(state.glob("snapshots/*/*/*/*.zst.d/0*.zst"))
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-9] + b"987654321")
    assert activities.check(place.job(), first.number).result == "corrupt"
    place.snapshot()
    assert len(place.read) > FILES
    assert activities.check(place.job(), first.number).result == "ok"


def test_the_pool_is_gone(place: Place) -> None:
    place.snapshot()
    shutil.rmtree(place.folder / "home" / "state" / "frames")
    (place.data / "d5" / "new").write_bytes(b"12345")
    place.like_one_that_reads_all()


@pytest.mark.parametrize("text", [b"", b"[1]\n", b'{"id":7}\n', b"\xff" * 100])
def test_a_note_that_cannot_be_read_is_none(place: Place, text: bytes) -> None:
    place.snapshot()
    (note,) = place.folder.glob("home/state/noted/*/*")
    note.write_bytes(text)
    place.snapshot()
    assert len(place.read) > FILES
    place.snapshot()
    assert place.read == []


@pytest.mark.parametrize("spoil", [lambda data: data[:-16], lambda data: data + data[-16:], lambda data: data[:-1]])
def test_a_note_of_other_members_is_none(place: Place, spoil: Callable[[bytes], bytes]) -> None:
    place.snapshot()
    (note,) = place.folder.glob("home/state/noted/*/*")
    note.write_bytes(spoil(note.read_bytes()))
    place.like_one_that_reads_all()
    assert len(place.read) > FILES


def test_a_store_of_whole_files(place: Place) -> None:
    place.compression = "xz"
    place.snapshot()
    (place.data / "d5" / "new").write_bytes(b"12345")
    place.like_one_that_reads_all()
    assert place.read == [5]


def test_after_a_restore_everything_is_read_and_known_again(place: Place) -> None:
    first = place.snapshot()
    (place.data / "d5" / "new").write_bytes(b"12345")
    place.snapshot()
    activities.restore(place.job(), first.number)
    place.like_one_that_reads_all()
    place.snapshot()
    assert place.read == []


# Changes of a tree.


def _files(place: Place) -> list[Path]:
    return sorted(path for path in place.data.rglob("f*") if path.is_file() and not path.is_symlink())


def _append(place: Place, random: Random) -> None:
    with random.choice(_files(place)).open("ab") as file:
        file.write(random.randbytes(random.choice((1, 500, 100_000))))


def _write_over(place: Place, random: Random) -> None:
    path = random.choice(_files(place))
    before = path.stat()
    path.write_bytes(random.randbytes(before.st_size))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _change_large(place: Place, random: Random) -> None:
    with (place.data / "large").open("r+b") as file:
        file.seek(random.randrange(1 << 20))
        file.write(b"changed")


def _mode(place: Place, random: Random) -> None:
    random.choice(_files(place)).chmod(random.choice((0o600, 0o640, 0o755)))


def _delete(place: Place, random: Random) -> None:
    random.choice(_files(place)).unlink()


def _add(place: Place, random: Random) -> None:
    folder = random.choice(_files(place)).parent
    (folder / f"f new {random.getrandbits(20)}").write_bytes(random.randbytes(random.choice((0, 30, 300_000))))


def _rename(place: Place, random: Random) -> None:
    path = random.choice(_files(place))
    path.rename(path.with_name(f"f{random.getrandbits(20)}"))


def _rename_folder(place: Place, random: Random) -> None:
    path = random.choice(_files(place)).parent
    if path != place.data:
        path.rename(path.with_name(f"{random.choice('ad')}{random.getrandbits(20)}"))


def _delete_folder(place: Place, random: Random) -> None:
    path = random.choice(_files(place)).parent
    if path.name.startswith("e"):
        shutil.rmtree(path)


def _exchange(place: Place, random: Random) -> None:
    one, other = random.sample(_files(place), 2)
    spare = place.data / "spare"
    one.rename(spare)
    other.rename(one)
    spare.rename(other)


def _link(place: Place, random: Random) -> None:
    path = random.choice(_files(place))
    path.with_name(f"{random.choice('az')}{random.getrandbits(20)}").hardlink_to(path)


def _symlink(place: Place, random: Random) -> None:
    link = place.data / "link"
    link.unlink()
    link.symlink_to(f"d{random.getrandbits(8)}")


def _touch(place: Place, random: Random) -> None:
    random.choice(_files(place)).touch()


def _attribute(place: Place, random: Random) -> None:
    os.setxattr(random.choice(_files(place)), "user.said", random.randbytes(4))


CHANGES: tuple[Callable[[Place, Random], None], ...] = (
    _append, _write_over, _change_large, _mode, _delete, _add, _rename, _rename_folder, _delete_folder, _exchange,
    _link, _symlink, _touch, _attribute,
)  # fmt: skip
