"""The looking process: reads generations, and says on standard output what it finds, a JSON object a line.

It reads the store and writes nothing but what types put into its private folder. It ends when its standard input does,
which is when its parent has seen enough or is gone.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from dysnomia_base.limits import in_words
from dysnomia_plugins.errors import PluginError
from dysnomia_store.errors import StoreError
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.diff.protocol import LineReader, row_of, send
from dysnomia_tui.engine.diff.spill import told_where
from dysnomia_tui.engine.errors import EngineError
from dysnomia_tui.engine.finding.asked import FindAsked, HistoryAsked
from dysnomia_tui.engine.finding.find import found_rows
from dysnomia_tui.engine.finding.history import Follower
from dysnomia_tui.engine.machine.machine import Machine
from dysnomia_tui.engine.machine.settings_json import settings_from_json
from dysnomia_tui.engine.memory import keep_memory
from dysnomia_tui.engine.records import FoundRow, HistoryLine
from dysnomia_tui.engine.translate import exit_of

PAUSE = 0.1
"""Seconds between two words on progress."""


class Teller:
    """Says what was found, and now and then how far it is."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._said = 0.0

    def tick(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._said >= PAUSE or done == total:
            self._said = now
            send(self._out, {"progress": [done, total]})

    def note(self, words: str) -> None:
        send(self._out, {"note": words})

    def found(self, what: Any) -> None:
        send(self._out, {"found": what})

    def ready(self) -> None:
        send(self._out, {"ready": True})

    def failed(self, error: Exception) -> None:
        words = in_words(told_where(error)) if isinstance(error, OSError) else str(error)
        send(self._out, {"failed": words, "exit": int(exit_of(error))})


def found_by(spec: Mapping[str, Any], tell: Teller) -> Iterator[list[Any]]:
    """What is looked for, ready to be sent. Raises EngineError, StoreError, PluginError, OSError."""
    machine = Machine(settings_from_json(spec["settings"]))
    key = ComponentKey.parse(spec["key"])
    scratch = Path(spec["folder"])
    if spec["what"] == "history":
        asked = HistoryAsked.from_json(spec["asked"])
        for line in Follower(machine, key, asked, scratch, tell.tick, tell.note).lines():
            yield line_sent(line)
        return
    find = FindAsked.from_json(spec["asked"])
    for row in found_rows(machine, machine.store.generation(key, find.number), find, scratch, tell.tick):
        yield row_sent(row)


def line_sent(line: HistoryLine) -> list[Any]:
    times = [line.as_of.isoformat(), line.before_as_of.isoformat() if line.before_as_of else None]
    row = row_of(line.row.old, line.row.new, line.row.line)
    return [line.kind, line.name, line.generation, line.before, *times, list(line.columns), row, line.whole]


def row_sent(row: FoundRow) -> list[Any]:
    return [row.kind, row.name, list(row.columns), row.number, row_of(None, row.cells, None)[1]]


def main() -> int:
    """Read what to look for from standard input, and look for it."""
    keep_memory()
    lines = LineReader(sys.stdin.fileno())
    line = lines.next()
    if line is None:
        return 0
    spec = json.loads(line)
    folder = Path(spec["folder"])
    tempfile.tempdir = str(folder)  # what a plugin writes out for reading goes with the rest, however this ends
    threading.Thread(target=_until_left, args=(lines, folder), daemon=True).start()
    tell = Teller(sys.stdout.buffer)
    try:
        for result in found_by(spec, tell):
            tell.found(result)
        tell.ready()
    except (EngineError, StoreError, PluginError, OSError) as error:
        tell.failed(error)
        return 1
    return 0


def _until_left(lines: LineReader, folder: Path) -> None:
    """Leave nothing behind when the parent closes its end."""
    while lines.next() is not None:
        pass
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)
