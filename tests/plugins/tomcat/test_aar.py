"""The type axis2-webservice: Debian has no Axis2, so what is proved is where its archives are linked, by command."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from dysnomia_plugins.base import Component
from dysnomia_plugins.types.tomcat.plugin import Axis2WebService
from dysnomia_store.names import ComponentKey
from tests.e2e.world import World
from tests.plugins.conformance.driver import Token
from tests.plugins.fileset.tools import make_context
from tests.plugins.other_user import open_folder

column = "axis2-webservice"
INSIDE = "webapps/axis2/WEB-INF/services"
CALL = ("-C", "axis2", "-c", "shop")


class Axis2(World):
    """A machine with a folder where Axis2 would look."""

    @property
    def base(self) -> Path:
        return self.root / "tomcat"

    @property
    def services(self) -> Path:
        return self.base / INSIDE

    def configure(self, **more: str) -> None:
        self.container("axis2", type="axis2-webservice", catalinaBaseDir=str(self.base), **more)


@pytest.fixture
def axis2() -> Iterator[Axis2]:
    axis2 = Axis2(open_folder())
    axis2.services.mkdir(parents=True)
    axis2.configure()
    axis2.component("axis2/shop", f"{INSIDE}/shop.aar", "an archive")
    axis2.component("axis2/shop", f"{INSIDE}/README", "not an archive")
    yield axis2
    shutil.rmtree(axis2.root)


def test_an_archive_is_linked_and_no_longer(axis2: Axis2) -> None:
    axis2.component("axis2/shop", "conf/Catalina/shop.xml", "<Context/>")
    context = axis2.base / "conf" / "Catalina" / "localhost" / "shop.xml"
    for _ in range(2):
        axis2.run("dysnomia", "-o", "activate", *CALL)
        assert [path.name for path in axis2.services.iterdir()] == ["shop.aar"]
        assert ((axis2.services / "shop.aar").read_text(), context.read_text()) == ("an archive", "<Context/>")
    for _ in range(2):
        axis2.run("dysnomia", "-o", "deactivate", *CALL)
        assert (list(axis2.services.iterdir()), context.is_symlink()) == ([], False)


def test_its_folder_can_be_another(axis2: Axis2) -> None:
    other = axis2.root / "other"
    other.mkdir()
    axis2.configure(axis2BaseDir=str(other))
    axis2.run("dysnomia", "-o", "activate", *CALL)
    assert [path.name for path in other.iterdir()] == ["shop.aar"]


def test_a_wrong_property_is_named(axis2: Axis2) -> None:
    axis2.configure(timeout="soon")
    assert (
        "timeout of axis2/shop is 'soon', not a number" in axis2.run("dysnomia", "-o", "activate", *CALL, status=1).err
    )
    axis2.configure(axis2BaseDir="services")
    assert "axis2BaseDir 'services' is not absolute" in axis2.run("dysnomia", "-o", "activate", *CALL, status=1).err


def test_two_archives_of_one_name_are_refused(axis2: Axis2) -> None:
    axis2.component("axis2/shop", f"{INSIDE}/more/shop.aar", "another")
    assert "has two shop.aar" in axis2.run("dysnomia", "-o", "activate", *CALL, status=1).err
    assert list(axis2.services.iterdir()) == []


class Unpacking(Token):
    """The server comes to unpack its folder while that is waited for."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def check(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)


def test_the_folder_of_the_server_is_waited_for(axis2: Axis2) -> None:
    """As long as ``timeout`` says: a server that has just been started unpacks it."""
    shutil.rmtree(axis2.base)
    properties = {"type": "axis2-webservice", "catalinaBaseDir": str(axis2.base)}
    component = Component(ComponentKey("axis2", "shop"), axis2.root / "components" / "axis2" / "shop", properties)
    ctx = dataclasses.replace(make_context(component, axis2.root), cancel=Unpacking(axis2.services))
    Axis2WebService().activate(ctx)
    assert [path.name for path in axis2.services.iterdir()] == ["shop.aar"]
    axis2.configure(timeout="0", axis2BaseDir="/no/such/folder")
    assert "the folder /no/such/folder does not exist" in axis2.run("dysnomia", "-o", "activate", *CALL, status=1).err
