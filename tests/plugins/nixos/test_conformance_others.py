"""NixOS systems through the conformance suite, called by somebody with other settings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from tests.plugins.conformance.cases import WorldConformance
from tests.plugins.conformance.driver import with_properties
from tests.plugins.conformance.world import World
from tests.plugins.nixos import test_conformance as plain
from tests.plugins.nixos.world import NixosWorld

ENVIRONMENT = {
    "DYSNOMIA_STATEDIR": "/nowhere/state",
    "DYSNOMIA_CONTAINERS_PATH": "/nowhere/containers",
    "DYSNOMIA_COMPONENTS_PATH": "/nowhere/components",
    "DYSNOMIA_MODULES_PATH": "/nowhere/modules",
    "NIX_REMOTE": "daemon",
    "NIX_STORE_DIR": "/nowhere/store",
    "NIX_STATE_DIR": "/nowhere/var",
    "NIX_CONF_DIR": "/nowhere/etc",
    "NIX_PROFILES": "/nowhere",
    "PYTHONPATH": "/nowhere",
    "LC_ALL": "C",
    "TZ": "Asia/Kathmandu",
}
"""Of whoever starts a job: none of it may reach the system's components."""


class HostileWorld(NixosWorld):
    """With an environment that means another Nix and other components; without hard links."""

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path) -> None:
        super().__init__(folder)
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        with_properties(self, noHardlink="1")


@pytest.mark.server
@pytest.mark.worlds
@pytest.mark.timeout(1800)
class TestHostileSettings(WorldConformance):
    column = "nixos-configuration, hostile settings"
    server = ("nix-env", "--version")
    single_changes: ClassVar[int] = 12

    @pytest.fixture
    def world(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
        with HostileWorld(monkeypatch, tmp_path / "world") as world:
            yield world

    test_deactivate_keeps_the_state_and_collect_garbage_deletes_it = (
        plain.TestNixos.test_deactivate_keeps_the_state_and_collect_garbage_deletes_it
    )
