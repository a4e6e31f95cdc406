"""What a plan finds out of a file system."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dysnomia_plugins.toolkit.findings import free_bytes
from dysnomia_store.disk import workspace


@pytest.fixture
def uncounted(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system that does not count its space."""
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "ramfs", "none", tmp_path], check=False).returncode:
        pytest.skip("mounts are made by root")
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


def test_a_file_system_that_counts_no_space_is_not_a_full_one(uncounted: Path) -> None:
    assert free_bytes(uncounted) is None
    assert workspace.free_bytes(uncounted) is None
    assert free_bytes(uncounted.parent) == pytest.approx(workspace.free_bytes(uncounted.parent), rel=0.1)
