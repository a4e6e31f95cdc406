"""The comparing process: compares every section in turn, and answers requests for rows between two batches.

It reads the store and writes nothing but unlinked private files. It ends when its standard input does, which is when
its parent is gone.
"""

from __future__ import annotations

import json
import os
import queue
import select
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import IO, Any

from dysnomia_base.limits import in_words
from dysnomia_plugins.errors import PluginError
from dysnomia_store import Pair, StoredSnapshot, changed_between, changed_sections, encode
from dysnomia_store.errors import StoreError
from dysnomia_tui.engine.diff.compare import Compared, Comparer, Opened, one_sided_rows, worth_two
from dysnomia_tui.engine.diff.pairing import Cells
from dysnomia_tui.engine.diff.protocol import LineReader, RowsRequest, row_of, send
from dysnomia_tui.engine.diff.second_process import Helper
from dysnomia_tui.engine.diff.sections import as_pair, spill_changes
from dysnomia_tui.engine.diff.sides import SideSpec, opener_of
from dysnomia_tui.engine.diff.spill import SpillFile, told_where
from dysnomia_tui.engine.memory import keep_memory
from dysnomia_tui.engine.translate import exit_of

PROBLEMS = (StoreError, PluginError, OSError)
PAUSE = 0.1
"""Seconds between two words on progress."""
MOST_WORKERS = 4
"""Threads that decompress, for each side."""


class Work:
    """One diff: its sections, what is known of each, and what was asked for."""

    def __init__(
        self,
        old: Opened,
        new: Opened,
        folder: Path,
        out: IO[bytes],
        asked: queue.Queue[RowsRequest],
        *,
        remark: str = "",
    ) -> None:
        self._old, self._new = old, new
        self._folder = folder
        self._out = out
        self._asked = asked
        self._comparer = Comparer(old, new, folder, self._tick, remark=remark, results=SpillFile(folder))
        self._changes = spill_changes(_changed(old, new, folder), folder)
        self._done: dict[int, Compared] = {}
        self._failed: dict[int, Exception] = {}
        self._under_way: set[int] = set()
        self._cursor: tuple[int, int, Iterator[bytes]] | None = None
        self._rows = 0
        self._said = 0.0
        self._all_rows = 0

    def fork_if_worth_it(self) -> None:
        """Fork the second process where a section is large enough for two. No thread may run: a child of a fork has
        its caller's thread alone, and every lock as it stood."""
        if any(map(worth_two, map(self._pair, range(len(self._changes))))):
            self._comparer = replace(self._comparer, helper=Helper(self._folder, self._comparer.side))

    def run(self) -> None:
        """Send the sections, compare each, then answer until the parent is gone."""
        self._send_sections()
        for number in range(len(self._changes)):
            self._answer_all()
            if number not in self._done and number not in self._failed:
                self._compare(number, whole=False)
        send(self._out, {"ready": True, "progress": [self._all_rows, self._all_rows]})
        while True:
            self._answer(self._asked.get())

    def _send_sections(self) -> None:
        for number in range(len(self._changes)):
            old, new = self._pair(number)
            if old is not None and new is not None:
                self._all_rows += sum(2 * (section.rows or section.size // 64) for section in (old, new))
            send(
                self._out,
                {
                    "section": number,
                    "old": encode(old).decode() if old else None,
                    "new": encode(new).decode() if new else None,
                },
            )
        send(self._out, {"sections": len(self._changes)})

    def _pair(self, number: int) -> Pair:
        return as_pair(next(self._changes.page(number, 1)))

    def _compare(self, number: int, *, whole: bool) -> None:
        self._under_way.add(number)
        try:
            compared = self._comparer.compare(self._pair(number), whole=whole)
        except PROBLEMS as error:
            self._failed[number] = error
            send(self._out, {"counts": number, **_failure(error)})
            return
        finally:
            self._under_way.discard(number)
        before = self._done.get(number)
        if before is not None:
            before.close()
        compared.sides = None  # there may be 100,000 of them, and they are made again when somebody looks
        self._done[number] = compared
        counts = {"counts": number, "is": compared.counts, "note": compared.note}
        remark = self._remark(number)
        send(self._out, {**counts, "remark": remark} if remark else counts)

    def _remark(self, number: int) -> str:
        """Which section it is, in words, where both sides are of one type. Where there is nothing on the other side,
        whoever looks asks for what is seen."""
        if not (self._old.has_remarks and self._new.has_remarks):
            return ""
        old, new = self._pair(number)
        opened, section = (self._new, new) if new else (self._old, old)
        assert section is not None
        with suppress(*PROBLEMS):
            return opened.remark(section)
        return ""

    def _tick(self, rows: int) -> None:
        self._rows += rows
        now = time.monotonic()
        if now - self._said >= PAUSE:
            self._said = now
            send(self._out, {"progress": [min(self._rows, self._all_rows), self._all_rows]})
        if not self._asked.empty():
            self._answer_all()

    def _answer_all(self) -> None:
        """Answer what was asked, unless it is about a section that is being compared: that waits for it."""
        later: list[RowsRequest] = []
        while True:
            try:
                request = self._asked.get_nowait()
            except queue.Empty:
                break
            if request.section in self._under_way:
                later.append(request)
            else:
                self._answer(request)
        for request in later:
            self._asked.put(request)

    def _answer(self, request: RowsRequest) -> None:
        try:
            send(self._out, {"rows": request.number, "is": self._page(request)})
        except PROBLEMS as error:
            send(self._out, {"rows": request.number, **_failure(error)})

    def _page(self, request: RowsRequest) -> list[Any]:
        old, new = self._pair(request.section)
        if old is None or new is None:
            return self._one_sided(request, (old, new))
        known = self._done.get(request.section)
        if request.section not in self._failed and (known is None or known.postponed):
            self._compare(request.section, whole=True)
        if request.section in self._failed:
            raise self._failed[request.section].with_traceback(None)  # raised anew each time, it would grow
        compared = self._done[request.section]
        if compared.rows is None:
            return []
        before, after = self._comparer.shown(old, new)
        return [
            row_of(before.cells(was) if was is not None else None, after.cells(is_) if is_ is not None else None, line)
            for was, is_, line in compared.rows.page(request.start, request.count)
        ]

    def _one_sided(self, request: RowsRequest, pair: Pair) -> list[Any]:
        """Rows straight from the artefact; going on from the last page is quick, going back begins anew."""
        old, new = pair
        opened, section = (self._new, new) if new else (self._old, old)
        assert section is not None
        if self._cursor is None or self._cursor[0] != request.section or self._cursor[1] > request.start:
            self._cursor = request.section, 0, one_sided_rows(opened, section)
        _, at, rows = self._cursor
        for _ in islice(rows, request.start - at):
            pass
        page = list(islice(rows, request.count))
        self._cursor = request.section, request.start + len(page), rows
        events: list[Any] = []
        for index, raw in enumerate(page):
            cells: Cells = opened.reader.parse_row(section, raw).cells
            line = request.start + index + 1 if not section.columns else None
            events.append(row_of(None, cells, line) if new else row_of(cells, None, line))
        return events


def _changed(old: Opened, new: Opened, folder: Path) -> Iterator[Pair]:
    before, after = getattr(old.stored, "index", None), getattr(new.stored, "index", None)
    if before is not None and after is not None:
        return changed_between(before, after, spill=folder)
    return changed_sections(old.stored.sections(), new.stored.sections(), spill=folder)


def _for_two(opened: Opened) -> Opened:
    """Two processes read at once, each busy on a processor of its own: threads that decompress get what is left."""
    if not isinstance(opened.stored, StoredSnapshot):
        return opened
    spare = len(os.sched_getaffinity(0)) - 2
    return replace(opened, stored=opened.stored.with_workers(max(0, min(MOST_WORKERS, spare // 2))))


def _failure(error: Exception) -> dict[str, Any]:
    """What is sent of it: the words, and what a command ends with."""
    text = str(error)
    if isinstance(error, OSError):
        text = in_words(told_where(error))
    return {"failed": text, "exit": int(exit_of(error))}


class Requests:
    """What the parent asks for on a descriptor, put into a queue. When the parent is gone, so is this process."""

    def __init__(self, descriptor: int) -> None:
        self.asked: queue.Queue[RowsRequest] = queue.Queue()
        self._descriptor = descriptor
        self._lines = LineReader(descriptor)
        self._folder = Path("/nonexistent")

    def spec(self) -> dict[str, Any] | None:
        """What to compare: the first line. None where the parent is gone already."""
        line = self._lines.next()
        if line is None:
            return None
        answer: dict[str, Any] = json.loads(line)
        self._folder = Path(answer["folder"])
        return answer

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Listen in a thread that ends with the block."""
        stopped, stop = os.pipe()
        thread = threading.Thread(target=self._listen, args=(stopped,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            os.close(stop)
            thread.join()
            os.close(stopped)

    def listen(self) -> None:
        """Listen in a thread from now on."""
        threading.Thread(target=self._listen, daemon=True).start()

    def _told_to_stop(self, stopped: int) -> bool:
        """Wait for either: a request, or the word to stop."""
        waiting = select.poll()  # select fails on a descriptor above 1023
        waiting.register(self._descriptor, select.POLLIN)
        waiting.register(stopped, select.POLLIN)
        return any(descriptor == stopped for descriptor, _ in waiting.poll())

    def _listen(self, stopped: int | None = None) -> None:
        """Take requests until told to stop, or the parent is gone; then leave nothing behind."""
        while True:
            if stopped is not None and not self._lines.buffered and self._told_to_stop(stopped):
                return
            line = self._lines.next()
            if line is None:
                shutil.rmtree(self._folder, ignore_errors=True)
                os._exit(0)
            self.asked.put(RowsRequest(*json.loads(line)))


def main() -> int:
    """Read what to compare from standard input, and compare it."""
    keep_memory()
    out = sys.stdout.buffer
    requests = Requests(sys.stdin.fileno())
    spec = requests.spec()
    if spec is None:
        return 0
    folder = Path(spec["folder"])
    tempfile.tempdir = str(folder)  # what a plugin writes out for reading goes with the rest, however this ends
    try:
        with ExitStack() as stack:
            with requests.watched():
                sides = []
                for name in ("old", "new"):
                    side = SideSpec(**spec[name])
                    scratch = folder / name
                    scratch.mkdir(mode=0o700)
                    sides.append(_for_two(stack.enter_context(opener_of(side)(side.args, scratch))))
                work = Work(sides[0], sides[1], folder, out, requests.asked, remark=side.remark)
            work.fork_if_worth_it()
            requests.listen()
            work.run()
    except PROBLEMS as error:
        send(out, _failure(error))
        return 1
    return 0
