"""etcd through the conformance suite, with servers that are not as ours."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.plugins.conformance.worlds import other_world
from tests.plugins.etcd.worlds import HostileWorld, LeastPrivilegeWorld, OtherOwnerWorld, UpdatedWorld, WideWorld
from tests.plugins.other_user import OtherUser, needs_root, other_user

pytestmark = pytest.mark.server
NAME = "etcd-database"
SERVER = ("etcd", "--version")


@pytest.fixture(scope="module")
def other() -> Iterator[OtherUser]:
    with other_user() as user:
        yield user


TestHostileSettings = other_world(
    __name__, f"{NAME}, hostile settings", HostileWorld, server=SERVER, needs=("monkeypatch",)
)
TestLeastPrivilege = other_world(__name__, f"{NAME}, least privilege", LeastPrivilegeWorld, server=SERVER)
TestOtherOwner = needs_root(
    other_world(__name__, f"{NAME}, other owner", OtherOwnerWorld, server=SERVER, needs=("other",))
)
TestWide = other_world(__name__, f"{NAME}, wide", WideWorld, server=SERVER)
TestAfterAnUpdate = other_world(__name__, f"{NAME}, after an update", UpdatedWorld, server=SERVER)
