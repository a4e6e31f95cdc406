"""Jobs that are over, each a line of one file: a look at a store shows the newest, and each is a folder of files.

A convenience, as the floor is: a line that is missing, that cannot be read, or that is older than the files of its job
costs time only.
"""

from __future__ import annotations

import json
import os
import stat
import zlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from dysnomia_base.records import dataclass
from dysnomia_base.whole_file import in_place_of
from dysnomia_store import moment
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.jobs.folder import JobFolder
from dysnomia_tui.engine.plans.plan import Kind
from dysnomia_tui.engine.records import JobState, JobView

NAME = "over.jsonl"
_FORMAT = 1
"""Of a line. One of another version is passed over, and the job's folder is read."""
_MOST = 1 << 20
"""Bytes that are read from the end of the file: a thousand jobs and more."""
_LARGE = 16 * _MOST
"""Bytes at which all but these goes: what is before them is of jobs whose folders tell as much, or are gone."""
_LONGEST = 1 << 16
"""Bytes of a line: a job with a longer one, a collection of thousands of generations, is read from its folder."""
_GIVEN = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""A link in its place is not followed, a pipe not waited for."""
_SHOWN = ("plan.json", "request.json", "record", "events.jsonl")
"""The files of a job that its view is made of."""

Stamp = tuple[int, ...]


@dataclass(frozen=True)
class Over:
    """A job that is over, as it is shown, and what its files were like then."""

    view: JobView
    stamp: Stamp


def stamp(folder: JobFolder) -> Stamp:
    """Changes with each of the files that a job is shown from: size and time of each, -1 where it is not there."""
    result = []
    for name in _SHOWN:
        try:
            status = os.lstat(f"{folder.path}/{name}")  # no Path is made: hundreds are asked
        except OSError:
            result += [-1, -1]
        else:
            result += [status.st_size, status.st_mtime_ns]
    return tuple(result)


def is_final(view: JobView) -> bool:
    """Whether a job will be shown as it is now for as long as the files of its ``stamp`` stay as they are. A restore
    that did not come to its end is shown by its journals too."""
    finished = view.state.ended and (view.state is not JobState.INTERRUPTED or "recovered" in view.details)
    swapped = view.state is JobState.DONE or view.kind not in (Kind.RESTORE.value, Kind.UNDO.value)
    left = "unreadable" in view.details or "half" in view.details or bool(view.details.get("stays"))
    return finished and swapped and not left


def append(jobs: Path, ended: Iterable[Over], group: str = "") -> None:
    """Add a line for each of these jobs; a ``group`` may read them. Raises OSError, and LookupError where there is no
    such group."""
    text = b"".join(line for line in map(_line, ended) if len(line) <= _LONGEST)
    fd = os.open(jobs / NAME, os.O_RDWR | os.O_APPEND | os.O_CREAT | _GIVEN, 0o600)
    try:
        if group and os.fstat(fd).st_size == 0:
            import grp

            os.fchown(fd, -1, grp.getgrnam(group).gr_gid)
            os.fchmod(fd, 0o640)
        os.write(fd, text)
        if os.fstat(fd).st_size > _LARGE:
            _shorten(jobs / NAME, fd)
    finally:
        os.close(fd)


def _shorten(path: Path, fd: int) -> None:
    """Let go of all but the end. A line that another job adds to the old file is lost, and costs time only.

    Raises OSError."""
    seen = os.fstat(fd)
    with in_place_of(path, durable=False) as file:
        os.fchown(file.fileno(), -1, seen.st_gid)
        os.fchmod(file.fileno(), stat.S_IMODE(seen.st_mode))
        file.write(os.pread(fd, _MOST, seen.st_size - _MOST).partition(b"\n")[2])


def read(jobs: Path) -> Mapping[int, Over]:
    """The last of these jobs by their numbers. Empty where there is no such file, or it may not be read."""
    try:
        fd = os.open(jobs / NAME, os.O_RDONLY | _GIVEN)
        try:
            text = os.pread(fd, _MOST, max(0, os.fstat(fd).st_size - _MOST))
        finally:
            os.close(fd)
    except OSError:
        return {}
    return {int(one.view.id): one for one in map(_parsed, text.splitlines()) if one is not None}


def _line(one: Over) -> bytes:
    from dataclasses import asdict  # a look at a store reads lines, and writes none

    view = asdict(one.view) | {"keys": list(map(str, one.view.keys)), "state": one.view.state.value}
    for name in ("created", "started", "ended"):
        view[name] = view[name] and view[name].isoformat()
    body = json.dumps([_FORMAT, one.stamp, view], separators=(",", ":")).encode("ascii")
    return b"%08x %s\n" % (zlib.crc32(body), body)


def _parsed(line: bytes) -> Over | None:
    """A line; None where it is not whole, or of another version. What has its checksum was written by ``_line``."""
    body = line[9:]
    if line[8:9] != b" " or line[:8] != b"%08x" % zlib.crc32(body):
        return None
    form, stamped, view = json.loads(body)
    if form != _FORMAT or set(view) != set(JobView.__match_args__):
        return None
    return Over(_view(view), tuple(stamped))


def _view(fields: dict[str, Any]) -> JobView:
    fields["keys"] = tuple(map(ComponentKey.parse, fields["keys"]))
    fields["state"] = JobState(fields["state"])
    fields["created"] = moment(fields["created"])
    fields["started"], fields["ended"] = _time(fields["started"]), _time(fields["ended"])
    return JobView(**fields)


def _time(text: str | None) -> datetime | None:
    return None if text is None else moment(text)
