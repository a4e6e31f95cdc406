"""git through the cases of repositories and others on the machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dysnomia_plugins.types.git import load
from tests.plugins.git.world import GitWorld
from tests.plugins.other_user import OtherUser, other_user
from tests.plugins.repository_cases import RepositoryCases

pytestmark = pytest.mark.server
WORLD = GitWorld


class TestGitRights(RepositoryCases):
    load = load
    data = "objects"
    last_made = "hand_over_own"

    @pytest.fixture
    def member(self) -> Iterator[OtherUser]:
        with other_user() as user:
            yield user
