"""The same bash module through the app: snapshot twice, change, restore the generation before the last, by keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.terminal import terminal
from tests.e2e.test_module import diary, notes_world
from tests.e2e.test_story import Session

pytestmark = [pytest.mark.terminal, pytest.mark.xdist_group("terminal")]


@pytest.mark.worlds
def test_the_generation_before_the_last_is_restored_by_keys(tmp_path: Path) -> None:
    world = notes_world(tmp_path)
    live = tmp_path / "live" / "diary"
    with terminal() as screen:
        session = Session(screen, world)
        session.start()
        screen.wait_for("diary", "never")
        session.go_to("notes/diary")
        screen.press("s")
        session.confirm()
        session.ended("snapshot", 1)
        (live / "second").write_text("more\n")
        screen.press("s")
        session.confirm()
        session.ended("snapshot", 2)
        (live / "first").write_text("all wrong\n")

        screen.wait_for("2/2", "diary/1")  # the cursor stays with the generation it was on
        screen.press("r")
        screen.wait_for("Would restore generation 1")
        screen.press("Enter")
        assert session.confirm() in ("1", "diary"), "the number, or the name where it cannot be undone"
        session.ended("restore")
        assert diary(world) == {"first": "dear diary\n"}
        screen.wait_for("done")
    lines = world.run("dysnomia-snapshots", "--query-all").lines
    assert lines[-1] == lines[0]
