"""Putting right what a dead worker left: live is old or new and never between, and nothing of the job's stays behind.

Run by the next *writer* that holds the component's lock, never by a viewer. Idempotent: killed itself, it is run
again. It goes on writing the dead job's own journal.
"""

from __future__ import annotations

from dataclasses import dataclass

from dysnomia_plugins.base import Context, Place, Purpose, StatePlugin
from dysnomia_plugins.errors import NotSafe
from dysnomia_store.store import ComponentLock
from dysnomia_tui.engine.bench import Bench, Left
from dysnomia_tui.engine.guarding import Restored, finish, step_of

SETTLED = "settled"
"""The journal's entry that says that nothing is left to be done for a job."""


@dataclass(frozen=True)
class Settled:
    """How a recovery came out."""

    job: str
    swapped: bool
    """True where the dead job's restore has happened: live is the restored state."""
    restored: Restored | None = None
    dropped: tuple[str, ...] = ()
    """Places that were removed."""

    @property
    def text(self) -> str:
        """In words, for the log and the outcome."""
        if self.swapped:
            return f"job {self.job} had replaced what was live; it was finished"
        return f"job {self.job} had not replaced anything; what was live still is"


def needs_settling(left: Left) -> bool:
    """Whether a job's journal says that something may be left. Cheap: reads the journal alone."""
    names = {name for name, _ in left.journal.steps()}
    if not names or SETTLED in names or "dropped" in names or "undone" in names or "unguarded" in names:
        return False
    return not names & {"copied", "reverted"}


def settle(bench: Bench, lock: ComponentLock, left: Left) -> Settled:
    """Finish or revert what job ``left`` began. Raises PluginError where the plugin cannot tell."""
    plugin = bench.plugin
    if not isinstance(plugin, StatePlugin):
        left.journal.step(SETTLED, swapped=False)
        return Settled(left.job, swapped=False)
    with bench.context(of=left) as ctx:
        with bench.shielded():
            swapped = plugin.recover(ctx) or step_of(left, "swapped") is not None
        if swapped and step_of(left, "swap") is not None:
            if step_of(left, "swapped") is None:
                left.journal.step("swapped")
            restored = finish(bench, plugin, ctx, lock, left)
            for warning in restored.warnings:
                bench.progress.log(warning)
            if restored.whole:
                left.journal.step(SETTLED, swapped=True)
            return Settled(left.job, swapped=True, restored=restored)
        with bench.shielded():
            dropped = _sweep_places(plugin, ctx, left)
        left.journal.step(SETTLED, swapped=False)
        return Settled(left.job, swapped=False, dropped=dropped)


def recover(bench: Bench, left: Left) -> Settled:
    """Settle one dead job, under the component's lock."""
    with bench.locked(f"recover job {left.job}") as lock:
        return settle(bench, lock, left)


def _sweep_places(plugin: StatePlugin, ctx: Context, left: Left) -> tuple[str, ...]:
    """Drop what a job that replaced nothing made: only places named after it, never what may be the only copy."""
    live_there = plugin.exists(ctx, plugin.live(ctx.component))
    borrowed = (step_of(left, "swap") or {}).get("beside")
    places: list[Place] = []
    for place in plugin.left_behind(ctx):
        if place == plugin.place(ctx, Purpose.ASIDE) and not live_there:
            raise NotSafe(
                f"{ctx.component.key} has nothing live, and {place.name} may be the only copy of it",
                "look at it before anything is removed",
            )
        if place.name != borrowed:
            places.append(place)
    copy = step_of(left, "copy")
    if copy is not None and step_of(left, "copied") is None and step_of(left, "reverted") is None:
        place = plugin.named(ctx.component, str(copy["place"]))
        if plugin.exists(ctx, place):
            places.append(place)
    for place in places:
        plugin.drop(ctx, place)
    return tuple(place.name for place in places)
