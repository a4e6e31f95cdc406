"""``python -m tests.benchmarks.flood``: jobs with thousands of events each, on the store that the environment names."""

from __future__ import annotations

import os
from contextlib import suppress

from dysnomia_store.names import ComponentKey
from dysnomia_tui.config import load_settings
from dysnomia_tui.engine.engine import Engine
from dysnomia_tui.engine.errors import Unknown

GENERATIONS = 10_000


def main() -> None:
    """Check generations one after the other until interrupted; then cancel the job and wait until it has stopped."""
    engine = Engine(load_settings(os.environ))
    plan = engine.plan_check(ComponentKey.of("postgresql", "shop1"), range(1, GENERATIONS + 1))
    job = engine.submit(plan)
    try:
        while True:
            for _ in engine.follow(job.id):
                continue
            job = engine.submit(plan)
    except KeyboardInterrupt:
        with suppress(Unknown):
            engine.cancel(job.id)
        for _ in engine.follow(job.id):
            continue


if __name__ == "__main__":
    main()
