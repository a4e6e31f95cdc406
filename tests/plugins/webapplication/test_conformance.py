"""Web applications with state through the conformance suite, in the document root of a server that serves it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dysnomia_plugins.types.webapplication.plugin import (
    ApacheWebApplication,
    GenericWebApplication,
    NginxWebApplication,
)
from tests.plugins.conformance.cases import WorldConformance
from tests.plugins.conformance.slow import SlowConformance
from tests.plugins.conformance.world import World
from tests.plugins.servers.web import Apache, Nginx
from tests.plugins.webapplication.world import WebWorld

pytestmark = pytest.mark.server
APACHE = ("apache2", "-v")
NGINX = ("nginx", "-v")


class TestGeneric(SlowConformance):
    column = "generic-webapplication"
    server = NGINX

    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[World]:
        with WebWorld(GenericWebApplication(), Nginx, tmp_path / "world") as world:
            yield world


class TestApache(WorldConformance):
    column = "apache-webapplication"
    server = APACHE

    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[World]:
        with WebWorld(ApacheWebApplication(), Apache, tmp_path / "world") as world:
            yield world


class TestNginx(WorldConformance):
    """In a folder of the server's own user, who could put another in its place."""

    column = "nginx-webapplication"
    server = NGINX

    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[World]:
        with WebWorld(NginxWebApplication(), Nginx, tmp_path / "world", own=True) as world:
            yield world
