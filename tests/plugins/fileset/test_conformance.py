"""Filesets through the conformance suite, on a real file system."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.conformance.cases import Conformance
from tests.plugins.conformance.world import World
from tests.plugins.fileset.world import FilesetWorld


class TestFileset(Conformance):
    column = "fileset"

    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[World]:
        with FilesetWorld(tmp_path / "world") as world:
            yield world
