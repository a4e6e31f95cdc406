"""Files put back by a job: killed anywhere, under load, as one who is not root."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dysnomia_plugins.base import WholeAsked
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.filesets.putting import units
from dysnomia_tui.engine.component import activities
from dysnomia_tui.engine.component.activities import ComponentJob
from dysnomia_tui.engine.component.rows import PlannedRow
from tests.plugins.conformance.crash import kills
from tests.plugins.conformance.driver import Driver, in_child
from tests.plugins.fileset.changes import ROOT
from tests.plugins.fileset.test_put_back import Site
from tests.plugins.fileset.tools import dump_to_tar, make_context
from tests.plugins.fileset.world import FilesetWorld, fileset_component
from tests.plugins.other_user import passable
from tests.waiting import wait_until

ASKED = ("folder:data/sub", "file:data/notes.txt", "file:data/empty", "folder:data/came", "file:data/first name")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[FilesetWorld]:
    with FilesetWorld(tmp_path / "world") as world:
        yield world


def planned(driver: Driver, number: int, *names: str) -> list[PlannedRow]:
    """As a plan has them."""
    plugin = driver.world.plugin
    stored = driver.store.stored(driver.key, driver.store.generation(driver.key, number).id)
    with driver.context() as ctx:
        rows = plugin.whole_sections(ctx, stored, [WholeAsked(name) for name in names])
        look = plugin.look_at_rows(ctx, rows)
    assert (look.conflicts, look.refusals) == ({}, ())
    return [
        PlannedRow(f"{row.section.kind}:{row.section.name}", (), now.digest, now.wanted)
        for row, now in zip(rows, look.rows, strict=True)
        if now.digest != now.wanted
    ]


class _Story:
    """A lost state, put back by jobs that are killed."""

    def __init__(self, world: FilesetWorld, tmp_path: Path) -> None:
        self.world = world
        self.driver = Driver(world, tmp_path / "store")
        world.seed()
        self.first = self.driver.snapshot().generation
        self.then = world.whole()
        world.lose()
        self.now = world.whole()
        self.rows = planned(self.driver, self.first.number, *ASKED, "folder:data/inner")
        self.seen: set[bool] = set()

    def work(self, bench: ComponentJob) -> None:
        activities.put_back(bench, self.first.number, self.first.id, self.rows, "put back")

    def check(self, job: str) -> None:
        ids = self.driver.ids()
        said = [activities.recover(self.driver.bench(), left).text for left in self.driver.unsettled()]
        assert not self.driver.unsettled()
        self.driver.assert_intact(ids)
        assert self.driver.left_behind(job) == []
        live = self.world.whole()
        assert live in (self.then, self.now)
        self.seen.add(live == self.then)
        if live == self.then:
            assert said in ([], [f"job {job} had put its files back"])
            self.world.lose()
            self.rows = planned(self.driver, self.first.number, *ASKED, "folder:data/inner")
        assert self.world.whole() == self.now


def test_killed_at_any_step_all_files_are_back_or_none(world: FilesetWorld, tmp_path: Path) -> None:
    story = _Story(world, tmp_path)
    for job in kills(story.driver, story.work):
        story.check(job)
    assert story.seen == {True, False}
    assert world.whole() == story.then, "the last one ran to its end"


def _killed_at(story: _Story, call: str, at: int, job: str, *, after: bool) -> int:
    """Killed around the n-th system call of a kind that the exchange makes."""
    real: Callable[..., Any] = getattr(units, call)
    count = []

    def dies(*words: Any) -> None:
        count.append(1)
        if len(count) == at and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        real(*words)
        if len(count) == at:
            os.kill(os.getpid(), signal.SIGKILL)

    def work() -> None:
        setattr(units, call, dies)
        story.work(story.driver.bench(job))

    return in_child(work)


@pytest.mark.parametrize("call", ["rename", "rename_new"])
def test_killed_between_two_exchanges_nothing_has_changed(world: FilesetWorld, tmp_path: Path, call: str) -> None:
    story = _Story(world, tmp_path)
    for at in range(1, 20):
        job = story.driver.new_job()
        if _killed_at(story, call, at, job, after=at % 2 == 0) == 0:
            break
        story.driver.dead.append(job)
        story.check(job)
    assert at > 2
    assert story.seen == {False}
    assert world.whole() == story.then


def test_what_is_in_the_way_of_a_recovery_is_kept_and_named(world: FilesetWorld, tmp_path: Path) -> None:
    """Killed half-way; then a program makes a file where one was taken out: both stay, until a person has decided."""
    story = _Story(world, tmp_path)
    job = story.driver.new_job()
    assert _killed_at(story, "rename", 1, job, after=True)
    story.driver.dead.append(job)
    taken = world.path("data/first name")
    assert taken.read_text() == "one file, two names"
    taken.unlink()
    taken.write_text("of a program")
    (left,) = story.driver.unsettled()
    with pytest.raises(PluginError, match="somebody else has made something in its place"):
        activities.recover(story.driver.bench(), left)
    assert taken.read_text() == "of a program"
    assert story.driver.left_behind(job)
    taken.unlink()
    activities.recover(story.driver.bench(), left)
    assert world.whole() == story.now


def test_under_load_no_write_is_lost(world: FilesetWorld, tmp_path: Path) -> None:
    """A program appends to a file beside; and the very file it appends to is left, for it changes all the time."""
    story = _Story(world, tmp_path)
    with world.writer(tmp_path / "acknowledged") as writer:
        wait_until(lambda: len(writer.acknowledged()) >= 20, world.patience)
        log = PlannedRow("file:data/log", (), "what it held once", "")
        rows = [*story.rows, log]
        bench = story.driver.bench()
        done = activities.put_back(bench, story.first.number, story.first.id, rows, "put back")
        count = len(writer.acknowledged())
        wait_until(lambda: len(writer.acknowledged()) >= count + 20, world.patience)
        writer.stop()
        acknowledged = writer.acknowledged()
    assert (done.done, done.left) == (len(story.rows), (log,))
    assert acknowledged <= world.written()
    world.path("data/log").write_text("")
    assert world.whole() == story.then


@pytest.mark.skipif(not ROOT, reason="becomes another user")
def test_one_who_is_not_root_puts_back_what_is_theirs(tmp_path: Path) -> None:
    """Owners they cannot set are theirs, and the plan says so; what they may not write is named."""
    tmp_path.chmod(0o755)
    passable(tmp_path)
    component = fileset_component(tmp_path / "component", tmp_path / "srv", "mkdir data\n")
    live = tmp_path / "srv" / "data"
    (live / "closed").mkdir(parents=True)
    (live / "file").write_text("then")
    (live / "of root").write_text("then")
    (live / "closed" / "file").write_text("then")
    for path in (live.parent, live, live / "file"):
        os.chown(path, 1234, 1234)
    work = tmp_path / "work"
    work.mkdir()
    stored = dump_to_tar(component, work / "dump")
    (live / "file").write_text("now")
    (live / "of root").write_text("now")
    (live / "closed" / "file").write_text("now")
    for path in (work, *work.rglob("*")):
        os.chown(path, 1234, 1234)

    def as_user() -> None:
        os.setgroups([])
        os.setgid(1234)
        os.setuid(1234)
        site = Site(tmp_path, make_context(component, work), stored)
        rows = site.rows("file:data/file", "file:data/of root", "file:data/closed/file")
        look = site.look(rows)
        assert list(look.conflicts.values()) == ["the folder of data/closed/file may not be written"]
        now, wanted = look.rows[1].raw, rows[1].wanted
        assert now is not None
        assert wanted is not None
        owners = [site.plugin.parse_whole(raw)["owner"] for raw in (now, wanted)]
        assert owners == ["0:0", "1234:1234"]
        assert site.put(rows, look) == []

    assert in_child(as_user) == 0
    assert [(live / name).read_text() for name in ("file", "of root", "closed/file")] == ["then", "then", "now"]
