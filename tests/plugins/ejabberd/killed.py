"""Jobs that are killed where a test wants it."""

from __future__ import annotations

import signal
from collections.abc import Callable

from dysnomia_tui.engine.component import activities
from tests.plugins.conformance.driver import Driver, in_child


def killed_after(driver: Driver, step: str, work: Callable[[activities.ComponentJob], object]) -> str:
    """A job that is killed as soon as its type has noted that step; those that die before on the way are recovered."""
    for count in range(3, 40):
        job = driver.new_job()
        died = in_child(lambda job=job, count=count: work(driver.bench(job, mortal=(count, True))))  # type: ignore[misc]
        assert died == signal.SIGKILL
        with driver.bench().context(of=driver.left(job)) as ctx:
            noted = [name for name, _ in ctx.journal.steps()]
        if noted and noted[-1] == step:
            return job
        activities.recover(driver.bench(), driver.left(job))
    raise AssertionError(f"no step {step}")
