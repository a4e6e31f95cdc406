"""Starting a worker that outlives the terminal, the login session and the program that started it.

The worker leaves the starter's session itself (``worker.py``). Where systemd runs, it is put in a scope of its own:
logind may kill a session's processes at logout. Only arguments that hold no secret are passed: a scope's properties
can be read by anyone over D-Bus; its environment is that of the process, and never told.

A user's scope lives in their own systemd, which logind ends with their last session unless they linger. So it is used
for those who do; for others the process stays in its session's scope, which logind leaves alone unless it is
configured with KillUserProcesses=yes.
"""

from __future__ import annotations

import gc
import hashlib
import os
import pwd
import shutil
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from dysnomia_base.children import is_readable
from dysnomia_base.environment import child_environment, search_path
from dysnomia_base.python_child import python_child
from dysnomia_tui.engine.errors import EngineError
from dysnomia_tui.engine.jobs.folder import JobFolder

RUNNING = Path("/run/systemd/system")
"""There where systemd is what this machine was booted with (sd_booted(3))."""
OWN_DESCRIPTORS = Path("/proc/self/fd")
"""Workers, and whatever works by descriptor, need it: a chroot may lack it."""
LINGER = Path("/var/lib/systemd/linger")
START_LIMIT = 60.0
"""Seconds in which a worker must have said that it is there; generous, for a loaded machine."""


Forked = Callable[[Path, int, int], NoReturn]
"""What a forked process does to be the worker: given the job's folder, its lock, and where to tell that it is there."""


def start_worker(folder: JobFolder, lock: int, *, forked: Forked | None = None) -> None:
    """Start the worker of a job; it inherits the descriptor ``lock``. Returns when it is there.

    Args:
        forked: given where the worker may be forked from this process: one that has a single thread, and nothing that
            must not be in a worker's memory. A scope of systemd's holds a program, so there it is started all the same.

    Raises EngineError where it cannot be started.
    """
    if not OWN_DESCRIPTORS.is_dir():
        raise EngineError("no job can run here: /proc is not mounted", "mount -t proc proc /proc")
    prefix = scope(scope_name(folder))
    if forked is not None and not prefix and threading.active_count() == 1:
        _fork(folder, lock, forked)
        return
    argv = python_child("dysnomia_tui.engine.worker", "main(sys.argv)", str(folder.path), str(lock))
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


def _fork(folder: JobFolder, lock: int, forked: Forked) -> None:
    """Fork the worker from this process, and wait until it is there. Raises EngineError."""
    ready, tell = os.pipe()
    gc.freeze()  # so that the worker ends no object of ours, such as a connection whose descriptor it has closed
    try:
        pid = os.fork()
        if pid == 0:
            forked(folder.path, lock, tell)
        os.close(tell)
        os.waitpid(pid, 0)
        started = is_readable(ready, START_LIMIT) and os.read(ready, 1) == b"1"
    finally:
        gc.unfreeze()
        os.close(ready)
    if not started:
        raise EngineError(
            f"the worker of job {folder.id} could not be started", f"see worker.log in {folder.path}, if it is there"
        )


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
