"""Lines too long to be held: what stands for one is equal where the line is, and little memory is needed."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dysnomia_plugins.toolkit import long_lines
from dysnomia_plugins.toolkit.long_lines import Cutter, Literals, SeparatedCells, in_tabs, shortened
from tests.thorough import seldom

MIB = 1 << 20
CUTTERS: list[Callable[[], Cutter]] = [SeparatedCells, in_tabs, Literals]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that a property test reaches with few bytes."""
    for name, value in (("LONG_LINE", 12), ("LONG_CELL", 6), ("WHOLE_CELLS", 8), ("KEPT", 3)):
        monkeypatch.setattr(long_lines, name, value)


def pieces_of(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    start = 0
    for size in sizes:
        if start < len(data):
            yield data[start : start + size]
            start += size
    if start < len(data):
        yield data[start:]


words = st.sampled_from(
    [b"a", b"bcde", b"\n", b"\t", b"'", b"\\", b"\\'", b"0x", b"0", b"AF09", b",", b"(", "é".encode()]
)
streams = st.lists(words, max_size=60).map(b"".join)
cuts = st.lists(st.integers(1, 9), max_size=40)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("cutter", CUTTERS)
def test_what_stands_for_a_line_does_not_depend_on_the_pieces(cutter: Callable[[], Cutter]) -> None:
    @given(streams, cuts)
    @settings(max_examples=300)
    def check(data: bytes, sizes: list[int]) -> None:
        whole = b"".join(shortened([data] if data else [], cutter))
        assert b"".join(shortened(pieces_of(data, sizes), cutter)) == whole
        assert b"".join(shortened((bytes([byte]) for byte in data), cutter)) == whole
        assert whole.count(b"\n") == data.count(b"\n")
        for line, stands in zip(data.split(b"\n"), whole.split(b"\n"), strict=True):
            if len(line) <= 12:
                assert stands == line

    check()


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("cutter", CUTTERS)
def test_different_lines_have_different_ones_standing_for_them(cutter: Callable[[], Cutter]) -> None:
    line = st.lists(words.filter(lambda word: word != b"\n"), max_size=40).map(b"".join)

    @given(line, line)
    @settings(max_examples=300)
    def check(one: bytes, other: bytes) -> None:
        stand_ins = [b"".join(shortened([data + b"\n"], cutter)) for data in (one, other)]
        assert (stand_ins[0] == stand_ins[1]) == (one == other)

    check()


def test_short_cells_stay_whole_and_a_long_one_is_told_by_start_length_and_digest() -> None:
    long = b"\\\\x" + b"ab" * 3 * MIB
    (line,) = shortened([b"1\t" + long + b"\tlast\n"], in_tabs)
    first, cut, last = line.removesuffix(b"\n").split(b"\t")
    assert (first, last) == (b"1", b"last")
    assert cut.startswith(long[:1000])
    digest = hashlib.sha256(long).hexdigest()
    assert cut.endswith(f"… \\({len(long):,} bytes in the dump, SHA-256 {digest})".encode())
    assert len(cut) < 20_000


def test_of_an_insert_strings_and_hexadecimal_numbers_are_cut() -> None:
    text, number = b"it\\'s " * MIB, b"00FF" * 2 * MIB
    (line,) = shortened([b"(1,'" + text + b"',_binary '', 0x" + number + b",0x01,'x'),\n"], Literals)
    assert line.startswith(b"(1,'it\\'s ")
    assert line.endswith(b"',0x01,'x'),\n")
    assert b"',_binary '', '\\\\x00ff" in line
    assert hashlib.sha256(text).hexdigest().encode() in line
    assert hashlib.sha256(number).hexdigest().encode() in line
    assert len(line) < 40_000


COMPARE = """
import json, resource, sys, tempfile
from contextlib import contextmanager
from pathlib import Path
from dysnomia_plugins.types.{type} import rows as reader
from dysnomia_store.model import Form, Section
from dysnomia_tui.engine.diff.compare import Comparer, Opened, one_sided_rows

size, head, tail = {size}, {head!r}, {tail!r}
block = b"0123456789abcdef" * 65536

class Dump:
    '''A dump of one row, made while it is read.'''
    def __init__(self, last):
        self.left = size
        self.parts = [head, None, last + tail]
    def read(self, size=-1, /):
        while self.parts:
            if self.parts[0] is not None:
                return self.parts.pop(0)
            if self.left > 0:
                self.left -= len(block)
                return block
            self.parts.pop(0)
        return b''

class Stored:
    def __init__(self, last):
        self.last = last
    @contextmanager
    def open_range(self, *_):
        yield Dump(self.last)

section = Section(
    'table', 't', Form.ROWS, size=size, digest='', columns=('id', 'value'), key=('id',), rows=1,
    artefact='a', offset=0, length=size,
)
old, new = (Opened(reader, Stored(last)) for last in (b'1', b'2'))
with tempfile.TemporaryDirectory() as folder:
    comparer = Comparer(old, new, Path(folder), lambda rows: None)
    compared = comparer.compare((section, section))
    (changed,) = compared.rows.page(0, 10)
    cells = [side.cells(row) for side, row in zip(compared.sides, changed, strict=False)]
(alone,) = one_sided_rows(new, section)
assert reader.parse_row(section, alone).cells == cells[1]
peak = int(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1])
ids, ends = [cell[0] for cell in cells], [cell[1][-130:] for cell in cells]
print(json.dumps({{'counts': compared.counts, 'ids': ids, 'ends': ends, 'peak': peak}}))
"""
BLOCK = b"0123456789abcdef" * (MIB // 16)


@pytest.mark.parametrize("size", seldom([64 * MIB, 300 * MIB], 64 * MIB))
@pytest.mark.parametrize(
    ("type_", "head", "tail"),
    [
        ("postgresql", b"COPY public.t (id, value) FROM stdin;\n7\t", b"\n\\.\n"),
        ("mysql", b"INSERT INTO `t` VALUES\n(7,'", b"');\n"),
    ],
)
def test_a_huge_row_is_compared_and_shown_in_little_memory(type_: str, head: bytes, tail: bytes, size: int) -> None:
    code = COMPARE.format(type=type_, size=size, head=head, tail=tail)
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=300)
    found = json.loads(done.stdout)
    assert found["counts"] == [0, 0, 1]
    assert found["ids"] == ["7", "7"]
    for last, end in zip((b"1", b"2"), found["ends"], strict=True):
        digest = hashlib.sha256()
        for _ in range(size // MIB):
            digest.update(BLOCK)
        digest.update(last)
        assert end.endswith(f"… ({size + 1:,} bytes in the dump, SHA-256 {digest.hexdigest()})")
    assert found["peak"] < 150 << 10, f"{found['peak'] >> 10} MB"
