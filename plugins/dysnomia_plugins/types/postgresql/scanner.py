"""Cuts a plain dump of pg_dump into statements, comments, COPY blocks and restrict lines.

What a dump holds is told by position alone: a row, a literal or a function body may hold any line that looks like
something else. The data after ``COPY … FROM stdin;`` runs to the line ``\\.``, which no row can be (a backslash in a
row is doubled). The restrict line counts only before the first statement, its counterpart only after the end marker
and with the same key (pg_dump since the minor releases of August 2025).

It works chunk by chunk: memory stays within a few chunks whatever the dump's rows are, and COPY data is searched by
``bytes.find`` alone.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator

from dysnomia_plugins.toolkit.sqldump.reader import ChunkReader, Readable
from dysnomia_plugins.types.postgresql.lexer import HOLD, StatementLexer

CHUNK = 1 << 20
NEAR = 1 << 16
"""Bytes in which the end of a small table's rows is looked for first."""
LONG = 1 << 20
"""A statement longer than this is handed on in parts; a COPY statement (1,600 columns at most) is always shorter."""

_COPY = re.compile(rb"COPY\s.*\sFROM\s+stdin\s*(?:WITH\b.*)?;\Z", re.IGNORECASE | re.DOTALL)
_STRINGS = re.compile(rb"SET\s+standard_conforming_strings\s*(?:=|TO)\s*'?(off|on)'?\s*;\Z", re.IGNORECASE)
_COMMENT_EDGE = re.compile(rb"/\*|\*/")
_SPACE = re.compile(rb"[ \t\r\n\f\v]*")
_VERSION = re.compile(rb"-- Dumped (?:from database|by pg_dump) version [^\n]*\n")
_END_MARKER = b"-- PostgreSQL database dump complete\n"
_ROWS_END = b"\\.\n"


class Part(enum.Enum):
    """What a piece of a dump is. All pieces together are the dump, byte for byte."""

    TRIVIA = enum.auto()
    """White space and comments between statements."""
    VERSION = enum.auto()
    """A line of the header that names the server's or pg_dump's version."""
    RESTRICT = enum.auto()
    """The dump's own restrict line in the header, with the empty line after it."""
    UNRESTRICT = enum.auto()
    """Its counterpart after the end marker, with the empty line after it."""
    META = enum.auto()
    """Any other command for the client: a backslash where a statement is expected, or within one."""
    STATEMENT = enum.auto()
    """A whole statement to its semicolon, or the first part of a long one."""
    MORE = enum.auto()
    """A further part of a long statement."""
    COPY = enum.auto()
    """A whole ``COPY … FROM stdin;`` with the line end after it."""
    ROWS = enum.auto()
    """Data of a COPY block; pieces need not end where rows end."""
    ROWS_END = enum.auto()
    """The line ``\\.`` that ends a COPY block."""


Piece = tuple[Part, bytes]


class DumpScanner(ChunkReader):
    """Cuts one dump into pieces. ``complete`` is valid at the end."""

    def __init__(self, source: Readable, *, chunk: int = CHUNK, long: int = LONG) -> None:
        super().__init__(source, chunk)
        self._long = long
        self._standard = True
        self._statements = 0
        self._versions = 0
        self._key: bytes | None = None
        self._marked = False
        self._in_rows = False

    @property
    def complete(self) -> bool:
        """Whether the end marker came, outside of any quoting, with nothing but blanks and the unrestrict line after
        it. (Where a restrict line opened the dump, its counterpart must have come too.)"""
        return self._eof and self._marked and self._key is None and not self._in_rows

    @property
    def standard(self) -> bool:
        """Whether backslashes in plain literals are plain, as the dump has said so far."""
        return self._standard

    def pieces(self) -> Iterator[Piece]:
        """The dump from its start to its end. A dump that is cut ends early; ``complete`` is then False."""
        while self._available(1):
            yield from self._trivia()
            if not self._available(1):
                return
            if self._buffer[self._start] == ord("\\"):
                yield self._meta()
                continue
            for piece in self._statement():
                yield piece
                if piece[0] is Part.COPY:
                    yield from self._rows()

    # Between statements.

    def _trivia(self) -> Iterator[Piece]:
        """White space and comments up to the next statement; header lines by themselves."""
        offset = 0
        while True:
            space = _SPACE.match(self._buffer, self._start + offset)
            offset = space.end() - self._start if space else offset
            if len(self._buffer) - self._start - offset < 2 and self._fill():
                continue
            at = self._start + offset
            if self._buffer.startswith(b"--", at):
                end = self._line_end(offset)
                line = self._buffer[self._start + offset : self._start + end]
                if self._statements == 0 and self._versions < 2 and _VERSION.fullmatch(line):
                    self._versions += 1
                    if offset:
                        yield Part.TRIVIA, self._take(offset)
                    yield Part.VERSION, self._take(len(line))
                    offset = 0
                    continue
                self._marked = self._marked or line == _END_MARKER
                offset = end
            elif self._buffer.startswith(b"/*", at):
                offset = self._block_comment(offset)
            else:
                break
            if offset > self._long:
                yield Part.TRIVIA, self._take(offset)
                offset = 0
        if offset:
            yield Part.TRIVIA, self._take(offset)

    def _block_comment(self, offset: int) -> int:
        """The offset after the (nested) comment that starts at ``offset``."""
        depth = 0
        while True:
            edge = _COMMENT_EDGE.search(self._buffer, self._start + offset)
            if edge is None:
                offset = max(offset, len(self._buffer) - self._start - 1)
                if not self._fill():
                    return len(self._buffer) - self._start
                continue
            depth += 1 if edge.group() == b"/*" else -1
            offset = edge.end() - self._start
            if depth == 0:
                return offset

    def _meta(self) -> Piece:
        """A line for the client: the dump's own restrict pair by its place, anything else as META."""
        end = self._line_end(0)
        words = self._buffer[self._start : self._start + end].split()
        part = Part.META
        if len(words) == 2 and words[0] == b"\\restrict" and self._statements == 0 and self._key is None:
            part, self._key = Part.RESTRICT, words[1]
        elif len(words) == 2 and words[0] == b"\\unrestrict" and self._marked and words[1] == self._key:
            part, self._key = Part.UNRESTRICT, None
        if part is Part.META:
            self._marked = False
        elif self._available(end + 1) and self._buffer[self._start + end] == ord("\n"):
            end += 1
        return part, self._take(end)

    # Statements.

    def _statement(self) -> Iterator[Piece]:
        """One statement, in parts where it is long. It takes an end marker before it back."""
        self._marked = False
        self._statements += 1
        self._available(HOLD)
        lexer = StatementLexer(self._buffer[self._start : self._start + HOLD], standard=self._standard)
        part = Part.STATEMENT
        offset = 0
        while True:
            position, why = lexer.advance(self._buffer, self._start + offset, eof=self._eof)
            offset = position - self._start
            if why == b";":
                yield self._whole(offset) if part is Part.STATEMENT else (part, self._take(offset))
                return
            if why == b"\\":
                if offset:
                    yield part, self._take(offset)
                yield self._meta_within()
                return
            if offset > self._long:
                yield part, self._take(offset - 1)
                part, offset = Part.MORE, 1
            if not self._fill() and position == len(self._buffer):
                yield part, self._take(len(self._buffer) - self._start)
                return

    def _meta_within(self) -> Piece:
        self._marked = False
        return Part.META, self._take(self._line_end(0))

    def _whole(self, length: int) -> Piece:
        """A whole statement; with its line end where COPY data follows."""
        statement = self._buffer[self._start : self._start + length]
        if strings := _STRINGS.match(statement):
            self._standard = strings[1].lower() == b"on"
        if statement[:4].upper() == b"COPY" and _COPY.match(statement):
            end = self._line_end(length)
            if not self._buffer[self._start + length : self._start + end].strip():
                return Part.COPY, self._take(end)
        return Part.STATEMENT, self._take(length)

    # COPY data.

    def _rows_end(self) -> int:
        """Where in the buffer the first line ``\\.`` ends the rows, or -1; the line end before it counts.

        In the pieces of a large table there is none: looking from the end says so twice as quickly, and a look for any
        backslash ten times. A small table has it near."""
        end = b"\n" + _ROWS_END
        position = self._buffer.find(end, self._start, self._start + NEAR)
        if position >= 0 or self._buffer.find(b"\\", self._start) < 0 or self._buffer.rfind(end, self._start) < 0:
            return position
        return self._buffer.find(end, self._start)

    def _rows(self) -> Iterator[Piece]:
        """Everything up to the line ``\\.``, which starts right here where the table is empty."""
        self._in_rows = True
        if self._available(3) and self._buffer.startswith(_ROWS_END, self._start):
            self._in_rows = False
            yield Part.ROWS_END, self._take(3)
            return
        while True:
            position = self._rows_end()
            if position >= 0:
                yield Part.ROWS, self._take(position + 1 - self._start)
                self._in_rows = False
                yield Part.ROWS_END, self._take(3)
                return
            keep = next((n for n in (3, 2, 1) if self._buffer.endswith(b"\n\\."[:n])), 0)
            ready = len(self._buffer) - self._start - keep
            if ready > 0:
                yield Part.ROWS, self._take(ready)
            if not self._fill():
                if self._start < len(self._buffer):
                    yield Part.ROWS, self._take(len(self._buffer) - self._start)
                return
