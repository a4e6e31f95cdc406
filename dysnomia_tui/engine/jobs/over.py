"""Jobs that are over, each a line of one file: a look at a store shows the newest, and each is a folder of files.

A convenience, as the floor is: a line that is missing, that cannot be read, or that is older than the files of its job
costs time only.
"""

from __future__ import annotations

import json
import os
import re
import stat
import zlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from dysnomia_base.records import dataclass
from dysnomia_base.whole_file import in_place_of
from dysnomia_store import moment
from dysnomia_store.errors import NameRejected
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.plans.plan import Kind
from dysnomia_tui.engine.records import JobState, JobView

NAME = "over.jsonl"
_FORMAT = 1
"""Of a line. One of another version is passed over, and the job's folder is read."""
_MOST = 4 << 20
"""Bytes that are read from the end of the file."""
_LINES = 1000
"""Of the jobs in them, how many are looked at."""
_LARGE = 16 << 20
"""Bytes at which the file is made shorter."""
_KEPT = 8 << 20
"""Bytes that are left then: ten thousand jobs."""
_UNWELL = (b'"state":"failed"', b'"state":"partly"', b'"state":"interrupted"', b'"nothing":{"')
"""One of these is in the line of each job that did not end well, or snapshotted and kept nothing. Texts of others do
not look so: their quotes have a backslash."""
_IDS = re.compile(rb'\],\{"id":"([0-9]{1,15})",')
"""In each line."""
_PROOF = re.compile(rb'"kind":"(?:check|verify)"')
"""In each line of a job that proved something."""
_LONGEST = 1 << 20
"""Bytes of a line, of some ten thousand components: a job with a longer one is read from its folder."""
_GIVEN = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""A link in its place is not followed, a pipe not waited for."""
_SHOWN = ("plan.json", "request.json", "record", "events.jsonl")
"""The files of a job that its view is made of."""
_FIELDS = frozenset(JobView.__match_args__)

Stamp = tuple[int, ...]


@dataclass(frozen=True)
class Over:
    """A job that is over, as it is shown, and what its files were like then."""

    view: JobView
    stamp: Stamp


def stamp(jobs: Path, number: int) -> Stamp:
    """Changes with each of the files that a job is shown from: size and time of each, -1 where it is not there."""
    result = []
    for name in _SHOWN:
        try:
            status = os.lstat(f"{jobs}/{number}/{name}")  # no Path is made: hundreds are asked
        except OSError:
            result += [-1, -1]
        else:
            result += [status.st_size, status.st_mtime_ns]
    return tuple(result)


def is_final(view: JobView) -> bool:
    """Whether a job will be shown as it is now for as long as the files of its ``stamp`` stay as they are. A restore
    that did not come to its end is shown by its journals too."""
    finished = view.state.ended and not view.to_recover
    swapped = view.state is JobState.DONE or view.kind not in (Kind.RESTORE.value, Kind.UNDO.value)
    left = {"unreadable", "half"} & view.details.keys() or view.details.get("stays")
    return bool(finished and (swapped or keeps_aside(view)) and not left)


def keeps_aside(view: JobView) -> bool:
    """Whether a restore keeps what was live and could not be made a generation: that needs someone until it is undone
    or given up."""
    return bool(view.details.get("aside")) and view.undoable


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
        file.write(os.pread(fd, _KEPT, seen.st_size - _KEPT).partition(b"\n")[2])


def read(jobs: Path) -> Mapping[int, Over]:
    """The last of these jobs by their numbers. Empty where there is no such file, or it may not be read."""
    return _parsed_of(_last_lines(jobs))


def read_unwell(jobs: Path) -> Mapping[int, Over]:
    """Of all in the file those that did not end well, or kept nothing; of proofs also those that came after one of
    these."""
    text = _end(jobs, _LARGE)
    starts: set[int] = set()
    for word in _UNWELL:
        place = text.find(word)
        while place >= 0:
            starts.add(text.rfind(b"\n", 0, place) + 1)
            place = text.find(word, text.find(b"\n", place))
    lines = {start: _line_at(text, start) for start in sorted(starts)}
    unproved = next((start for start, line in lines.items() if _PROOF.search(line)), None)
    if unproved is not None:
        for proof in _PROOF.finditer(text, unproved):
            start = text.rfind(b"\n", 0, proof.start()) + 1
            lines[start] = _line_at(text, start)
    return _parsed_of(lines[start] for start in sorted(lines))


def _line_at(text: bytes, start: int) -> bytes:
    end = text.find(b"\n", start)
    return text[start:] if end < 0 else text[start:end]


def ids(jobs: Path) -> set[int]:
    """The numbers of the last jobs in the file."""
    matches = map(_IDS.search, _last_lines(jobs))
    return {int(match[1]) for match in matches if match is not None}


def _last_lines(jobs: Path) -> list[bytes]:
    return _end(jobs, _MOST).rstrip(b"\n").rsplit(b"\n", _LINES)[-_LINES:]


def changed(jobs: Path) -> Stamp:
    """Changes with the file."""
    try:
        status = os.lstat(jobs / NAME)
    except OSError:
        return ()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _end(jobs: Path, most: int) -> bytes:
    """The last bytes of the file; none where there is none, or it may not be read."""
    try:
        fd = os.open(jobs / NAME, os.O_RDONLY | _GIVEN)
        try:
            return os.pread(fd, most, max(0, os.fstat(fd).st_size - most))
        finally:
            os.close(fd)
    except OSError:
        return b""


def _parsed_of(lines: Iterable[bytes]) -> Mapping[int, Over]:
    bodies = [line[9:] for line in lines if _is_whole(line)]
    try:
        return dict(map(_parsed, filter(_is_current, json.loads(b"[" + b",".join(bodies) + b"]"))))
    except (ValueError, TypeError, LookupError, NameRejected):  # whole lines, and nothing that we wrote
        return {}


def _line(one: Over) -> bytes:
    from dataclasses import asdict  # a look at a store reads lines, and writes none

    view = asdict(one.view) | {"keys": list(map(str, one.view.keys)), "state": one.view.state.value}
    for name in ("created", "started", "ended"):
        view[name] = view[name] and view[name].isoformat()
    body = json.dumps([_FORMAT, one.stamp, view], separators=(",", ":")).encode("ascii")
    return b"%08x %s\n" % (zlib.crc32(body), body)


def _is_whole(line: bytes) -> bool:
    return line[8:9] == b" " and line[:8] == b"%08x" % zlib.crc32(line[9:])


def _is_current(record: Any) -> bool:
    """Whether it is of this version. What has its checksum was written by ``_line``."""
    form, _, view = record
    return bool(form == _FORMAT and view.keys() == _FIELDS)


def _parsed(record: Any) -> tuple[int, Over]:
    _, stamped, view = record
    return int(view["id"]), Over(_view(view), tuple(stamped))


def _view(fields: dict[str, Any]) -> JobView:
    fields["keys"] = tuple(map(ComponentKey.parse, fields["keys"]))
    fields["state"] = JobState(fields["state"])
    fields["created"] = moment(fields["created"])
    fields["started"], fields["ended"] = _time(fields["started"]), _time(fields["ended"])
    return JobView(**fields)


def _time(text: str | None) -> datetime | None:
    return None if text is None else moment(text)
