"""Looking into snapshots of any type, file by file."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dysnomia_plugins.toolkit.files_reader import CHUNK, FilesReader, bytes_in_batches, is_text, lines_in_batches
from dysnomia_store.content.digest import DigestSink
from dysnomia_store.model import Form, Metadata, Section
from tests.plugins.fileset.tools import Collected


class Folder:
    """A snapshot of plain files."""

    metadata: Metadata | None = None
    folder = Path("/nowhere")

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files

    def artefacts(self) -> tuple[str, ...]:
        return tuple(sorted(self.files))

    @contextmanager
    def open(self, artefact: str | None = None) -> Iterator[BinaryIO]:
        assert artefact is not None
        yield io.BytesIO(self.files[artefact])

    @contextmanager
    def open_range(self, artefact: str, offset: int, length: int) -> Iterator[BinaryIO]:
        yield io.BytesIO(self.files[artefact][offset : offset + length])

    def sections(self) -> Iterator[Section]:
        return iter(())


def test_sections_are_files_and_text_is_text() -> None:
    stored = Folder({"dump/a.sql": b"one\ntwo\n", "b.bin": bytes(range(20)), "empty": b""})
    collected = Collected()
    sink = DigestSink(collected, "")
    reader = FilesReader()
    reader.rescan(stored, sink)
    sink.close()
    assert [(one.kind, one.name, one.form, one.size) for one in collected.sections] == [
        ("file", "b.bin", Form.BYTES, 20),
        ("file", "dump/a.sql", Form.TEXT, 8),
        ("file", "empty", Form.TEXT, 0),
    ]

    def rows(section: Section) -> list[tuple[str | None, ...]]:
        named = Section(section.kind, section.name, section.form, section.size, section.digest)
        return [reader.parse_row(named, raw).cells for batch in reader.raw_rows(stored, named) for raw in batch]

    shown = {one.name: rows(one) for one in collected.sections}
    assert shown["dump/a.sql"] == [("one",), ("two",)]
    assert shown["empty"] == []
    assert shown["b.bin"] == [
        ("00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f", "." * 16),
        ("10 11 12 13", "...."),
    ]


@given(st.lists(st.binary(max_size=40), max_size=20).map(b"\n".join))
def test_records_are_the_bytes_again(content: bytes) -> None:
    assert b"".join(raw for batch in lines_in_batches(io.BytesIO(content)) for raw in batch) == content
    assert b"".join(raw for batch in bytes_in_batches(io.BytesIO(content)) for raw in batch) == content
    lines = [raw for batch in lines_in_batches(io.BytesIO(content)) for raw in batch]
    assert lines == [line for line in re.split(rb"(?<=\n)", content) if line]


def test_a_line_without_end_comes_in_pieces() -> None:
    content = b"x" * (5 * CHUNK + 7)
    batches = list(lines_in_batches(io.BytesIO(content)))
    assert b"".join(raw for batch in batches for raw in batch) == content
    assert max(len(raw) for batch in batches for raw in batch) <= 2 * CHUNK


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"", True),
        (b"plain\n\ttext\r\n", True),
        ("é".encode(), True),
        ("é".encode()[:1], True),
        (b"\x1b[31mred", True),
        (b"a\0b", False),
        (b"\xff\xfe", False),
        (b"\x89PNG\r\n", False),
        (b"\x01\x02", False),
    ],
)
def test_what_is_text(head: bytes, expected: bool) -> None:
    assert is_text(head) is expected


def by_looking_at_each(head: bytes) -> bool:
    """Whether it is text, slowly."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return all(ord(char) >= 32 or char in "\t\n\r\f\v\b\x1b" for char in text)


@given(st.binary() | st.text().map(str.encode) | st.text().map(lambda text: text.encode("utf-16")))
def test_text_is_told_without_looking_at_each_character(head: bytes) -> None:
    assert is_text(head) == by_looking_at_each(head)
    for cut in range(len(head)):
        assert is_text(head[:cut]) == by_looking_at_each(head[:cut])


@pytest.mark.parametrize("byte", range(256))
def test_each_byte_by_itself_is_text_or_is_not(byte: int) -> None:
    head = b"some words %c and more\n" % byte
    assert is_text(head) == by_looking_at_each(head)
