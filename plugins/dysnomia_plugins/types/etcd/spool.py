"""Files of a job: what is to be swapped in, what was set aside, what is loaded to be verified.

etcd has no room for a second copy of its keys: at its quota (2 GiB) a whole cluster takes no writes any more. So these
stand in files of ours in ``etcdCopiesDir``, private, durable, a line a key, sorted by key. What was set aside may have
two more: ``.late``, what clients wrote before the exchange came to their keys, and ``.done``, how far that has come.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.copies import MAKING, Copy
from dysnomia_plugins.types.etcd.records import lines_of, of_line, to_line

_LATE, _DONE = ".late", ".done"
_GONE = b"-"
Keyed = tuple[bytes, bytes]
"""A key, and its line."""


@dataclass(frozen=True, slots=True)
class Spool(Copy):
    """The files of one place."""

    setting = "etcdCopiesDir"

    def exists(self) -> bool:
        """Raises PluginError."""
        try:
            with self.folder() as folder:
                return any(folder.seen(self.name + suffix) is not None for suffix in ("", _LATE))
        except FileNotFoundError:
            return False

    def write(self, pairs: Iterable[Keyed]) -> int:
        """Make the file, durable, and return how many keys it has. Raises NotSafe where it is there, PluginError where
        keys are not in their order."""
        count, before = 0, b""
        with self.folder(make=True) as folder:
            if folder.seen(self.name) is not None:
                raise NotSafe(f"{self.path} already exists", "nothing was written over it")
            folder.unlink(self.name + MAKING)
            with folder.new_file(self.name + MAKING) as descriptor:
                with os.fdopen(os.dup(descriptor), "wb", buffering=1 << 20) as file:
                    for key, line in pairs:
                        if count and key <= before:
                            raise PluginError(f"{line[:60]!r} is not in the order of keys", "check the snapshot")
                        file.write(line + b"\n")
                        count, before = count + 1, key
                os.fsync(descriptor)
            folder.move(self.name + MAKING, folder, self.name)
            folder.sync()
        return count

    @contextmanager
    def opened(self, suffix: str = "") -> Iterator[BinaryIO | None]:
        """One of the files, None where it is not there. Raises PluginError."""
        with ExitStack() as stack:
            try:
                folder = stack.enter_context(self.folder())
                descriptor = stack.enter_context(folder.file(self.name + suffix))
            except FileNotFoundError:
                yield None
                return
            yield stack.enter_context(os.fdopen(os.dup(descriptor), "rb", buffering=1 << 20))

    def pairs(self) -> Iterator[Keyed]:
        """All keys, with what was noted late. Raises PluginError."""
        with self.opened() as file, self.opened(_LATE) as late:
            spans = _spans(late)
            noted = ((key, span) for key, span in sorted(spans.items()) if span is not None)
            lines = ((key, _at(late, span)) for key, span in noted)
            kept = (pair for pair in _keyed(file) if pair[0] not in spans)
            yield from heapq.merge(kept, lines)

    def keys_set_aside(self) -> Iterator[bytes]:
        """Without what was noted late."""
        with self.opened() as file:
            yield from (key for key, _ in _keyed(file))

    # The exchange.

    def note(self, notes: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Durable, each key with what it held, None where it was gone. Raises PluginError."""
        lines = (_GONE + to_line(key, b"") if value is None else to_line(key, value) for key, value in notes)
        self._append(_LATE, b"\n" + b"".join(line + b"\n" for line in lines), durable=True)

    def note_done(self, key: bytes) -> None:
        """The exchange has come past a key. Raises PluginError."""
        self._append(_DONE, key.hex().encode() + b"\n", durable=False)

    def done(self) -> bytes | None:
        """How far the exchange came; None where it did nothing. Raises PluginError."""
        with self.opened(_DONE) as file:
            whole = file.read().rpartition(b"\n")[0] if file is not None else b""
        return bytes.fromhex(whole.rpartition(b"\n")[2].decode()) if whole else None

    def _append(self, suffix: str, data: bytes, *, durable: bool) -> None:
        with self.folder(make=True) as folder:
            try:
                with folder.file(self.name + suffix, os.O_WRONLY | os.O_APPEND) as descriptor:
                    _written(descriptor, data, durable)
            except FileNotFoundError:
                with folder.new_file(self.name + suffix) as descriptor:
                    _written(descriptor, data, durable)
                folder.sync()

    def end_exchange(self) -> None:
        self.unlink(_DONE)

    def drop(self) -> None:
        """Delete all of them. Idempotent. Raises PluginError."""
        self.unlink(MAKING, _DONE, _LATE, "")


def _written(descriptor: int, data: bytes, durable: bool) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    if durable:
        os.fdatasync(descriptor)


def _keyed(file: BinaryIO | None) -> Iterator[Keyed]:
    if file is not None:
        yield from ((of_line(line).key, line) for line in lines_of(file))


def _spans(late: BinaryIO | None) -> dict[bytes, tuple[int, int] | None]:
    """Where the last note of each key stands. What a kill left of a line is none."""
    spans: dict[bytes, tuple[int, int] | None] = {}
    at = 0
    for line in lines_of(late) if late is not None else ():
        gone = line.startswith(_GONE)
        try:
            key = of_line(line.removeprefix(_GONE)).key
        except PluginError:
            pass
        else:
            spans[key] = None if gone else (at, len(line))
        at += len(line) + 1
    return spans


def _at(late: BinaryIO | None, span: tuple[int, int]) -> bytes:
    assert late is not None
    late.seek(span[0])
    return late.read(span[1])
