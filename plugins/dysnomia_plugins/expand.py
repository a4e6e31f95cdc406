"""``$(…)`` in a property file: run only where running it gives nobody anything they did not have.

The rule: the file belongs to root or to the caller, and no one else may write it, nor its folder (who could put
another file in its place). Then bash runs the text in a clean environment, with nothing on standard input and a time
limit; output loses its trailing newlines, as in bash.
"""

from __future__ import annotations

import functools
import os
import signal
import stat
import subprocess
from pathlib import Path

from dysnomia_plugins.properties import Substitute

TIME_LIMIT = 5.0
"""Seconds for one substitution."""
OUTPUT_LIMIT = 64 * 1024
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/run/current-system/sw/bin",
    "LC_ALL": "C.UTF-8",
}


def substitution_for(path: Path, status: os.stat_result, uid: int | None = None) -> Substitute:
    """What runs the substitutions of a file whose status is ``status``: refuses where the rule does not hold."""
    reason = why_not(path, status, os.geteuid() if uid is None else uid)
    if reason:
        return functools.partial(_refuse, reason)
    return run


def why_not(path: Path, status: os.stat_result, uid: int) -> str:
    """Why the substitutions of this file are not run, or ``""``."""
    reason = _writable_by_others(status, uid, "the file")
    if reason:
        return reason
    try:
        folder = path.parent.stat()
    except OSError as error:
        return f"its folder cannot be seen ({error.strerror})"
    if folder.st_mode & stat.S_ISVTX and status.st_uid in (0, uid):
        return "" if folder.st_uid in (0, uid) else f"its folder belongs to user {folder.st_uid}"
    return _writable_by_others(folder, uid, "its folder")


def _writable_by_others(status: os.stat_result, uid: int, what: str) -> str:
    if status.st_uid not in (0, uid):
        return f"not run, because {what} belongs to user {status.st_uid}, neither root nor you"
    if status.st_mode & stat.S_IWOTH:
        return f"not run, because everyone may write {what}"
    if status.st_mode & stat.S_IWGRP and status.st_gid != 0 and not _own_group(status.st_gid, uid):
        return f"not run, because group {status.st_gid} may write {what}"
    return ""


def _own_group(gid: int, uid: int) -> bool:
    """A user's private group (same number, no other member), as Debian makes them."""
    import grp
    import pwd

    try:
        user = pwd.getpwuid(uid)
        return gid == user.pw_gid and user.pw_name == grp.getgrgid(gid).gr_name and not grp.getgrgid(gid).gr_mem
    except KeyError:
        return False


def _refuse(reason: str, _command: str) -> str:
    raise ValueError(reason)


def run(command: str, time_limit: float = TIME_LIMIT) -> str:
    """Run bash on the text. Raises ValueError with the reason: a status, the time limit, too much output, no bash."""
    try:
        child = subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-c", os.fsencode(command)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT, cwd="/",
            start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise ValueError(f"bash cannot be started ({error.strerror})") from None
    with child:
        try:
            output, errors = child.communicate(timeout=time_limit)
        except subprocess.TimeoutExpired:
            raise ValueError(f"not done within {time_limit:g} s") from None
        finally:
            _kill_group(child)
    if child.returncode != 0:
        last = errors.decode("utf-8", "replace").strip().splitlines()[-1:] or [""]
        raise ValueError(f"ended with status {child.returncode}" + (f" ({last[0]})" if last[0] else ""))
    if len(output) > OUTPUT_LIMIT or b"\0" in output:
        raise ValueError("its output is no text of a sensible length")
    return output.decode("utf-8", "surrogateescape").rstrip("\n")


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    """End what it started, too; its own group exists as long as anything of it lives."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
