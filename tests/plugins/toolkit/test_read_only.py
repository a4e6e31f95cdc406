"""A file system that is mounted read-only is said in the plan, and what to do is not "run it as root"."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from dysnomia_plugins.base import Severity
from tests.plugins.conformance.driver import Driver
from tests.plugins.conformance.world import World
from tests.plugins.fileset.world import FilesetWorld
from tests.plugins.git.world import GitWorld
from tests.plugins.other_user import needs_root
from tests.plugins.sqlite.world import SqliteWorld
from tests.plugins.subversion.world import SubversionWorld


@needs_root
@pytest.mark.server
@pytest.mark.parametrize("kind", [FilesetWorld, GitWorld, SqliteWorld, SubversionWorld])
@pytest.mark.parametrize("replace", [True, False])
def test_a_read_only_file_system_is_refused_in_the_plan(
    tmp_path: Path, kind: Callable[[Path], World], replace: bool
) -> None:
    folder = tmp_path / "world"
    with kind(folder) as world:
        world.seed()
        driver = Driver(world, tmp_path / "store")
        first = driver.snapshot().generation
        mounted = subprocess.run(["mount", "--bind", folder, folder], capture_output=True, check=False)
        if mounted.returncode:
            pytest.skip("no file system may be mounted here")
        try:
            subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
            with driver.context() as ctx:
                stored = driver.store.stored(driver.key, first.id)
                findings = world.plugin.preflight(ctx, stored, replace=replace).findings
        finally:
            subprocess.run(["umount", folder], check=True)
    blockers = [one.text for one in findings if one.severity is Severity.BLOCKER]
    assert any("is mounted read-only" in one for one in blockers)
    assert not any("run as root" in one for one in blockers)
