"""The folder that a fileset is loaded into, and somebody who held it open before it was closed to them."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dysnomia_plugins.toolkit.guarded import system
from dysnomia_plugins.toolkit.trees.extract import Extractor
from tests.plugins.fileset.tools import dump_to_tar, load_beside, make_context
from tests.plugins.fileset.world import fileset_component
from tests.plugins.other_user import OtherUser, needs_root, open_folder, other_user

TRY = """
cd "$0" && echo ready && while read go; do
  touch new 2>/dev/null && echo in && continue
  mv -f "$1" . 2>/dev/null && echo in || echo out
done
"""


@pytest.fixture
def member() -> Iterator[OtherUser]:
    with other_user() as user:
        yield user


@pytest.fixture
def base() -> Iterator[Path]:
    folder = open_folder()
    yield folder
    shutil.rmtree(folder)


@needs_root
def test_a_folder_of_root_s_that_is_put_in_the_place_of_the_scratch_lets_nobody_in(
    base: Path, member: OtherUser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty one that all may write, in which the other user stands: it passes for the one that was made."""
    site = member.folder(base / "site")
    (site / "data" / "deep").mkdir(parents=True)
    for name in ("a", "deep/b"):
        (site / "data" / name).write_text(name)
    component = fileset_component(tmp_path / "component", site, "mkdir data\n")
    stored = dump_to_tar(component, tmp_path / "dump")
    everybody, token = site / "everybody", site / "token"
    everybody.mkdir()
    everybody.chmod(0o777)
    token.write_text("what only root may read")
    token.chmod(0o600)
    attacker = subprocess.Popen(
        member.argv("sh", "-c", TRY, everybody, token), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def answer() -> str:
        assert attacker.stdout is not None
        return attacker.stdout.readline().strip()

    def attack() -> str:
        assert attacker.stdin is not None
        attacker.stdin.write("go\n")
        attacker.stdin.flush()
        return answer()

    assert answer() == "ready"
    open_it, answers = system.open_folder, list[str]()

    def exchanged(name: str, parent: int) -> int:
        if name.endswith("-beside") and everybody.exists():
            member.run("mv", site / name, site / "away")
            member.run("mv", everybody, site / name)
        return open_it(name, parent)

    def watched(extract: Callable[..., None]) -> Callable[..., None]:
        def attacked(*arguments: Any) -> None:
            answers.append(attack())
            extract(*arguments)
            answers.append(attack())

        return attacked

    with attacker, monkeypatch.context() as patched:
        patched.setattr(system, "open_folder", exchanged)
        for way in ("extract", "extract_plain"):
            patched.setattr(Extractor, way, watched(getattr(Extractor, way)))
        made = load_beside(make_context(component, tmp_path), stored)
        answers.append(attack())
        attacker.kill()
    assert not everybody.exists()
    assert set(answers) == {"out"}
    assert len(answers) >= 9
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert sorted(os.listdir(made)) == ["data"]
    assert token.stat().st_uid == 0
