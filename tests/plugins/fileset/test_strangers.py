"""Archives of strangers, read as a stream: headers without an end, absurd sizes, maps of holes, names that lead out."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dysnomia_plugins.errors import PluginError, Truncated
from dysnomia_plugins.toolkit.trees import tarheader
from dysnomia_plugins.toolkit.trees.tarheader import BadArchive
from dysnomia_plugins.toolkit.trees.tarread import TarReader
from tests.memory import at_most

BLOCK = 512


def header(name: str = "f", kind: bytes = tarfile.REGTYPE, size: int = 0, **fields: object) -> bytes:
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size
    for field, value in fields.items():
        setattr(member, field, value)
    return member.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % BLOCK)


def pax(data: bytes, kind: bytes = tarfile.XHDTYPE) -> bytes:
    return header("x", kind, len(data)) + padded(data)


def record(keyword: str, value: bytes) -> bytes:
    rest = b" " + keyword.encode() + b"=" + value + b"\n"
    size = len(rest) + 1
    while len(b"%d" % size) + len(rest) != size:
        size = len(b"%d" % size) + len(rest)
    return b"%d" % size + rest


class Repeating(io.RawIOBase):
    """A head, then the same again and again."""

    def __init__(self, head: bytes, then: bytes) -> None:
        self._rest, self._then = head, then

    def read(self, size: int = -1, /) -> bytes:
        while len(self._rest) < size:
            self._rest += self._then
        data, self._rest = self._rest[:size], self._rest[size:]
        return data


def all_of(stream: object) -> list[str]:
    return [entry.member.name for entry in TarReader(stream)]  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [b"x", b"g", b"L", b"K"])
def test_headers_without_an_end(kind: bytes) -> None:
    one = pax(record("comment", b"c" * 60_000), kind)
    with at_most(64), pytest.raises(BadArchive, match="headers of"):
        all_of(Repeating(b"", one))


@pytest.mark.parametrize("size", [1 << 34, 1 << 62, (1 << 63) - 1, 1 << 80])
@pytest.mark.parametrize("kind", [b"0", b"x", b"L", b"5", b"S"])
def test_absurd_sizes_reserve_nothing(size: int, kind: bytes) -> None:
    block = bytearray(header(kind=kind))
    block[124:136] = b"\x80" + size.to_bytes(11, "big")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    with at_most(8), pytest.raises((BadArchive, Truncated)):
        all_of(io.BytesIO(bytes(block) + bytes(4 * BLOCK)))


def _sparse() -> bytes:
    records = record("GNU.sparse.major", b"1") + record("GNU.sparse.minor", b"0")
    return pax(records + record("GNU.sparse.realsize", b"9")) + header(size=0o77777777777)


@pytest.mark.parametrize(
    ("then", "words"),
    [(bytes(BLOCK), "without an end"), (b"9" * BLOCK, "without an end"), (b"1000001\n" + b"0" * 504, "too many parts")],
    ids=["zeros", "a number", "a large number"],
)
def test_maps_of_holes_without_an_end(then: bytes, words: str) -> None:
    with at_most(8), pytest.raises(BadArchive, match=words):
        all_of(Repeating(_sparse(), then))


def test_a_map_of_many_holes_is_read_in_time_that_grows_with_it() -> None:
    """400,000 numbers in 5 MB: to copy what was read for each block of it would move 25 GB."""
    count = 200_000
    numbers = b"".join(b"%d\n1\n" % (number * 8192) for number in range(count))
    table = padded(b"%d\n" % count + numbers)
    records = record("GNU.sparse.major", b"1") + record("GNU.sparse.minor", b"0")
    records += record("GNU.sparse.realsize", b"%d" % (count * 8192))
    data = pax(records) + header(size=len(table) + count) + table + padded(b"x" * count) + bytes(2 * BLOCK)
    assert all_of(io.BytesIO(data)) == ["f"]


@pytest.mark.parametrize(
    "name",
    ["../f", "a/../../f", "/etc/passwd", "a/..", "", "a" * 256, "d/" * (tarheader.MAX_NAME // 2 + 1) + "f", "a\0b"],
    ids=["dots", "dots inside", "absolute", "dots at the end", "none", "too long", "too deep", "zero"],
)
@pytest.mark.parametrize("where", ["header", "long name", "pax"])
def test_names_that_lead_out(name: str, where: str) -> None:
    data = name.encode()
    if where == "pax":
        whole = pax(record("path", data)) + header()
    elif where == "long name":
        whole = pax(data + b"\0", b"L") + header()
    else:
        block = bytearray(header())
        block[:100] = data[:100].ljust(100, b"\0")
        block[148:156] = b" " * 8
        block[148:156] = b"%06o\0 " % sum(block)
        whole = bytes(block)
    if (where == "header" and (len(data) > 100 or "\0" in name)) or (where != "header" and name in ("", "a\0b")):
        pytest.skip("not to be said so")
    with pytest.raises(BadArchive, match=r"called|without a name"):
        all_of(io.BytesIO(whole + bytes(2 * BLOCK)))


def test_a_hard_link_leads_nowhere_outside() -> None:
    with pytest.raises(BadArchive, match="called"):
        all_of(io.BytesIO(header("f", tarfile.LNKTYPE, linkname="/etc/shadow") + bytes(2 * BLOCK)))


def test_a_million_members_are_not_collected() -> None:
    class Members(io.RawIOBase):
        """Empty files, as many as are asked for."""

        left = 5_000 * BLOCK

        def read(self, size: int = -1, /) -> bytes:
            assert size % BLOCK == 0
            if self.left <= 0:
                return bytes(size) if self.left > -2 * BLOCK and self._count(size) else b""
            self.left -= size
            return one * (size // BLOCK)

        def _count(self, size: int) -> bool:
            self.left -= size
            return True

    one = header()
    with at_most(4):
        archive = TarReader(Members())  # type: ignore[arg-type]
        assert len([None for _ in archive]) == 5_000


@given(st.binary(max_size=3 * BLOCK), st.integers(0, 511), st.sampled_from([b"0", b"x", b"L", b"S", b"1", b"2", b"3"]))
def test_whatever_stands_there_a_named_error_comes_out(data: bytes, at: int, kind: bytes) -> None:
    block = bytearray(header(kind=kind))
    block[at : at + len(data[:40])] = data[:40]
    block = block[:BLOCK]
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    try:
        all_of(io.BytesIO(bytes(block) + data))
    except PluginError as error:
        said = error.message
        assert said
