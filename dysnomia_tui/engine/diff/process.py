"""A child process of ours that is told what to do by a line of JSON, and answers by lines: its start and its end."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
from collections.abc import Callable, Mapping
from typing import IO, Any

from dysnomia_base.environment import child_environment
from dysnomia_base.python_child import python_child

END_WAIT = 5.0
"""Seconds it gets to end by itself when it is no longer wanted."""


def start(module: str, *, stderr: int) -> subprocess.Popen[bytes]:
    """Start ``module`` with pipes to its standard input and output; ``stderr`` as ``Popen`` takes it."""
    return subprocess.Popen(
        python_child(module),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        start_new_session=True,
        env=child_environment(os.environ),
        cwd="/",
    )


def listen(
    process: subprocess.Popen[bytes], lock: threading.Condition, heard: Callable[[Mapping[str, Any]], None]
) -> None:
    """Hand on each line that it says, under the lock, and wake who waits, until it says no more.

    Raises what ``heard`` does: nobody listens any more then, which ends the process."""
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            message = json.loads(line)
            with lock:
                heard(message)
                lock.notify_all()


def end(process: subprocess.Popen[bytes], listener: threading.Thread) -> None:
    """Close its input, which ends it; kill it where that does not. Then wait until its last words were heard."""
    stdin: IO[bytes] | None = process.stdin
    assert stdin is not None
    with contextlib.suppress(OSError):
        stdin.close()
    try:
        process.wait(END_WAIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    listener.join(END_WAIT)
