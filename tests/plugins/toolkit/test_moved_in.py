"""What the owner of the folder around a job's own moves to its name: it is neither given away nor deleted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from dysnomia_plugins.base import Purpose
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.repositories.files import _ours_at
from dysnomia_plugins.toolkit.repositories.making import hand_over_top
from dysnomia_plugins.types.git.load import hand_over_own
from dysnomia_plugins.types.git.repository import Access
from dysnomia_plugins.types.subversion.repository import Access as SvnAccess
from dysnomia_plugins.types.subversion.repository import hand_over_format
from tests.plugins.conformance.driver import Driver
from tests.plugins.conformance.world import World
from tests.plugins.fileset.world import FilesetWorld
from tests.plugins.git.world import GitWorld
from tests.plugins.other_user import needs_root
from tests.plugins.subversion.world import SubversionWorld

OTHER = 54321


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """What another user has put where a job's own repository was, with a file of root's in it."""
    made = tmp_path / "made"
    for name in ("objects/aa", "refs/heads"):
        (made / name).mkdir(parents=True)
    for path in (made / "objects/aa/secret", made / "HEAD", made / "format"):
        path.write_text("root's alone")
        path.chmod(0o600)
    for at, folders, _ in os.walk(made):
        for name in (".", *folders):
            os.chown(Path(at, name), OTHER, OTHER)
    return made


@needs_root
def test_files_in_a_folder_of_another_user_are_not_given_away(repository: Path) -> None:
    access, theirs = Access(OTHER, OTHER, 0o755, 0o644), SvnAccess(OTHER, OTHER, 0o755, 0o644)
    for give in (
        lambda: hand_over_own(str(repository), access),
        lambda: theirs.apply(f"{repository}/objects"),
        lambda: hand_over_format(str(repository), theirs),
        lambda: hand_over_top(str(repository), OTHER, OTHER),
        lambda: _ours_at(str(repository)).__enter__(),
    ):
        with pytest.raises(NotSafe, match="belongs to another user"):
            give()
    for name in ("objects/aa/secret", "HEAD", "format"):
        seen = (repository / name).stat()
        assert (seen.st_uid, seen.st_mode & 0o777) == (0, 0o600)


@pytest.fixture(params=[GitWorld, SubversionWorld, FilesetWorld])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with ExitStack() as stack:
        yield stack.enter_context(request.param(tmp_path / "world"))


@pytest.mark.parametrize("purpose", [Purpose.BESIDE, Purpose.ASIDE])
def test_a_folder_that_has_the_name_of_a_jobs_own_is_not_deleted(
    world: World, tmp_path: Path, purpose: Purpose
) -> None:
    driver = Driver(world, tmp_path / "store")
    world.seed()
    with driver.context() as made:
        ctx = replace(made, tag="0123abcd_7")
        place = Path(world.plugin.place(ctx, purpose).name)
        moved = place if place.name.startswith(".dysnomia-") else place.parent
        moved.mkdir(mode=0o700)
        (moved / "precious").write_text("x")
        with pytest.raises(NotSafe, match="holds 'precious', so it was not made by a job"):
            world.plugin.drop(ctx, world.plugin.place(ctx, purpose))
    assert (moved / "precious").read_text() == "x"


def test_a_folder_that_takes_the_name_of_a_copy_in_the_making_is_not_deleted(tmp_path: Path) -> None:
    with FilesetWorld(tmp_path / "world") as world:
        driver = Driver(world, tmp_path / "store")
        world.seed()
        stored = driver.store.stored(driver.key, driver.snapshot().generation.id)
        with driver.context() as ctx:
            copy = world.plugin.named(world.component, "copy")
            Path(copy.name).mkdir()
            (Path(copy.name) / "precious").write_text("x")
            with pytest.raises(PluginError):
                world.plugin.load(ctx, stored, copy)
            world.plugin.drop(ctx, copy)
            assert (Path(copy.name) / "precious").read_text() == "x"
            other = world.plugin.named(world.component, "other")
            world.plugin.load(ctx, stored, other)
            assert Path(other.name).is_dir()
            world.plugin.drop(ctx, other)
            assert not Path(other.name).exists()
