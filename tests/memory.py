"""How much memory something takes at the most: for what strangers make to fill it."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def at_most(megabytes: int) -> Iterator[None]:
    """What is done inside takes no more of Python's memory than that, also where it raises."""
    tracemalloc.start()
    try:
        yield
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < megabytes << 20, f"{peak >> 20} MB"
