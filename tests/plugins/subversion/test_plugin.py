"""Subversion: what a snapshot is, and which names a repository may have."""

from __future__ import annotations

import io
import os
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from dysnomia_plugins.base import Component, Severity
from dysnomia_plugins.errors import NotSafe, PluginError, Truncated
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_store.model import Section
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.component import activities
from dysnomia_tui.engine.component.activities import RestoreTarget
from dysnomia_tui.engine.component.index import DigestingDraft
from tests.plugins.conformance.driver import Driver, with_properties
from tests.plugins.subversion.changes import number_of, run
from tests.plugins.subversion.world import SubversionWorld

pytestmark = pytest.mark.server
WORLD = SubversionWorld


# --- what a snapshot is ---------------------------------------------------------------------------------------------


def test_a_snapshot_that_was_copied_alone_explains_itself(
    world: SubversionWorld, driver: Driver, tmp_path: Path
) -> None:
    world.seed()
    generation = driver.snapshot().generation
    stored = driver.store.stored(driver.key, generation.id)
    assert stored.artefacts() == ("dump", "files.tar", "locks", "revisions")
    found: list[Section] = []
    draft = DigestingDraft(tmp_path, _Collected(found))
    with driver.context() as ctx:
        assert world.plugin.rescan_artefacts(ctx, stored, draft) is True
    assert draft.digest == generation.id
    assert found == list(stored.sections())


def test_the_dump_in_a_snapshot_is_what_svnadmin_takes(world: SubversionWorld, driver: Driver) -> None:
    world.seed()
    stored = driver.store.stored(driver.key, driver.snapshot().generation.id)
    with stored.open("dump") as stream:
        assert stream.read() == run("svnadmin", "dump", "-q", str(world.live))


def test_the_same_revision_with_another_content_is_another_snapshot(world: SubversionWorld, driver: Driver) -> None:
    world.seed()
    first = driver.snapshot().generation
    world.change("a log message", random.Random(1))
    second = driver.snapshot().generation
    assert first.id != second.id
    for one in (first, second):
        assert one.metadata is not None
        assert one.metadata.surroundings["youngest"] == number_of(world.live)


def test_a_dump_that_ends_early_is_not_kept(
    world: SubversionWorld, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``svnadmin dump`` has no end marker: which revision is the last must be known before."""
    world.seed()
    part = run("svnadmin", "dump", "-q", "-r", "0:4", str(world.live))

    class Short(ProcessRunner):
        def reading(self, argv: Sequence[str | bytes], **more: object):  # type: ignore[no-untyped-def]
            assert argv[:2] == ["svnadmin", "dump"]
            return io.BytesIO(part)

    bench = replace(driver.bench(), runner=Short())
    with pytest.raises(Truncated, match="ended at r4"):
        activities.snapshot(bench)
    assert driver.generations() == ()


def test_a_damaged_repository_is_not_snapshotted_and_can_be_replaced(world: SubversionWorld, driver: Driver) -> None:
    world.seed()
    generation = driver.snapshot().generation
    whole = world.whole()
    current = world.live / "db/current"
    current.write_text("no number\n")
    with pytest.raises(PluginError):
        driver.snapshot()
    stored = driver.store.stored(driver.key, generation.id)
    with driver.context() as ctx:
        found = world.plugin.preflight(ctx, stored, replace=True).findings
    assert any(one.severity is Severity.IRREVERSIBLE for one in found)
    restored = activities.restore(driver.bench(), generation.number, guard=False)
    assert world.whole() == whole
    assert restored.guard is None
    assert Path(restored.aside, "db/current").read_text() == "no number\n", "it stands, for whoever wants to mend it"


def test_a_damaged_cache_of_live_is_named_with_the_way_out(world: SubversionWorld, driver: Driver) -> None:
    """Clients notice nothing of it; svnadmin freeze fails."""
    world.seed()
    number = driver.snapshot().generation.number
    before = world.whole()
    world.change("a log message", random.Random(1))
    cache = world.live / "db" / "rep-cache.db"
    os.truncate(cache, 100)
    with pytest.raises(PluginError, match=r"rep-cache\.db is damaged") as raised:
        driver.restore(number)
    assert "remove that file" in raised.value.hint
    cache.unlink()
    driver.restore(number)
    assert world.whole() == before


def test_locks_without_what_they_lock_are_refused(world: SubversionWorld, driver: Driver) -> None:
    world.seed()
    number = driver.snapshot().generation.number
    with pytest.raises(NotSafe, match="lock paths that are not there"):
        driver.restore(number, RestoreTarget("sections", "part", ("list:locks",)))
    assert not driver.named("part").name or not Path(driver.named("part").name).exists()
    driver.restore(number, RestoreTarget("sections", "part", ("history:revisions", "list:locks")))
    listed = run("svnadmin", "lslocks", driver.named("part").name)
    assert b"Owner: alice" in listed


# --- names ----------------------------------------------------------------------------------------------------------


def test_a_component_without_a_folder_for_repositories_is_told_so(world: SubversionWorld, driver: Driver) -> None:
    with_properties(world, svnBaseDir="")
    with pytest.raises(PluginError, match="svnBaseDir is not set"):
        driver.snapshot()


@pytest.mark.parametrize("name", ["a@b", "x@1", "$(touch x)", "tschüß", "semi;colon 'n' \"quotes\"", "n" * 255])
def test_a_name_is_a_name(tmp_path: Path, name: str) -> None:
    world = SubversionWorld(tmp_path / "world")
    world.component = Component(ComponentKey.of("box", name), world.component.path, world.component.properties)
    driver = Driver(world, tmp_path / "store")
    driver.activity("activate")
    number = driver.snapshot().generation.number
    driver.restore(number)
    assert os.listdir(world.base) == [name]
    assert number_of(world.base / name) == 1


def test_a_name_that_subversion_cannot_take_is_refused(world: SubversionWorld) -> None:
    name = os.fsdecode(b"not \xff utf-8")
    component = Component(ComponentKey.of("box", name), world.component.path, world.component.properties)
    with pytest.raises(PluginError, match="UTF-8"):
        world.plugin.live(component)
    for bad in (name, "../up", "", ".hidden", world.live.name):
        with pytest.raises(PluginError):
            world.plugin.named(world.component, bad)


# --- helpers --------------------------------------------------------------------------------------------------------


class _Collected:
    def __init__(self, sections: list[Section]) -> None:
        self._sections = sections

    def add(self, section: Section) -> None:
        self._sections.append(section)

    def amend(self, kind: str, name: str, key: tuple[str, ...]) -> None:
        raise AssertionError("keys are known when a section begins")
