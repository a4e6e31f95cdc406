"""Files that name a process by its number, and on whose word: root must never signal what another user chose.

Whoever may write such a file, or put another in its place, can write any number into it. So the word of a file that
only root or the caller can have written is taken for any process; that of a file which one other user can have written
for processes that are wholly that user's, which they could signal anyway; that of any other file for none.
"""

from __future__ import annotations

import os
import posixpath
import stat
from dataclasses import dataclass
from datetime import timedelta

from dysnomia_base.ownership import why_not_obeyed
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.guarded.folder import Folder
from dysnomia_plugins.toolkit.guarded.system import LinkInTheWay
from dysnomia_plugins.toolkit.guarded.way import is_ours, others_on_the_way, real_path, user_in_words
from dysnomia_plugins.toolkit.processes import RunningProcess

MOST = 4096
"""Bytes that are read: the number is the first word."""
_LATER = timedelta(seconds=2)
"""How much later than its file a process may have started, as clocks tell it: a process writes its number itself."""


@dataclass(frozen=True, slots=True)
class PidFile:
    """What such a file says, and whose word it is."""

    path: str
    number: int
    """0 where it holds none."""
    written: float
    """When it was last written, by the file system's clock."""
    writer: int | None
    """The one user besides root and the caller who can have written it; None: nobody else can."""
    distrust: str
    """Why its word is taken for no process; ``""`` where it is for some."""

    @property
    def process(self) -> RunningProcess | None:
        """The process that has the number, and had it when the file was written; None where none has."""
        running = RunningProcess.of(self.number) if self.number > 1 else None
        if running is None or running.since.timestamp() > self.written + _LATER.total_seconds():
            return None
        return running

    def why_not(self, process: RunningProcess) -> str:
        """Why its word is not enough for signalling a process, in words that follow the file's name; ``""`` where it
        is."""
        if self.distrust:
            return f"names process {process.pid}, but {self.distrust}"
        if self.writer is None or process.uids == {self.writer}:
            return ""
        whose = user_in_words(min(process.uids))
        return (
            f"names process {process.pid} of user {whose}, but may be written by user {user_in_words(self.writer)},"
            " who may not signal that"
        )


def read_pid_file(path: str, setting: str) -> PidFile | None:
    """What a file says; None where it is not there.

    Args:
        setting: what names the file (``pidFile``), for messages.

    Raises NotSafe for a link of others and for what is no file, PluginError where it cannot be read."""
    if not path.startswith("/"):
        raise PluginError(f"{setting} is {path!r}, which is not an absolute path", "name the file by its whole path")
    try:
        real = real_path(path, setting=setting)
        folder, name = posixpath.split(real)
        with Folder.at(folder) as opened, opened.file(name) as descriptor:
            seen = os.fstat(descriptor)
            words = os.read(descriptor, MOST).split()
        number = int(words[0]) if words and words[0].isdigit() and len(words[0]) < 10 else 0
        writer, distrust = _writer(real, seen)
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        return None
    except LinkInTheWay as error:
        raise NotSafe(f"{path} was replaced while it was read: nothing was followed", "try again") from error
    except OSError as error:
        raise PluginError(
            f"{path} cannot be read ({error.strerror})", f"check {setting}, and its permissions"
        ) from error
    return PidFile(path, number, seen.st_mtime, writer, distrust)


def _writer(path: str, seen: os.stat_result) -> tuple[int | None, str]:
    """Who else can have written a file of this status, and why that is more than one user."""
    reason = why_not_obeyed(path)
    if not reason:
        return None, ""
    folder = posixpath.dirname(path)
    # In a sticky folder of root's, as /tmp, a file stays its owner's.
    others = others_on_the_way(folder) if why_not_obeyed(folder, inside=True) else None
    alone = not seen.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and seen.st_nlink == 1
    if is_ours(seen) or not alone or (others is not None and others.uid != seen.st_uid):
        return None, reason
    return seen.st_uid, ""


def remove_pid_file(pid_file: PidFile) -> None:
    """Remove one that names no process any more, unless it was written again. Raises NotSafe, PluginError."""
    try:
        folder, name = posixpath.split(real_path(pid_file.path))
        with Folder.at(folder) as opened:
            seen = opened.seen(name)
            if seen is not None and stat.S_ISREG(seen.st_mode) and seen.st_mtime == pid_file.written:
                opened.unlink(name)
    except FileNotFoundError:
        return
    except OSError as error:
        raise PluginError(f"{pid_file.path} could not be removed ({error.strerror})", "remove it") from error
