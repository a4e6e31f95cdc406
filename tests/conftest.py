"""Of all tests: the table of types and cases is gathered while they run."""

from __future__ import annotations

import pytest
from hypothesis import settings

from tests.matrix import Matrix

# A busy machine is slow, not wrong: no test of properties has a deadline of its own (pytest's timeout holds).
settings.register_profile("busy", deadline=None)
settings.load_profile("busy")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--matrix-file", default="", help="write the outcomes by case and type to this file, as JSON")


def pytest_configure(config: pytest.Config) -> None:
    worker = hasattr(config, "workerinput")
    config.pluginmanager.register(Matrix("" if worker else config.getoption("--matrix-file")), "matrix")
