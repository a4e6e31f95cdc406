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
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from pathlib import PurePath
from typing import Any


def visible(text: str) -> str:
    """``text`` on one line, with control characters and bytes that are not UTF-8 written as escapes."""
    return "".join(_visible(char) for char in text)


def _visible(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if code < 32 or 0x7F <= code < 0xA0:
        return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(char, f"\\x{code:02x}")
    # Marks that reorder or hide what stands around them, and what no terminal can be sent.
    if code in (0x200E, 0x200F, 0x2028, 0x2029) or 0x202A <= code <= 0x202E or 0x2066 <= code <= 0x2069:
        return f"\\u{code:04x}"
    return f"\\u{code:04x}" if 0xD800 <= code <= 0xDFFF else char


def write_line(text: str) -> None:
    """One line of a result, its bytes as they came."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape") + b"\n")


def write_lines(lines: Iterable[str]) -> None:
    """Many lines of a result; quick also for 100,000."""
    sys.stdout.flush()
    buffer = sys.stdout.buffer
    for line in lines:
        buffer.write(line.encode("utf-8", "surrogateescape") + b"\n")
    buffer.flush()


def say(text: str) -> None:
    """One line of a message, on standard error."""
    sys.stderr.write(visible(text) + "\n")
    sys.stderr.flush()


def write_json(value: Any) -> None:
    """``value`` as one JSON document. Records become objects, times ISO 8601 in UTC, sizes and durations numbers."""
    write_line(json.dumps(jsonable(value), indent=2, sort_keys=True))


def jsonable(value: Any) -> Any:
    """``value`` in what JSON knows."""
    if isinstance(value, enum.Enum):
        return value.value
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


_UNITS = ("B", "K", "M", "G", "T", "P")


def size(count: int | None) -> str:
    """Bytes for a person: ``980B``, ``1.2G``; ``?`` where they are not known."""
    if count is None:
        return "?"
    number = float(count)
    for unit in _UNITS:
        if number < 1000 or unit == _UNITS[-1]:
            break
        number /= 1024
    return f"{number:.0f}{unit}" if number >= 10 or unit == "B" else f"{number:.1f}{unit}"
