"""What child processes print: drained so that they never block, kept bounded, without secrets."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable
from typing import IO

from dysnomia_plugins.errors import PluginError

READ = 1 << 18
POLL_MS = 100


class Keeper:
    """Keeps the head and the tail of what it is fed, within ``limit`` bytes.

    Where something had to go, whole lines go: half a line might hold half a secret. ``strict`` keeps the head only
    (the rest is dropped and ``overflowed`` says so)."""

    def __init__(self, limit: int, *, strict: bool = False) -> None:
        self._head_limit = limit if strict else limit // 4
        self._tail_limit = 0 if strict else limit - self._head_limit
        self._head = bytearray()
        self._tail = bytearray()
        self.overflowed = False

    def feed(self, data: bytes) -> None:
        room = self._head_limit - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        if not data:
            return
        self._tail += data
        if len(self._tail) > self._tail_limit:
            self.overflowed = True
            del self._tail[: len(self._tail) - self._tail_limit]

    def content(self) -> bytes:
        if not self.overflowed:
            return bytes(self._head + self._tail)
        head = self._head[: self._head.rfind(b"\n") + 1]
        tail = self._tail[self._tail.find(b"\n") + 1 :] if b"\n" in self._tail else b""
        return bytes(head + b"[...]\n" + tail)


class LineSplitter:
    """Turns chunks into calls with one line each, without its newline.

    Args:
        longest: bytes of a line that is handed on; in the place of a longer one, which might hold half a secret where
            it was cut, stands how long it was. None: any.
    """

    def __init__(self, call: Callable[[bytes], object], longest: int | None = None) -> None:
        self._call = call
        self._rest = b""
        self._longest = longest
        self._dropped = 0

    def feed(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._hand_on(line)
        if self._longest is not None and (self._dropped or len(self._rest) > self._longest):
            self._dropped += len(self._rest)
            self._rest = b""

    def finish(self) -> None:
        if self._rest or self._dropped:
            rest, self._rest = self._rest, b""
            self._hand_on(rest)

    def _hand_on(self, line: bytes) -> None:
        size, self._dropped = self._dropped + len(line), 0
        whole = size == len(line) and (self._longest is None or size <= self._longest)
        self._call(line if whole else b"[a line of %d bytes]" % size)


class Drain:
    """A thread that reads a pipe to its end and hands on what it gets.

    When the callback fails, the pipe is still read (its writer must not block), and ``error`` has the failure."""

    def __init__(self, stream: IO[bytes], sink: Callable[[bytes], None]) -> None:
        self.error: PluginError | None = None
        self._stream = stream
        self._sink = sink
        self._until: float | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._drain, name="drain", daemon=True)
        self._thread.start()

    def finish(self, linger: float, *, leave: Callable[[IO[bytes]], None] | None = None) -> None:
        """Wait for the end of the pipe, but at most ``linger`` seconds: somebody else may hold it open.

        ``leave`` gets a pipe that is still held open, before it is closed here."""
        self._until = time.monotonic() + linger
        self._thread.join()
        if leave is not None and not self._ended:
            leave(self._stream)
        self._stream.close()

    def _drain(self) -> None:
        whole = False
        try:
            self._read(self._sink)
            whole = True
        except PluginError as error:
            self.error = error
        finally:
            if not whole and self.error is None:
                self.error = PluginError("the output of a program could not be parsed")
            self._read(None)

    def _read(self, sink: Callable[[bytes], None] | None) -> None:
        poller = select.poll()
        descriptor = self._stream.fileno()
        poller.register(descriptor, select.POLLIN | select.POLLHUP)
        while True:
            if not poller.poll(POLL_MS):
                if self._until is not None and time.monotonic() > self._until:
                    return
                continue
            data = os.read(descriptor, READ)
            if not data:
                self._ended = True
                return
            if sink is not None:
                sink(data)
