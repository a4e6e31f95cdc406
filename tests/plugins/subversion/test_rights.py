"""Subversion through the cases of repositories and others on the machine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import ClassVar

import pytest

from dysnomia_plugins.types.subversion import load
from tests.plugins.other_user import OtherUser, open_folder, other_user
from tests.plugins.repository_cases import RepositoryCases
from tests.plugins.subversion.world import SubversionWorld

pytestmark = pytest.mark.server
WORLD = SubversionWorld


class TestSubversionRights(RepositoryCases):
    load: ClassVar = load
    data: ClassVar = "db"
    last_made: ClassVar = "hand_over_format"

    @pytest.fixture
    def world(self) -> Iterator[SubversionWorld]:
        folder = open_folder()
        with SubversionWorld(folder / "world") as world:
            yield world
        shutil.rmtree(folder)

    @pytest.fixture
    def member(self) -> Iterator[OtherUser]:
        with other_user() as user:
            yield user
