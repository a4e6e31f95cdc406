"""InfluxDB's ``meta.db``: names that are exchanged, and what goes with them."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.types.influx import meta
from dysnomia_plugins.types.influx.influxql import ContinuousQuery, kept
from tests.plugins.influx.changes import seed
from tests.plugins.servers.influx import InfluxServer


def database(name: str, *more: bytes) -> bytes:
    return meta._written(meta.DATABASES, meta._written(meta.NAME, name.encode()) + b"".join(more))


def query(one: ContinuousQuery) -> bytes:
    texts = meta._written(meta.QUERY_NAME, one.name.encode()) + meta._written(meta.QUERY_TEXT, one.text.encode())
    return meta._written(meta.QUERIES, texts)


@pytest.mark.server
def test_two_databases_change_names_while_the_server_is_stopped() -> None:
    other = "a much longer name ü"
    with InfluxServer() as server:
        seed(server)
        server.query(f'create database "{other}"')
        server.write("m,h=a v=2 1000000000\n", other)
        server.query("create user u with password 'x'")
        server.query('grant read on "app" to u')
        server.query("create subscription s on app.autogen destinations all 'http://127.0.0.1:9'")
        points = server.points("app")
        server.stop()
        file = server.home / "meta" / "meta.db"
        before = file.read_bytes()
        assert meta.renamed(before, {}) == before
        lost: list[str] = []
        file.write_bytes(meta.renamed(before, {"app": other, other: "app"}, "app", lost.append))
        for folder in (server.home / "data", server.home / "wal"):
            (folder / "app").rename(folder / "t")
            (folder / other).rename(folder / "app")
            (folder / "t").rename(folder / other)
        server.start()
        assert lost == []
        assert server.points("app")[0]["values"][0][1] == 2
        assert server.points(other) == points
        assert server.query("show grants for u")[0]["values"] == [["app", "READ"]]
        assert [one["name"] for one in server.query("show subscriptions")] == ["app"]
        queries = {one["name"]: one.get("values", []) for one in server.query("show continuous queries")}
        assert queries["app"] == []
        assert queries[other][0][0].startswith("dysnomia kept: CREATE CONTINUOUS QUERY hourly ON app ")
        server.stop()
        file.write_bytes(meta.renamed(file.read_bytes(), {"app": other, other: "app"}, "app"))
        server.start()
        shown = next(one for one in server.query("show continuous queries") if one["name"] == "app")
        assert shown["values"][0][0] == "hourly"


def test_a_query_of_another_database_or_of_a_stranger_is_not_run() -> None:
    own = ContinuousQuery.of("CREATE CONTINUOUS QUERY q ON app BEGIN SELECT 1 END")
    foreign = ContinuousQuery.of("CREATE CONTINUOUS QUERY q ON other BEGIN SELECT 1 END")
    for one, trusted in ((foreign, True), (own, False)):
        before = database("beside", query(kept(one, "beside", "p", trusted=trusted)))
        lost: list[str] = []
        assert meta.renamed(before, {"beside": "app"}, "app", lost.append) == before.replace(
            meta._written(meta.NAME, b"beside"), meta._written(meta.NAME, b"app"), 1
        ).replace(before[:2], database("app", query(kept(one, "beside", "p", trusted=trusted)))[:2], 1)
        assert one.text in lost[0]
    again = meta.renamed(database("beside", query(kept(own, "beside", "p"))), {"beside": "app"}, "app")
    assert again == database("app", query(own))


@given(st.binary(max_size=200))
def test_what_is_no_meta_is_refused(data: bytes) -> None:
    with suppress(PluginError):
        assert meta.renamed(data, {}) == data


def test_names_that_cannot_be_are_refused() -> None:
    two = database("a") + database("b")
    assert meta.names(meta.renamed(two, {"a": "b", "b": "a"})) == ["b", "a"]
    with pytest.raises(meta.BadMeta, match="same name"):
        meta.renamed(two, {"a": "b"})
    with pytest.raises(meta.BadMeta, match="no database 'c'"):
        meta.renamed(two, {"c": "d"})
