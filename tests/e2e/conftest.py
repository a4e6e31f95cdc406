"""One demo for all end-to-end tests of a run, and copies of it that a test may change."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dysnomia_tui.demo import build, place
from tests.e2e.packaging import ROOT, environment_with
from tests.e2e.packaging import build as build_wheel
from tests.e2e.world import World

NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
"""When the demo's sixty days end: this hour, since the program that opens it has no other clock."""


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo that nobody changes, made by the first of the workers that needs it."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder = base / f"demo-{NOW:%d-%H}"
    with (base / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        build.make(folder, now=NOW)
    return folder


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This project's wheel."""
    return build_wheel(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` folder of an environment in which there is nothing but the wheel and what it asks for."""
    return environment_with(tmp_path_factory.mktemp("empty") / "env", wheel)


@pytest.fixture
def own_demo(demo: Path, tmp_path: Path) -> Callable[[], World]:
    """Makes a copy of the demo to work on; its configuration leads to the copy alone."""

    def make() -> World:
        folder = tmp_path / "demo"
        shutil.copytree(demo, folder, symlinks=True)
        for path in (folder / "containers").iterdir():
            path.write_text(path.read_text().replace(str(demo), str(folder)))
        world = World(folder, extra=place.environment(folder))
        (folder / "home").mkdir()
        return world

    return make
