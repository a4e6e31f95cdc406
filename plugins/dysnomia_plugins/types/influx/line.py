"""Points in InfluxDB's line protocol: ``measurement,tag=value field=value time``, written and read.

Source: InfluxDB 1.6, ``models/points.go``: a backslash escapes a comma and a blank everywhere before the values, and
``=`` in keys and tags; before anything else it is a backslash, so no word can end with one. Text values stand in double
quotes, in which a backslash escapes a quote and a backslash; they may hold line breaks. What cannot be written (a line
break in a tag, as the protocol of OpenTSDB can bring one in) is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import BinaryIO

from dysnomia_plugins.base import Row
from dysnomia_plugins.errors import PluginError

_MEASUREMENT = str.maketrans({",": "\\,", " ": "\\ "})
_KEY = str.maketrans({",": "\\,", " ": "\\ ", "=": "\\="})
_WORD = rb"(?:\\[,= ]|[^,= \n])+"
_TEXT = rb'"[^"\\]*(?:\\.[^"\\]*)*"'
_FIELD = re.compile(rb"(" + _WORD + rb")=(" + _TEXT + rb'|[^", \n]+)(,|(?= ))', re.DOTALL)
_HEAD = re.compile(rb"((?:\\[, ]|[^, \n])+)((?:," + _WORD + rb"=" + _WORD + rb")*) ")
_TAG = re.compile(rb",(" + _WORD + rb")=(" + _WORD + rb")")
_TIME = re.compile(rb" (-?\d+)")
_ROW = re.compile(
    rb"(?:\\[, ]|[^ \n])+ (?:" + _WORD + rb"=(?:" + _TEXT + rb'|[^", \n]+)(?:,|(?= )))+ -?\d+\n', re.DOTALL
)
_NO_BEGINNING = ("#", "\t", "\0")
"""What the server takes for a comment, or leaves out, at the beginning of a line."""
MOST = 64 << 20
"""Bytes of one point."""


class BadLine(PluginError):
    """What is no point."""


def head(measurement: str, tags: Mapping[str, str]) -> str:
    """The beginning of the lines of one series. Raises BadLine for what no line can hold."""
    words = [measurement.translate(_MEASUREMENT)]
    words += [f"{key.translate(_KEY)}={value.translate(_KEY)}" for key, value in sorted(tags.items()) if value != ""]
    text = ",".join(words) + " "
    if "\n" in text or "\ufffd" in text or text.startswith(_NO_BEGINNING) or _open_end(measurement, tags):
        raise BadLine(f"a series is called what no line can hold: {text[:100]!r}", "rename it, or delete it")
    return text


def _open_end(measurement: str, tags: Mapping[str, str]) -> bool:
    """Whether a word ends with a backslash, which would stand before what ends the word and take its meaning."""
    return any(word.endswith("\\") for word in (measurement, *tags, *tags.values()))


def writer(fields: Sequence[tuple[str, str]]) -> Callable[[str, Sequence[object]], str]:
    """A function that writes a row of a query, time first, as a line. ``fields``: names and types of the others.

    Numbers come as the server wrote them. Raises BadLine for what no line can hold, as the function does."""
    bad = next((name for name, _ in fields if name.endswith("\\") or "\n" in name), None)
    if bad is not None:
        raise BadLine(f"a field is called what no line can hold: {bad[:100]!r}", "rename it, or delete it")
    named = [(f"{name.translate(_KEY)}=", kind) for name, kind in fields]

    def text(value: object) -> str:
        written = str(value)
        if "\ufffd" in written:
            raise BadLine(
                "a text value is not valid UTF-8, or holds U+FFFD: its bytes cannot be read", "correct or delete it"
            )
        return '"' + written.replace("\\", "\\\\").replace('"', '\\"') + '"'

    def line(beginning: str, row: Sequence[object]) -> str:
        words = []
        for (name, kind), value in zip(named, row[1:], strict=True):
            if value is None:
                continue
            if kind == "float":
                words.append(f"{name}{value}")
            elif kind == "string":
                words.append(name + text(value))
            elif kind == "integer":
                words.append(f"{name}{value}i")
            else:
                words.append(f"{name}{'true' if value else 'false'}")
        return f"{beginning}{','.join(words)} {row[0]}\n"

    return line


def rows(stream: Iterator[bytes] | BinaryIO) -> Iterator[bytes]:
    """The points of a stream of lines, one at a time, with the end of the line; comments and empty lines are left out.

    Raises BadLine."""
    waiting = b""
    for line in stream:
        if not waiting:
            if line.startswith(b"#") or not line.strip():
                continue
            if b'"' not in line or _ROW.fullmatch(line):
                yield line
                continue
        waiting += line
        if _ROW.fullmatch(waiting):
            yield waiting
            waiting = b""
        elif len(waiting) > MOST:
            break
    if waiting:
        raise BadLine(f"not a point in line protocol: {waiting[:100]!r}", "check the snapshot")


def is_open(line: bytes) -> bool:
    """Whether a line begins a point that goes on in the next line."""
    return b'"' in line and _ROW.fullmatch(line) is None


def _plain(word: bytes) -> str:
    return re.sub(rb"\\([,= ])", rb"\1", word).decode("utf-8", "backslashreplace")


def parsed(raw: bytes) -> tuple[dict[str, str], dict[str, str], str]:
    """Tags, fields as they are written, and time of a point. Raises BadLine."""
    beginning = _HEAD.match(raw)
    if beginning is None:
        raise BadLine(f"not a point in line protocol: {raw[:100]!r}", "check the snapshot")
    tags = {_plain(key): _plain(value) for key, value in _TAG.findall(beginning[2])}
    fields, at = {}, beginning.end()
    while (field := _FIELD.match(raw, at)) is not None:
        value = field[2]
        text = re.sub(rb'\\(["\\])', rb"\1", value[1:-1]) if value.startswith(b'"') else value
        fields[_plain(field[1])] = text.decode("utf-8", "backslashreplace")
        at = field.end()
    time = _TIME.match(raw, at)
    if not fields or time is None:
        raise BadLine(f"not a point in line protocol: {raw[:100]!r}", "check the snapshot")
    return tags, fields, time[1].decode()


TIME = "time"


def columns_of(tags: set[str], fields: set[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The columns of a measurement's rows, and those of them that make the key: time and tags."""
    key = (TIME, *sorted(tags))
    return (*key, *(field_column(name, tags) for name in sorted(fields))), key


def field_column(name: str, tags: set[str] | Sequence[str]) -> str:
    """A field's column: one that is called as a tag is says so."""
    return f"{name} (field)" if name in tags or name == TIME else name


def parse_row(raw: bytes, columns: Sequence[str], key: Sequence[str]) -> Row:
    """A point as cells. Raises BadLine."""
    tags, fields, time = parsed(raw)
    cells: dict[str, str | None] = {TIME: time, **tags}
    cells |= {field_column(name, key): value for name, value in fields.items()}
    return Row(key=tuple(cells.get(name) for name in key), cells=tuple(cells.get(name) for name in columns))
