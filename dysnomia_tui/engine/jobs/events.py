"""A job's events: written by the worker, read by every process that follows the job.

A line of ``events.jsonl`` is ``{"at": …, "kind": …, …}``. A line that cannot be written (a full disk) is dropped: what
must not be lost stands in the job's record and journal.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, TypedDict

from msgspec import Meta

from dysnomia_plugins.base import OutputLine, WarningLine
from dysnomia_store.errors import Corrupt
from dysnomia_store.records import codec as records
from dysnomia_store.records import typed
from dysnomia_store.records.schema import Count
from dysnomia_tui.engine.component import steps
from dysnomia_tui.engine.records import Event
from dysnomia_tui.engine.redact import Redactor

INTERVAL = 0.1
"""Seconds between two progress events at least: ten a second at most."""
MOST_LINES = 20_000
"""Lines of output that a job's log keeps of one component."""
LONGEST_LINE = 4096
TAIL = 16 * 1024
"""Bytes from the end in which a job's last word is looked for."""
CHUNK = 1 << 20
SIZE_POLL = 0.004
"""Seconds between two looks at the size of the events at least."""


class EventLog:
    """Appends to a job's events. Safe to call from any thread; never raises for a line it could not write.

    Args:
        warned: where warnings are kept, less their secrets, for the end of the job.
    """

    def __init__(
        self, path: Path, redactor: Redactor, clock: Callable[[], datetime], warned: list[str] | None = None
    ) -> None:
        self._path = path
        self._redactor = redactor
        self._clock = clock
        self._guard = threading.Lock()
        self.warned = [] if warned is None else warned

    def write(self, kind: str, **data: Any) -> None:
        self._append({"kind": kind, **self._redactor.clean(data)})

    def write_output(self, line: OutputLine, **data: Any) -> None:
        """A line that a module wrote on standard output: beside what is shown, the line itself, less its secrets."""
        event = {"line": str(line)[:LONGEST_LINE], **data}
        self._append({"kind": "log", **self._redactor.clean(event), "output": self._redactor.hide(line.exact)})

    def keep(self, line: WarningLine) -> None:
        """For the end of the job, which repeats it."""
        self.warned.append(self._redactor.hide(line.text[:LONGEST_LINE]))

    def _append(self, data: Mapping[str, Any]) -> None:
        line = json.dumps({"at": self._clock().isoformat(), **data})
        with self._guard:
            try:
                fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
                try:
                    os.write(fd, line.encode() + b"\n")
                finally:
                    os.close(fd)
            except OSError:
                return


class JobProgress:
    """The plugin layer's ``Progress``: coalesced, redacted, with a rate."""

    def __init__(self, log: EventLog, key: str = "") -> None:
        self._log = log
        self._key = key
        self._guard = threading.Lock()
        self._next = 0.0
        self._began = time.monotonic()
        self._first = 0
        self._lines = 0

    def phase(self, name: str) -> None:
        with self._guard:
            self._began = time.monotonic()
            self._first = 0
            self._next = 0.0
        self._log.write("phase", name=name, key=self._key)

    def advance(self, done: int, total: int | None = None, unit: str = "bytes") -> None:
        now = time.monotonic()
        with self._guard:
            if now < self._next and done != total:
                return
            self._next = now + INTERVAL
            elapsed = now - self._began
            rate = (done - self._first) / elapsed if elapsed > INTERVAL else None
        self._log.write("progress", done=done, total=total, unit=unit, rate=rate, key=self._key)

    def log(self, line: str) -> None:
        if isinstance(line, WarningLine):  # however many lines there were before
            self._log.keep(line)
        with self._guard:
            self._lines += 1
            lines = self._lines
        if lines < MOST_LINES and isinstance(line, OutputLine):
            self._log.write_output(line, key=self._key)
        elif lines < MOST_LINES:
            self._log.write("log", line=line[:LONGEST_LINE], key=self._key)
        elif lines == MOST_LINES:
            self._log.write("log", line="further output is left out", key=self._key)


def read_events(path: Path, after: int) -> tuple[Sequence[Event], int]:
    """Whole lines from byte ``after`` on, at most a mebibyte of them, and where to go on."""
    try:
        with records.open_file(path) as file:
            file.seek(after)
            data = file.read(CHUNK)
    except (OSError, Corrupt):
        return (), after
    stop = data.rfind(b"\n") + 1
    if not stop and len(data) == CHUNK:
        stop = CHUNK  # a line that no event is: passed over a piece at a time
    return tuple(_parsed(data[:stop])), after + stop


def await_events(path: Path, after: int, seconds: float) -> None:
    """Wait until there is more than ``after`` bytes of events, or so long. Looks at the size alone, which costs so
    little that it can be done often."""
    until = time.monotonic() + seconds
    pause = max(SIZE_POLL, seconds / 8)
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(pause, left))
        with suppress(OSError):
            if path.stat().st_size > after:
                return


def last_words(path: Path) -> Mapping[str, Event]:
    """The newest event of each kind, as far as the end of the file shows."""
    try:
        with records.open_file(path) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TAIL))
            data = file.read(TAIL)
    except (OSError, Corrupt):
        return {}
    if size > TAIL:
        data = data[data.find(b"\n") + 1 :]
    return {event.kind: event for event in _parsed(data)}


class _Event(TypedDict):
    at: str
    kind: str


class _Phase(TypedDict):
    name: str


class _Progress(TypedDict):
    done: Count
    total: Count | None
    unit: str
    rate: Annotated[float, Meta(ge=0, le=1e18)] | None


class _Said(TypedDict, total=False):
    line: str
    text: str
    title: str
    message: str
    output: str
    behind: str


_KINDS: Mapping[str, type] = {"phase": _Phase, "progress": _Progress, "result": steps.Result}


def _parsed(data: bytes) -> list[Event]:
    events = []
    for line in data.splitlines():
        try:
            fields = records.load(line, "the event")
            typed.shaped(fields, _Event, "the event")
            typed.shaped(fields, _KINDS.get(fields["kind"], _Said), "the event")
            at = records.moment(fields.pop("at"))
        except (Corrupt, ValueError):
            continue  # a torn line, after a full disk, or one that nobody of ours wrote
        events.append(Event(at, fields.pop("kind"), fields))
    return events
