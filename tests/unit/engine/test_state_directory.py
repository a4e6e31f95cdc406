"""The state directory as a link: obeyed where nobody else could lead us elsewhere by it, and named where one could."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest

from dysnomia_tui.engine.engine import Engine
from dysnomia_tui.engine.errors import EngineError
from dysnomia_tui.engine.jobs import submit
from dysnomia_tui.engine.machine.permissions import why_read_only
from dysnomia_tui.engine.records import JobState, Level
from tests.plugins.other_user import OtherUser, needs_root, other_user
from tests.unit.engine.machine import ORDERS, EngineFixture


@pytest.fixture
def elsewhere(machine: EngineFixture) -> Path:
    """A folder of ours that the state directory is moved to."""
    folder = machine.root / "disk" / "state"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize("above", [False, True])
def test_a_link_of_ours_to_a_folder_of_ours_is_followed(machine: EngineFixture, elsewhere: Path, above: bool) -> None:
    """The state directory, and a folder above it (``/var``, say): no type opens anything through a link."""
    machine.settings.statedir.symlink_to(elsewhere)
    statedir = machine.settings.statedir
    if above:
        statedir /= "own"
        statedir.mkdir()
    engine = machine.engine(statedir=statedir)
    assert why_read_only(replace(machine.settings, statedir=statedir), asked=False) == ""
    assert machine.run(engine, engine.plan_activity(ORDERS, "activate")).state is JobState.DONE
    assert machine.run(engine, engine.plan_snapshot([ORDERS])).state is JobState.DONE
    assert (elsewhere / "own" / "jobs" if above else elsewhere / "jobs").is_dir()


def test_one_that_leads_nowhere_is_named(machine: EngineFixture) -> None:
    machine.settings.statedir.symlink_to(machine.root / "gone")
    said = why_read_only(machine.settings, asked=False)
    assert str(machine.settings.statedir) in said
    assert "does not exist" in said


@pytest.mark.parametrize("part", ["", "snapshots"])
def test_a_link_to_where_everybody_may_write_is_refused(machine: EngineFixture, elsewhere: Path, part: str) -> None:
    """The state directory itself, and a folder in it that was moved to another disk."""
    elsewhere.chmod(0o777)
    link = machine.settings.statedir / part if part else machine.settings.statedir
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(elsewhere)
    said = why_read_only(machine.settings, asked=False)
    assert said == f"the state directory is not safe to write: {elsewhere} may be written by everyone"


def test_a_disk_that_is_read_only_is_an_alarm_where_nobody_asked_for_that(
    machine: EngineFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the kernel mounts it after a fault: no job begins, so none can tell that it failed."""
    engine = machine.engine()
    assert machine.run(engine, engine.plan_activity(ORDERS, "activate")).state is JobState.DONE
    assert "nothing can be snapshotted" not in engine.report().topics
    real = os.statvfs(machine.settings.statedir)
    parts = [*real[:8], real.f_flag | os.ST_RDONLY, *real[9:]]
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result(parts))
    for asked in (False, True):  # status looks without changing anything
        heard = Engine(machine.settings, read_only=asked).report()
        (alarm,) = (text for text in heard.alarms if text.startswith("nothing can be snapshotted"))
        assert f"{machine.settings.statedir} is on a read-only file system" in alarm
        assert heard.level is Level.CRITICAL
    meant = Engine(replace(machine.settings, read_only=True)).report()
    assert not any("read-only file system" in text for text in meant.alarms)


def test_a_collection_that_has_no_room_for_its_own_job_does_not_advise_a_collection(
    machine: EngineFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> NoReturn:
        raise OSError(errno.ENOSPC, "full")

    engine = machine.engine()
    for number in (7, 8):
        machine.insert(number)
        assert machine.run(engine, engine.plan_snapshot([ORDERS])).state is JobState.DONE
    snapshot = engine.plan_snapshot([ORDERS])
    collection = engine.plan_gc(engine.gc_review([ORDERS], None, drop=[(ORDERS, 1)]))
    monkeypatch.setattr(submit, "create_job", full)
    (machine.settings.statedir / "reserve").unlink(missing_ok=True)
    with pytest.raises(EngineError) as refused:
        engine.submit(snapshot)
    assert refused.value.hint == "collect garbage with 'delete now', or empty the trash"
    with pytest.raises(EngineError) as refused:
        engine.submit(collection)
    assert refused.value.hint == submit.NO_RESERVE


@needs_root
@pytest.mark.parametrize("part", ["", "jobs"])
@pytest.mark.parametrize("whose", ["link", "target", "folder above"])
def test_a_link_of_another_user_or_into_their_folder_is_refused(
    machine: EngineFixture, elsewhere: Path, part: str, whose: str
) -> None:
    with other_user() as user:
        link = _linked(machine, elsewhere, user, part, whose)
        said = why_read_only(machine.settings, asked=False)
        assert user.name in said
        assert str(elsewhere if whose == "target" else elsewhere.parent if whose == "folder above" else link) in said
        engine = Engine(machine.settings)
        with pytest.raises(EngineError, match="not safe to write"):
            engine.submit(engine.plan_activity(ORDERS, "activate"))
        assert os.listdir(elsewhere) == []


def _linked(machine: EngineFixture, elsewhere: Path, user: OtherUser, part: str, whose: str) -> Path:
    link = machine.settings.statedir / part if part else machine.settings.statedir
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(elsewhere)
    user.own({"link": link, "target": elsewhere, "folder above": elsewhere.parent}[whose])
    return link
