"""The conformance cases as far as they hold for globals, which are restored additively."""

from __future__ import annotations

import random

from tests.plugins.conformance.cases import Conformance
from tests.plugins.conformance.driver import Driver
from tests.plugins.conformance.world import World


class AdditiveConformance(Conformance):
    """Where globals are otherwise: a server has them since it was made, and none of them is ever deleted."""

    single_changes = 30

    def test_activate_lays_down_the_initial_state_once(self, world: World, driver: Driver) -> None:
        world.seed()
        before = world.whole()
        driver.activity("activate")
        assert world.whole() == before

    def test_deactivate_keeps_the_state_and_collect_garbage_deletes_it(self, world: World, driver: Driver) -> None:
        """It deletes nothing: whoever could log in still can."""
        world.seed()
        driver.activity("activate")
        before = world.whole()
        number = driver.snapshot().generation.number
        driver.activity("deactivate")
        driver.activity("collect-garbage")
        assert world.whole() == before
        world.change(world.changes()[0], random.Random(1))
        driver.restore(number)
        assert world.whole() == before

    def test_memory_is_bounded(self, world: World, driver: Driver) -> None:
        """Accounts are no masses of data: a document of more than 256 MB is refused instead."""
