"""The store's records as JSON and back. Every file names its format, so that a later version can tell."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from dysnomia_store.errors import Corrupt, NewerFormat, UnknownFormat
from dysnomia_store.model import (
    Check,
    CheckResult,
    Delta,
    FileEntry,
    History,
    Marks,
    Metadata,
    Pin,
    Reason,
    Seen,
    Verdict,
)

FORMAT = 1
"""What is written: what every version reads."""
FRAMES = 2
"""What a store is, and a snapshot's metadata, that holds artefacts as folders of frames."""
NEWEST = FRAMES
"""What this version reads of these two."""
LARGEST = 256 << 20
"""Bytes that a record's file may hold."""
_MORE = 1 << 20
"""Bytes that are asked for behind those that a file had when it was opened."""
MOST_DEPTH = 64
"""Lists and objects within each other in a record: what is written has a handful, and what walks through them later
(a copy, a dump) goes as deep as they do."""

Json = dict[str, Any]


def dump(record: Mapping[str, Any]) -> bytes:
    """One line of JSON. Surrogate escapes survive, since everything outside ASCII is escaped."""
    return json.dumps(record, separators=(",", ":")).encode("ascii") + b"\n"


def load(data: bytes | str, what: str, newest: int = FORMAT) -> Json:
    """A record's JSON, of a format up to ``newest``. Raises Corrupt and NewerFormat, naming ``what``."""
    try:
        # UTF-8 and nothing else: the parser would take UTF-16 too, and whoever reads the text again would not.
        text = data.decode() if isinstance(data, bytes) else data
        value = _decode(text)
    except (ValueError, RecursionError) as error:
        raise Corrupt(f"{what} cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise Corrupt(f"{what} cannot be read: it is not a record")
    check_format(value, what, newest)
    if text.count("[") + text.count("{") > MOST_DEPTH:
        _check_depth(value, what)
    return value


def check_format(record: Mapping[str, Any], what: str, newest: int = FORMAT) -> None:
    """Raise NewerFormat where a later version wrote it, UnknownFormat where its format is not the number of a version.

    A record without a format (a line of a log) is of the first."""
    version = record.get("format", FORMAT)
    if type(version) is not int or version < 1:  # true is an int for Python, and a fault here
        raise UnknownFormat(
            f"{what} cannot be read: its format is {ascii(version)[:40]}, not the number of a version",
            f"what this version writes says {FORMAT}; nothing was changed",
        )
    if version > newest:
        raise NewerFormat(
            f"{what} is of format {str(version)[:20]}, and this version reads up to format {newest}",
            "use the newer dysnomia-tui that wrote it; nothing was changed",
        )


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_decode = json.JSONDecoder(parse_constant=_no_number).decode
"""As ``json.loads`` with these options, which makes a decoder of them for each of a hundred thousand records."""


def _check_depth(value: Json, what: str) -> None:
    """Raise Corrupt where a record is nested deeper than any that was written."""
    layer: list[Any] = [value]
    for _ in range(MOST_DEPTH):
        parts = chain.from_iterable(one.values() if isinstance(one, dict) else one for one in layer)
        layer = [part for part in parts if isinstance(part, dict | list)]
        if not layer:
            return
    raise Corrupt(f"{what} cannot be read: it is nested more than {MOST_DEPTH} deep")


def open_file(path: Path) -> BinaryIO:
    """A record's file, to be read. Raises Corrupt where it is not a regular file (a pipe would hold us up); OSError."""
    return open(_opened(path)[0], "rb")  # noqa: PTH123 (a descriptor; the caller closes it)


def _opened(path: Path | str) -> tuple[int, int]:
    """A record's file as a descriptor, and its size."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    at = os.fstat(descriptor)
    if not stat.S_ISREG(at.st_mode):
        os.close(descriptor)
        raise Corrupt(f"{Path(path).name} is not a regular file")
    return descriptor, at.st_size


def read_file(path: Path | str) -> bytes:
    """The bytes of a record's file. Raises Corrupt where it is not a regular file, or too large for one; OSError.

    A collection reads hundreds of thousands of them: each is asked for as many bytes as it has, since a buffer of
    ``LARGEST`` takes longer to get than the file. What it had when it was opened, and not a byte more, is all."""
    descriptor, size = _opened(path)
    try:
        data = os.read(descriptor, min(size, LARGEST) + 1)
        while len(data) != size and len(data) <= LARGEST and (more := os.read(descriptor, _MORE)):
            data += more
    finally:
        os.close(descriptor)
    if len(data) > LARGEST:
        raise Corrupt(f"{Path(path).name} is larger than {LARGEST >> 20} MiB, which no record is")
    return data


def stamp(at: datetime) -> str:
    """A time as written: ISO 8601 in UTC, microseconds kept."""
    return at.astimezone(UTC).isoformat()


def moment(text: str) -> datetime:
    """A written time. One without a zone is taken as UTC. Raises ValueError."""
    at = datetime.fromisoformat(text)
    try:
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except OverflowError:  # the first or the last day of the calendar, in another zone
        raise ValueError(f"{text!r} is not a time") from None


def framed(files: Iterable[FileEntry]) -> bool:
    """Whether one of the files of a snapshot is the footer of a folder of frames."""
    return any(entry.path.endswith(".zst.d/footer.zst") for entry in files)


def metadata_json(record: Metadata) -> Json:
    remarks = {name: list(words) for name in ("lacks", "warnings") if (words := getattr(record, name))}
    return {
        "format": FRAMES if framed(record.files) else FORMAT,
        "id": record.id,
        "type": record.type,
        "content_size": record.content_size,
        "stored_size": record.stored_size,
        "files": [[entry.path, entry.size, entry.sha256] for entry in record.files],
        "digest": record.digest,
        "digest_version": record.digest_version,
        "complete": record.complete,
        "sections": record.sections,
        "rows": record.rows,
        "tool_versions": dict(record.tool_versions),
        "host": record.host,
        "surroundings": dict(record.surroundings),
        "origin": record.origin,
        "outline": record.outline,
        **remarks,
    }


def metadata_of(data: Json) -> Metadata:
    return Metadata(
        id=data["id"],
        type=data["type"],
        content_size=data["content_size"],
        stored_size=data["stored_size"],
        files=tuple(FileEntry(path, size, sha256) for path, size, sha256 in data["files"]),
        digest=data["digest"],
        digest_version=data["digest_version"],
        complete=data["complete"],
        sections=data["sections"],
        rows=data["rows"],
        tool_versions=data["tool_versions"],
        host=data["host"],
        surroundings=data["surroundings"],
        origin=data["origin"],
        outline=data.get("outline", ""),  # records of earlier versions have none
        lacks=tuple(data.get("lacks", ())),
        warnings=tuple(data.get("warnings", ())),
    )


def delta_json(record: Delta | None) -> Json | None:
    if record is None:
        return None
    return {
        "since": record.since,
        "since_id": record.since_id,
        "changed": record.changed,
        "added": record.added,
        "removed": record.removed,
        "net_rows": record.net_rows,
        "schema": record.schema,
    }


def history_json(record: History) -> Json:
    return {
        "format": FORMAT,
        "number": record.number,
        "id": record.id,
        "as_of": stamp(record.as_of),
        "end": stamp(record.end),
        "reason": str(record.reason),
        "text": record.text,
        "restored": record.restored,
        "who": record.who,
        "job": record.job,
        "delta": delta_json(record.delta),
        "surroundings": dict(record.surroundings),
        **({"source": record.source} if record.source else {}),
    }


def history_of(data: Json) -> History:
    delta = data["delta"]
    return History(
        number=data["number"],
        id=data["id"],
        as_of=moment(data["as_of"]),
        end=moment(data["end"]),
        reason=Reason(data["reason"]),
        text=data["text"],
        restored=data["restored"],
        who=data["who"],
        job=data["job"],
        delta=None if delta is None else Delta(**delta),
        surroundings=data["surroundings"],
        source=data.get("source", ""),
    )


def seen_json(number: int, snapshot_id: str, record: Seen) -> Json:
    return {
        "number": number,
        "id": snapshot_id,
        "as_of": stamp(record.as_of),
        "job": record.job,
        "who": record.who,
        "surroundings": dict(record.surroundings),
    }


def seen_of(data: Json) -> tuple[int, str, Seen]:
    """(generation, id, what was seen)."""
    seen = Seen(moment(data["as_of"]), data.get("job", ""), data.get("who", ""), data.get("surroundings", {}))
    return int(data["number"]), str(data["id"]), seen


def pin_json(record: Pin) -> Json:
    return {
        "why": record.why,
        "who": record.who,
        "at": stamp(record.at),
        "until": None if record.until is None else stamp(record.until),
        "held_by": record.held_by,
    }


def pin_of(data: Json) -> Pin:
    until = data["until"]
    return Pin(data["why"], data["who"], moment(data["at"]), None if until is None else moment(until), data["held_by"])


def marks_json(record: Marks) -> Json:
    return {
        "pins": [pin_json(pin) for pin in record.pins],
        "verdict": None if record.verdict is None else str(record.verdict),
        "tags": list(record.tags),
        "note": record.note,
    }


def marks_of(data: Json) -> Marks:
    verdict = data["verdict"]
    return Marks(
        pins=tuple(pin_of(pin) for pin in data["pins"]),
        verdict=None if verdict is None else Verdict(verdict),
        tags=tuple(data["tags"]),
        note=data["note"],
    )


def check_json(record: Check) -> Json:
    return {
        "at": stamp(record.at),
        "how": record.how,
        "result": str(record.result),
        "text": record.text,
        "job": record.job,
    }


def check_of(data: Json) -> Check:
    return Check(
        moment(data["at"]), data["how"], CheckResult(data["result"]), data.get("text", ""), data.get("job", "")
    )
