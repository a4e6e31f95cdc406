"""Spill files: private, gone with their process, and right however small the memory."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dysnomia_tui.engine.diff.spill import PrivateFolder, Records, SpillFile, sorted_records, spill_root, sweep
from tests.plugins.other_user import needs_root


@given(st.lists(st.tuples(st.integers(), st.binary(max_size=5))), st.integers(1, 200))
def test_a_sort_with_any_memory_is_a_sort(
    tmp_path_factory: pytest.TempPathFactory, records: list[tuple[int, bytes]], memory: int
) -> None:
    folder = tmp_path_factory.mktemp("s")
    found = sorted_records(records, folder, weight=lambda record: 10, run_bytes=memory)
    assert list(found) == sorted(records)
    assert list(folder.iterdir()) == []


def test_any_page_of_records_is_read(tmp_path: Path) -> None:
    records = Records(tmp_path)
    for number in range(1000):
        records.append((number, b"x" * (number % 7), None))
    for start, count in [(0, 3), (63, 2), (64, 1), (990, 100), (1000, 1), (5000, 1), (-1, 5), (3, 0)]:
        wanted = range(start, min(1000, start + count)) if start >= 0 else range(0)
        assert [record[0] for record in records.page(start, count)] == list(wanted)
    records.append((1000, b"", None))
    assert next(iter(records.page(1000, 1)))[0] == 1000


@given(
    st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=5)), max_size=700),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 300), st.integers(0, 300)), max_size=9),
    st.booleans(),
)
def test_records_that_share_a_file_are_those_of_each(
    tmp_path_factory: pytest.TempPathFactory,
    added: list[tuple[int, bytes]],
    pages: list[tuple[int, int, int]],
    sealed: bool,
) -> None:
    folder = tmp_path_factory.mktemp("s")
    file = SpillFile(folder)
    kept = [Records(folder, file) for _ in range(4)]
    for which, data in added:
        kept[which].append((which, data))
    for one in kept if sealed else ():
        one.seal()
    for which, start, count in pages:
        mine = [record for record in added if record[0] == which]
        assert len(kept[which]) == len(mine)
        assert list(kept[which].page(start, count)) == mine[start : start + count]
    file.close()
    assert list(folder.iterdir()) == []


def test_a_folder_is_private_and_a_dead_process_s_folder_is_swept(tmp_path: Path) -> None:
    own = PrivateFolder(tmp_path)
    assert own.path.stat().st_mode & 0o777 == 0o700
    code = "import sys, pathlib; from dysnomia_tui.engine.diff.spill import PrivateFolder as made"
    code += "; print(made(pathlib.Path(sys.argv[1])).path)"
    ran = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    dead = Path(ran.stdout.strip())
    assert dead.is_dir()
    (tmp_path / "dysnomia-diff").mkdir()
    sweep(tmp_path)
    assert not dead.exists()
    assert own.path.is_dir()
    assert (tmp_path / "dysnomia-diff").is_dir()
    own.close()
    own.close()
    assert not own.path.exists()


@needs_root
def test_a_folder_in_use_is_not_swept_from_a_container(tmp_path: Path) -> None:
    """There its process has another number, or none, and began at another time."""
    code = "import sys, pathlib; from dysnomia_tui.engine.diff.spill import sweep; sweep(pathlib.Path(sys.argv[1]))"
    apart = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", code, str(tmp_path)]
    with PrivateFolder(tmp_path) as folder:
        subprocess.run(apart, check=True)
        assert folder.is_dir()
    assert not folder.exists()


def test_a_folder_that_was_swept_before_it_was_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, locked = fcntl.flock, 0

    def swept_first(descriptor: int, how: int) -> None:
        nonlocal locked
        locked += 1
        if locked == 1:
            for folder in tmp_path.iterdir():
                folder.rmdir()
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", swept_first)
    with PrivateFolder(tmp_path) as folder:
        assert folder.is_dir()


def test_files_go_where_the_operator_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert spill_root() == tmp_path
    monkeypatch.delenv("TMPDIR")
    assert spill_root().is_dir()
