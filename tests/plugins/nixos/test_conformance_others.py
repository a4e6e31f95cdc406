"""NixOS systems through the conformance suite, called by somebody with other settings."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from tests.plugins.conformance.driver import with_properties
from tests.plugins.conformance.worlds import other_world
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


_Others = other_world(
    __name__,
    "nixos-configuration, hostile settings",
    HostileWorld,
    server=("nix-env", "--version"),
    needs=("monkeypatch",),
)


@pytest.mark.server
@pytest.mark.timeout(1800)
class TestHostileSettings(_Others):  # type: ignore[valid-type, misc]
    single_changes: ClassVar[int] = 12
    column = "nixos-configuration, hostile settings"
    test_deactivate_keeps_the_state_and_collect_garbage_deletes_it = (
        plain.TestNixos.test_deactivate_keeps_the_state_and_collect_garbage_deletes_it
    )
