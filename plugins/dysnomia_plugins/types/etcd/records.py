"""One key and its value as a line of a snapshot, and back; what both are on the screen.

A line is an object of JSON: ``{"key":"pods/a","value":"text"}``. What is text stands there as it is; what is not (no
UTF-8, control characters) as ``key64`` and ``value64``, in base64. There is one way to write each, for snapshot ids
rest on it. Keys are those below the component's prefix, without it: a copy below another one is the same state.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator
from hashlib import sha256
from json.encoder import encode_basestring
from typing import BinaryIO, NamedTuple

from dysnomia_plugins.errors import PluginError

KIND, COLUMNS, KEY = "folder", ("key", "value"), ("key",)
LOOSE = "."
"""The section of keys that are in no folder. Names of the others end with a slash."""
LONGEST = 64 << 20
"""Bytes of a line: etcd takes 1.5 MiB a request, unless it is told otherwise (``--max-request-bytes``)."""
_NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
_HEX = "\\x"


class Pair(NamedTuple):
    """A key below a prefix, with its value."""

    key: bytes
    value: bytes


def to_line(key: bytes, value: bytes) -> bytes:
    """Without its end."""
    return f'{{"key{_written(key)},"value{_written(value)}}}'.encode()


def _written(data: bytes) -> str:
    text = _as_text(data)
    return f'64":"{b64encode(data).decode("ascii")}"' if text is None else f'":{encode_basestring(text)}'


def _as_text(data: bytes) -> str | None:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if _NO_TEXT.search(text) else text


def of_line(line: bytes) -> Pair:
    """Raises PluginError for what is no such line."""
    try:
        parts = json.loads(line)
        if isinstance(parts, dict) and len(parts) == 2:
            return Pair(_read(parts, "key"), _read(parts, "value"))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass
    raise PluginError(f"{line[:60]!r} is not a key and its value", "check the snapshot, or the component's files")


def _read(parts: dict[str, str], name: str) -> bytes:
    if name in parts:
        return parts[name].encode("utf-8")
    return b64decode(parts[f"{name}64"], validate=True)


def begins_with_key(key: bytes) -> bytes:
    """What every line of this key begins with, and no other."""
    return f'{{"key{_written(key)},'.encode()


def lines_of(stream: BinaryIO) -> Iterator[bytes]:
    """The lines of a stream, without their ends. Raises PluginError for one that is too long."""
    while line := stream.readline(LONGEST + 1):
        if len(line) > LONGEST:
            raise PluginError(f"a line is longer than {LONGEST >> 20} MiB", "check the snapshot")
        yield line.removesuffix(b"\n")


def folder_of(key: bytes) -> bytes:
    """The part of a key up to its first slash, one at its beginning not counted; ``b""`` where there is none."""
    return key[: key.find(b"/", 1) + 1]


def section_of(folder: bytes) -> str:
    return shown(folder) if folder else LOOSE


def shown(data: bytes) -> str:
    """For the screen, and the names of sections: each text is shown for one key only."""
    text = _as_text(data)
    return _HEX + data.hex() if text is None or text.startswith(_HEX) else text


def of_shown(text: str) -> bytes:
    """The bytes of a key as it is shown or typed."""
    if text.startswith(_HEX):
        try:
            return bytes.fromhex(text[len(_HEX) :])
        except ValueError:
            pass
    return text.encode("utf-8", "surrogateescape")


def digest(line: bytes | None) -> str:
    """Of what a key holds; ``""`` where there is none."""
    return "" if line is None else sha256(line).hexdigest()
