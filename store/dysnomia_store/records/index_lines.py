"""The lines of a contents index, read: as many as a snapshot has sections and changed rows."""

from __future__ import annotations

import json
from typing import Any, cast

import msgspec

from dysnomia_store.errors import Corrupt
from dysnomia_store.records.schema import Amendment, SectionLine
from dysnomia_store.records.typed import shaped

_AMENDMENT = msgspec.json.Decoder(Amendment)
_SECTION = msgspec.json.Decoder(SectionLine)


def section(line: bytes) -> SectionLine:
    """A line of a contents index. Raises Corrupt."""
    return cast(SectionLine, _line(line, _SECTION))


def amendment(line: bytes) -> Amendment:
    """A line of an index's last frame. Raises Corrupt."""
    return cast(Amendment, _line(line, _AMENDMENT))


def _line(line: bytes, decoder: msgspec.json.Decoder[Any]) -> object:
    try:
        return decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):  # a name of bytes that are not UTF-8 is no JSON for msgspec
        return _slowly(line, decoder)


def _slowly(line: bytes, decoder: msgspec.json.Decoder[Any]) -> object:
    """What is wrong with a line, in words; or what is in it, where JSON's own module takes it."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Corrupt(f"it cannot be read: {error}") from None
    return shaped(value, decoder.type, "it")
