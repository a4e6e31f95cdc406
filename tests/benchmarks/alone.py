"""Our side of figures of one component: first snapshots and loads in this process, so that no start is in them."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path

from dysnomia_plugins.base import Component, Purpose, StatePlugin
from dysnomia_tui.engine.component import activities
from tests.benchmarks.measure import set_aside, timed
from tests.benchmarks.work import job_in, load


class Alone:
    """Work on a component.

    Args:
        folder: where its store is.
    """

    def __init__(self, folder: Path, plugin: StatePlugin, component: Component) -> None:
        self._folder, self._plugin, self._component = folder, plugin, component
        self._jobs = count(1)

    def _job(self) -> activities.ComponentJob:
        job = job_in(self._folder, str(next(self._jobs)), self._plugin, {})
        return replace(job, component=self._component)

    def snapshot(self) -> float:
        """The seconds of the first snapshot in a store."""
        set_aside(self._folder / "state")
        job = self._job()
        return timed(lambda: activities.snapshot(job))

    def load(self) -> float:
        """The seconds of a load beside live, which is removed again."""
        job = self._job()
        taken = timed(lambda: load(job))
        with job.context() as ctx:
            self._plugin.drop(ctx, self._plugin.place(ctx, Purpose.BESIDE))
        return taken

    def copy(self, name: str) -> float:
        """The seconds of a load into a copy, which is removed again."""
        job = self._job()
        with job.context() as ctx:
            place = self._plugin.named(self._component, name)
            stored = job.store.stored(job.key, job.store.generations(job.key)[-1].id)
            taken = timed(lambda: self._plugin.load(ctx, stored, place))
            self._plugin.drop(ctx, place)
        return taken
