"""Subversion through the cases of repositories and others on the machine."""

from __future__ import annotations

from typing import ClassVar

import pytest

from dysnomia_plugins.types.subversion import load
from tests.plugins.repository_cases import RepositoryCases
from tests.plugins.subversion.world import SubversionWorld

pytestmark = pytest.mark.server
WORLD = SubversionWorld


class TestSubversionRights(RepositoryCases):
    load: ClassVar = load
    data: ClassVar = "db"
    last_made: ClassVar = "hand_over_format"
