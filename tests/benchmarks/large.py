"""What is measured on stores of 100,000 generations: commands, the plan of a collection, the screen; and a list of as
many lines."""

from __future__ import annotations

from collections.abc import Sequence

from tests.benchmarks import scale, screen
from tests.benchmarks.measure import Figure, Part


def measure() -> Sequence[Figure]:
    with scale.large_store() as state:
        figures = [*scale.listing(state), *scale.planning(state), *screen.measure(state)]
    with scale.large_store(1, 100_000) as state:
        return [*figures, *screen.scrolling(state)]


PARTS = (Part("store", measure, order=40),)
