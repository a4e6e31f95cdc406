"""What tests of the commands share."""

from __future__ import annotations

import pytest

from tests.unit.engine.ledger import Ledger, make_ledger


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    """One for all tests of a module: they only read it."""
    return make_ledger(tmp_path_factory.mktemp("ledger"))
