"""Looking into a snapshot without knowing its type: its sections are its files.

For what external modules and wrappers write, and for snapshots whose type is not known here. Text is shown as text;
compressed files are opened uncompressed, by the store.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from dysnomia_plugins.base import Row, Stored
from dysnomia_store.model import Form, Section
from dysnomia_store.sink import ContentSink

CHUNK = 1 << 18
"""Bytes read at a time; also the longest line that stays whole."""
SNIFFED = 1 << 16
"""Bytes from which it is told whether a file is text."""
_CONTROLS = tuple(byte for byte in range(32) if byte not in b"\t\n\r\f\v\b\x1b")
HEX_WIDTH = 16
"""Bytes to a line where a file is not a text."""


def is_text(head: bytes) -> bool:
    """Whether the beginning of a file is text: UTF-8 (perhaps cut inside a character) without control characters
    other than those of layout. An empty file is text."""
    # One search of the C library a character is several times quicker than any look at each byte from here.
    for control in _CONTROLS:
        if control in head:
            return False
    if head.isascii():
        return True
    try:
        codecs.utf_8_decode(head, "strict", False)
    except UnicodeDecodeError:
        return False
    return True


def lines_in_batches(stream: BinaryIO) -> Iterator[Sequence[bytes]]:
    """The lines of a stream with their ends, so that a missing last newline is a difference.

    A line longer than a chunk comes in pieces, so that memory stays bounded whatever the file holds."""
    rest = b""
    while chunk := stream.read(CHUNK):
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()
        batch = [line + b"\n" for line in lines]
        if len(rest) >= CHUNK:
            batch.append(rest)
            rest = b""
        if batch:
            yield batch
    if rest:
        yield [rest]


def bytes_in_batches(stream: BinaryIO) -> Iterator[Sequence[bytes]]:
    """A stream in records of ``HEX_WIDTH`` bytes."""
    rest = b""
    while chunk := stream.read(CHUNK):
        data = rest + chunk
        whole = len(data) - len(data) % HEX_WIDTH
        if whole:
            yield [data[at : at + HEX_WIDTH] for at in range(0, whole, HEX_WIDTH)]
        rest = data[whole:]
    if rest:
        yield [rest]


def content_rows(stream: BinaryIO, form: Form) -> Iterator[Sequence[bytes]]:
    """The raw records of one file's content, by the form of its section."""
    return bytes_in_batches(stream) if form is Form.BYTES else lines_in_batches(stream)


def content_row(section: Section, raw: bytes) -> Row:
    """One raw record of a file: a line without its end, or bytes as hexadecimal and as characters."""
    if section.form is Form.BYTES:
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in raw)
        return Row(key=(), cells=(raw.hex(" "), shown))
    return Row(key=(), cells=(raw.removesuffix(b"\n").decode("utf-8", "backslashreplace"),))


class FilesReader:
    """The contents of any snapshot, file by file. Has the reading methods of a StatePlugin, and no state."""

    digest_version = 1
    rows_by_line = False

    def rescan(self, stored: Stored, sink: ContentSink) -> None:
        """Write every file of the snapshot into ``sink``, one section each, in order of their names."""
        for name in stored.artefacts():
            with stored.open(name) as stream:
                write_file(sink, name, stream)

    def raw_rows(self, stored: Stored, section: Section) -> Iterator[Sequence[bytes]]:
        with stored.open(section.artefact or section.name) as stream:
            yield from content_rows(stream, section.form)

    def parse_row(self, section: Section, raw: bytes) -> Row:
        return content_row(section, raw)


def write_file(sink: ContentSink, name: str, stream: BinaryIO) -> None:
    """One file as one section: text where it begins as text."""
    head = stream.read(SNIFFED)
    sink.begin_section("file", name, Form.TEXT if is_text(head) else Form.BYTES)
    chunk = head
    while chunk:
        sink.write(chunk)
        chunk = stream.read(CHUNK)
    sink.end_section()
