"""The diff of two dumps of 1 GB and 10 M rows, shuffled, with 5,000 differences, against sort and comm."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from dysnomia_plugins.base import Row, Stored
from dysnomia_plugins.toolkit.line_batches import in_lines
from dysnomia_plugins.types.postgresql.rows import READ
from dysnomia_store.content.artefact_writer import ArtefactWriter
from dysnomia_store.content.index import IndexWriter
from dysnomia_store.content.snapshots import StoredSnapshot
from dysnomia_store.model import Form, Section
from dysnomia_tui.engine.diff.compare import Opened
from dysnomia_tui.engine.diff.handle import start_diff
from dysnomia_tui.engine.diff.sides import SideSpec
from tests.benchmarks.measure import (
    LIMIT_MEMORY,
    Figure,
    Part,
    absolute,
    in_turns,
    memory_of,
    ratio,
    shell,
    timed,
    together,
)

ROWS = 10_000_000
CHANGED, DELETED, ADDED = 3000, 1000, 1000
_BLOCK = 1000


class LineReader:
    """Rows that are lines."""

    rows_by_line = True

    def raw_rows(self, stored: Stored, section: Section) -> Iterator[Sequence[bytes]]:
        assert section.offset is not None
        assert section.length is not None
        with stored.open_range(section.artefact, section.offset, section.length) as stream:
            yield from in_lines(iter(partial(stream.read, READ), b""))

    def parse_row(self, section: Section, raw: bytes) -> Row:
        cells = tuple(raw.decode().split("\t"))
        return Row(cells[:1], cells)


@contextmanager
def open_lines(args: Mapping[str, Any], scratch: Path) -> Iterator[Opened]:
    """Opens a snapshot of ``write`` in the comparing process."""
    folder = Path(args["folder"])
    yield Opened(LineReader(), StoredSnapshot(folder / "snapshot", None, folder / "index.zst"))


def measure() -> Sequence[Figure]:
    # The comparing process imports nothing from the folder it stands in; the opener above is found by this.
    os.environ["PYTHONPATH"] = str(Path.cwd())
    folder = Path(tempfile.mkdtemp(prefix="bench.", dir="/var/tmp"))
    try:
        _write_both(folder)
        return _measure(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _measure(folder: Path) -> Sequence[Figure]:
    sides = [SideSpec(name, f"{__name__}:open_lines", {"folder": str(folder / name)}) for name in ("old", "new")]

    def ours() -> None:
        with start_diff(*sides, spill=folder) as diff:
            assert diff.wait(), diff.error
            (change,) = diff.sections()
            assert (change.added, change.removed, change.changed) == (ADDED, DELETED, CHANGED)
            assert len(diff.rows(change, 0, 10_000)) == CHANGED + DELETED + ADDED

    def theirs() -> float:
        sorts = "; ".join(f"LC_ALL=C sort -S256M {name}.txt >{name}.sorted" for name in ("old", "new"))
        taken = shell(f"cd {folder}; {sorts}; LC_ALL=C comm -3 old.sorted new.sorted")
        for path in folder.glob("*.sorted"):
            path.unlink()
        return taken

    times = in_turns(lambda: timed(ours), theirs)
    asking = together(os.getpid()) / 1e6  # what other parts of the run have left in this process is not the diff's
    with memory_of(os.getpid()) as peak:
        ours()
    work = f"diff of two dumps, {ROWS:,} rows each, shuffled, {CHANGED + DELETED + ADDED:,} differences, by key"
    return [
        ratio(work, times[0], "sort x 2 + comm", times[1], 0.6),
        absolute("memory of that diff, beyond the process that asks", peak[0] - asking, LIMIT_MEMORY, "MB"),
    ]


def _row(number: int) -> bytes:
    words = b"some words that fill the row up to its length %d" % (number * 7919 % 1_000_003)
    return b"%d\tcustomer %d\t2024-01-%02d 12:00:00\t%d\t%s\n" % (
        number,
        number % 999,
        number % 28 + 1,
        number % 977,
        words,
    )


def _write_both(folder: Path) -> None:
    """Both dumps, in a process of its own: what it takes in memory is not to be measured."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            chance = Random(1)
            differing = chance.sample(range(ROWS), CHANGED + DELETED)
            changed, deleted = set(differing[:CHANGED]), set(differing[CHANGED:])
            blocks = list(range(0, ROWS, _BLOCK))
            _write(folder, "old", blocks, set(), set(), Random(0))
            chance.shuffle(blocks)
            _write(folder, "new", [*blocks, ROWS], changed, deleted, chance)
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0


def _write(
    folder: Path, name: str, blocks: Sequence[int], changed: set[int], deleted: set[int], chance: Random
) -> None:
    (folder / name / "snapshot").mkdir(parents=True)
    with (
        IndexWriter(folder / name / "index.zst") as index,
        ArtefactWriter(folder / name / "snapshot", "dump", index=index) as sink,
        (folder / f"{name}.txt").open("wb") as text,
    ):
        sink.begin_section("table", "orders", Form.ROWS, columns=("id", "c", "at", "n", "t"), key=("id",))
        rows = 0
        for block in blocks:
            numbers = [number for number in range(block, block + _BLOCK) if number not in deleted]
            if name == "new":
                chance.shuffle(numbers)
            lines = [_row(number)[:-1] + b"!\n" if number in changed else _row(number) for number in numbers]
            data = b"".join(lines)
            sink.write(data)
            text.write(data)
            rows += len(lines)
        sink.end_section(rows)


PARTS = (Part("diff", measure, order=60),)
