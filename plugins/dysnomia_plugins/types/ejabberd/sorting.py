"""The rows of one table sorted by their bytes: in memory, and where they are many by ``sort`` in the job's folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import BinaryIO, Self

from dysnomia_plugins.base import Context

_IN_MEMORY = 16 << 20
_LINE = 1 << 26
_NAME = "rows-to-sort"


class Sorter:
    """Takes lines and gives them back in order. Use as a context manager."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._path = ctx.staging / _NAME
        self._lines: list[bytes] = []
        self._size = 0
        self._file: BinaryIO | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        if self._file is not None:
            self._file.close()
            self._path.unlink(missing_ok=True)

    def add(self, line: bytes) -> None:
        """A line with its newline."""
        self._lines.append(line)
        self._size += len(line)
        if self._size > _IN_MEMORY:
            if self._file is None:
                self._file = self._path.open("wb")
            self._file.writelines(self._lines)
            self._lines.clear()
            self._size = 0

    def lines(self) -> Iterator[bytes]:
        """All of them. Raises ProcessFailed."""
        if self._file is None:
            yield from sorted(self._lines)
            return
        self._file.writelines(self._lines)
        self._lines.clear()
        self._file.flush()
        folder = str(self._ctx.staging)
        argv = ["sort", "-S", "32M", "-T", folder, "--", str(self._path)]
        with self._ctx.runner.reading(argv, env={"LC_ALL": "C"}) as stream:
            while line := stream.readline(_LINE + 2):
                yield line
