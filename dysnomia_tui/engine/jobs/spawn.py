"""Starting a worker that outlives the terminal, the login session and the program that started it.

The worker leaves the starter's session itself (``worker.py``). Where systemd runs, it is put in a scope of its own:
logind may kill a user's processes at logout. Only arguments that hold no secret are passed: a scope's properties can
be read by anyone over D-Bus.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from dysnomia_tui.engine.errors import EngineError
from dysnomia_tui.engine.jobs.folder import JobFolder

START_LIMIT = 60.0
"""Seconds in which a worker must have said that it is there; generous, for a loaded machine."""


def start_worker(folder: JobFolder, lock: int, scope_name: str) -> None:
    """Start the worker of a job; it inherits the descriptor ``lock``. Returns when it is there.

    Raises EngineError where it cannot be started.
    """
    argv = [sys.executable, "-m", "dysnomia_tui.engine.worker", str(folder.path), str(lock)]
    prefix = scope(scope_name)
    status, errors = _start([*prefix, *argv], lock)
    if status and prefix and folder.record().last("worker") is None:
        status, errors = _start(argv, lock)
    if status:
        last = errors.strip().splitlines()[-1:] or ["no reason was given"]
        raise EngineError(f"the worker of job {folder.id} could not be started", last[0])


def scope(name: str) -> Sequence[str]:
    """The words before a command that put it in a systemd scope; none where systemd does not run."""
    if not Path("/run/systemd/system").is_dir() or shutil.which("systemd-run") is None:
        return ()
    user = [] if os.geteuid() == 0 else ["--user"]
    return ("systemd-run", *user, "--scope", "--quiet", "--collect", f"--unit={name}", "--")


def _start(argv: Sequence[str], lock: int) -> tuple[int, str]:
    """Run until the starter has left its child behind. Returns status and what it said."""
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, pass_fds=(lock,),
            cwd="/", check=False, timeout=START_LIMIT, start_new_session=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return 1, f"it did not start within {START_LIMIT:g} s"
    except OSError as error:
        return 1, str(error)
    return done.returncode, done.stderr.decode("utf-8", "replace")
