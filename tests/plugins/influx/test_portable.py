"""Dysnomia's own snapshots, portable backups that InfluxDB's own program made: they are read and restored exactly."""

from __future__ import annotations

import gzip
import io
import json
import random
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from dysnomia_plugins.errors import PluginError
from dysnomia_tui.engine.component import activities
from dysnomia_tui.engine.component.index import DigestingDraft
from tests.plugins.conformance.driver import Driver, _Sections
from tests.plugins.influx.world import InfluxWorld

pytestmark = pytest.mark.server
HASH = "6a1f" * 16


@pytest.fixture
def world(tmp_path: Path) -> InfluxWorld:
    return InfluxWorld(tmp_path / "world")


@pytest.fixture
def driver(world: InfluxWorld, tmp_path: Path) -> object:
    with world:
        yield Driver(world, tmp_path / "store")


def theirs(world: InfluxWorld, driver: Driver) -> Path:
    """A generation as Dysnomia's module makes one: a folder ``dump`` in a snapshot that is called as their hash."""
    made = world.server.home / "made"
    made.mkdir()
    world.server.give(made)
    world.server.influxd("backup", "-database", "app", made / "dump")
    snapshot = driver.folder / "state" / "snapshots" / driver.key.container / driver.key.component / HASH
    snapshot.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(made, snapshot)
    generations = driver.folder / "state" / "generations" / driver.key.container / driver.key.component
    generations.mkdir(parents=True, exist_ok=True)
    (generations / "1").symlink_to(snapshot)
    return snapshot


def test_it_is_restored_exactly_with_what_was_deleted_and_its_queries(world: InfluxWorld, driver: Driver) -> None:
    """InfluxDB's own restore brings deleted points back, and loses queries."""
    world.seed()
    world.server.write("gone,h=x v=1 1\ngone,h=x v=2 2\n", "app")
    world.server.stop()  # the points are in a file now: what is deleted later is noted beside it
    world.server.start()
    world.server.query("delete from gone where time = 1", "app")
    then, identity = world.whole(), driver.identity()
    theirs(world, driver)
    world.change("value", random.Random(1))
    driver.restore(1)
    assert world.whole() == then
    assert driver.identity() == identity
    shown = next(one for one in world.server.query("show continuous queries") if one["name"] == "app")
    assert [row[0].partition(":")[0] for row in shown["values"]] == ["dysnomia kept, not to be run"], (
        "nobody here made the snapshot: what it would run is not run"
    )
    stored = driver.store.stored(driver.key, HASH)
    with driver.context() as ctx:
        draft = DigestingDraft(ctx.staging, _Sections())
        world.plugin.rescan_artefacts(ctx, stored, draft)
    assert draft.digest == identity, "the same state has the same digest, whoever made the snapshot"


def test_a_part_of_it_and_a_copy(world: InfluxWorld, driver: Driver) -> None:
    world.seed()
    then, part = world.whole(), world.part()
    theirs(world, driver)
    activities.restore(driver.bench(), 1, driver.copied("whole"))
    assert world.whole(driver.named("whole")) == then
    activities.restore(driver.bench(), 1, driver.copied("part", world.some_sections()))
    assert world.part(driver.named("part")) == part


def test_an_empty_database(world: InfluxWorld, driver: Driver) -> None:
    """InfluxDB's own restore fails on it."""
    world.server.query("create database app")
    then = world.whole()
    theirs(world, driver)
    world.server.write("m v=1 1\n", "app")
    driver.restore(1)
    assert world.whole() == then


def _other_name(path: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name in ("../../../../../../etc/evil.conf", "app/autogen/1/evil.sh"):
            archive.addfile(tarfile.TarInfo(name))
    path.write_bytes(gzip.compress(packed.getvalue()))


def _link(path: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo("app/autogen/1/000000001-000000001.tsm")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/shadow"
        archive.addfile(member)
    path.write_bytes(gzip.compress(packed.getvalue()))


def _cut(path: Path) -> None:
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:700]))


def _lengthened(path: Path, change: Callable[[bytes], bytes]) -> None:
    """A shard of two files, changed behind the first."""
    packed = gzip.decompress(path.read_bytes())
    end = tarfile.BLOCKSIZE + -(-_first(packed).size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
    path.write_bytes(gzip.compress(packed[:end] + change(packed[:end])))


def _first(packed: bytes) -> tarfile.TarInfo:
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        first = archive.next()
    assert first is not None
    assert first.isreg()
    return first


def _cut_between_files(path: Path) -> None:
    _lengthened(path, lambda first: b"")


def _damaged_header(path: Path) -> None:
    _lengthened(path, lambda first: b"x" + first[1:] + bytes(1024))


def _more_behind_its_end(path: Path) -> None:
    _lengthened(path, lambda first: bytes(1024) + first + bytes(1024))


def _sparse(path: Path) -> None:
    member = tarfile.TarInfo("app/autogen/1/000000001-000000001.tsm")
    member.type = tarfile.GNUTYPE_SPARSE
    header = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    header[483:495] = b"%011o\0" % (1 << 32)  # what it says it is unpacked
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    path.write_bytes(gzip.compress(bytes(header) + bytes(1024)))


@pytest.mark.parametrize(
    "harm", [_other_name, _link, _cut, _cut_between_files, _damaged_header, _more_behind_its_end, _sparse]
)
def test_a_strange_one_is_refused(world: InfluxWorld, driver: Driver, harm: Callable[[Path], None]) -> None:
    world.seed()
    then = world.whole()
    snapshot = theirs(world, driver)
    harm(next(snapshot.rglob("*.tar.gz")))
    with pytest.raises(PluginError):
        driver.restore(1)
    assert world.whole() == then


@pytest.mark.parametrize("harm", ["forgets", "repeats", "invents"])
def test_a_manifest_that_is_not_of_its_files_is_refused(world: InfluxWorld, driver: Driver, harm: str) -> None:
    world.seed()
    then = world.whole()
    snapshot = theirs(world, driver)
    path = next(snapshot.rglob("*.manifest"))
    manifest = json.loads(path.read_text())
    if harm == "forgets":
        del manifest["files"][0]
    elif harm == "repeats":
        manifest["files"].append(manifest["files"][0])
    else:
        manifest["files"][0]["shardID"] = 4711
    path.write_text(json.dumps(manifest))
    with pytest.raises(PluginError, match=r"the manifest of the portable backup|shard 4711"):
        driver.restore(1)
    assert world.whole() == then


def test_a_manifest_that_leads_elsewhere_is_refused(world: InfluxWorld, driver: Driver) -> None:
    world.seed()
    snapshot = theirs(world, driver)
    path = next(snapshot.rglob("*.manifest"))
    manifest = json.loads(path.read_text())
    for one in manifest["files"]:
        one["policy"] = "../../.."
    path.write_text(json.dumps(manifest))
    with pytest.raises(PluginError, match=r"names no folder|file lacks"):
        driver.restore(1)
