"""Dumps and lists of strangers: absurd lengths, endless headers, revisions that would have to be made, deep locks."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from dysnomia_plugins.errors import Truncated
from dysnomia_plugins.toolkit.repositories.files import tamed
from dysnomia_plugins.toolkit.trees.member import Kind, Member
from dysnomia_plugins.types.subversion import contents, dumpfile
from dysnomia_plugins.types.subversion.dumpfile import BadDump, DumpReader, Revision
from dysnomia_plugins.types.subversion.locks import MAX_DEPTH, lock_of, write_locks
from dysnomia_store.model import Form, Section
from tests.memory import at_most
from tests.plugins.subversion.test_dump import HEAD

FIRST = b"Revision-number: 0\nProp-content-length: 10\nContent-length: 10\n\nPROPS-END\n\n"


class Endless(io.RawIOBase):
    """What a bomb is when it is unpacked."""

    def __init__(self, head: bytes, then: bytes) -> None:
        self._head, self._then = head, then

    def read(self, size: int = -1, /) -> bytes:
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
            return data
        return self._then[: max(size, 0)]


def read(data: bytes | io.RawIOBase, *, pad: bool = False) -> tuple[list[Revision], int]:
    """The revisions, and how many bytes were handed on."""
    stream = io.BytesIO(data) if isinstance(data, bytes) else data
    written = 0

    def write(piece: object) -> None:
        nonlocal written
        assert isinstance(piece, (bytes, bytearray))
        written += len(piece)

    return list(DumpReader(stream, pad=pad).revisions(write)), written  # type: ignore[arg-type]


@pytest.mark.parametrize("header", ["Prop-content-length", "Text-content-length", "Content-length"])
@pytest.mark.parametrize("value", ["-1", "-9223372036854775808", "1e9", "", "0x10", "9" * 30, "9" * 1000, "\u00b2"])
@pytest.mark.parametrize("record", ["Revision-number: 0", "Node-path: trunk"])
def test_lengths_that_are_no_numbers(header: str, value: str, record: str) -> None:
    before = b"" if record.startswith("Rev") else FIRST
    data = HEAD + before + f"{record}\n{header}: {value}\n\n".encode() + b"PROPS-END\n\n"
    with at_most(8), pytest.raises(BadDump):
        read(data)


@pytest.mark.parametrize("record", ["Revision-number: 0", "Node-path: trunk"])
@pytest.mark.parametrize("header", ["Prop-content-length", "Text-content-length", "Content-length"])
@pytest.mark.parametrize("value", [1 << 31, 1 << 40, 10**17])
def test_absurd_lengths_reserve_nothing(record: str, header: str, value: int) -> None:
    before = b"" if record.startswith("Rev") else FIRST
    data = HEAD + before + f"{record}\n{header}: {value}\n\n".encode() + b"PROPS-END\n\n"
    with at_most(8), pytest.raises((BadDump, Truncated)):
        read(data)


@pytest.mark.parametrize(
    ("head", "then"),
    [
        (HEAD, b"\n" * 65536),
        (HEAD, b"x" * 65536),
        (HEAD + FIRST + b"Node-path: a\n", b"Node-action: add\n" * 4096),
        (HEAD + FIRST + b"Node-path: a\n", b"X" * 60_000 + b": y\n"),
    ],
    ids=["empty lines", "a line", "one header again and again", "long headers"],
)
def test_headers_without_an_end(head: bytes, then: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dumpfile, "MAX_HEADER_BYTES", 1 << 18)
    with at_most(8), pytest.raises((BadDump, Truncated)):
        read(Endless(head, then))


def test_a_bomb_of_text_goes_by_in_pieces() -> None:
    text = 50 << 20
    head = HEAD + FIRST + f"Node-path: a\nNode-kind: file\nNode-action: add\nContent-length: {text}\n\n".encode()
    with at_most(8), pytest.raises((BadDump, Truncated)):  # what follows the text is no record
        read(Endless(head, bytes(1 << 18)))


@pytest.mark.parametrize(
    "properties", [b"K 9999999999\nx\nPROPS-END\n", b"K -1\n\nPROPS-END\n", b"D 3\nabc\n", b"K 1\n"]
)
def test_properties_that_are_none(properties: bytes) -> None:
    head = b"Revision-number: 0\nProp-content-length: %d\nContent-length: %d\n\n" % (len(properties), len(properties))
    with at_most(8), pytest.raises((BadDump, Truncated)):
        read(HEAD + head + properties + b"\n")


def test_revisions_are_not_made_by_the_million_for_one_that_says_a_large_number() -> None:
    number = dumpfile.MAX_PADDING + 1
    data = HEAD + FIRST.replace(b"Revision-number: 0", b"Revision-number: %d" % number)
    with pytest.raises(BadDump, match="empty revisions"):
        read(data, pad=True)
    assert [one.number for one in read(data)[0]] == [number], "to be looked at, it is no bomb"


def test_numbers_that_go_back_are_refused() -> None:
    with pytest.raises(BadDump, match="comes after"):
        read(HEAD + FIRST + FIRST)


@pytest.mark.parametrize("name", ["svn:author", "svn:log", "svn:date"])
def test_a_row_of_the_list_stays_short(name: str) -> None:
    assert len(Revision(1, {name.encode(): b"x" * (1 << 20)}).row()) < 4 * dumpfile.SHOWN_LOG


class TestLocks:
    """The list of locks, which is written into the new repository's own files."""

    @pytest.mark.parametrize(
        "path",
        [
            "",
            "a",
            "/",
            "//a",
            "/../a",
            "/a/../../etc/passwd",
            "/a/",
            "/a//b",
            "/./a",
            "/" + "a/" * (MAX_DEPTH + 1) + "a",
        ],
    )
    def test_paths_that_are_none(self, path: str) -> None:
        with pytest.raises(BadDump):
            lock_of(json.dumps({"path": path, "token": "t"}).encode())

    @pytest.mark.parametrize("line", [b"[" * 100_000, b'{"a":' * 100_000, b"3", b"null", b'{"path": 1}', b"\xff"])
    def test_lines_that_are_none(self, line: bytes) -> None:
        with pytest.raises(BadDump):
            lock_of(line)
        with pytest.raises(BadDump):
            contents.parse_row(Section("history", "revisions", Form.ROWS, 0, "", 1), line)

    def test_a_deep_path_does_not_take_the_square_of_its_depth(self, tmp_path: Path) -> None:
        path = "/" + "/".join(["d" * 200] * (MAX_DEPTH - 1))
        (tmp_path / "db").mkdir()
        with at_most(8):
            write_locks(tmp_path, [{"path": path, "token": "t"}])

    def test_more_of_them_than_memory_should_hold(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(contents, "MAX_LOCKS", 100)

        class Stored:
            """A snapshot with three locks."""

            def artefacts(self) -> tuple[str, ...]:
                return (contents.LOCKS,)

            def open(self, _artefact: str) -> io.BytesIO:
                return io.BytesIO(b'{"path":"/a","token":"0123456789012345"}\n' * 3)

        with pytest.raises(BadDump, match="longer than"):
            contents.read_locks_list(Stored())  # type: ignore[arg-type]


def _hooks() -> Iterator[Member]:
    yield Member(Kind.SYMLINK, "hooks/post-commit", link="/bin/sh")
    yield Member(Kind.HARDLINK, "hooks/post-commit", link="conf/passwd")
    yield Member(Kind.FIFO, "hooks/post-commit")
    yield Member(Kind.SYMLINK, "hooks", link="/tmp/theirs")
    yield Member(Kind.FILE, "hooks", mode=0o755)


@pytest.mark.parametrize("member", _hooks(), ids=lambda member: f"{member.kind} {member.name}")
def test_nothing_below_hooks_leads_to_what_may_be_run(member: Member) -> None:
    assert tamed(member) is None


def test_a_hook_of_a_stranger_may_not_be_run() -> None:
    made = tamed(Member(Kind.FILE, "hooks/deep/pre-commit", mode=0o6755))
    assert made is not None
    assert made.mode & 0o111 == 0
