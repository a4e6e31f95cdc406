"""What is measured on a store of 100,000 generations: commands, the plan of a collection, and the screen."""

from __future__ import annotations

from collections.abc import Sequence

from tests.benchmarks import scale, screen
from tests.benchmarks.measure import Figure, Part


def measure() -> Sequence[Figure]:
    with scale.large_store() as state:
        return [*scale.listing(state), *scale.planning(state), *screen.measure(state)]


PARTS = (Part("store", measure, order=40),)
