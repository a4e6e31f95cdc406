"""MongoDB's double through the conformance suite, with accounts and databases that are not as ours."""

from __future__ import annotations

import pytest

from tests.plugins.conformance.worlds import other_world
from tests.plugins.mongo.worlds import HostileWorld, LeastPrivilegeWorld, UpdatedWorld, WideWorld

pytestmark = pytest.mark.server
NAME = "mongo-database"

TestHostileSettings = other_world(__name__, f"{NAME}, hostile settings", HostileWorld, needs=("monkeypatch",))
TestLeastPrivilege = other_world(__name__, f"{NAME}, least privilege", LeastPrivilegeWorld)
TestWide = other_world(__name__, f"{NAME}, wide", WideWorld)
TestAfterAnUpdate = other_world(__name__, f"{NAME}, after an update", UpdatedWorld)
