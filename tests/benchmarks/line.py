"""Bytes that the app writes to its terminal, for a slow line: those of 10 KB/s are not rare, and each is waited for."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.measure import Figure, Part, absolute
from tests.benchmarks.screen import Watched, running

IDLE = 12
"""Seconds that nothing happens in: the store is read again meanwhile."""
STEPS = 10


def measure() -> Sequence[Figure]:
    """On the demo, at 120x36. Raises AssertionError where the screen does not come."""
    program = str(Path(sys.executable).parent / "dysnomia-tui")
    with tempfile.TemporaryDirectory(prefix="bench.") as root:
        environment = {"HOME": root, "PATH": os.defpath, "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"}
        with running([program, "demo"], environment) as watched:
            watched.until(lambda text: "orders" in text and "ok" in text)
            _settled(watched)
            figures = [absolute("nothing happens: bytes a second", _bytes_in(watched, IDLE) / IDLE, 200, "B")]
            os.write(watched.fd, b"2")
            watched.quiet()
            steps = sorted(_bytes_of(watched, b"j") for _ in range(STEPS))
            figures.append(absolute("a step in the list of generations, the middle one", steps[STEPS // 2], 8000, "B"))
            figures.append(absolute("the help opens", _bytes_of(watched, b"?"), 30_000, "B"))
    return figures


def _settled(watched: Watched) -> None:
    """Go on when what it does after its start is done: by then only the clock writes, once a second."""
    while _bytes_in(watched, 3) > 600:
        pass


def _bytes_in(watched: Watched, seconds: float) -> int:
    before, end = watched.taken, time.monotonic() + seconds
    while time.monotonic() < end:
        watched.read(0.3)
    return watched.taken - before


def _bytes_of(watched: Watched, key: bytes) -> int:
    before = watched.taken
    os.write(watched.fd, key)
    watched.quiet()
    return watched.taken - before


PARTS = (Part("line", measure, order=52),)
