"""The suite for types whose jobs take seconds (a server is stopped, commands of ours are started)."""

from __future__ import annotations

import pytest

from tests.plugins.conformance.cases import Conformance
from tests.plugins.conformance.driver import Driver
from tests.plugins.conformance.world import World


class SlowConformance(Conformance):
    """Killed restores are tried by ``make test``. The other kills, cancels at each phase and large states take half a
    minute or more each: they are ``make test-all``'s."""

    @pytest.mark.worlds
    def test_a_killed_snapshot_is_whole_or_nothing(self, world: World, driver: Driver) -> None:
        super().test_a_killed_snapshot_is_whole_or_nothing(world, driver)

    @pytest.mark.worlds
    def test_a_killed_collection_keeps_what_it_should(self, world: World, driver: Driver) -> None:
        super().test_a_killed_collection_keeps_what_it_should(world, driver)

    @pytest.mark.worlds
    def test_a_killed_undo_leaves_the_old_or_the_new_state(self, world: World, driver: Driver) -> None:
        super().test_a_killed_undo_leaves_the_old_or_the_new_state(world, driver)

    @pytest.mark.worlds
    def test_a_killed_recovery_is_taken_up_by_the_next(self, world: World, driver: Driver) -> None:
        super().test_a_killed_recovery_is_taken_up_by_the_next(world, driver)

    @pytest.mark.worlds
    def test_a_killed_put_back_leaves_the_old_or_the_new_state(self, world: World, driver: Driver) -> None:
        super().test_a_killed_put_back_leaves_the_old_or_the_new_state(world, driver)

    @pytest.mark.worlds
    def test_a_cancel_at_each_phase_leaves_the_old_or_the_new_state(self, world: World, driver: Driver) -> None:
        super().test_a_cancel_at_each_phase_leaves_the_old_or_the_new_state(world, driver)

    @pytest.mark.worlds
    def test_memory_is_bounded(self, world: World, driver: Driver) -> None:
        super().test_memory_is_bounded(world, driver)
