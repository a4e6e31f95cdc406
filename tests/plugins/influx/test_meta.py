"""What InfluxDB's own programs leave undone: names that are exchanged, deletions that are restored."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.types.influx import meta, snapshotter
from tests.plugins.servers.influx import InfluxServer
from tests.waiting import wait_until


@pytest.fixture
def server() -> Iterator[InfluxServer]:
    with InfluxServer() as server:
        yield server


@pytest.mark.server
def test_two_databases_change_names_while_the_server_is_stopped(server: InfluxServer) -> None:
    for name, value in (("app", 1), ("a much longer name ü", 2)):
        server.query(f'create database "{name}"')
        server.query(f'create retention policy "p{value}" on "{name}" duration {value}d replication 1')
        server.write(f"m,h=a v={value} 1000000000\n", name)
    server.query("create user u with password 'x'")
    server.query('grant read on "app" to u')
    shards = server.query("show shards")
    server.stop()
    file = server.home / "meta" / "meta.db"
    before = file.read_bytes()
    assert meta.renamed(before, {}) == before
    names = {"app": "a much longer name ü", "a much longer name ü": "app"}
    file.write_bytes(meta.renamed(before, names))
    for folder in (server.home / "data", server.home / "wal"):
        (folder / "app").rename(folder / "t")
        (folder / "a much longer name ü").rename(folder / "app")
        (folder / "t").rename(folder / "a much longer name ü")
    server.start()
    assert server.points("app")[0]["values"][0][1] == 2
    assert server.points("a much longer name ü")[0]["values"][0][1] == 1
    assert [row[0] for row in server.query("show retention policies", "app")[0]["values"]] == ["autogen", "p2"]
    assert len(server.query("show shards")) == len(shards)
    assert server.query("show grants for u")[0]["values"] == [["app", "READ"]]
    server.write("m,h=a v=3 5\n", "app")
    assert len(server.points("app")[0]["values"]) == 2


@pytest.mark.server
def test_deleted_points_stay_deleted_after_a_restore(server: InfluxServer) -> None:
    """The server's own restore brings them back."""
    server.query("create database app")
    server.write("m,h=a v=1 1000000000\nm,h=c v=3 2000000000\nm,h=c v=4 3000000000\n", "app")
    copies = server.home / "copies"
    copies.mkdir()
    server.give(copies)
    server.influxd("backup", "-database", "app", copies / "first")
    server.query("delete from m where time = 3000000000", "app")
    server.write("m,h=d v=9 3000000000\n", "app")
    then = server.points("app")
    server.influxd("backup", "-database", "app", copies / "second")
    server.influxd("restore", "-db", "app", "-newdb", "other", copies / "second")
    found: object = None

    def opened() -> bool:
        nonlocal found
        with suppress(AssertionError):  # "engine is closed", for a moment
            found = server.points("other")
        return bool(found)

    wait_until(opened)
    assert found != then, "InfluxDB brings them back"
    source = next((server.home / "data" / "app" / "autogen").iterdir())
    target = next((server.home / "data" / "other" / "autogen").iterdir())
    for path in source.glob("*.tombstone"):
        shutil.copy(path, target)
        server.give(target / path.name)
    snapshotter.reopen_shard(("127.0.0.1", server.rpc), int(target.name))
    found = None
    wait_until(opened)
    assert found == then


@given(st.binary(max_size=200))
def test_what_is_no_meta_is_refused(data: bytes) -> None:
    with suppress(PluginError):
        assert meta.renamed(data, {}) == data


def test_names_that_cannot_be_are_refused() -> None:
    one = meta._written(meta.DATABASES, meta._written(meta.NAME, b"a"))
    two = one + meta._written(meta.DATABASES, meta._written(meta.NAME, b"b"))
    assert meta.names(meta.renamed(two, {"a": "b", "b": "a"})) == ["b", "a"]
    with pytest.raises(meta.BadMeta, match="same name"):
        meta.renamed(two, {"a": "b"})
    with pytest.raises(meta.BadMeta, match="no database 'c'"):
        meta.renamed(two, {"c": "d"})
