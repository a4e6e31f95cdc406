"""Files that were lost are put back into live: by keys, in a real terminal, from the main screen of the demo.

What they were is read from the store by zstd and tar."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from dysnomia_store.store import Store
from dysnomia_tui.demo import story
from tests.e2e.terminal import terminal
from tests.e2e.test_an_application import snapshot, stored, tree
from tests.e2e.test_story import Session
from tests.e2e.world import World

pytestmark = [pytest.mark.terminal, pytest.mark.xdist_group("terminal")]


def test_marked_files_are_put_back(own_demo: Callable[[], World], tmp_path: Path) -> None:
    """Of the newest generation: one is gone, others were changed, one came. What is not in the set stays."""
    world = own_demo()
    folder = world.root / "live" / "files" / "documents"
    newest = Store(world.state).generations(story.DOCUMENTS)[-1]
    then = stored(snapshot(world, story.DOCUMENTS, {story.DOCUMENTS: newest.number}), tmp_path / "then")
    (folder / "fire-drill" / "faq.md").unlink()
    now = tree(folder)
    assert len(then.keys() - now.keys()) == 1
    assert len(now.keys() - then.keys()) == 1
    with terminal() as screen:
        session = Session(screen, world)
        session.open("fileset/documents")
        keys = {"D": "fire-drill/faq.md", "*": "5 sections marked", "r": "Cancel"}
        for key, shows in keys.items():
            screen.press(key)
            screen.wait_for(shows)
        session.confirm()
        session.ended("put-back")
        assert tree(folder) == then


def test_a_plan_says_who_stands_in_the_folder(own_demo: Callable[[], World]) -> None:
    """A note: nothing has to be done about it, and whoever it is about wonders later."""
    world = own_demo()
    folder = world.root / "live" / "files" / "documents"
    with subprocess.Popen(["sleep", "600"], cwd=folder) as stands:
        try:
            restore = ("dysnomia", "-o", "restore", "-C", "fileset", "-c", "documents", "--dry-run")
            lines, written = world.run(*restore), world.run(*restore, "--json")
        finally:
            stands.kill()
    (note,) = [line.removeprefix("  note: ") for line in lines.lines if line.startswith("  note: ")]
    assert f"{stands.pid}" in note
    assert note.endswith(f"{folder}: that will be the old folder")
    assert note in written.out
