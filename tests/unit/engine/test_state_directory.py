"""The state directory as a link: obeyed where nobody else could lead us elsewhere by it, and named where one could."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dysnomia_tui.engine.engine import Engine
from dysnomia_tui.engine.errors import EngineError
from dysnomia_tui.engine.machine.permissions import why_read_only
from tests.plugins.other_user import OtherUser, needs_root, other_user
from tests.unit.engine.machine import ORDERS, EngineFixture


@pytest.fixture
def elsewhere(machine: EngineFixture) -> Path:
    """A folder of ours that the state directory is moved to."""
    folder = machine.root / "disk" / "state"
    folder.mkdir(parents=True)
    return folder


def test_a_link_of_ours_to_a_folder_of_ours_is_followed(machine: EngineFixture, elsewhere: Path) -> None:
    machine.settings.statedir.symlink_to(elsewhere)
    assert why_read_only(machine.settings, asked=False) == ""
    machine.run(machine.engine(), machine.engine().plan_activity(ORDERS, "activate"))
    assert (elsewhere / "jobs").is_dir()


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
