"""Rows out of a stored dump: the raw lines of COPY data, and their cells (text format of ``COPY``)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from dysnomia_plugins.base import Row, Stored
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.line_batches import in_lines
from dysnomia_plugins.toolkit.long_lines import in_tabs
from dysnomia_plugins.toolkit.sqldump.reader import chunks
from dysnomia_plugins.types.postgresql.contents import copy_target, python_codec
from dysnomia_plugins.types.postgresql.scanner import DumpScanner, Part
from dysnomia_store.model import Form, Section

READ = 1 << 16

_ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|(.))", re.DOTALL)
USUAL_ESCAPES = b"bfnrtvN"
"""Those that stand for a control character or for NULL, besides the backslash itself."""
_LETTERS = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


def raw_rows(stored: Stored, section: Section) -> Iterator[Sequence[bytes]]:
    """The records of a table (without their line ends), or the lines of another section, in batches.

    A batch is what about 64 KiB of the dump hold; of a row of several MiB, long cells are cut.
    Where the section's place is not known, the dump is read whole."""
    if section.offset is None or section.length is None:
        yield from _found(stored, section)
        return
    with stored.open_range(section.artefact, section.offset, section.length) as stream:
        if section.form is Form.ROWS:
            yield from in_lines(_data(DumpScanner(stream, chunk=READ)), in_tabs)
        else:
            yield from in_lines(chunks(stream, READ))


def _data(scanner: DumpScanner) -> Iterator[bytes]:
    """The data of the first COPY block."""
    for part, data in scanner.pieces():
        if part is Part.ROWS:
            yield data
        elif part is Part.ROWS_END:
            return


def _found(stored: Stored, section: Section) -> Iterator[Sequence[bytes]]:
    if section.form is not Form.ROWS:
        raise PluginError(f"the position of {section.name} in the dump is not known", "check the snapshot first")
    codec = python_codec(section.attributes.get("encoding", "UTF8"))
    with stored.open(section.artefact or None) as stream:
        pieces = DumpScanner(stream).pieces()
        for part, data in pieces:
            if part is Part.COPY and (copy_target(data, codec) or ("",))[0] == section.name:
                yield from in_lines(_until_end(pieces), in_tabs)
                return


def _until_end(pieces: Iterator[tuple[Part, bytes]]) -> Iterator[bytes]:
    for part, data in pieces:
        if part is not Part.ROWS:
            return
        yield data


def parse_row(section: Section, raw: bytes) -> Row:
    """The cells of a raw record. A line of another section is one cell."""
    codec = python_codec(section.attributes.get("encoding", "UTF8"))
    if section.form is not Form.ROWS:
        return Row(key=(), cells=(_text(raw, codec),))
    if not section.columns:
        return Row(key=(), cells=())
    cells = tuple(_cell(field, codec) for field in raw.split(b"\t"))
    places = {name: place for place, name in enumerate(section.columns)}
    key = tuple(cells[places[name]] if places[name] < len(cells) else None for name in section.key if name in places)
    return Row(key=key, cells=cells)


def _cell(field: bytes, codec: str) -> str | None:
    if field == b"\\N":
        return None
    return _text(unescaped(field), codec)


def unescaped(field: bytes) -> bytes:
    """The bytes of a cell that is not NULL."""
    return _ESCAPE.sub(_unescape, field) if b"\\" in field else field


def _unescape(match: re.Match[bytes]) -> bytes:
    octal, hexadecimal, char = match.groups()
    if octal:
        return bytes([int(octal, 8) & 0xFF])
    if hexadecimal:
        return bytes([int(hexadecimal, 16)])
    return _LETTERS.get(char, char)


def _text(raw: bytes, codec: str) -> str:
    """As text; bytes that are none are shown as ``\\x…``."""
    try:
        return raw.decode(codec)
    except UnicodeDecodeError:
        return "\\x" + raw.hex() if codec != "utf-8" else raw.decode("utf-8", "backslashreplace")
