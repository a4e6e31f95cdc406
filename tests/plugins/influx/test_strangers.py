"""A dump and a ``meta.db`` that somebody else wrote: refused by name, or made harmless."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dysnomia_plugins.base import Stored
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.types.influx import line
from dysnomia_plugins.types.influx.contents import DumpReader, Policy, definitions_of, rescan
from dysnomia_store.content.digest import DigestSink
from dysnomia_tui.engine.component import activities
from tests.plugins.conformance.driver import Driver, _Sections
from tests.plugins.influx.world import InfluxWorld

HEAD = b'# DDL of InfluxDB, by dysnomia-tui 1\nCREATE DATABASE "app"\n'
POLICY = b'CREATE RETENTION POLICY "autogen" ON "app" DURATION INF REPLICATION 1 SHARD DURATION 168h DEFAULT\n'
BODY = b"# DML\n# CONTEXT-DATABASE: app\n"
POINTS = b"# CONTEXT-RETENTION-POLICY: autogen\n# MEASUREMENT: m\nm,t=a v=1 1\n"
END = b"# END\n"


class Dump:
    """A snapshot that is one text."""

    def __init__(self, text: bytes) -> None:
        self.text = text

    @contextmanager
    def open(self, artefact: str | None = None) -> Iterator[BinaryIO]:
        yield BytesIO(self.text)


def scan(text: bytes) -> None:
    rescan(cast(Stored, Dump(text)), DigestSink(_Sections(), "dump.influxql"))


def test_a_dump_of_ours_is_read() -> None:
    scan(HEAD + POLICY + BODY + POINTS + END)
    scan(HEAD + BODY + END)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        HEAD + POLICY,
        HEAD + POLICY + BODY + POINTS,
        HEAD + b"DROP DATABASE other\n" + BODY + END,
        HEAD + b"CREATE USER \"u\" WITH PASSWORD 'x' WITH ALL PRIVILEGES\n" + BODY + END,
        HEAD + POLICY.replace(b" DEFAULT", b"; DROP DATABASE other") + BODY + END,
        HEAD + POLICY.replace(b"168h", b"168h; DROP") + BODY + END,
        HEAD + POLICY + BODY + POINTS.replace(b" v=1 1", b"") + END,
        HEAD + POLICY + BODY + POINTS.replace(b"v=1", b'v="1') + END,
        HEAD + POLICY + BODY + POINTS.replace(b"# MEASUREMENT: m\n", b"") + END,
        HEAD + POLICY + BODY + b"m v=1 1\n" + END,
    ],
)
def test_what_is_no_dump_of_ours_is_refused(text: bytes) -> None:
    with pytest.raises(PluginError):
        scan(text)


def test_a_line_without_an_end_is_not_read_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "MOST", 1000)
    for beginning in (b"", HEAD, HEAD + POLICY + BODY, HEAD + POLICY + BODY + POINTS):
        with pytest.raises(PluginError, match="longer than"):
            scan(beginning + b"x" * 1001)
    with pytest.raises(PluginError, match="not a point"):
        scan(HEAD + POLICY + BODY + POINTS + b'm v="' + b"x\n" * 1001)


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_or_read(data: bytes) -> None:
    for text in (data, HEAD + data, HEAD + POLICY + BODY + data, HEAD + POLICY + BODY + POINTS + data):
        stream = BytesIO(text)
        try:
            definitions_of(stream)
            for measurement in DumpReader(stream):
                for _ in measurement.rows:
                    pass
        except PluginError:
            continue


@pytest.mark.parametrize("name", ['a"; drop database other; --', "ü\\", "two\nlines", "'"])
def test_a_name_cannot_leave_its_quotes(name: str) -> None:
    policy = Policy(name, "1h", 1, "1h")
    assert Policy.of(policy.statement("x") + "\n") == policy


@pytest.mark.server
def test_a_strangers_queries_are_kept_and_never_run(tmp_path: Path) -> None:
    """A query in a snapshot from elsewhere would write into any database of the server."""
    with InfluxWorld(tmp_path / "world") as world:
        driver = Driver(world, tmp_path / "store")
        world.seed()
        driver.snapshot()
        snapshot = driver.store.stored(driver.key, driver.ids()[1]).folder
        other = tmp_path / "other"
        shutil.copytree(snapshot, other / "snapshots" / "influx" / "app" / snapshot.name)
        (other / "generations" / "influx" / "app").mkdir(parents=True)
        (other / "generations" / "influx" / "app" / "1").symlink_to(f"../../../snapshots/influx/app/{snapshot.name}")
        stranger = Driver(world, tmp_path / "elsewhere")
        (stranger.folder / "state").mkdir(exist_ok=True)
        shutil.copytree(other, stranger.folder / "state", symlinks=True, dirs_exist_ok=True)
        activities.restore(stranger.bench(), 1)
        shown = next(one for one in world.server.query("show continuous queries") if one["name"] == "app")
        assert all(row[0].startswith("dysnomia kept, not to be run: ") for row in shown["values"])
