"""Sixty days of work on the demo's store, done with the engine's own activities under a clock that is set by hand."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from dysnomia_plugins.base import Component, Context, Dumped, Place, Plugin, StatePlugin
from dysnomia_plugins.loading.registry import Registry
from dysnomia_plugins.toolkit.process import NeverCancelled, ProcessRunner
from dysnomia_store.model import Generation, Marks, Pin, Reason, Verdict
from dysnomia_store.names import ComponentKey
from dysnomia_store.store import Store
from dysnomia_tui.engine.component import activities
from dysnomia_tui.engine.component.activities import ComponentJob
from dysnomia_tui.engine.component.journal import MemoryJournal


@dataclass
class Clock:
    """A clock that stands until it is set."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now


class Quiet:
    """Progress that nobody watches."""

    def phase(self, name: str) -> None: ...

    def advance(self, done: int, total: int | None = None, unit: str = "bytes") -> None: ...

    def log(self, line: str) -> None: ...


def dated(plugin: Plugin, clock: Clock) -> Plugin:
    """The same plugin, whose dumps say that they began when the clock stands."""
    if not isinstance(plugin, StatePlugin):
        return plugin
    original = type(plugin)

    def dump(self: Any, ctx: Context, place: Place, draft: Any) -> Dumped:
        dumped = original.dump(self, ctx, place, draft)
        took = max(dumped.end - dumped.as_of, timedelta(seconds=1))
        return replace(dumped, as_of=clock(), end=clock() + took)

    return cast(StatePlugin, type(f"Dated{original.__name__}", (original,), {"dump": dump})())


@dataclass
class Chronicle:
    """The store as it grows. Every method is one thing that an operator or a timer did."""

    store: Store
    clock: Clock
    components: dict[ComponentKey, Component] = field(default_factory=dict)
    host: str = "demo"
    _registry: Registry = field(default_factory=Registry)
    _plugins: dict[str, Plugin] = field(default_factory=dict)
    _jobs: int = 0

    @classmethod
    def begin(cls, state: Path, when: datetime) -> Chronicle:
        clock = Clock(when)
        return cls(Store(state, clock=clock), clock)

    def know(self, key: ComponentKey, path: Path, properties: dict[str, str]) -> None:
        """Add a component to work on."""
        self.components[key] = Component(key, path, properties)

    def do(self, key: ComponentKey, activity: str, who: str = "root(alice)") -> None:
        """``activate`` or ``deactivate``."""
        activities.activity(self._bench(key, who), activity)

    def snapshot(
        self, key: ComponentKey, *, who: str = "cron", reason: Reason = Reason.SCHEDULED, text: str = ""
    ) -> Generation:
        return activities.snapshot(self._bench(key, who), reason=reason, text=text).generation

    def restore(self, key: ComponentKey, number: int, *, who: str, text: str) -> Generation | None:
        """Replace live by a generation. Returns the guard."""
        return activities.restore(self._bench(key, who), number, text=text).guard

    def pin(self, generation: Generation, why: str, who: str = "alice") -> None:
        self._mark(generation, who, pins=(*self._marks(generation).pins, Pin(why, who, self.clock())))

    def judge(self, generation: Generation, verdict: Verdict, note: str, who: str = "alice") -> None:
        self._mark(generation, who, verdict=verdict, note=note)

    def newest(self, key: ComponentKey) -> Generation:
        return self.store.generations(key)[-1]

    def _marks(self, generation: Generation) -> Marks:
        return self.store.generation(generation.key, generation.number).marks

    def _mark(self, generation: Generation, who: str, **changes: Any) -> None:
        marks = replace(self._marks(generation), **changes)
        self.store.mark(generation.key, generation.number, marks, who=who)

    def _bench(self, key: ComponentKey, who: str) -> ComponentJob:
        component = self.components[key]
        kind = component.prop("type")
        if kind not in self._plugins:
            self._plugins[kind] = dated(self._registry.get(kind), self.clock)
        self._jobs += 1
        return ComponentJob(
            store=self.store,
            plugin=self._plugins[kind],
            component=component,
            job=f"demo{self._jobs}",
            who=who,
            journal=MemoryJournal(),
            runner=ProcessRunner(),
            progress=Quiet(),
            cancel=NeverCancelled(),
            clock=self.clock,
            host=self.host,
        )


def utc(when: datetime) -> datetime:
    """Whole seconds, in UTC: what the story counts with."""
    return when.astimezone(UTC).replace(microsecond=0)
