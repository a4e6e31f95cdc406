"""Cuts a dump of mariadb-dump or mysqldump into statements, rows, comments and what varies without the state varying.

What a dump holds is told by position alone: a row, a literal or a routine may hold any line that looks like something
else. The sandbox line counts only as the first one, the header only before the first statement, the end marker only
after the last. It works chunk by chunk: memory stays within a few chunks, or a few times the largest row.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from typing import NamedTuple

from dysnomia_plugins.toolkit.sqldump.reader import ChunkReader, Readable
from dysnomia_plugins.types.mysql.lexer import INSERT, INSERT_LIMIT, plain_rows, rows_from, within
from dysnomia_plugins.types.mysql.names import NAME

CHUNK = 1 << 20
LONG = 1 << 20
"""A statement other than an INSERT that is longer than this is still handed on whole; comments are not."""

_SANDBOX = re.compile(rb"/\*M?!999999\\- enable the sandbox mode \*/[ \t]*\r?\n")
_HEADER = re.compile(
    rb"-- (?:(?:MariaDB|MySQL) dump (?P<tool>[^\n]*)|Host: [^\n]*?Database: (?P<name>[^\n]*)|Host: [^\n]*"
    rb"|Server version\s+(?P<server>[^\n]*))\n"
)
_HOST = re.compile(rb"-- Host: [^\n]*?(?=   Database: |\n)")
_NAMED = re.compile(rb"(-- Dumping (?:events|routines) for database )[^\n]*\n")
_END = re.compile(rb"-- Dump completed(?: on [^\n]*)?(?:\n|\Z)")
_DELIMITER = re.compile(rb"DELIMITER[ \t]+(\S+)[^\n]*(?:\n|\Z)", re.IGNORECASE)
_SQL_MODE = re.compile(rb"(?:/\*M?!\d+\s+)?SET\s+(?:SESSION\s+)?sql_mode\s*=\s*([^*;]*)", re.IGNORECASE)
_ALTER_DATABASE = re.compile(rb"ALTER DATABASE (`(?:[^`]|``)*+`) CHARACTER SET \w+ COLLATE \w+\s*\Z")
_TRIGGER = re.compile(
    rb"(\bTRIGGER\s+(?:IF\s+NOT\s+EXISTS\s+)?)(" + NAME + rb"\s*\.\s*)?"
    rb"(" + NAME + rb"\s+(?:BEFORE|AFTER)\s+(?:INSERT|UPDATE|DELETE)\s+ON\s+)(" + NAME + rb"\s*\.\s*)?",
    re.IGNORECASE,
)
_SPACE = re.compile(rb"[ \t\r\n\f\v]*")
_CODE = re.compile(rb"/\*M?!")
_DASHES = re.compile(rb"--[ \t\r\n\f]")


class Part(enum.Enum):
    """What a piece of a dump is. All pieces together are the dump, byte for byte."""

    SANDBOX = enum.auto()
    """The first line that switches a client's own commands off. MySQL's client, and older ones, fail on it."""
    HEADER = enum.auto()
    """A line of the header that names versions, host or schema."""
    TRIVIA = enum.auto()
    """White space and comments between statements."""
    NAMED = enum.auto()
    """A comment between statements that names the schema."""
    DELIMITER = enum.auto()
    STATEMENT = enum.auto()
    """A whole statement with its delimiter."""
    ALTER_DATABASE = enum.auto()
    """The statement around a routine made under another character set: it names the schema."""
    INSERT = enum.auto()
    """The head of an INSERT, up to its first row."""
    ROWS = enum.auto()
    """Whole rows of it; the last piece ends with the semicolon and its line end."""
    END = enum.auto()
    """The end marker."""


class Piece(NamedTuple):
    part: Part
    data: bytes
    rows: int = 0


class DumpScanner(ChunkReader):
    """Cuts one dump into pieces. ``complete`` is valid at the end.

    Args:
        exact: look at every byte of the rows. Otherwise the rows are taken to be as mariadb-dump writes them (strings
            in single quotes, without raw line ends) wherever counting does not say otherwise: four times as fast.
        own: it comes from mariadb-dump itself just now, which escapes every line end in a string: where it begins a row
            on a new line, a line is a row.
    """

    def __init__(self, source: Readable, *, chunk: int = CHUNK, exact: bool = True, own: bool = False) -> None:
        super().__init__(source, chunk)
        self.database = b""
        """The schema's name in the header."""
        self.tool = self.server_version = b""
        self._exact = exact
        self._own = own
        self._delimiter = b";"
        self._escapes = True
        self._statements = 0
        self._marked = False
        self._cut = False

    @property
    def complete(self) -> bool | None:
        """True: the end marker came and nothing after it. False: it ends within a statement. None: it ends after
        one, without the marker (Dysnomia's own module takes the last line away)."""
        if not self._eof or self._cut:
            return False
        return True if self._marked else (None if self._statements else False)

    def pieces(self) -> Iterator[Piece]:
        """The dump from its start to its end."""
        self._available(64)
        if sandbox := _SANDBOX.match(self._buffer, self._start):
            yield Piece(Part.SANDBOX, self._take(sandbox.end() - self._start))
        while self._available(1):
            yield from self._trivia()
            if not self._available(1):
                return
            self._marked = False
            self._statements += 1
            yield from self._next()

    # Between statements.

    def _trivia(self) -> Iterator[Piece]:
        """White space and comments up to the next statement; what is masked by itself."""
        offset = 0
        while True:
            space = _SPACE.match(self._buffer, self._start + offset)
            offset = space.end() - self._start if space else offset
            if len(self._buffer) - self._start - offset < 4 and self._fill():
                continue
            at = self._start + offset
            if _DASHES.match(self._buffer, at) or self._buffer[at:] == b"--" or self._buffer.startswith(b"#", at):
                end = self._line_end(offset)
                part = self._comment(self._buffer[self._start + offset : self._start + end])
                if part is not Part.TRIVIA:
                    if offset:
                        yield Piece(Part.TRIVIA, self._take(offset))
                    yield Piece(part, self._take(end - offset))
                    offset = 0
                    continue
                offset = end
            elif self._buffer.startswith(b"/*", at) and not _CODE.match(self._buffer, at):
                offset = self._block_comment(offset)
            else:
                break
            if offset > LONG:
                yield Piece(Part.TRIVIA, self._take(offset))
                offset = 0
        if offset:
            yield Piece(Part.TRIVIA, self._take(offset))

    def _comment(self, line: bytes) -> Part:
        """What a comment line between statements is."""
        if self._statements == 0 and (header := _HEADER.fullmatch(line)):
            self.tool = header["tool"] or self.tool
            self.database = header["name"] or self.database
            self.server_version = header["server"] or self.server_version
            return Part.HEADER
        if _NAMED.fullmatch(line):
            return Part.NAMED
        if self._statements and _END.fullmatch(line):
            self._marked = True
            return Part.END
        return Part.TRIVIA

    def _block_comment(self, offset: int) -> int:
        while (end := self._buffer.find(b"*/", self._start + offset + 2)) < 0:
            if not self._fill(len(self._buffer)):
                self._cut = True
                return len(self._buffer) - self._start
        return end + 2 - self._start

    # Statements.

    def _next(self) -> Iterator[Piece]:
        """One statement, or the client's DELIMITER."""
        self._available(32)
        if self._buffer[self._start : self._start + 9].upper() == b"DELIMITER":
            end = self._line_end(0)
            match = _DELIMITER.match(self._buffer[self._start : self._start + end])
            if match:
                self._delimiter = match[1]
                yield Piece(Part.DELIMITER, self._take(end))
                return
        if self._delimiter == b";" and self._escapes and (head := self._insert_head()):
            text = self._take(head)
            yield Piece(Part.INSERT, text)
            yield from self._rows(lined=self._own and text.endswith(b"\n"))
            return
        yield self._statement()

    def _statement(self) -> Piece:
        pattern = within(self._delimiter, self._escapes)
        offset = 0
        while True:
            stop = pattern.match(self._buffer, self._start + offset)
            assert stop is not None
            offset = stop.end() - self._start
            if self._buffer.startswith(self._delimiter, self._start + offset):
                return self._whole(offset)
            if not self._fill(len(self._buffer) - self._start):
                if offset + 1 >= len(self._buffer) - self._start or self._unclosed(offset):
                    self._cut = True
                    return Piece(Part.STATEMENT, self._take(len(self._buffer) - self._start))
                offset += 1

    def _unclosed(self, offset: int) -> bool:
        """Whether a quote or comment opens at ``offset`` (which nothing closes: the dump has ended)."""
        at = self._start + offset
        return self._buffer[at : at + 1] in (b"'", b'"', b"`", b"#") or self._buffer[at : at + 2] in (b"/*", b"--")

    def _whole(self, length: int) -> Piece:
        text = self._buffer[self._start : self._start + length]
        if mode := _SQL_MODE.match(text):
            self._escapes = b"NO_BACKSLASH_ESCAPES" not in mode[1].upper()
        part = Part.ALTER_DATABASE if _ALTER_DATABASE.match(text) else Part.STATEMENT
        return Piece(part, self._take(length + len(self._delimiter)))

    # Rows.

    def _insert_head(self) -> int:
        """The length of the head of an INSERT that starts here; 0 where none does."""
        if self._buffer[self._start : self._start + 7].upper() not in (b"INSERT ", b"REPLACE"):
            return 0
        while True:
            head = INSERT.match(self._buffer, self._start)
            if head is not None:
                return head.end() - self._start
            if len(self._buffer) - self._start > INSERT_LIMIT or not self._fill():
                return 0

    def _rows(self, *, lined: bool) -> Iterator[Piece]:
        """The rows of an INSERT to its semicolon, in whole rows."""
        while not self._exact:
            last = self._buffer.rfind(b"\n", self._start) + 1
            if last <= self._start:
                if self._fill(len(self._buffer) - self._start):
                    continue
                break
            end = self._buffer.find(b");\n", self._start, last)
            stop = end + 3 if end >= 0 else last
            data = self._buffer[self._start : stop]
            rows = data.count(b"\n") if lined else plain_rows(data)
            if rows is None:
                break
            self._start = stop
            yield Piece(Part.ROWS, data, rows)
            if end >= 0:
                return
        yield from self._exact_rows()

    def _exact_rows(self) -> Iterator[Piece]:
        while True:
            position, rows, ended = rows_from(self._buffer, self._start)
            length = position - self._start
            if ended:
                self._available(length + 1)
                length += self._buffer.startswith(b"\n", self._start + length)
                yield Piece(Part.ROWS, self._take(length), rows)
                return
            if length:
                yield Piece(Part.ROWS, self._take(length), rows)
            # What follows is no whole row: not all of it is here yet, or it is an expression of another tool's.
            stop = within(b";", True).match(self._buffer, self._start)
            assert stop is not None
            if self._buffer.startswith(b";", stop.end()):
                yield Piece(Part.ROWS, self._take(stop.end() + 1 - self._start), 1)
                return
            if not self._fill(len(self._buffer) - self._start):
                self._cut = True
                yield Piece(Part.ROWS, self._take(len(self._buffer) - self._start))
                return


def canonical(piece: Piece) -> bytes | None:
    """What stands for a piece in the digest; None where the piece itself does."""
    if piece.part in (Part.SANDBOX, Part.HEADER):
        return b""
    if piece.part is Part.NAMED:
        match = _NAMED.match(piece.data)
        return match[1] + b"\n" if match else None
    if piece.part is Part.ALTER_DATABASE:
        return renamed(piece.data, b"``")
    if piece.part is Part.END:
        return b"-- Dump completed\n"
    return None


def without_host(piece: Piece) -> Piece:
    """A header line with a plain word for the host: the dump program prints the whole connection string there."""
    if piece.part is Part.HEADER and piece.data.startswith(b"-- Host: "):
        return piece._replace(data=_HOST.sub(b"-- Host: localhost ", piece.data))
    return piece


def renamed(statement: bytes, name: bytes) -> bytes:
    """An ALTER_DATABASE for another schema: ``name`` is quoted."""
    return re.sub(rb"`(?:[^`]|``)*+`", lambda _: name, statement, count=1)


def unqualified(statement: bytes) -> bytes | None:
    """A CREATE TRIGGER that names its schema, without it; None where it does not. The server keeps the operator's own
    words, and a trigger cannot be made in another schema than its table's."""
    match = _TRIGGER.search(statement, 0, 4096)
    if match is None or not (match[2] or match[4]):
        return None
    return statement[: match.start()] + match[1] + match[3] + statement[match.end() :]
