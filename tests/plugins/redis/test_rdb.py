"""The reader of RDB files against real servers: every type and encoding, older servers' by files made by hand."""

from __future__ import annotations

import io
import os
import shutil
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dysnomia_plugins.errors import PluginError, Truncated, Unsupported
from dysnomia_plugins.types.redis.contents import Scanned, cut, scan
from dysnomia_plugins.types.redis.encodings import intset, listpack, ziplist, zipmap
from dysnomia_plugins.types.redis.lzf import Damaged, pieces, unpack
from dysnomia_plugins.types.redis.rdb import RdbReader, RdbStream
from dysnomia_plugins.types.redis.records import show, split
from dysnomia_plugins.types.redis.values import rows, score, skip
from tests.plugins.redis import build
from tests.plugins.redis.changes import FAR, seed_commands
from tests.plugins.redis.read import read_all
from tests.plugins.servers.common import server_user
from tests.plugins.servers.redis import Client, RedisServer

Elements = dict[tuple[int, bytes], tuple[str, int | None, list[tuple[Any, ...]]]]
few = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))

number_texts = st.integers(-(1 << 63), (1 << 63) - 1).map(lambda number: b"%d" % number)
texts = st.one_of(
    st.binary(max_size=20), number_texts, st.integers(-20, 300).map(lambda n: b"%d" % n),
    st.binary(min_size=60, max_size=70), st.integers(1, 5000).map(lambda n: b"abcabc-" * n),
    st.sampled_from([b"", b"-0", b"007", b"1.0", b" 1", b"x" * 4095, b"x" * 4096, b"\r\n", os.urandom(9000)]),
)  # fmt: skip
lists = st.lists(texts, min_size=1, max_size=12)
numbers = st.floats(allow_nan=False)


class Slow(io.BytesIO):
    """Gives a few bytes at a time, so that everything is torn somewhere."""

    def __init__(self, data: bytes, step: int) -> None:
        super().__init__(data)
        self._step = step

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(self._step, size) if size is not None and size >= 0 else self._step)


def elements(data: bytes, step: int = 1 << 20) -> Elements:
    """What the reader makes of a file: type, time to live and rows, without key and time, of each key."""
    found: Elements = {}
    reader = RdbReader(RdbStream(Slow(data, step)))
    for head in reader.heads():
        raw = [row for batch in rows(reader.stream, head) for row in batch]
        found[head.database, head.key] = (head.type, head.expires, [_element(head.type, split(row)) for row in raw])
    assert reader.complete
    return found


def _element(kind: str, cells: list[bytes | None]) -> tuple[Any, ...]:
    """Without key and the key's time; a field that expires has its own."""
    own = kind == "hash" and cells[1] is not None and cells[-1] is not None
    return (*cells[1:-1], *((int(cells[-1] or b""),) if own else ()))


def of_server(client: Client, server: RedisServer) -> bytes:
    client("SAVE")
    return (server.folder / "dump.rdb").read_bytes()


def as_read(kind: bytes, value: Any) -> list[tuple[bytes | None, ...]]:
    """A typed read by a client as rows."""
    if kind == b"string":
        return [(value,)]
    if kind == b"set":
        return [(one,) for one in value]
    if kind == b"list":
        return [(b"%d" % place, one) for place, one in enumerate(value)]
    if kind == b"hash":
        return list(value)
    return [(one, score(other)) for one, other in zip(value[::2], value[1::2], strict=True)]


def assert_same(found: Elements, client: Client) -> None:
    """The reader says what the server does."""
    whole = {name: value for name, value in read_all(client).items() if name[0] >= 0 and value[0] != b"stream"}
    mine = {name: value for name, value in found.items() if name[0] >= 0 and value[0] != "stream"}
    assert whole.keys() == mine.keys()
    for name, (kind, expires, value) in whole.items():
        type_, when, raw = mine[name]
        assert type_.encode() == kind
        assert (-1 if when is None else when) == expires
        heads = [row for row in raw if row[0] is None]
        assert len(heads) == (kind != b"string" and when is not None)
        assert sorted(row for row in raw if row[0] is not None) == sorted(as_read(kind, value)), name


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer(
        {"list-max-listpack-size": "3", "hash-max-listpack-entries": "6", "zset-max-listpack-entries": "6"}
    ) as one:
        yield one


@pytest.mark.server
class TestAgainstAServer:
    def test_what_the_conformance_suite_begins_with(self, server: RedisServer) -> None:
        with server.client() as client:
            client("FLUSHALL")
            client.many(command for command in seed_commands() if command != ("SELECT", "23"))
            data = of_server(client, server)
            assert_same(elements(data), client)
            assert elements(data) == elements(data, step=7)

    @few
    @given(
        strings=st.dictionaries(texts, texts, max_size=8),
        other=st.dictionaries(texts, lists, max_size=4),
        scores=st.dictionaries(texts, numbers, min_size=1, max_size=12),
        expires=st.integers(FAR, FAR * 10),
    )
    def test_every_type_and_encoding_of_this_version(
        self, server: RedisServer, strings: dict[bytes, bytes], other: dict[bytes, list[bytes]],
        scores: dict[bytes, float], expires: int,
    ) -> None:  # fmt: skip
        commands: list[tuple[object, ...]] = [("FLUSHALL",)]
        commands += [("SET", b"s" + name, value) for name, value in strings.items()]
        for name, values in other.items():
            commands += [("RPUSH", b"l" + name, *values), ("SADD", b"m" + name, *values)]
            commands += [("HSET", b"h" + name, *(one for value in values for one in (value, name)))]
        commands += [("ZADD", "z", *(one for name, value in scores.items() for one in (repr(value), name)))]
        commands += [("PEXPIREAT", name, expires) for name in ("z", *(b"h" + name for name in other))]
        with server.client() as client:
            replies = client.many(commands)
            assert not [reply for reply in replies if isinstance(reply, Exception)]
            assert_same(elements(of_server(client, server)), client)

    @few
    @given(values=st.lists(texts, min_size=1, max_size=12), pairs=st.dictionaries(texts, texts, min_size=1, max_size=8))
    def test_encodings_of_older_versions(
        self, tmp_path_factory: pytest.TempPathFactory, values: Sequence[bytes], pairs: dict[bytes, bytes]
    ) -> None:
        flat = [one for pair in pairs.items() for one in pair]
        whole = [number for value in values if (number := build.integer(value)) is not None] or [7]
        scored = [one for place, name in enumerate(pairs) for one in (name, b"%d" % (place * 70000 - 9))]
        data = build.rdb(
            build.key(1, b"list", build.length(len(values)) + b"".join(map(build.string, values))),
            build.key(10, b"ziplist", build.string(build.ziplist(values))),
            build.key(14, b"quicklist", build.length(2) + 2 * build.string(build.ziplist(values))),
            build.key(11, b"intset", build.string(build.intset(whole))),
            build.key(13, b"hash", build.string(build.ziplist(flat))),
            build.key(16, b"listpack", build.string(build.listpack(flat))),
            build.key(12, b"zset", build.string(build.ziplist(scored))),
            build.key(3, b"texts", build.length(3) + b"\x01a\x041.25\x01b\xfe\x01c\xff"),
            build.key(9, b"zipmap", build.string(build.zipmap(list(pairs.items()))), FAR),
            version=10,
        )
        assert_loads_alike(data, tmp_path_factory.mktemp("old"))

    def test_a_part_of_a_file_is_a_file(self, server: RedisServer, tmp_path: Path) -> None:
        with server.client() as client:
            client("FLUSHALL")
            client.many(command for command in seed_commands() if command != ("SELECT", "23"))
            data = of_server(client, server)
        wanted = {(0, "hash"), (5, "string"), (-1, "function")}
        for step in (11, 1 << 20):
            written = bytearray()
            cut(Slow(data, step), written.extend, wanted)
            whole, part = scan(io.BytesIO(data)), scan(io.BytesIO(bytes(written)))
            assert part.tallies == {which: whole.tallies[which] for which in wanted}
            assert part.made == whole.made
            assert part.server == whole.server
        assert_loads_alike(bytes(written), tmp_path)

    def test_nothing_of_a_file_is_a_file_too(self, server: RedisServer) -> None:
        with server.client() as client:
            client("FLUSHALL")
            written = bytearray()
            cut(io.BytesIO(of_server(client, server)), written.extend, set())
        assert scan(io.BytesIO(bytes(written))).tallies == {}


def assert_loads_alike(data: bytes, folder: Path) -> None:
    """A real server that loads the file holds what the reader says."""
    place = Path(shutil.copytree(folder, f"/tmp/rd.{os.getpid()}.{os.urandom(4).hex()}"))
    try:
        (place / "dump.rdb").write_bytes(data)
        os.chown(place, server_user("redis").pw_uid, server_user("redis").pw_gid)
        place.chmod(0o755)
        with RedisServer(folder=place) as server, server.client() as client:
            assert_same(elements(data), client)
    finally:
        shutil.rmtree(place)


class TestDecoders:
    @given(st.lists(texts, max_size=20))
    def test_ziplists_and_listpacks(self, items: list[bytes]) -> None:
        assert [*ziplist(build.ziplist(items))] == items
        assert [*listpack(build.listpack(items))] == items

    @given(st.lists(st.integers(-(1 << 63), (1 << 63) - 1), max_size=20))
    def test_intsets(self, items: list[int]) -> None:
        assert [*intset(build.intset(items))] == [b"%d" % one for one in sorted(set(items))]

    @given(st.lists(st.tuples(texts, texts), max_size=8))
    def test_zipmaps(self, items: list[tuple[bytes, bytes]]) -> None:
        assert [*zipmap(build.zipmap(items))] == [one for pair in items for one in pair]

    @given(st.sampled_from([ziplist, listpack, intset, zipmap]), st.binary(max_size=60))
    def test_what_is_none_is_damaged(self, decode: Any, data: bytes) -> None:
        try:
            decode(data)
        except Damaged:
            return

    @given(st.data())
    def test_lzf_whole_and_in_pieces(self, data: st.DataObject) -> None:
        packed, plain = b"", b""
        for _ in range(data.draw(st.integers(0, 30))):
            if not plain or data.draw(st.booleans()):
                run = data.draw(st.binary(min_size=1, max_size=32))
                packed += bytes([len(run) - 1]) + run
                plain += run
            else:
                back = data.draw(st.integers(1, min(len(plain), 8192)))
                size = data.draw(st.integers(3, 264))
                head = min(size - 2, 7) << 5 | (back - 1) >> 8
                packed += bytes([head]) + (bytes([size - 9]) if size >= 9 else b"") + bytes([back - 1 & 255])
                for _ in range(size):
                    plain += plain[-back : len(plain) - back + 1]
        assert unpack(packed, len(plain)) == plain
        source = Slow(packed, 5)
        assert b"".join(pieces(source.read, len(packed), len(plain))) == plain

    @given(st.binary(max_size=80), st.integers(0, 300))
    def test_damaged_lzf_is_said(self, data: bytes, size: int) -> None:
        try:
            assert len(unpack(data, size)) == size
        except Damaged:
            return

    def test_scores_have_one_wording(self) -> None:
        given = (b"3", b"3.0", b"3.0000000000000000", b"-0", b"inf", b"0.10000000000000001")
        assert [score(text) for text in given] == [b"3", b"3", b"3", b"0", b"inf", b"0.1"]


class TestFiles:
    def test_a_file_cut_anywhere_is_truncated(self) -> None:
        data = build.rdb(
            build.aux(b"redis-ver", b"7.0.15"), build.key(0, b"a", build.string(b"x" * 100), FAR),
            build.key(18, b"l", build.length(1) + build.length(2) + build.string(build.listpack([b"1", b"two"]))),
        )  # fmt: skip
        assert scan(io.BytesIO(data)).tallies
        for end in range(len(data)):
            with pytest.raises((Truncated, Damaged)):
                scan(io.BytesIO(data[:end]))

    def test_what_follows_the_end_is_damage(self) -> None:
        with pytest.raises(Damaged):
            scan(io.BytesIO(build.rdb() + b"more"))

    @pytest.mark.parametrize(("code", "match"), [(7, "module"), (22, "release candidates"), (99, "unknown")])
    def test_what_cannot_be_read_is_refused_by_name(self, code: int, match: str) -> None:
        with pytest.raises(Unsupported, match=match):
            scan(io.BytesIO(build.rdb(build.key(code, b"k", b"\0\0"))))

    def test_a_newer_version_is_refused(self) -> None:
        with pytest.raises(Unsupported, match="version 99"):
            scan(io.BytesIO(build.rdb(version=99)))

    @given(st.binary(max_size=200))
    def test_noise_is_refused(self, data: bytes) -> None:
        with pytest.raises(PluginError):
            scan(io.BytesIO(b"REDIS0010" + data))

    def test_expired_keys_are_counted_and_nothing_else(self) -> None:
        def found(*keys: bytes) -> Scanned:
            return scan(io.BytesIO(build.rdb(build.aux(b"ctime", b"1000"), *keys)))

        lasting = build.key(0, b"a", build.string(b"x"))
        gone = build.key(0, b"b", build.string(b"y"), 1_000_000)
        still = build.key(0, b"b", build.string(b"y"), 1_000_001)
        assert found(lasting, gone).tallies == found(lasting).tallies
        assert found(lasting, gone).expired == 1
        assert found(lasting, still).tallies != found(lasting).tallies
        assert found(lasting, still).expired == 0

    def test_order_encoding_and_use_are_no_part_of_the_digest(self) -> None:
        one = build.key(0, b"a", build.string(b"1"))
        other = build.key(2, b"b", build.length(2) + build.string(b"7") + build.string(b"300"))
        packed = build.key(11, b"b", build.string(build.intset([300, 7])))
        first = scan(io.BytesIO(build.rdb(one, other))).tallies
        assert scan(io.BytesIO(build.rdb(packed, b"\xf8\x05", build.key(0, b"a", b"\xc0\x01")))).tallies == first
        assert scan(io.BytesIO(build.rdb(build.select(1), one, other))).tallies != first

    def test_a_large_string_is_hashed_in_pieces_as_a_whole_one(self) -> None:
        value = os.urandom(1 << 16) * 40
        data = build.rdb(build.key(0, b"a", build.string(value)))
        tally = scan(io.BytesIO(data)).tallies[0, "string"]
        reader = RdbReader(RdbStream(io.BytesIO(data)))
        head = next(reader.heads())
        [[row]] = rows(reader.stream, head)
        assert split(row) == [b"a", value, None]
        again = type(tally)(keys=1)
        again.add([row])
        assert again == tally

    def test_a_stream_of_redis_5(self) -> None:
        ids = struct.pack(">QQ", 5, 0)
        node = build.listpack([*b"2 1 1 f 0 2 0 0 v 4 3 0 1 gone 4 0 1 2 1 g".split(), b"w x", b"5"])
        group = (
            build.string(b"readers") + build.length(6) + build.length(2) + build.length(1)
            + struct.pack(">QQ", 5, 0) + struct.pack("<Q", 1234) + build.length(3)
            + build.length(1) + build.string(b"alice") + struct.pack("<Q", 99) + build.length(1)
            + struct.pack(">QQ", 5, 0)
        )  # fmt: skip
        value = (
            build.length(1) + build.string(ids) + build.string(node)
            + build.length(2) + build.length(6) + build.length(2) + build.length(1) + group
        )  # fmt: skip
        data = build.rdb(build.key(15, b"s", value), build.key(0, b"after", build.string(b"x")))
        reader = RdbReader(RdbStream(io.BytesIO(data)))
        heads = reader.heads()
        raw = [row for batch in rows(reader.stream, next(heads)) for row in batch]
        assert [show("stream", row)[1:-1] for row in raw] == [
            ("entry", None, "5-0", "f v"),
            ("entry", None, "6-2", 'g "w x"'),
            ("stream", None, None, "last 6-2, added 2, deleted up to 0-0"),
            ("group", "readers", None, "last 6-2"),
            ("consumer", "readers", "alice", None),
            ("pending", "readers", "5-0", "to alice, given 3 times, last at 1234"),
        ]
        assert next(heads).key == b"after"

    def test_skipping_comes_out_where_reading_does(self) -> None:
        text = build.string(b"x" * 70)
        keys = [
            build.key(code, b"k%d" % code, value)
            for code, value in {
                0: text,
                1: build.length(2) + text + b"\xc1\x01\x02",
                2: build.length(1) + text,
                4: build.length(1) + text * 2,
                3: build.length(2) + text + b"\x011" + text + b"\xff",
                5: build.length(1) + text + bytes(8),
                11: build.string(build.intset([1])),
                18: build.length(2) + b"\x01" + text + b"\x02" + build.string(build.listpack([b"a"])),
            }.items()
        ]
        reader = RdbReader(RdbStream(Slow(build.rdb(*keys), 3)))
        passed = []
        for head in reader.heads():
            skip(reader.stream, head)
            passed.append(head.code)
        assert passed == [0, 1, 2, 4, 3, 5, 11, 18]
        assert reader.complete
