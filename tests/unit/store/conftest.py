"""Where the stores of these tests stand."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.in_memory import in_memory
from tests.unit.store.shop import Shop


@pytest.fixture
def place() -> Iterator[Path]:
    """A short-lived folder, in memory where that can be had: these tests sync each file thousands of times."""
    base = tempfile.mkdtemp(prefix="store-", dir=in_memory())
    yield Path(base)
    shutil.rmtree(base, ignore_errors=True)


@pytest.fixture
def shop(place: Path) -> Shop:
    """An empty store."""
    return Shop(place / "state")
