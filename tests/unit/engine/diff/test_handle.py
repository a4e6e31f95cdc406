"""The diff as the engine sees it: a process of its own, answers while it works, nothing left behind."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest

from dysnomia_store.model import Form
from dysnomia_tui.engine.diff.handle import Diff, DiffFailed, start_diff
from dysnomia_tui.engine.diff.sides import SideSpec
from dysnomia_tui.engine.diff.spill import Records
from dysnomia_tui.engine.records import Change, RowChange
from tests.unit.engine.diff.tables import Table, spec, text, write
from tests.waiting import wait_until

PATIENCE = 60.0


def test_the_key_of_its_hashes_is_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    old, new = write(tmp_path / "old", Table("t", [b"a"])), write(tmp_path / "new", Table("t", [b"b"]))
    before = set(psutil.Process().children())  # of other tests, which end when they do
    with started(tmp_path, old, new) as diff:
        assert diff.wait(PATIENCE), diff.error
        children = set(psutil.Process().children()) - before
        (child,) = (one for one in children if "dysnomia_tui.engine.diff" in " ".join(one.cmdline()))
        assert "PYTHONHASHSEED" not in child.environ()


def started(tmp_path: Path, old: Path, new: Path) -> Diff:
    spill = tmp_path / "spill"
    spill.mkdir(exist_ok=True)
    return start_diff(spec(old), spec(new), spill=spill)


def test_sections_come_schema_first_then_by_name_with_counts(tmp_path: Path) -> None:
    old = write(
        tmp_path / "old",
        Table("zebra", [b"1\ta", b"2\tb"], key=("id",)),
        Table("apple", [b"1\ta"]),
        Table("same", [b"1\tx"]),
        Table("gone", [b"1\tx", b"2\ty"]),
        text("public", [b"create table zebra"]),
    )
    new = write(
        tmp_path / "new",
        text("public", [b"create table zebra", b"create table fresh"]),
        Table("apple", [b"1\ta", b"1\ta"]),
        Table("fresh", [b"1\tx"]),
        Table("same", [b"1\tx"]),
        Table("zebra", [b"2\tb", b"1\tchanged"], key=("id",)),
    )
    with started(tmp_path, old, new) as diff:
        assert diff.wait(PATIENCE), diff.error
        found = [(c.change, c.section.name, c.added, c.removed, c.changed) for c in diff.sections()]
        assert found == [
            (Change.CHANGED, "public", 1, 0, 0),
            (Change.CHANGED, "apple", 1, 0, 0),
            (Change.ADDED, "fresh", 1, 0, 0),
            (Change.REMOVED, "gone", 0, 2, 0),
            (Change.CHANGED, "zebra", 0, 0, 1),
        ]
        rows = {change.section.name: diff.rows(change, 0, 10) for change in diff.sections()}
    assert rows["public"] == [RowChange(Change.ADDED, None, ("create table fresh",), line=2)]
    assert rows["apple"] == [RowChange(Change.ADDED, None, ("1", "a"))]
    assert rows["fresh"] == [RowChange(Change.ADDED, None, ("1", "x"))]
    assert [row.old for row in rows["gone"]] == [("1", "x"), ("2", "y")]
    assert rows["zebra"] == [RowChange(Change.CHANGED, ("1", "a"), ("1", "changed"), frozenset({1}))]


def test_rows_are_paged_forward_and_back(tmp_path: Path) -> None:
    old = write(tmp_path / "old", Table("t", [b"%d\ta" % i for i in range(1000)], key=("id",)), Table("w", [b"0\tx"]))
    new = write(
        tmp_path / "new",
        Table("t", [b"%d\tb" % i for i in reversed(range(1000))], key=("id",)),
        Table("fresh", [b"%d\tx" % i for i in range(300)]),
    )
    with started(tmp_path, old, new) as diff:
        fresh, t, w = (diff.wait(PATIENCE), list(diff.sections()))[1]
        assert [row.new for row in diff.rows(t, 500, 3)] == [("500", "b"), ("501", "b"), ("502", "b")]
        assert [row.new for row in diff.rows(t, 2, 2)] == [("2", "b"), ("3", "b")]
        assert len(diff.rows(t, 990, 100)) == 10
        assert diff.rows(t, 1000, 100) == []
        for start in (0, 100, 290, 10, 300):
            wanted = [(str(i), "x") for i in range(start, min(300, start + 20))]
            assert [row.new for row in diff.rows(fresh, start, 20)] == wanted
        assert [row.old for row in diff.rows(w, 0, 5)] == [("0", "x")]
        assert diff.sections()[1].changed == 1000
        assert diff.sections()[-1] == w
        assert list(diff.sections()[0:2]) == [fresh, t]


def test_a_section_of_bytes_is_said_to_be_opaque(tmp_path: Path) -> None:
    old = write(tmp_path / "old", Table("picture", [b"\0\1"], "file", Form.BYTES, ()))
    new = write(tmp_path / "new", Table("picture", [b"\0\2"], "file", Form.BYTES, ()))
    with started(tmp_path, old, new) as diff:
        assert diff.wait(PATIENCE)
        (change,) = diff.sections()
        assert (change.added, change.removed, change.changed) == (None, None, None)
        assert "size and digest" in diff.note(change)
        assert diff.rows(change, 0, 10) == []


@pytest.mark.parametrize("long", [False, True], ids=["few rows", "many rows"])
def test_more_sections_than_a_process_may_open_files(tmp_path: Path, long: bool) -> None:
    """1,024 is what a process may open where nobody set more."""
    rows = [b"row %d" % number for number in range(200 if long else 1)]
    names = [f"file {number:03}" for number in range(120)]
    old = write(tmp_path / "old", *(text(name, [*rows, b"old"]) for name in names))
    new = write(tmp_path / "new", *(text(name, [b"new", *rows]) for name in names))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 40, hard))
    try:
        with started(tmp_path, old, new) as diff:
            assert diff.wait(PATIENCE), diff.error
            assert diff.incomplete == 0
            assert [(one.added, one.removed) for one in diff.sections()] == [(1, 1)] * len(names)
            for one in reversed(diff.sections()):
                assert {row.change for row in diff.rows(one, 0, 9)} == {Change.ADDED, Change.REMOVED}
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_damaged_section_says_so_and_the_others_are_compared(tmp_path: Path) -> None:
    big = [b"%d\t" % i + os.urandom(100).hex().encode() for i in range(20_000)]
    old = write(tmp_path / "old", Table("broken", big), Table("whole", [b"1\ta"]))
    new = write(tmp_path / "new", Table("broken", big[1:]), Table("whole", [b"1\tb"]))
    data = bytearray((old / "dump.zst").read_bytes())
    data[1000] ^= 1
    (old / "dump.zst").write_bytes(data)
    with started(tmp_path, old, new) as diff:
        assert diff.wait(PATIENCE), diff.error
        broken, whole = diff.sections()
        assert "is damaged" in diff.note(broken)
        assert diff.incomplete == 7
        assert broken.added is None
        assert whole.added == 1
        with pytest.raises(DiffFailed, match="is damaged") as failed:
            diff.rows(broken, 0, 10)
        assert failed.value.exit == 7


def test_a_side_that_cannot_be_opened_fails_the_diff_in_words(tmp_path: Path) -> None:
    new = write(tmp_path / "new", Table("t", []))
    with started(tmp_path, tmp_path / "nowhere", new) as diff:
        assert not diff.wait(PATIENCE)
        assert "nowhere" in diff.error
        assert "Traceback" not in diff.error


def test_an_unknown_section_is_refused(tmp_path: Path) -> None:
    old = write(tmp_path / "old", Table("t", [b"1\ta"]))
    new = write(tmp_path / "new", Table("t", [b"1\tb"]))
    other = write(tmp_path / "other", Table("u", [b"1\tb"]))
    with started(tmp_path, old, new) as diff, started(tmp_path, old, other) as second:
        assert diff.wait(PATIENCE)
        assert second.wait(PATIENCE)
        with pytest.raises(DiffFailed, match="not in this diff"):
            diff.rows(second.sections()[1], 0, 1)


def test_closing_ends_the_process_and_leaves_nothing(tmp_path: Path) -> None:
    old = write(tmp_path / "old", Table("t", [b"1\ta"]))
    new = write(tmp_path / "new", Table("t", [b"1\tb"]))
    diff = started(tmp_path, old, new)
    assert diff.wait(PATIENCE)
    change = diff.sections()[0]
    pid = diff._process.pid
    (folder,) = (tmp_path / "spill").iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    diff.close()
    diff.close()
    assert not psutil.pid_exists(pid)
    assert list((tmp_path / "spill").iterdir()) == []
    with pytest.raises(DiffFailed, match="closed"):
        diff.rows(change, 0, 1)


def test_a_killed_process_is_said_so(tmp_path: Path) -> None:
    old = write(tmp_path / "old", Table("t", [b"1\ta"]))
    new = write(tmp_path / "new", Table("t", [b"1\tb"]))
    with started(tmp_path, old, new) as diff:
        assert diff.wait(PATIENCE)
        os.kill(diff._process.pid, signal.SIGKILL)
        wait_until(lambda: bool(diff.error), PATIENCE)
        assert "ended with status -9" in diff.error
        with pytest.raises(DiffFailed):
            diff.rows(diff.sections()[0], 0, 1)


def test_what_opens_a_side_may_dump_into_its_scratch_folder(tmp_path: Path) -> None:
    old = write(tmp_path / "old", Table("t", [b"1\ta"]))
    spill = tmp_path / "spill"
    spill.mkdir()
    live = SideSpec("live", "tests.unit.engine.diff.tables:open_made", {"rows": 3})
    with start_diff(spec(old), live, spill=spill) as diff:
        assert diff.wait(PATIENCE), diff.error
        assert diff.new_title == "live"
        assert [change.added for change in diff.sections()] == [3]
    assert list(spill.iterdir()) == []


def test_rows_are_answered_while_another_section_is_being_compared(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    old = write(tmp_path / "old", Table("slow", [b"1\ta"]), Table("z", [b"1\ta"]))
    new = write(tmp_path / "new", Table("slow", [b"1\tb"]), Table("z", [b"1\tb"]))
    gated = SideSpec("old", "tests.unit.engine.diff.tables:open_gated", {"folder": str(old), "gate": str(gate)})
    with start_diff(gated, spec(new), spill=tmp_path) as diff:
        wait_until(lambda: len(diff.sections()) == 2 or diff.error)
        slow, other = diff.sections()
        assert [row.new for row in diff.rows(other, 1, 5)] == [("1", "b")]
        assert not diff.ready
        assert diff.sections()[0] == slow
        assert diff.sections()[1].added == 1
        with gate.open("wb") as opening:
            opening.write(b"!")
        assert diff.wait(PATIENCE), diff.error
        assert diff.sections()[0].added == 1


def test_nothing_is_imported_from_the_folder_one_stands_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may write there would else run code as the operator."""
    old = write(tmp_path / "old", Table("t", [b"1\ta"]))
    new = write(tmp_path / "new", Table("t", [b"1\tb"]))
    for name in ("json.py", "queue.py", "psutil.py", "dysnomia_tui.py"):
        (tmp_path / name).write_text("raise SystemExit('run from the folder')\n")
    monkeypatch.chdir(tmp_path)
    with started(tmp_path, old, new) as diff:
        assert diff.wait(PATIENCE), diff.error


LARGE = [b"%d\t" % number + b"x" * (1 << 20) for number in range(26)]
"""More than half of what is worth a second process."""


def children_of(diff: Diff) -> list[psutil.Process]:
    return psutil.Process(diff._process.pid).children()


def test_only_large_sections_get_a_second_process(tmp_path: Path) -> None:
    with started(
        tmp_path,
        write(tmp_path / "old", Table("small", [b"1\ta"]), Table("same", LARGE)),
        write(tmp_path / "new", Table("small", [b"1\tb"]), Table("same", LARGE)),
    ) as diff:
        assert diff.wait(PATIENCE), diff.error
        assert children_of(diff) == []
    with started(
        tmp_path,
        write(tmp_path / "older", Table("large", LARGE)),
        write(tmp_path / "newer", Table("large", [*LARGE[1:], b"26\tnew"])),
    ) as diff:
        assert diff.wait(PATIENCE), diff.error
        assert len(children_of(diff)) == 1
        assert [(change.added, change.removed) for change in diff.sections()] == [(1, 1)]


def test_the_second_process_is_forked_while_no_thread_runs(tmp_path: Path) -> None:
    """A fork beside a thread may copy a lock that is held, and waits for it for ever. Python says so (3.12)."""
    old = write(tmp_path / "old", Table("large", LARGE))
    new = write(tmp_path / "new", Table("large", LARGE[1:]))
    code = """
import json, os, sys, threading
from pathlib import Path
from dysnomia_tui.engine.diff import child
threads, fork = [], os.fork
def forked():
    threads.append(threading.active_count())
    return fork()
os.fork = forked
gone = os._exit
def told(status):
    Path(sys.argv[1]).write_text(json.dumps(threads))
    gone(status)
os._exit = told
child.main()
"""
    (tmp_path / "spill").mkdir()
    said = tmp_path / "threads"
    request = {"old": asdict(spec(old)), "new": asdict(spec(new)), "folder": str(tmp_path / "spill")}
    with subprocess.Popen(
        [sys.executable, "-c", code, str(said)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(json.dumps(request).encode() + b"\n")
        child.stdin.flush()
        while b'"ready"' not in (line := child.stdout.readline()):
            assert line, "it ended"
        child.stdin.close()
    assert json.loads(said.read_text()) == [1]


@pytest.mark.parametrize(("rows", "count"), [([b"1\ta"], 1), (LARGE, 2)], ids=["one process", "two"])
def test_everything_goes_when_the_program_is_killed(tmp_path: Path, rows: list[bytes], count: int) -> None:
    """SIGKILL: nothing of ours runs any more to clean up, and still no process and no file stays."""
    old = write(tmp_path / "old", Table("t", rows))
    new = write(tmp_path / "new", Table("t", [*rows[:-1], b"1\tb" + bytes(len(rows[-1]))]))
    spill = tmp_path / "spill"
    spill.mkdir()
    code = """
import sys
from pathlib import Path
from dysnomia_tui.engine.diff.handle import start_diff
from tests.unit.engine.diff.tables import spec
diff = start_diff(spec(Path(sys.argv[1])), spec(Path(sys.argv[2])), spill=Path(sys.argv[3]))
assert diff.wait(60)
print(diff._process.pid, flush=True)
sys.stdin.read()
"""
    argv = [sys.executable, "-c", code, str(old), str(new), str(spill)]
    program = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with program:
        assert program.stdout is not None
        child = psutil.Process(int(program.stdout.readline()))
        processes = [child, *child.children()]
        assert len(processes) == count
        program.kill()
    wait_until(lambda: not any(process.is_running() for process in processes))
    wait_until(lambda: not list(spill.iterdir()))


def test_where_what_it_says_cannot_be_kept_that_is_its_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk for temporary files. Whoever waited for it waited for ever."""

    def full(_records: Records) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Records, "seal", full)
    old, new = write(tmp_path / "old", Table("t", [b"a"])), write(tmp_path / "new", Table("t", [b"b"]))
    with started(tmp_path, old, new) as diff:
        wait_until(lambda: bool(diff.error))
        assert f"{tmp_path / 'spill'} takes no temporary files (No space left on device)" in diff.error
        assert "TMPDIR" in diff.error
        assert diff.exit == 9
    assert list((tmp_path / "spill").iterdir()) == []


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A folder for temporary files with room for a megabyte."""
    folder = tmp_path / "spill"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs to mount a tmpfs")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_rows_that_have_no_room_say_so_by_their_exit_code(tmp_path: Path, small: Path) -> None:
    rows = [b"%d\t" % i + os.urandom(100).hex().encode() for i in range(20_000)]
    old = write(tmp_path / "old", Table("t", rows))
    new = write(tmp_path / "new", Table("t", [row + b"x" for row in rows]))
    with start_diff(spec(old), spec(new), spill=small) as diff:
        assert diff.wait(PATIENCE), diff.error
        (table,) = diff.sections()
        for _ in range(2):
            with pytest.raises(DiffFailed, match="No space left on device") as failed:
                diff.rows(table, 0, 10)
            assert failed.value.exit == 9
