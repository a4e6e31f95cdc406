"""OpenLDAP through the conformance suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.conformance.slow import SlowConformance
from tests.plugins.conformance.world import World
from tests.plugins.openldap.world import LdapWorld


@pytest.mark.server
class TestOpenldap(SlowConformance):
    column = "openldap-directory"
    server = ("slapd", "-VV")

    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[World]:
        with LdapWorld(tmp_path / "world") as world:
            yield world
