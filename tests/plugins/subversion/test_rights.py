"""Subversion through the cases of repositories and others on the machine."""

from __future__ import annotations

import os
import subprocess
from typing import Any, ClassVar

import pytest

from dysnomia_plugins.toolkit.repositories import making
from dysnomia_plugins.types.subversion import activation, load, swap
from tests.plugins.conformance.driver import Driver, with_properties
from tests.plugins.conformance.world import World
from tests.plugins.other_user import OtherUser, needs_root
from tests.plugins.repository_cases import RepositoryCases
from tests.plugins.subversion.world import SubversionWorld

pytestmark = pytest.mark.server
WORLD = SubversionWorld


class TestSubversionRights(RepositoryCases):
    load: ClassVar = load
    activation: ClassVar = activation
    data: ClassVar = "db"
    held: ClassVar = "db"
    last_made: ClassVar = "hand_over_format"

    def given_to(self, world: World, member: OtherUser) -> None:
        with_properties(world, svnGroup=member.name)

    @needs_root
    def test_the_counter_of_transactions_is_not_written_into_a_file_of_root_s(
        self, world: SubversionWorld, driver: Driver, member: OtherUser, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        token = self._owned(world, member)
        number = driver.snapshot().generation.number
        (world.live / "db" / "txn-current").write_text("zz\n")
        reclaim, pass_counter = making.reclaim, swap._pass_counter
        holders: list[subprocess.Popen[bytes]] = []

        def hold(place: Any, *others: Any) -> None:
            script = 'cd "$0" && echo ready && read go && mv -f "$1" txn-current'
            argv = member.argv("sh", "-c", script, f"{place.name}/db", token)
            holders.append(subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
            assert holders[0].stdout is not None
            assert holders[0].stdout.readline() == b"ready\n"
            reclaim(place, *others)

        def pass_on(*places: str) -> None:
            holders[0].communicate(b"go\n")
            assert holders[0].returncode == 0
            pass_counter(*places)

        monkeypatch.setattr(load, "reclaim", hold)
        monkeypatch.setattr(swap, "_pass_counter", pass_on)
        held = os.open(token, os.O_RDONLY)
        try:
            driver.restore(number)
            assert os.pread(held, 100, 0) == b"what only root may read"
            assert os.fstat(held).st_uid == 0
            counter = world.live / "db" / "txn-current"
            assert int(counter.read_text(), 36) > int("zz", 36)
            assert counter.stat().st_uid == counter.parent.stat().st_uid
        finally:
            os.close(held)
