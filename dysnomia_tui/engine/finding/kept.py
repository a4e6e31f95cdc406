"""What a search has found so far: lines in a private file, read by number while more are written."""

from __future__ import annotations

import os
from array import array
from pathlib import Path

from dysnomia_tui.engine.diff.spill import temporary


class KeptLines:
    """Lines appended at the end, and read from anywhere. One thread at a time."""

    def __init__(self, folder: Path) -> None:
        self._file = temporary(folder, buffering=0)
        self._ends = array("Q", (0,))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def append(self, line: bytes) -> None:
        """``line`` holds no line end."""
        data = line + b"\n"
        written = 0
        while written < len(data):
            written += os.pwrite(self._file.fileno(), data[written:], self._ends[-1] + written)
        self._ends.append(self._ends[-1] + len(data))

    def page(self, start: int, count: int) -> list[bytes]:
        """Lines from ``start``, as many as there are of ``count``."""
        start = min(start, len(self))
        end = min(start + count, len(self))
        data = os.pread(self._file.fileno(), self._ends[end] - self._ends[start], self._ends[start])
        return data.split(b"\n")[:-1]

    def close(self) -> None:
        self._file.close()
