"""git through the cases of repositories and others on the machine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from dysnomia_plugins.types.git import load
from tests.plugins.git.world import GitWorld
from tests.plugins.other_user import OtherUser, open_folder, other_user
from tests.plugins.repository_cases import RepositoryCases

pytestmark = pytest.mark.server
WORLD = GitWorld


class TestGitRights(RepositoryCases):
    load = load
    data = "objects"
    last_made = "hand_over_own"

    @pytest.fixture
    def world(self) -> Iterator[GitWorld]:
        folder = open_folder()
        with GitWorld(folder / "world") as world:
            yield world
        shutil.rmtree(folder)

    @pytest.fixture
    def member(self) -> Iterator[OtherUser]:
        with other_user() as user:
            yield user
