"""The conformance world of web applications with state: a fileset in the document root of a server that serves it."""

from __future__ import annotations

import shutil
from pathlib import Path

from dysnomia_plugins.base import Component, Place, PropertyValue
from dysnomia_plugins.types.webapplication.plugin import WebApplication
from dysnomia_store.names import ComponentKey
from tests.plugins.fileset.world import SPEC, FilesetWorld
from tests.plugins.other_user import open_folder
from tests.plugins.servers.web import WebServer

PAGE = "data/page.html"


def web_component(path: Path, root: Path, plugin: str, **properties: PropertyValue) -> Component:
    """A component at ``path`` of a container whose server serves ``root``."""
    path.mkdir(parents=True, exist_ok=True)
    return Component(ComponentKey("web", path.name), path, {"type": plugin, "documentRoot": str(root), **properties})


class WebWorld(FilesetWorld):
    """A document root with a fileset in it, and its server.

    Args:
        own: the document root is in a folder of the server's user, who could replace it.
    """

    def __init__(self, plugin: WebApplication, server: type[WebServer], folder: Path, *, own: bool = False) -> None:
        self._open = open_folder()
        super().__init__(self._open / folder.name)
        self.server = server(None if own else self.target)
        self.target = self.server.root
        self.plugin = plugin
        self.component = web_component(
            self.folder / "component", self.target, plugin.type, reloadCommand=("kill", "-0", "1")
        )
        (self.component.path / ".dysnomia-fileset").write_text(SPEC)
        (self.component.path / ".dysnomia-targetdir").write_text("/nowhere\n")
        try:
            self.server.start()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self.server.remove()
        shutil.rmtree(self._open)

    def seed(self) -> None:
        super().seed()
        self.path(PAGE).write_text("a page")

    def whole(self, place: Place | None = None) -> object:
        """What is served is what is live, as far as the server may read it."""
        if place is None:
            status, body = self.server.get(f"/{PAGE}")
            assert status in (200, 403, 404)
            assert status != 200 or body == self.path(PAGE).read_bytes()
        return super().whole(place)
