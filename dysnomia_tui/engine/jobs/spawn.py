"""Starting a worker that outlives the terminal, the login session and the program that started it.

The worker leaves the starter's session itself (``worker.py``). Where systemd runs, it is put in a scope of its own:
logind may kill a session's processes at logout. Only arguments that hold no secret are passed: a scope's properties
can be read by anyone over D-Bus; its environment is that of the process, and never told.

A user's scope lives in their own systemd, which logind ends with their last session unless they linger. So it is used
for those who do; for others the process stays in its session's scope, which logind leaves alone unless it is
configured with KillUserProcesses=yes.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from dysnomia_base.environment import child_environment, search_path
from dysnomia_base.python_child import python_child
from dysnomia_tui.engine.errors import EngineError
from dysnomia_tui.engine.jobs.folder import JobFolder

RUNNING = Path("/run/systemd/system")
"""There where systemd is what this machine was booted with (sd_booted(3))."""
LINGER = Path("/var/lib/systemd/linger")
START_LIMIT = 60.0
"""Seconds in which a worker must have said that it is there; generous, for a loaded machine."""


def start_worker(folder: JobFolder, lock: int) -> None:
    """Start the worker of a job; it inherits the descriptor ``lock``. Returns when it is there.

    Raises EngineError where it cannot be started.
    """
    argv = python_child("dysnomia_tui.engine.worker", "main(sys.argv)", str(folder.path), str(lock))
    prefix = scope(scope_name(folder))
    status, errors = _start([*prefix, *argv], lock)
    if status and prefix and folder.record().last("worker") is None:
        status, errors = _start(argv, lock)
    if status:
        last = errors.strip().splitlines()[-1:] or ["no reason was given"]
        raise EngineError(f"the worker of job {folder.id} could not be started", last[0])


def scope_name(folder: JobFolder) -> str:
    """The name of a job's scope: no other store of this machine has it for a job of the same number."""
    store = hashlib.sha256(os.fsencode(folder.path.parent.resolve())).hexdigest()[:8]
    return f"dysnomia-{store}-job-{folder.id}"


def scope(name: str) -> Sequence[str]:
    """The words before a command that put it in a systemd scope; none where that would not let it live longer."""
    if not RUNNING.is_dir() or shutil.which("systemd-run", path=search_path()) is None:
        return ()
    root = os.geteuid() == 0
    if not root and not lingers(os.geteuid()):
        return ()
    user = () if root else ("--user",)
    return ("systemd-run", *user, "--scope", "--quiet", "--collect", f"--unit={name}", "--")


def lingers(uid: int) -> bool:
    """Whether a user's own systemd outlives their sessions (``loginctl enable-linger``)."""
    try:
        return (LINGER / pwd.getpwuid(uid).pw_name).exists()
    except KeyError:
        return False


def _start(argv: Sequence[str], lock: int) -> tuple[int, str]:
    """Run until the starter has left its child behind. Returns status and what it said."""
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, pass_fds=(lock,),
            cwd="/", env=child_environment(os.environ), check=False, timeout=START_LIMIT, start_new_session=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return 1, f"it did not start within {START_LIMIT:g} s"
    except OSError as error:
        return 1, str(error)
    return done.returncode, done.stderr.decode("utf-8", "replace")
