"""RabbitMQ through the conformance suite, with servers that are not as ours."""

from __future__ import annotations

import pwd
from collections.abc import Iterator

import pytest

from tests.plugins.conformance.worlds import other_world
from tests.plugins.other_user import OtherUser, needs_root, other_user
from tests.plugins.rabbitmq.worlds import (
    HostileWorld,
    LeastPrivilegeWorld,
    OtherOwnerWorld,
    UpdatedWorld,
    WideWorld,
    hostile_server,
)
from tests.plugins.servers.rabbitmq import RabbitServer

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("rabbitmq")]
NAME = "rabbitmq-definitions"
SERVER = ("dpkg-query", "-W", "-f", "rabbitmq-server ${Version}\n", "rabbitmq-server")


@pytest.fixture(scope="module")
def other() -> Iterator[OtherUser]:
    with other_user() as user:
        yield user


@pytest.fixture(scope="module")
def hostile() -> Iterator[RabbitServer]:
    with hostile_server() as server:
        yield server


@pytest.fixture(scope="module")
def of_other(other: OtherUser) -> Iterator[RabbitServer]:
    with RabbitServer("rabbitmq_federation", "rabbitmq_shovel", user=pwd.getpwnam(other.name)) as server:
        yield server


TestHostileSettings = other_world(
    __name__, f"{NAME}, hostile settings", HostileWorld, server=SERVER, needs=("hostile", "monkeypatch")
)
TestLeastPrivilege = needs_root(
    other_world(__name__, f"{NAME}, least privilege", LeastPrivilegeWorld, server=SERVER, needs=("rabbitmq", "other"))
)
TestOtherOwner = needs_root(
    other_world(
        __name__,
        f"{NAME}, other owner",
        lambda server, folder: OtherOwnerWorld(folder, server),
        server=SERVER,
        needs=("of_other",),
    )
)
TestWide = other_world(
    __name__, f"{NAME}, wide", lambda server, folder: WideWorld(folder, server), server=SERVER, needs=("rabbitmq",)
)
TestAfterAnUpdate = other_world(
    __name__,
    f"{NAME}, after an update",
    lambda server, folder: UpdatedWorld(folder, server),
    server=SERVER,
    needs=("rabbitmq",),
)
