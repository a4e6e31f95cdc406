"""The engine's tests run on a small machine of their own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dysnomia_tui.engine.engine import Engine
from tests.unit.engine.machine import EngineFixture, make_machine


@pytest.fixture
def machine() -> Iterator[EngineFixture]:
    root = Path(tempfile.mkdtemp(prefix="dysnomia-engine-"))
    yield make_machine(root)
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def engine(machine: EngineFixture) -> Iterator[Engine]:
    engine = machine.engine()
    yield engine
    engine.close()
