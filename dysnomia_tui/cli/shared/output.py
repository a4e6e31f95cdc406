"""What the commands write: results on standard output, messages on standard error, JSON where it is asked for.

Names may hold bytes that are not UTF-8 (surrogate escapes): on standard output they are written as the bytes they are,
since a script hands them back; in messages everything that could move a cursor is made visible.
"""

from __future__ import annotations

import enum
import json
import os
import sys
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import PurePath
from typing import Any

from dysnomia_base.escape import visible
from dysnomia_base.secret import Secret
from dysnomia_base.sizes import size

OUTPUT = "standard output"
"""What an error that writing a result met names as its file."""
__all__ = [
    "OUTPUT",
    "jsonable",
    "put_out",
    "say",
    "size",
    "visible",
    "write_json",
    "write_line",
    "write_lines",
    "write_message",
    "write_pieces",
]


def write_line(text: str) -> None:
    """One line of a result, its bytes as they came."""
    write_lines((text,), flush=False)


def write_lines(lines: Iterable[str], *, flush: bool = True) -> None:
    """Many lines of a result; quick also for 100,000."""
    _write((_encoded(line) + b"\n" for line in lines), flush=flush)


def write_pieces(pieces: Iterable[str]) -> None:
    """A text that comes in pieces, each with its own line ends."""
    _write((piece.encode("utf-8", "surrogateescape") for piece in pieces), flush=True)


def _write(pieces: Iterable[bytes], *, flush: bool) -> None:
    """Write all of them. Raises OSError that names standard output."""
    sys.stdout.flush()
    for piece in pieces:
        put_out(piece)
    if flush:
        put_out(b"", flush=True)


def put_out(data: bytes, *, flush: bool = False) -> None:
    """Write all of it on standard output. Raises OSError that names it.

    With PYTHONUNBUFFERED there is nothing between us and the system, which may take a part of what it is given."""
    buffer: Any = sys.stdout.buffer
    try:
        taken = buffer.write(data)
        while taken < len(data):
            data = data[taken:]
            taken = buffer.write(data)
        if flush:
            buffer.flush()
    except OSError as error:
        error.filename = OUTPUT
        raise


def _encoded(line: str) -> bytes:
    try:
        return line.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half of a surrogate pair, out of a record's JSON: it has no bytes
        return visible(line).encode()


def say(text: str) -> None:
    """One line of a message, on standard error."""
    write_message(visible(text) + "\n")


def write_message(text: str) -> None:
    """Write on standard error, as it is. Where that takes nothing (a full disk, a reader that has gone, a terminal that
    hung up) this message and all later ones are dropped: what a command does, and its status, do not hang on them."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 2)  # what is buffered goes there, too: Python would fail at it once more at the end
        os.close(null)


def write_json(value: Any) -> None:
    """``value`` as one JSON document. Records become objects, times ISO 8601 in UTC, sizes and durations numbers."""
    write_line(json.dumps(jsonable(value), indent=2, sort_keys=True))


def jsonable(value: Any) -> Any:
    """``value`` in what JSON knows."""
    if isinstance(value, Secret):
        return str(value)
    if isinstance(value, enum.Enum):
        return value.value
    from dataclasses import fields, is_dataclass  # for --json alone: it takes longer to import than all else here

    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: jsonable(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, PurePath):
        return os.fspath(value)
    if isinstance(value, dict):
        return {str(jsonable(key)): jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(jsonable(item) for item in value)
    return value
