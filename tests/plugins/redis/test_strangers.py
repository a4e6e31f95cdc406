"""RDB files of strangers: made to fill memory, to run without an end, to bring what no restore should load."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dysnomia_plugins.base import Severity
from dysnomia_plugins.errors import PluginError, ToolMissing, Truncated, Unsupported
from dysnomia_plugins.types.redis import contents, rdb
from dysnomia_plugins.types.redis.contents import cut, keys_by_database, scan, which_of
from dysnomia_plugins.types.redis.encodings import intset, listpack, ziplist
from dysnomia_plugins.types.redis.lzf import Damaged, pieces, unpack
from dysnomia_plugins.types.redis.preflight import preflight
from dysnomia_plugins.types.redis.rdb import RdbReader, RdbStream
from dysnomia_plugins.types.redis.server import Server
from dysnomia_plugins.types.redis.values import rows
from dysnomia_store.model import Form, Section
from tests.memory import at_most
from tests.plugins.redis import build

HASH, LIST, SET, ZSET, STREAM = 4, 1, 2, 5, 15
LISTPACKED = 16
MB = 1 << 20


def shown(data: bytes) -> Sequence[bytes]:
    """Every row of a file, as a contents view reads them."""
    reader = RdbReader(RdbStream(io.BytesIO(data)))
    return [row for head in reader.heads() for batch in rows(reader.stream, head) for row in batch]


def huge(number: int) -> bytes:
    return b"\x81" + struct.pack(">Q", number)


def squeezed(packed: bytes, size: int) -> bytes:
    return b"\xc3" + build.length(len(packed)) + huge(size) + packed


RUN = b"\xe0\xff\x00"
"""Three bytes of LZF that make 264."""


class TestDeclaredLengths:
    """A length is a claim: nothing is reserved for it."""

    @pytest.mark.parametrize("size", [1 << 31, 1 << 40, (1 << 63) - 1, (1 << 64) - 1])
    @pytest.mark.parametrize(
        "made",
        [
            lambda size: b"\x00" + huge(size),  # a key
            lambda size: build.key(HASH, b"k", b"\x01" + huge(size)),
            lambda size: build.key(HASH, b"k", b"\x01" + squeezed(b"\x00a" + RUN, size)),
            lambda size: build.key(0, b"k", squeezed(b"\x00a" + RUN, size)),
            lambda size: build.key(LISTPACKED, b"k", huge(size)),
            lambda size: b"\xf5" + huge(size),  # a library of functions
            lambda size: b"\xfa" + huge(size),  # what the file says of itself
            lambda size: build.key(STREAM, b"k", b"\x01" + huge(size)),
        ],
    )
    def test_of_a_string(self, made: Callable[[int], bytes], size: int) -> None:
        with at_most(4), pytest.raises((Damaged, Truncated)):
            scan(io.BytesIO(build.rdb(made(size))))
        with at_most(4), pytest.raises((Damaged, Truncated)):
            shown(build.rdb(made(size)))

    @pytest.mark.parametrize("code", [LIST, SET, ZSET, HASH, 3, 14, 18, STREAM, 19, 21])
    def test_of_a_collection(self, code: int) -> None:
        with at_most(4), pytest.raises((Damaged, Truncated)):
            scan(io.BytesIO(build.rdb(build.key(code, b"k", huge((1 << 64) - 1)))))

    def test_a_large_string_value_is_passed_over_in_pieces(self) -> None:
        data = build.rdb(build.key(0, b"k", huge(24 * MB) + bytes(24 * MB)))
        with at_most(8):
            assert scan(io.BytesIO(data)).tallies[0, "string"].rows == 1

    def test_entries_not_acknowledged(self) -> None:
        group = b"\x01" + build.string(b"g") + b"\x00\x00" + huge(1 << 40)
        with at_most(4), pytest.raises(Unsupported, match="not acknowledged"):
            scan(io.BytesIO(build.rdb(build.key(STREAM, b"k", b"\x00\x00\x00\x00" + group))))


class TestBombs:
    """What is small in the file and large when it is unpacked."""

    def test_no_more_is_unpacked_than_was_said(self) -> None:
        packed = b"\x00a" + RUN * (1 << 18)  # 66 MB
        with at_most(32), pytest.raises(Damaged):
            unpack(packed, 1 << 16)
        source = io.BytesIO(packed)
        with at_most(32), pytest.raises(Damaged):
            for _ in pieces(source.read, len(packed), 1 << 16):
                pass

    def test_an_honest_ratio_is_no_bomb(self) -> None:
        packed = b"\x00a" + RUN * 4000
        assert unpack(packed, 1 + 264 * 4000) == b"a" * (1 + 264 * 4000)

    @pytest.mark.parametrize(
        ("decode", "data"),
        [
            (listpack, struct.pack("<IH", 7 + MB // 2, 0xFFFF) + b"\x01\x01" * (MB // 4) + b"\xff"),
            (ziplist, struct.pack("<IIH", 11 + MB // 2, 0, 0xFFFF) + b"\x02\xf2" * (MB // 4) + b"\xff"),
            (intset, struct.pack("<II", 2, MB // 4) + bytes(MB // 2)),
        ],
        ids=["listpack", "ziplist", "intset"],
    )
    def test_millions_of_small_elements_are_never_all_in_memory(
        self, decode: Callable[[bytes], Iterator[bytes]], data: bytes
    ) -> None:
        with at_most(2):
            assert sum(1 for _ in decode(data)) == MB // 4

    def test_large_elements_are_not_collected(self) -> None:
        """512 rows of 4 MB would be 2 GB."""

        class Endless(io.RawIOBase):
            """A list of 64 elements of 4 MB."""

            def __init__(self) -> None:
                self.head = b"REDIS0009" + b"\x01" + build.string(b"k") + build.length(64)
                self.left = 64

            def read(self, size: int = -1, /) -> bytes:
                data, self.head = self.head, b""
                if not data and self.left:
                    self.left -= 1
                    data = build.string(bytes(4 * MB))
                return data or b"\xff" + bytes(8)

        reader = RdbReader(RdbStream(Endless()))
        with at_most(48):
            head = next(reader.heads())
            assert sum(len(batch) for batch in rows(reader.stream, head)) == 64

    def test_entries_that_repeat_long_names_of_fields(self) -> None:
        names = [b"n" * 1000] * 600
        first = [b"2", b"0", b"%d" % len(names), *names, b"0"]
        entries = [b"2", b"0", b"1", *[b""] * len(names), b"0"] * 50
        value = b"\x01" + build.string(bytes(16)) + build.string(build.listpack([*first, *entries]))
        data = build.rdb(build.key(STREAM, b"k", value + b"\x00\x00\x00\x00"))
        with at_most(32):
            assert scan(io.BytesIO(data)).tallies[0, "stream"].rows == 51

    def test_a_database_for_every_key(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(contents, "MOST_SECTIONS", 100)
        keys = [build.select(number) + build.key(0, b"k", build.string(b"v")) for number in range(101)]
        assert len(scan(io.BytesIO(build.rdb(*keys[:100]))).tallies) == 100
        with pytest.raises(Unsupported, match="databases"):
            scan(io.BytesIO(build.rdb(*keys)))

    def test_a_million_things_that_the_file_says_of_itself(self) -> None:
        data = build.rdb(*(build.aux(b"x%d" % number, b"y" * 50) for number in range(20_000)))
        with at_most(2):
            assert scan(io.BytesIO(data)).tallies == {}


class TestNoEnd:
    """What would make us read the same again and again."""

    @pytest.mark.parametrize("count", [b"-1", b"-5", b"-9223372036854775808", b"9223372036854775807", b"x"])
    @pytest.mark.parametrize("same", [False, True])
    def test_an_entry_of_a_stream_with_fewer_fields_than_none(self, count: bytes, same: bool) -> None:
        items = [b"1", b"0", count if same else b"0", b"0", b"2" if same else b"0", b"0", b"1", count, b"0"]
        value = b"\x01" + build.string(bytes(16)) + build.string(build.listpack(items))
        with pytest.raises((Damaged, Truncated)):
            scan(io.BytesIO(build.rdb(build.key(STREAM, b"k", value))))

    @given(st.binary(max_size=400), st.sampled_from(sorted(code for code in rdb.TYPES if code < 0x100)))
    def test_whatever_stands_there_a_named_error_comes_out(self, data: bytes, code: int) -> None:
        for whole in (build.rdb(build.key(code, b"k", data)), b"REDIS0011" + bytes([code]) + data, b"REDIS0011" + data):
            with suppress(PluginError):
                scan(io.BytesIO(whole))
                shown(whole)
                cut(io.BytesIO(whole), bytearray().extend, {(0, "string"), (0, "stream"), (-1, "function")})

    @pytest.mark.parametrize("first", range(0xF0, 0x100))
    def test_codes_that_no_listpack_has(self, first: int) -> None:
        data = struct.pack("<IH", 9, 1) + bytes([first]) + b"\x01\xff"
        with pytest.raises(Damaged):
            list(listpack(data))


class TestWhatComesAlong:
    """What would be more than data."""

    @pytest.mark.parametrize(
        ("data", "words"),
        [
            (b"\xf7" + build.length(1) + b"\x02\x00\x00", "module"),
            (b"\x07" + build.string(b"k") + b"\x00", "module"),
            (b"\x06" + build.string(b"k") + b"\x00", "module"),
            (b"\xf6" + build.string(b"x"), "release candidates"),
            (b"\x16" + build.string(b"k"), "release candidates of Redis 7.4"),
        ],
    )
    def test_what_is_not_known_is_refused_by_name(self, data: bytes, words: str) -> None:
        with pytest.raises(Unsupported, match=words):
            scan(io.BytesIO(build.rdb(data)))
        with pytest.raises(Unsupported, match=words):
            cut(io.BytesIO(build.rdb(data)), bytearray().extend, {(0, "string")})

    def test_scripts_of_eval_are_no_state_and_not_in_a_part(self) -> None:
        script = build.aux(b"lua", b"return redis.call('FLUSHALL')")
        data = build.rdb(script, build.key(0, b"k", build.string(b"v")))
        assert set(scan(io.BytesIO(data)).tallies) == {(0, "string")}
        part = bytearray()
        cut(io.BytesIO(data), part.extend, {(0, "string")})
        assert b"FLUSHALL" not in part

    @pytest.mark.parametrize("number", [1 << 31, 1 << 40, (1 << 64) - 1])
    def test_a_database_that_no_server_has(self, number: int) -> None:
        data = build.rdb(b"\xfe" + huge(number) + build.key(0, b"k", build.string(b"v")))
        with pytest.raises(Damaged, match="database"):
            cut(io.BytesIO(data), bytearray().extend, {(number, "string")})

    @pytest.mark.parametrize("when", [-(1 << 63), -1, 0, 1, 1000])
    def test_what_had_expired_is_not_counted(self, when: int) -> None:
        found = scan(io.BytesIO(build.rdb(build.key(HASH, b"k", build.length(0), when))), now=2000)
        assert (found.expired, found.tallies) == (1, {})

    def test_a_time_to_live_beyond_the_calendar_is_shown_as_its_number(self) -> None:
        row = shown(build.rdb(build.key(0, b"k", build.string(b"v"), (1 << 63) - 1)))[0]
        section = Section("keys", "db0 string", Form.ROWS, 0, "", 1)
        assert contents.parse_row(section, row).cells[-1] == str((1 << 63) - 1)


class TestIndexOfAStranger:
    """What the contents index says is theirs as well."""

    @pytest.mark.parametrize("name", ["db string", "db² string", "db-1 string", "db" + "9" * 5000 + " string", "x"])
    def test_names(self, name: str) -> None:
        with pytest.raises(PluginError, match="no section"):
            which_of(Section("keys", name, Form.ROWS, 0, "", 1))

    @pytest.mark.parametrize("said", [{}, {"keys": "x", "expiring": "0"}, {"keys": "9" * 5000, "expiring": "0"}])
    def test_counts(self, said: dict[str, str]) -> None:
        with pytest.raises(PluginError, match="does not say"):
            keys_by_database([Section("keys", "db0 string", Form.ROWS, 0, "", 1, attributes=said)])


def test_functions_that_were_not_made_here_are_graded(tmp_path: Path) -> None:
    """A command then asks for --yes-untrusted: they run in the server."""

    class Stored:
        """A snapshot with a library."""

        metadata = None

        def sections(self) -> list[Section]:
            return [Section(contents.FUNCTIONS, contents.LIBRARIES, Form.ROWS, 0, "", 1)]

    def missing(*_: object, **__: object) -> None:
        raise ToolMissing("there is none")

    server = Server(copies=tmp_path)
    for made_here, severities in ((True, []), (False, [Severity.DANGEROUS])):
        ctx = SimpleNamespace(made_here=made_here, runner=SimpleNamespace(run=missing))
        found = preflight(ctx, Stored(), server, replace=False).findings  # type: ignore[arg-type]
        assert [one.severity for one in found if "functions" in one.text] == severities
