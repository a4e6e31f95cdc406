"""``python -m tests.benchmarks.flood``: a job with thousands of events, on the store that the environment names."""

from __future__ import annotations

import os

from dysnomia_store.names import ComponentKey
from dysnomia_tui.config import load_settings
from dysnomia_tui.engine.engine import Engine

GENERATIONS = 3000


def main() -> None:
    """Check generations one after the other, and follow the job to its end."""
    engine = Engine(load_settings(os.environ))
    job = engine.submit(engine.plan_check(ComponentKey.of("postgresql", "shop1"), range(1, GENERATIONS + 1)))
    for _ in engine.follow(job.id):
        continue


if __name__ == "__main__":
    main()
