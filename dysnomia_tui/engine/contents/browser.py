"""Looking at the rows of one generation: a comparing process with nothing on the other side, kept for the next page."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

from dysnomia_store.model import Section
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.contents.contents import nothing, side
from dysnomia_tui.engine.diff.handle import Diff, start_diff
from dysnomia_tui.engine.machine.machine import Machine
from dysnomia_tui.engine.records import Change, SectionChange

KEPT = 2
"""Processes that are kept for a next page."""


class Browser:
    """Pages of rows. Safe to use from any thread."""

    def __init__(self, machine: Machine) -> None:
        self._world = machine
        self._guard = threading.Lock()
        self._open: OrderedDict[tuple[ComponentKey, str], Diff] = OrderedDict()

    def rows(
        self, key: ComponentKey, number: int, section: Section, start: int, count: int
    ) -> Sequence[tuple[str | None, ...]]:
        """Raises DiffFailed, NotFound."""
        diff = self._diff(key, number)
        diff.wait()
        changes = diff.rows(SectionChange(Change.ADDED, None, section), start, count)
        return [row.new for row in changes if row.new is not None]

    def _diff(self, key: ComponentKey, number: int) -> Diff:
        generation = self._world.store.generation(key, number)
        name = key, generation.id
        with self._guard:
            kept = self._open.get(name)
            if kept is not None and not kept.error:
                self._open.move_to_end(name)
                return kept
            if kept is not None:
                self._open.pop(name).close()
            fresh = self._open[name] = start_diff(nothing(), side(self._world, key, number))
            while len(self._open) > KEPT:
                self._open.popitem(last=False)[1].close()
            return fresh

    def close(self) -> None:
        with self._guard:
            while self._open:
                self._open.popitem()[1].close()
