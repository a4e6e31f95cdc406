"""The side of a search that the engine hands out: starts the looking process, and keeps what it has found so far."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar

from dysnomia_base.exit_codes import of_os_error
from dysnomia_store.names import ComponentKey
from dysnomia_tui.config import Settings
from dysnomia_tui.engine.diff.process import end, listen, start
from dysnomia_tui.engine.diff.protocol import row_change, send
from dysnomia_tui.engine.diff.spill import PrivateFolder, not_kept
from dysnomia_tui.engine.errors import EngineError, Exit
from dysnomia_tui.engine.finding.asked import FindAsked, HistoryAsked
from dysnomia_tui.engine.finding.kept import KeptLines
from dysnomia_tui.engine.machine.settings_json import settings_to_json
from dysnomia_tui.engine.records import FoundRow, HistoryLine

WAIT = 0.5
"""Seconds after which it is told how far a search has come, where it finds nothing."""
PAGE = 200
T = TypeVar("T")


class SearchFailed(EngineError):
    """A search that could not be carried to its end."""


class Search(Generic[T]):
    """A search under way: a child process whose finds are kept in a private file. Close it when done.

    Every method may be called from any thread.
    """

    def __init__(self, spec: Mapping[str, Any], parse: Callable[[Sequence[Any]], T]) -> None:
        self._parse = parse
        self._folder = PrivateFolder()
        self._lock = threading.Condition()
        self._found = KeptLines(self._folder.path)
        self._notes: list[str] = []
        self._progress: tuple[int, int | None] = (0, None)
        self._ready = False
        self._closed = False
        self._error: EngineError | None = None
        self._process = start("dysnomia_tui.engine.finding.child", stderr=subprocess.DEVNULL)
        self._listener = threading.Thread(target=self._listen, name="search", daemon=True)
        self._listener.start()
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            send(self._process.stdin, {**spec, "folder": str(self._folder.path)})

    @property
    def ready(self) -> bool:
        """Whether everything has been looked into."""
        with self._lock:
            return self._ready

    @property
    def error(self) -> str:
        """Why it failed, or ``""``."""
        with self._lock:
            return str(self._error or "")

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be read, in words."""
        with self._lock:
            return tuple(self._notes)

    def progress(self) -> tuple[int, int | None]:
        """What was looked into, and how much there is: generations of a history, rows of a find."""
        with self._lock:
            return self._progress

    def __len__(self) -> int:
        """How many were found so far."""
        with self._lock:
            return 0 if self._closed else len(self._found)

    def page(self, start: int, count: int) -> list[T]:
        """Finds from ``start``."""
        with self._lock:
            if self._closed:
                return []
            kept = self._found.page(start, count)
        return [self._parse(json.loads(line)) for line in kept]

    def follow(self, on_wait: Callable[[int, int | None], None] | None = None) -> Iterator[T]:
        """Finds as they come, to the end. ``on_wait`` is told ``progress`` twice a second while none comes. Raises the
        EngineError that stopped it."""
        at = 0
        while True:
            over, problem = self._wait_for_more(at, None if on_wait is None else WAIT)
            page = self.page(at, PAGE)
            if not page and not over and on_wait is not None:
                on_wait(*self.progress())
            yield from page
            at += len(page)
            if not page and over:
                if problem is not None:
                    raise problem
                return

    def _wait_for_more(self, than: int, timeout: float | None) -> tuple[bool, EngineError | None]:
        """Whether it was over already, and with what error."""
        with self._lock:
            self._lock.wait_for(lambda: self._over or len(self._found) > than, timeout)
            return self._over, self._error

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is over. Returns whether all was looked into. ``timeout`` in seconds."""
        with self._lock:
            self._lock.wait_for(lambda: self._over, timeout)
            return self._ready

    @property
    def _over(self) -> bool:
        return self._ready or self._closed or self._error is not None

    def close(self) -> None:
        """Stop it where it is, and remove what it kept. Idempotent."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._lock.notify_all()
        end(self._process, self._listener)
        with self._lock:
            self._found.close()
        self._folder.close()

    def __enter__(self) -> Search[T]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _listen(self) -> None:
        process = self._process
        try:
            listen(process, self._lock, self._heard)
        except OSError as error:  # what it finds cannot be kept: nobody hears it any more, and it ends
            with self._lock:
                self._error = SearchFailed(not_kept(error, self._folder.path))
                self._error.exit = Exit(of_os_error(error))
                self._lock.notify_all()
        status = process.wait()
        with self._lock:
            if not self._over:
                self._error = SearchFailed(f"the looking process ended with status {status}")
            self._lock.notify_all()

    def _heard(self, message: Mapping[str, Any]) -> None:
        if self._closed:
            return
        if "found" in message:
            self._found.append(json.dumps(message["found"]).encode())
        elif "progress" in message:
            done, total = message["progress"]
            self._progress = done, total
        elif "note" in message:
            self._notes.append(message["note"])
        elif "failed" in message:
            self._error = SearchFailed(message["failed"])
            self._error.exit = Exit(message["exit"])
        elif "ready" in message:
            self._ready = True


def start_history(settings: Settings, key: ComponentKey, asked: HistoryAsked) -> Search[HistoryLine]:
    """Begin to follow a row, a line or a section through the generations."""
    return Search(_spec("history", settings, key, asked), _line)


def start_find(settings: Settings, key: ComponentKey, asked: FindAsked) -> Search[FoundRow]:
    """Begin to look for a text in one generation."""
    return Search(_spec("find", settings, key, asked), _row)


def _spec(what: str, settings: Settings, key: ComponentKey, asked: HistoryAsked | FindAsked) -> Mapping[str, Any]:
    return {"what": what, "settings": settings_to_json(settings), "key": str(key), "asked": asked.to_json()}


def _line(sent: Sequence[Any]) -> HistoryLine:
    kind, name, generation, before, as_of, before_as_of, columns, row, whole = sent
    earlier = datetime.fromisoformat(before_as_of) if before_as_of else None
    when = datetime.fromisoformat(as_of)
    return HistoryLine(kind, name, generation, when, before, earlier, tuple(columns), row_change(row), whole)


def _row(sent: Sequence[Any]) -> FoundRow:
    kind, name, columns, number, cells = sent
    return FoundRow(kind, name, tuple(columns), number, tuple(cells))
