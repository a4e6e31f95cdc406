"""A second process for large sections, so that both sides are read at once, each on a core of its own.

It is forked from the comparing process, so it has the same two sides and, above all, the same hash key. Files go
between the two as descriptors: they have no names. It dies with the process it was forked from.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import socket
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from dysnomia_base.children import is_readable
from dysnomia_plugins.errors import PluginError
from dysnomia_store.errors import StoreError
from dysnomia_tui.engine.diff.hash_file import Order
from dysnomia_tui.engine.diff.hash_sums import Sums, Tick, read, sift
from dysnomia_tui.engine.diff.pairing import Side
from dysnomia_tui.engine.diff.rows import Excess, Hashes, batches_in, fetch, join, write_rows
from dysnomia_tui.engine.diff.spill import temporary

WORTH_IT = 48 << 20
"""Bytes of both sides together from which a second process pays."""
_HEAD = struct.Struct("<Q")
_PR_SET_PDEATHSIG = 1
_LOOK = 0.05
"""Seconds between two looks for requests while the other process is waited for."""
Parts = tuple[int, int, list[Any]]

SideMaker = Callable[[int, Any], Side]
"""Makes the old (0) or the new (1) side of a pair of sections."""


class Helper:
    """The other process, as seen from the comparing one. It does one thing at a time."""

    def __init__(self, folder: Path, side: SideMaker) -> None:
        self._folder = folder
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            ours.close()
            _serve(theirs, folder, side)
        theirs.close()
        self.pid = pid
        self._socket = ours
        self.busy = False

    def read(self, which: int, pair: Any) -> None:
        """Begin to read a side for the first time; ``sums`` gives the result."""
        self._ask(("read", which, pair))

    def sums(self, tick: Tick) -> tuple[Sums, int]:
        """Those of its cells, and how many rows it has."""
        (sums, rows), _ = self._answer(tick)
        return sums, rows

    def spread(self, cells: Sequence[bool], buckets: int) -> None:
        """Begin to put what was read last, of the cells that differ, into buckets; ``hashes`` gives the result."""
        self._ask(("spread", cells, buckets))

    def hashes(self, tick: Tick) -> Hashes:
        (buckets, rows, segments), (descriptor,) = self._answer(tick)
        return Hashes.of(self._folder, buckets, rows, segments, os.fdopen(descriptor, "rb", buffering=0))

    def join(self, old: Hashes, new: Hashes, which: range) -> None:
        """Begin to compare some buckets; ``excess`` gives the result."""
        self._ask(("join", old.parts, new.parts, which), old.fileno(), new.fileno())

    def excess(self, tick: Tick) -> tuple[Excess, Excess]:
        (old, new), (first, second) = self._answer(tick)
        return Excess.of(self._folder, *old, first), Excess.of(self._folder, *new, second)

    def fetch(self, which: int, pair: Any, excess: Excess) -> None:
        """Begin to read a side for the second time; ``rows`` gives the result."""
        self._ask(("fetch", which, pair, excess.rows, excess.hashes), *excess.filenos())

    def rows(self, tick: Tick) -> Iterator[bytes]:
        """The rows found, once they all are."""
        _, (descriptor,) = self._answer(tick)
        with os.fdopen(descriptor, "rb") as file:
            file.seek(0)
            for batch in batches_in(file):
                yield from batch

    def forget(self, tick: Tick) -> None:
        """Let go of what was remembered of the first reading. (One that failed here may still run there.)"""
        if not self.busy:
            self._ask(("forget",))
            self._answer(tick)

    def close(self) -> None:
        """End the other process."""
        self._socket.close()
        os.waitpid(self.pid, 0)

    def _ask(self, task: tuple[Any, ...], *descriptors: int) -> None:
        self.busy = True
        _send(self._socket, task, descriptors)

    def _answer(self, tick: Tick) -> tuple[Any, list[int]]:
        """Wait, ticking, so that requests are answered meanwhile. Raises StoreError with what went wrong there."""
        while not is_readable(self._socket.fileno(), _LOOK):
            tick(0)
        try:
            (ok, value), descriptors = _receive(self._socket)
        except EOFError as error:
            raise StoreError("the second process of the comparison ended unexpectedly", "compare again") from error
        self.busy = False
        if not ok:
            raise StoreError(value)
        return value, descriptors


@dataclass
class _Tasks:
    """What the other process can do."""

    folder: Path
    side: SideMaker
    remembered: tuple[int, Any, Order] | None = None
    """What was kept of the rows read last, and whose they are."""

    def read(self, descriptors: list[int], which: int, pair: Any) -> tuple[Any, list[int]]:
        self.forget([])
        order = Order(self.folder)
        self.remembered = which, pair, order
        sums = read(self.side(which, pair).batches(), _quiet, order)
        return (sums, order.hashes), []

    def spread(self, descriptors: list[int], cells: Sequence[bool], buckets: int) -> tuple[Any, list[int]]:
        assert self.remembered is not None
        which, pair, order = self.remembered
        order = sift(order, cells, _quiet, self.folder)
        self.remembered = which, pair, order
        hashes = Hashes(self.folder, buckets)
        hashes.spread(order, _quiet)
        return hashes.parts, [os.dup(hashes.fileno())]

    def join(self, descriptors: list[int], old: Parts, new: Parts, which: range) -> tuple[Any, list[int]]:
        sides = [
            Hashes.of(self.folder, *parts, os.fdopen(descriptor, "rb", buffering=0))
            for parts, descriptor in zip((old, new), descriptors, strict=True)
        ]
        only = Excess(self.folder), Excess(self.folder)
        join(sides[0], sides[1], *only, which)
        return [(excess.rows, excess.hashes) for excess in only], [excess.one_file() for excess in only]

    def fetch(self, descriptors: list[int], which: int, pair: Any, rows: int, hashes: int) -> tuple[Any, list[int]]:
        excess = Excess.of(self.folder, rows, hashes, *descriptors)
        file = temporary(self.folder)
        known = self.remembered
        order = known[2] if known is not None and known[:2] == (which, pair) else None
        write_rows(file, fetch(self.side(which, pair).batches, excess, _quiet, self.folder, order))
        file.flush()
        return None, [os.dup(file.fileno())]

    def forget(self, descriptors: list[int]) -> tuple[Any, list[int]]:
        if self.remembered is not None:
            self.remembered[2].close()
            self.remembered = None
        return None, []


def _serve(link: socket.socket, folder: Path, side: SideMaker) -> NoReturn:
    """The other process: one task after the other, until the first process is gone."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1):
        os.dup2(null, stream)
    tasks = _Tasks(folder, side)
    status = 1
    try:
        while True:
            (name, *args), descriptors = _receive(link)
            try:
                value, given = getattr(tasks, name)(descriptors, *args)
            except (StoreError, PluginError, OSError) as error:
                _send(link, (False, str(error)), ())
                continue
            _send(link, (True, value), given)
            for descriptor in given:
                os.close(descriptor)
    except EOFError:
        status = 0
    finally:
        if status:
            sys.excepthook(*sys.exc_info())
            sys.stderr.flush()
        os._exit(status)


def _send(link: socket.socket, value: Any, descriptors: tuple[int, ...] | list[int]) -> None:
    data = pickle.dumps(value)
    socket.send_fds(link, [_HEAD.pack(len(data))], list(descriptors))
    link.sendall(data)


def _receive(link: socket.socket) -> tuple[Any, list[int]]:
    """A value and descriptors, from our own other half. Raises EOFError when it is gone."""
    head, descriptors, _, _ = socket.recv_fds(link, _HEAD.size, 8)
    while 0 < len(head) < _HEAD.size:
        head += link.recv(_HEAD.size - len(head))
    if not head:
        raise EOFError
    left = _HEAD.unpack(head)[0]
    pieces: list[bytes] = []
    while left:
        piece = link.recv(min(left, 1 << 20))
        if not piece:
            raise EOFError
        pieces.append(piece)
        left -= len(piece)
    return pickle.loads(b"".join(pieces)), descriptors


def _quiet(_: int) -> None:
    return
