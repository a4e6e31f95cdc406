"""Rows sent to a server that takes no statement longer than its ``max_allowed_packet``.

mariadb-dump writes a blob as hexadecimal digits, twice its size, and a row is always in one statement. So what came in
may not go in again as the dump has it. Here a statement that would be too long is cut between its rows, and a row that
is too long by itself is sent value by value, into variables of the session.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from dysnomia_plugins.errors import NotSafe
from dysnomia_plugins.types.mysql.rows import split, unescaped

COUNT = b"SELECT ROW_COUNT();\n"
_MARGIN = 512
_LARGE = 4096
_VALUE = re.compile(rb"(?:_(\w++)\s*+)?'((?:[^'\\]|\\.|'')*+)'|0x([0-9A-Fa-f]++)", re.DOTALL)


class RowWriter:
    """The INSERT statements of a load, and how many rows each has: ``sent``."""

    def __init__(self, stdin: BinaryIO, packet: int) -> None:
        self.sent: list[tuple[str, int]] = []
        self.charset = b"utf8mb4"
        """What a string of the dump is in."""
        self._stdin = stdin
        self._packet = packet
        self._limit = packet - _MARGIN
        self._table, self._head = "", b""
        self._length = self._rows = 0

    def begin(self, table: str, head: bytes) -> None:
        """The head of an INSERT came; it is sent with its first row."""
        self._table, self._head = table, head
        self._length = self._rows = 0

    def write(self, data: bytes, rows: int) -> None:
        """Whole rows; a semicolon at their end ends the statement."""
        body = data.rstrip(b" \t\r\n")
        body, end = body[:-1], body[-1:]
        if max(self._length, len(self._head)) + len(body) < self._limit:
            self._add(body, rows)
        else:
            self._cut(data, rows)
        if end == b";":
            self._end()

    def _add(self, body: bytes, rows: int) -> None:
        self._stdin.write(b",\n" if self._rows else self._head)
        self._stdin.write(body)
        self._length += len(body) + (2 if self._rows else len(self._head))
        self._rows += rows

    def _end(self) -> None:
        if self._rows:
            self._stdin.write(b";\n" + COUNT)
            self.sent.append((self._table, self._rows))
        self._length = self._rows = 0

    def _cut(self, data: bytes, rows: int) -> None:
        parts = split(data, rows)
        if len(parts) != rows:
            raise NotSafe(f"the dump's rows of {self._table} cannot be split, and are too long for one statement")
        for row in parts:
            if self._length + len(row) + 2 > self._limit:
                self._end()
            if len(self._head) + len(row) < self._limit:
                self._add(row, 1)
            else:
                self._add(self._in_variables(row), 1)
                self._end()

    def _in_variables(self, row: bytes) -> bytes:
        """The row with its long values in variables, which are set on the way."""
        count = 0

        def moved(value: re.Match[bytes]) -> bytes:
            nonlocal count
            if value.end() - value.start() < min(_LARGE, self._limit // 8):
                return value[0]
            count += 1
            name = b"@dysnomia_%d" % count
            charset, quoted, digits = value.groups()
            self._set(name, digits if digits is not None else unescaped(quoted).hex().encode())
            if digits is not None or charset == b"binary":
                return name
            return b"CONVERT(" + name + b" USING " + (charset or self.charset) + b")"

        return _VALUE.sub(moved, row)

    def _set(self, name: bytes, digits: bytes) -> None:
        if len(digits) // 2 > self._packet:
            raise NotSafe(
                f"a value in {self._table} has {len(digits) // 2:,} bytes, and the server takes {self._packet:,}",
                f"SET GLOBAL max_allowed_packet = {1 << (len(digits) + 1024).bit_length()}, and restore again",
            )
        if len(digits) % 2:
            digits = b"0" + digits
        for number, piece in enumerate(self._pieces(digits)):
            new = b"X'" + piece + b"'"
            self._stdin.write(b"SET " + name + b" = " + (b"CONCAT(" + name + b", " + new + b")" if number else new))
            self._stdin.write(b";\n")

    def _pieces(self, digits: bytes) -> Iterator[bytes]:
        step = max(self._limit // 2 & ~1, 2)
        return (digits[start : start + step] for start in range(0, len(digits), step))
