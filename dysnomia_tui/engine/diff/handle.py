"""The side of a diff that the engine hands out: starts the comparing process, and knows what it has said so far."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, overload

from dysnomia_base.exit_codes import FAILED, of_os_error
from dysnomia_tui.engine.diff.process import END_WAIT, end, listen, start
from dysnomia_tui.engine.diff.protocol import row_change, send
from dysnomia_tui.engine.diff.sections import as_change, as_pair, order_of
from dysnomia_tui.engine.diff.sides import SideSpec
from dysnomia_tui.engine.diff.spill import PrivateFolder, Records, not_kept
from dysnomia_tui.engine.errors import EngineError, Exit
from dysnomia_tui.engine.records import RowChange, SectionChange

Counts = tuple[int | None, int | None, int | None]
NOT_YET: Counts = (None, None, None)


class DiffFailed(EngineError):
    """A comparison that could not be made, or not of this section."""


class Diff:
    """A comparison under way: a child process that spills to private files. Close it when done.

    Every method may be called from any thread.
    """

    old_title: str
    new_title: str

    def __init__(self, old: SideSpec, new: SideSpec, *, spill: Path | None = None) -> None:
        self.old_title, self.new_title = old.title, new.title
        self._folder = PrivateFolder(spill)
        self._lock = threading.Condition()
        self._kept = Records(self._folder.path)
        self._sections = 0
        self._incomplete = 0
        self._near = 0
        """The section asked for last."""
        self._counts: dict[int, Counts] = {}
        self._notes: dict[int, str] = {}
        self._remarks: dict[int, str] = {}
        self._answers: dict[int, Mapping[str, Any]] = {}
        self._asked = 0
        self._progress: tuple[int, int | None] = (0, None)
        self._ready = False
        self._closed = False
        self._error = ""
        self._exit = FAILED
        # Rows are told apart by their hashes: their key is one that nobody knows (no PYTHONHASHSEED reaches it).
        self._process = start("dysnomia_tui.engine.diff.child", stderr=subprocess.PIPE)
        self._listener = threading.Thread(target=self._listen, name="diff", daemon=True)
        self._listener.start()
        self._send({"old": asdict(old), "new": asdict(new), "folder": str(self._folder.path)})

    @property
    def ready(self) -> bool:
        """Whether every section has been compared."""
        with self._lock:
            return self._ready

    @property
    def error(self) -> str:
        """Why it failed, or ``""``. A section that alone could not be compared says so in its ``note``."""
        with self._lock:
            return self._error

    @property
    def exit(self) -> int:
        """The exit code that says what kind of error it is."""
        with self._lock:
            return self._exit

    @property
    def incomplete(self) -> int:
        """The exit code of the first section that could not be compared; 0 where all could."""
        with self._lock:
            return self._incomplete

    def progress(self) -> tuple[int, int | None]:
        """Rows read, and how many there are to read (an estimate; None until it is known)."""
        with self._lock:
            return self._progress

    def sections(self) -> Sequence[SectionChange]:
        """What differs, schema first, then in order of name; grows and gains counts while it runs.

        A view: lengths and counts are those of the moment they are asked for, and nothing is held in memory."""
        return _Sections(self)

    def rows(self, section: SectionChange, start: int, count: int) -> Sequence[RowChange]:
        """Changed rows of one section from ``start``; compares the section first where that was not done yet.

        Raises DiffFailed, with the reason.
        """
        number = self._number_of(section)
        with self._lock:
            self._asked += 1
            request = self._asked
        self._send([request, number, start, count])
        with self._lock:
            self._lock.wait_for(lambda: request in self._answers or self._closed or bool(self._error))
            answer = self._answers.pop(request, None)
            problem = self._error or "the diff was closed"
        if answer is None:
            raise DiffFailed(problem)
        if "failed" in answer:
            failed = DiffFailed(str(answer["failed"]))
            failed.exit = Exit(answer["exit"])
            raise failed
        return [row_change(sent) for sent in answer["is"]]

    def note(self, section: SectionChange) -> str:
        """What an operator should know of how a section was compared, or why it could not be; or ``""``."""
        number = self._number_of(section)
        with self._lock:
            return self._notes.get(number, "")

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is ready or has failed. Returns whether it is ready. ``timeout`` in seconds."""
        with self._lock:
            self._lock.wait_for(lambda: self._ready or self._closed or bool(self._error), timeout)
            return self._ready

    def close(self) -> None:
        """End the process and remove what it spilled. Idempotent."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._lock.notify_all()
        end(self._process, self._listener)
        with self._lock:
            self._kept.close()
        self._folder.close()

    def __enter__(self) -> Diff:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # What the process says.

    def _listen(self) -> None:
        process = self._process
        assert process.stderr is not None
        stderr: list[bytes] = []
        errors = threading.Thread(target=_last_of, args=(process.stderr, stderr), daemon=True)
        errors.start()
        try:
            listen(process, self._lock, self._heard)
        except OSError as error:  # what it says cannot be kept: nobody hears it any more, and it ends
            with self._lock:
                self._error, self._exit = not_kept(error, self._folder.path), of_os_error(error)
                self._lock.notify_all()
        status = process.wait()
        errors.join(END_WAIT)
        with self._lock:
            if not self._closed and not self._error:
                last = b"".join(stderr).decode(errors="replace").strip().splitlines()
                self._error = f"the comparing process ended with status {status}" + (f" ({last[-1]})" if last else "")
            self._lock.notify_all()

    def _heard(self, message: Mapping[str, Any]) -> None:
        if self._closed:
            return
        if "progress" in message:
            done, total = message["progress"]
            self._progress = done, total
        if "section" in message:
            old, new = message["old"], message["new"]
            self._kept.append((old.encode() if old else None, new.encode() if new else None))
        elif "sections" in message:
            self._kept.seal()
            self._sections = message["sections"]
        elif "counts" in message:
            number = message["counts"]
            if "failed" in message:
                self._notes[number] = message["failed"]
                self._incomplete = self._incomplete or message["exit"]
            else:
                added, removed, changed = message["is"]
                self._counts[number] = added, removed, changed
                if "remark" in message:
                    self._remarks[number] = message["remark"]
                if message["note"]:
                    self._notes[number] = message["note"]
        elif "rows" in message:
            self._answers[message["rows"]] = message
        elif "failed" in message:
            self._error, self._exit = message["failed"], message["exit"]
        elif "ready" in message:
            self._ready = True

    def _send(self, message: Any) -> None:
        stream = self._process.stdin
        assert stream is not None
        with self._lock:
            if self._closed:
                raise DiffFailed("the diff was closed")
            with contextlib.suppress(BrokenPipeError):
                send(stream, message)

    # The sections, by number.

    def _count(self) -> int:
        with self._lock:
            return 0 if self._closed else self._sections

    def _page(self, start: int, count: int) -> list[SectionChange]:
        with self._lock:
            if self._closed:
                return []
            records = list(self._kept.page(start, count))
            numbers = range(start, start + len(records))
            known = [(self._counts.get(number, NOT_YET), self._remarks.get(number, "")) for number in numbers]
        return [as_change(as_pair(record), *one) for record, one in zip(records, known, strict=True)]

    def _number_of(self, change: SectionChange) -> int:
        """The number of a section that was handed out: they are sorted by name, so it is searched for."""
        with self._lock:
            if self._closed:
                raise DiffFailed("the diff was closed")
        wanted = order_of(change.section)
        low, high = 0, self._count()
        for number in (self._near, self._near + 1):  # they are asked for in order, by whoever prints them
            page = self._page(number, 1)
            if page and order_of(page[0].section) == wanted:
                self._near = number
                return number
        while low < high:
            middle = (low + high) // 2
            if order_of(self._page(middle, 1)[0].section) < wanted:
                low = middle + 1
            else:
                high = middle
        page = self._page(low, 1)
        if not page or order_of(page[0].section) != wanted:
            raise DiffFailed(f"{change.section.kind} {change.section.name} is not in this diff")
        self._near = low
        return low


def start_diff(old: SideSpec, new: SideSpec, *, spill: Path | None = None) -> Diff:
    """Begin to compare two sides in a process of their own. ``spill`` is where its private folder is made."""
    return Diff(old, new, spill=spill)


class _Sections(Sequence[SectionChange]):
    """The changed sections of a diff, read from its file as they are looked at."""

    def __init__(self, diff: Diff) -> None:
        self._diff = diff

    def __len__(self) -> int:
        return self._diff._count()

    @overload
    def __getitem__(self, index: int) -> SectionChange: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[SectionChange]: ...

    def __getitem__(self, index: int | slice) -> SectionChange | Sequence[SectionChange]:
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step == 1:
                return self._diff._page(start, max(0, stop - start))
            return [self[number] for number in range(start, stop, step)]
        number = index if index >= 0 else len(self) + index
        page = self._diff._page(number, 1) if number >= 0 else []
        if not page:
            raise IndexError(index)
        return page[0]

    def __iter__(self) -> Iterator[SectionChange]:
        start = 0
        while page := self._diff._page(start, 200):
            yield from page
            start += len(page)


def _last_of(stream: IO[bytes], kept: list[bytes]) -> None:
    """Keep the last lines of a stream, reading all of it."""
    with stream:
        for line in stream:
            kept.append(line)
            del kept[:-20]
