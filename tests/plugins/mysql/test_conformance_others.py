"""MariaDB through the conformance suite, in worlds that are not as ours."""

from __future__ import annotations

from functools import partial

import pytest

from tests.plugins.conformance.worlds import other_world
from tests.plugins.mysql.world_others import LeastPrivilegeWorld, OtherOwnerWorld, UpdatedWorld, WideWorld

pytestmark = pytest.mark.server
NAME = "mysql-database"
_on_mariadb = partial(other_world, __name__, needs=("mariadb",), server=("mariadbd", "--version"))

TestLeastPrivilege = _on_mariadb(f"{NAME}, least privilege", LeastPrivilegeWorld)
TestOtherOwner = _on_mariadb(f"{NAME}, other owner", OtherOwnerWorld)
TestWide = _on_mariadb(f"{NAME}, wide", WideWorld)
TestAfterAnUpdate = _on_mariadb(f"{NAME}, after an update", UpdatedWorld)
