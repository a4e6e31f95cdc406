"""A repository of another user: what root makes for it is not led elsewhere by that user."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from dysnomia_plugins.base import Place, Runner
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.guarded.acting import Actor
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_plugins.toolkit.repositories.making import begin, maker_for, reclaim
from dysnomia_plugins.toolkit.repositories.places import make_wrapper
from dysnomia_plugins.types.subversion.locks import read_locks
from dysnomia_plugins.types.subversion.repository import OWN, Access, Repository

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
NOBODY = pwd.getpwnam("nobody")
MAKER = Actor.of(NOBODY.pw_uid, NOBODY.pw_gid)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A repository that its owner has made in a job's own folder."""
    folder = tmp_path
    while folder != folder.parent:
        folder.chmod(folder.stat().st_mode | 0o011)
        folder = folder.parent
    os.chown(tmp_path, MAKER.uid, MAKER.gid)
    place = Place(str(tmp_path / ".dysnomia-0a1b2c3d_1-beside" / "repository"))
    begin(place, MAKER)
    runner: Runner = ProcessRunner()
    Repository(place.name, runner, True, MAKER).create()
    return place


def test_its_programs_run_as_its_owner_in_a_folder_that_stays_ours(place: Place) -> None:
    assert Path(place.name, "db").stat().st_uid == MAKER.uid
    assert Path(place.name).parent.stat().st_uid == 0
    reclaim(place, MAKER, OWN)
    assert Path(place.name).parent.stat().st_mode & 0o777 == 0o700
    assert all(path.lstat().st_uid == 0 for path in (Path(place.name), *Path(place.name, "db").rglob("*")))


@pytest.mark.parametrize("kind", ["link", "other name", "pipe"])
@pytest.mark.parametrize("name", ["db/fsfs.conf", "locks/db.lock"])
def test_what_its_owner_puts_in_the_way_is_not_taken_over(place: Place, tmp_path: Path, kind: str, name: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("root's")
    secret.chmod(0o600)
    target = Path(place.name, name)
    target.unlink()
    if kind == "link":
        target.symlink_to(secret)
    elif kind == "other name":
        target.hardlink_to(secret)
    else:
        os.mkfifo(target)
    with pytest.raises(NotSafe, match=target.name.replace(".", r"\.")):
        reclaim(place, MAKER, OWN)
    assert secret.read_text() == "root's"
    assert secret.stat().st_uid == 0


def test_settings_and_locks_are_not_read_through_links(place: Place, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("root's")
    config = Path(place.name, "db/fsfs.conf")
    config.unlink()
    config.symlink_to(secret)
    with pytest.raises(NotSafe, match=r"fsfs\.conf"):
        Repository(place.name, ProcessRunner()).read("db/fsfs.conf")
    Path(place.name, "db/locks/abc").mkdir(parents=True)
    Path(place.name, "db/locks/abc/abcd").symlink_to(secret)
    with pytest.raises(NotSafe, match="abcd"):
        read_locks(Path(place.name))


def test_data_behind_a_link_is_not_worked_on_as_its_owner(place: Place, tmp_path: Path) -> None:
    repository = tmp_path / "mine"
    repository.mkdir()
    os.chown(repository, MAKER.uid, MAKER.gid)
    (repository / "db").symlink_to(Path(place.name, "db"))
    assert Access.at(str(repository)) is None
    with pytest.raises(PluginError, match="db is a link"):
        Repository(str(repository), ProcessRunner()).youngest()


@pytest.mark.parametrize("name", ["/repository", "/srv/svn/repository", "/srv/.dysnomia-x-beside/repository", ""])
def test_nothing_is_begun_at_a_place_that_no_job_made(name: str) -> None:
    """What is left of a foreign name is nothing, which a folder's opening takes for ``/``."""
    before = sorted(os.listdir("/"))
    with pytest.raises(NotSafe, match="not a place that a job made"):
        begin(Place(name), MAKER)
    with pytest.raises(NotSafe, match="not a place that a job made"):
        reclaim(Place(name), MAKER, OWN)
    with pytest.raises(NotSafe, match="not a place that a job made"):
        make_wrapper(Place(name))
    with pytest.raises(NotSafe, match="not a place that a job made"):
        maker_for(Place(name), 0, -1)
    assert sorted(os.listdir("/")) == before
