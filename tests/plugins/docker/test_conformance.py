"""The type docker-volume through the conformance suite, on a real dockerd."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.conformance.slow import SlowConformance
from tests.plugins.conformance.world import World
from tests.plugins.docker.world import VolumeWorld
from tests.plugins.servers.docker import DockerServer

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("docker")]


class TestDockerVolume(SlowConformance):
    column = "docker-volume"
    server = ("dockerd", "--version")

    @pytest.fixture
    def world(self, dockerd: DockerServer, tmp_path: Path) -> Iterator[World]:
        with VolumeWorld(dockerd, tmp_path / "world") as world:
            yield world
