"""Rows out of a stored dump: the raw tuples of its INSERT statements, and their cells."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from dysnomia_plugins.base import Row, Stored
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.line_batches import in_lines
from dysnomia_plugins.toolkit.long_lines import Literals, ShortenedStream
from dysnomia_plugins.toolkit.sqldump.names import decode
from dysnomia_plugins.toolkit.sqldump.reader import Readable, chunks
from dysnomia_plugins.types.mysql.contents import insert_target
from dysnomia_plugins.types.mysql.lexer import INSERT, ROW, rows_from
from dysnomia_plugins.types.mysql.scanner import DumpScanner, Part
from dysnomia_store import Excerpt
from dysnomia_store.model import Form, Section

READ = 1 << 18
_CELL = re.compile(
    rb"\s*+(?:(NULL)|(?:_\w++\s*+)?'((?:[^'\\]|\\.|'')*+)'|0x([0-9A-Fa-f]++)|((?:[^,'()]|'[^']*+'|\((?:[^()']|'(?:[^'\\]|\\.)*+')*+\))*+))"
    rb"\s*+(?:,|\Z)",
    re.DOTALL | re.IGNORECASE,
)
_NO_ROW = re.compile(rb"(?:INSERT|REPLACE)[^']*\bVALUES?\s*|[^('][^']*;", re.IGNORECASE)
"""A line of a section that holds no part of a row, or one that is told from it by no quote."""
_ESCAPE = re.compile(rb"\\(.)|''", re.DOTALL)
USUAL_ESCAPES = b"""0'"nrtbZ"""
"""Those that stand for a control character or a quote, besides the backslash itself."""
_LETTERS = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"0": b"\0", b"b": b"\b", b"Z": b"\x1a"}


def raw_rows(stored: Stored, section: Section) -> Iterator[Sequence[bytes]]:
    """The records of a table, each in its parentheses, or the lines of another section, in batches.

    A batch is what about 256 KiB of the dump hold; of a row of several MiB, long values are cut.
    Where the section's place is not known, the dump is read whole."""
    if section.offset is None or section.length is None:
        yield from _found(stored, section)
        return
    with stored.open_range(section.artefact, section.offset, section.length) as stream:
        if section.form is not Form.ROWS:
            yield from in_lines(chunks(stream, READ))
            return
        if isinstance(stored, Excerpt):
            yield from map(rows_in_lines, in_lines(chunks(stream, READ), Literals))
            return
        for piece in DumpScanner(_shortened(stream), chunk=READ, exact=False).pieces():
            if piece.part is Part.ROWS:
                yield split(piece.data, piece.rows)


def _shortened(stream: Readable) -> Readable:
    """Rows of several MiB with their long values cut: a scanner holds a row several times."""
    return ShortenedStream(chunks(stream, READ), Literals)


def rows_in_lines(lines: Sequence[bytes]) -> list[bytes]:
    """The rows of lines of a section, of which any may be missing before and after them.

    Raises PluginError where they are not as mariadb-dump writes them: each row on a line of its own, and no line end in
    a row."""
    rows: list[bytes] = []
    for line in lines:
        if line[:1] == b"(" and line[-2:] in (b"),", b");"):
            if b"),(" in line or line.count(b"'") % 2:
                rows += _whole_rows(line)
            else:
                rows.append(line[:-1])
        elif head := INSERT.match(line):
            rows += _whole_rows(line[head.end() :])
        elif line and _NO_ROW.fullmatch(line) is None:
            raise PluginError("a row of the dump is not on one line")
    return rows


def _whole_rows(text: bytes) -> list[bytes]:
    """What may be several rows, or parts of one, read byte by byte. Raises PluginError for parts."""
    position, count, _ = rows_from(text, 0)
    rows = ROW.findall(text)
    if position < len(text) or len(rows) != count:
        raise PluginError("a row of the dump is not on one line")
    return rows


def split(data: bytes, rows: int) -> list[bytes]:
    """The rows of a piece: by its lines where there is one in each, else by reading it."""
    lines = data.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    if len(lines) == rows and all(line[:1] == b"(" and line[-2:] in (b"),", b");") for line in lines):
        return [line[:-1] for line in lines]
    return ROW.findall(data)


def _found(stored: Stored, section: Section) -> Iterator[Sequence[bytes]]:
    if section.form is not Form.ROWS:
        raise PluginError(f"the position of {section.name} in the dump is not known", "check the snapshot first")
    ours = False
    with stored.open(section.artefact or None) as stream:
        for piece in DumpScanner(_shortened(stream)).pieces():
            if piece.part is Part.INSERT:
                ours = insert_target(piece.data)[0] == section.name
            elif piece.part is Part.ROWS and ours:
                yield split(piece.data, piece.rows)


def parse_row(section: Section, raw: bytes) -> Row:
    """The cells of a raw record. A line of another section is one cell."""
    if section.form is not Form.ROWS:
        return Row(key=(), cells=(_text(raw),))
    cells = tuple(_cells(raw[1:-1]))
    places = {name: place for place, name in enumerate(section.columns)}
    key = tuple(cells[places[name]] if places[name] < len(cells) else None for name in section.key if name in places)
    return Row(key=key, cells=cells)


def _cells(inner: bytes) -> Iterator[str | None]:
    position = 0
    while position < len(inner):
        match = _CELL.match(inner, position)
        if match is None:
            yield _text(inner[position:])
            return
        null, quoted, hexadecimal, other = match.groups()
        if null:
            yield None
        elif quoted is not None:
            yield _text(unescaped(quoted))
        elif hexadecimal:
            yield "\\x" + hexadecimal.decode().lower()
        else:
            yield _text(other.strip())
        position = match.end()


def unescaped(quoted: bytes) -> bytes:
    """The bytes that a string literal stands for, without its quotes."""
    return _ESCAPE.sub(_unescape, quoted) if b"\\" in quoted or b"''" in quoted else quoted


def _unescape(match: re.Match[bytes]) -> bytes:
    char: bytes | None = match[1]
    return b"'" if char is None else _LETTERS.get(char, char)


def _text(raw: bytes) -> str:
    """As text; bytes that are none are shown as ``\\x…``."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("utf-8", "backslashreplace") if raw else decode(raw)
