"""Of all tests: the table of types and cases is gathered while they run."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.matrix import Matrix

# A busy machine is slow, not wrong: no test of properties has a deadline of its own (pytest's timeout holds).
settings.register_profile("busy", deadline=None)
settings.load_profile("busy")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--matrix-file", default="", help="write the outcomes by case and type to this file, as JSON")
    parser.addoption("--matrix-column", action="append", default=[], help="only tests of this type, or world of it")


def pytest_configure(config: pytest.Config) -> None:
    worker = hasattr(config, "workerinput")
    file = "" if worker else config.getoption("--matrix-file")
    config.pluginmanager.register(Descriptors(), "descriptors")
    config.pluginmanager.register(Matrix(file, config.getoption("--matrix-column")), "matrix")


def pytest_collection_finish() -> None:
    """The tests themselves, which stay to the end, are no longer looked through for what is not used any more, and the
    rest not at every 700 objects: a tenth of the time of tests that draw screens."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(5000, 10, 10)


@pytest.fixture(scope="session", autouse=True)
def _shared_folders_stay() -> Iterator[None]:
    """Tests let other users into their own folders, and touch no mode of those that they share with the machine."""
    shared = (Path("/"), Path("/tmp"), Path.home())
    before = [path.stat().st_mode for path in shared]
    yield
    assert [path.stat().st_mode for path in shared] == before


class Descriptors:
    """Commands that are called here leave engines in circles, each with its index open; a process of a command has
    one. They are collected before the descriptors run out; what that does not free is not looked for after each
    test."""

    def __init__(self) -> None:
        self._enough = 400

    def pytest_runtest_teardown(self) -> None:
        if len(os.listdir("/proc/self/fd")) > self._enough:
            gc.collect()
            self._enough = max(400, len(os.listdir("/proc/self/fd")) + 100)
