"""A worker that waits in the opening of a file for ever.

Libraries open files by path in our own process (SQLite its journal). Whoever owns the folder can put a pipe there right
after we have looked, and nothing cancels the call. A worker that stays in it holds its component's lock and a turn, so
that the jobs of everybody wait: it ends itself, as if it had been killed, and is recovered as any other.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from platform import machine

from dysnomia_plugins.toolkit.stalled import PATIENCE

LOOK = 5.0
EXIT = 70
"""EX_SOFTWARE of sysexits.h; nobody reads it."""
_OPENING = {"x86_64": ("2", "257", "437"), "aarch64": ("56", "437")}
"""The numbers of open, openat and openat2."""


def watch(say: Callable[[str], None], patience: float = PATIENCE, look: float = LOOK) -> None:
    """End this process when one of its threads has been in one such call for so long. ``say`` hears why, before."""
    threading.Thread(target=_watch, args=(say, patience, look), name="stuck", daemon=True).start()


def _watch(say: Callable[[str], None], patience: float, look: float) -> None:
    since: dict[str, tuple[str, float]] = {}
    while True:
        time.sleep(look)
        now = time.monotonic()
        calls = _opening()
        since = {
            thread: (call, since[thread][1] if since.get(thread, ("",))[0] == call else now)
            for thread, call in calls.items()
        }
        if any(now - began > patience for _, began in since.values()):
            say(
                f"a file could not be opened within {patience:g} s: it is a pipe, or on a disk that does not answer;"
                " the job ends here (find FOLDER -type p)"
            )
            os._exit(EXIT)


def _opening() -> Mapping[str, str]:
    """The threads that are in such a call, and in which: its words and what the thread has done so far. None where
    /proc is not there."""
    numbers = _OPENING.get(machine(), ())
    calls: dict[str, str] = {}
    try:
        threads = list(Path("/proc/self/task").iterdir())
    except OSError:
        return calls
    for folder in threads:
        try:
            words = (folder / "syscall").read_text("ascii")
            if words.split(" ", 1)[0] in numbers:
                done = (folder / "stat").read_bytes().rpartition(b")")[2].split()[7:13]
                calls[folder.name] = f"{words}{done}"
        except OSError:
            continue
    return calls
