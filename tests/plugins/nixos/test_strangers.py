"""An archive of snapshots that somebody else made: nothing in it leads out of the folder that is made of it."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dysnomia_plugins.base import Place
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.types.nixos import tree
from dysnomia_store.errors import StoreError
from dysnomia_store.model import Form, Section
from tests.plugins.conformance.driver import Driver
from tests.plugins.nixos.world import NixosWorld

pytestmark = pytest.mark.server
INSIDE = "files/component/abc"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[NixosWorld]:
    with NixosWorld(tmp_path / "world") as world:
        yield world


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> Callable[[tarfile.TarFile], None]:
    def add(archive: tarfile.TarFile) -> None:
        made = tarfile.TarInfo(name)
        made.type, made.linkname = kind, link
        made.size = 3 if kind == tarfile.REGTYPE else 0
        archive.addfile(made, io.BytesIO(b"bad"))

    return add


@pytest.mark.parametrize(
    "members",
    [
        [member("../../../outside")],
        [member(f"{INSIDE}/../../../../outside")],
        [member("/outside")],
        [member("files/other/abc/x")],
        [member(f"{INSIDE}/x", tarfile.LNKTYPE, "/etc/passwd")],
        [member(f"{INSIDE}/x", tarfile.CHRTYPE)],
        [member(f"{INSIDE}/x", tarfile.FIFOTYPE)],
        [member(f"{INSIDE}/" + "d/" * 50 + "x")],
        [member(f"{INSIDE}/link", tarfile.SYMTYPE, "/"), member(f"{INSIDE}/link/outside")],
        [member(f"{INSIDE}/x"), member(f"{INSIDE}/x")],
        [member(f"{INSIDE}/x", tarfile.GNUTYPE_SPARSE)],
        [member(f"{INSIDE}/x", tarfile.CONTTYPE)],
    ],
)
def test_nothing_leads_out(world: NixosWorld, tmp_path: Path, members: list[Callable[[tarfile.TarFile], None]]) -> None:
    driver = Driver(world, tmp_path / "store")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        member(INSIDE, tarfile.DIRTYPE)(archive)
        for add in members:
            add(archive)
    content = buffer.getvalue()
    world.statedir.parent.mkdir(parents=True)
    place = Place(str(world.statedir.parent / "made"))
    before = {path for path in tmp_path.rglob("*") if "store" not in path.parts}
    with driver.bench().draft() as draft:
        with draft.artefact(tree.ARTEFACT) as sink:
            sink.begin_section(tree.COMPONENT, "files/component", Form.BYTES, attributes={tree.SNAPSHOT: "abc"})
            sink.write(content)
            sink.end_section()
        with driver.context() as ctx, pytest.raises((PluginError, StoreError)):
            tree.load(ctx, draft.stored(), place, None)
    made = {path for path in tmp_path.rglob("*") if "store" not in path.parts} - before
    assert all(path.is_relative_to(place.name) for path in made), made
    assert not Path("/outside").exists()


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_SPARSE, tarfile.XHDTYPE, tarfile.CHRTYPE, tarfile.LNKTYPE])
def test_a_member_that_none_of_ours_has_is_refused_by_its_name(world: NixosWorld, tmp_path: Path, kind: bytes) -> None:
    """Its digest would be worked out wrongly: what follows such a header is something else."""
    driver = Driver(world, tmp_path / "store")
    header = tarfile.TarInfo(f"{INSIDE}/odd")
    header.type = kind
    content = header.tobuf(tarfile.GNU_FORMAT) + bytes(1024)
    with driver.bench().draft() as draft:
        with draft.artefact(tree.ARTEFACT) as sink:
            sink.write(content)
        match = f"'{INSIDE}/odd' in it"
        with (
            driver.bench().draft() as other,
            other.artefact(tree.ARTEFACT) as again,
            pytest.raises(PluginError, match=match),
        ):
            tree.scan(draft.stored(), again)


def test_a_section_of_another_kind_is_refused(world: NixosWorld, tmp_path: Path) -> None:
    driver = Driver(world, tmp_path / "store")
    world.statedir.parent.mkdir(parents=True)
    section = Section("table", "x", Form.BYTES, 1, "")
    with driver.bench().draft() as draft:
        with draft.artefact(tree.ARTEFACT) as sink:
            sink.write(bytes(1024))
        with driver.context() as ctx, pytest.raises(PluginError, match="not a component"):
            tree.load(ctx, draft.stored(), Place(str(world.statedir.parent / "made")), [section])
