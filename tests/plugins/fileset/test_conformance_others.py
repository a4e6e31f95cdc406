"""Filesets through the conformance suite, with trees that are not as ours."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.plugins.conformance.worlds import other_world
from tests.plugins.fileset.worlds import OtherOwnerWorld, UpdatedWorld, WideWorld
from tests.plugins.other_user import OtherUser, needs_root, other_user


@pytest.fixture(scope="module")
def other() -> Iterator[OtherUser]:
    with other_user() as user:
        yield user


TestOtherOwner = needs_root(other_world(__name__, "fileset, other owner", OtherOwnerWorld, needs=("other",)))
TestWide = other_world(__name__, "fileset, wide", WideWorld)
TestAfterAnUpdate = other_world(__name__, "fileset, after an update", UpdatedWorld)
