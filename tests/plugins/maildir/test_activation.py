"""An account that has no mail yet gets a mailbox that a real Dovecot delivers into."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.guarded.folder import Folder, hand_over
from tests.plugins.conformance.driver import Driver
from tests.plugins.maildir.world import MaildirWorld
from tests.plugins.servers.dovecot import Dovecot

pytestmark = pytest.mark.server


@pytest.fixture
def world(dovecot: Dovecot, tmp_path: Path) -> Iterator[MaildirWorld]:
    with MaildirWorld(dovecot, tmp_path / "world") as world:
        yield world


@pytest.fixture
def driver(world: MaildirWorld, tmp_path: Path) -> Driver:
    return Driver(world, tmp_path / "store")


def require_usable(world: MaildirWorld) -> None:
    for path in (world.top, *(world.top / name for name in ("cur", "new", "tmp"))):
        assert (path.stat().st_uid, path.stat().st_mode & 0o777) == (world.server.owner.pw_uid, 0o700)
    world.server.deliver(world.account, "first")
    assert world.server.messages(world.account) == ["INBOX\t\\Recent\tfirst"]


def test_it_belongs_to_whom_the_folder_above_does(world: MaildirWorld, driver: Driver) -> None:
    driver.activity("activate")
    require_usable(world)
    before = world.whole()
    driver.activity("activate")
    assert world.whole() == before


@pytest.mark.parametrize("step", range(1, 9))
def test_one_that_is_killed_is_finished_by_the_next(
    step: int, world: MaildirWorld, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = step

    def dying() -> None:
        nonlocal left
        left -= 1
        if not left:
            raise KeyboardInterrupt

    make = Folder.make_folder

    def made(self: Folder, name: str, mode: int = 0o700) -> Folder:
        dying()
        return make(self, name, mode)

    def handed(descriptor: int, uid: int, gid: int, mode: int) -> None:
        dying()
        hand_over(descriptor, uid, gid, mode)

    with monkeypatch.context() as patch:
        patch.setattr(Folder, "make_folder", made)
        patch.setattr("dysnomia_plugins.types.maildir.plugin.hand_over", handed)
        with pytest.raises(KeyboardInterrupt), driver.context() as ctx:
            world.plugin.activate(ctx)
    with driver.context() as ctx:
        world.plugin.activate(ctx)
    require_usable(world)


def test_without_the_folder_above_it_is_refused(world: MaildirWorld, driver: Driver) -> None:
    world.root.rmdir()
    with pytest.raises(PluginError, match="could not be made"):
        driver.activity("activate")
