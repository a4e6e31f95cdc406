"""Holding the collector of cyclic garbage still while very many small records are made.

None of them can be garbage yet, and looking through all of them again and again would take half of the time.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def gc_paused() -> Iterator[None]:
    """Disable the cyclic garbage collector for the block. Re-entrant; restores the previous setting."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
