"""Putting right what a dead worker left: live is old or new and never between, and nothing of the job's stays behind.

Run by the next *writer* that holds the component's lock, never by a viewer. Idempotent: killed itself, it is run
again. It goes on writing the dead job's own journal.
"""

from __future__ import annotations

from dataclasses import replace

from dysnomia_base.records import dataclass
from dysnomia_plugins.base import Context, Place, PrivateStatePlugin, Purpose, StatePlugin
from dysnomia_plugins.errors import NotSafe, Unsupported
from dysnomia_store.model import Generation
from dysnomia_store.store import ComponentLock
from dysnomia_tui.engine.component.context import ComponentJob
from dysnomia_tui.engine.component.guard import LOST, Restored, finish_restore, keep_lost, link_restored
from dysnomia_tui.engine.component.left import RESOLVED, SETTLED, UnfinishedJob, half_restored, step_of
from dysnomia_tui.engine.errors import Unreadable

ACTIVITY = "activity"
"""The journal's entry before an activity of a type without state."""


@dataclass(frozen=True)
class Recovery:
    """How a recovery came out."""

    job: str
    swapped: bool
    """True where the dead job's restore has happened: live is the restored state."""
    restored: Restored | None = None
    dropped: tuple[str, ...] = ()
    """Places that were removed."""
    unfinished: str = ""
    """The activity of a type without state that did not come to its end; an activation has been taken back."""
    rows: str = ""
    """Of a job that put rows back: whether it had come to the end of its transaction, in words."""
    lost: Generation | None = None
    """What was live, where the server has lost that since."""
    half: bool = False
    """True where a module restored in place and did not come to its end: live may be neither old nor new."""

    @property
    def text(self) -> str:
        """In words, for the log and the outcome."""
        if self.half:
            return f"job {self.job} did not come to its end: live may be half restored; undo it, or restore another"
        if self.unfinished == "activate":
            return f"job {self.job} did not come to the end of its activation; what it had made was taken back"
        if self.unfinished:
            return f"job {self.job} did not come to the end of its {self.unfinished}: do it again"
        if self.rows:
            return f"job {self.job} {self.rows}"
        if self.lost is not None:
            return f"job {self.job} had not replaced anything; {LOST.format(self.lost.number)}"
        if self.swapped:
            return f"job {self.job} had replaced what was live; it was finished"
        return f"job {self.job} had not replaced anything; what was live still is"


def recover_job(component_job: ComponentJob, lock: ComponentLock, left: UnfinishedJob) -> Recovery:
    """Finish or revert what job ``left`` began. Raises PluginError where the plugin cannot tell, Unreadable where the
    journal is damaged: then nobody can, and live is left as it is."""
    if left.damage:
        raise Unreadable(
            f"job {left.job} did not come to its end, and what it did to {component_job.key} cannot be read"
            f" ({left.damage})",
            f"see that {component_job.key} is whole, then remove that journal from the folder of job {left.job}",
        )
    plugin = component_job.plugin
    if not isinstance(plugin, (StatePlugin, PrivateStatePlugin)):
        if step_of(left, "swap") is not None or step_of(left, "put-back") is not None:
            raise Unsupported(
                f"job {left.job} was about to change what is live, and {component_job.key} holds no state any more",
                "configure it as it was then, so that this can be finished or taken back",
            )
        return _settle_activity(component_job, left)
    if not isinstance(plugin, StatePlugin) or (step_of(left, "swap") or {}).get("in_place"):
        return _settle_module(component_job, lock, left)
    if step_of(left, "put-back") is not None:
        return _settle_rows(component_job, left)
    copy = step_of(left, "copy") or {}
    if "component" in copy:
        from dysnomia_tui.engine.component.elsewhere import as_noted  # almost no recovery is of such a job

        component_job = replace(component_job, component=as_noted(component_job.component, copy))
    with component_job.context(of=left) as ctx:
        with component_job.shielded():
            swapped = ask_swapped(plugin, ctx, left) or step_of(left, "swapped") is not None
        if swapped and step_of(left, "swap") is not None:
            if step_of(left, "swapped") is None:
                left.journal.step("swapped")
            restored = finish_restore(component_job, plugin, ctx, lock, left)
            for warning in restored.warnings:
                component_job.progress.log(warning)
            if restored.whole and not restored.stays:
                left.journal.step(SETTLED, swapped=True)
            return Recovery(left.job, swapped=True, restored=restored)
        with component_job.shielded():
            lost = keep_lost(component_job, plugin, ctx, lock, left)
            dropped = _sweep_places(plugin, ctx, left)
        left.journal.step(SETTLED, swapped=False)
        return Recovery(left.job, swapped=False, dropped=dropped, lost=lost)


def _settle_rows(component_job: ComponentJob, left: UnfinishedJob) -> Recovery:
    from dysnomia_tui.engine.component import put_back  # almost no recovery is of such a job

    with component_job.shielded():
        return Recovery(left.job, swapped=False, rows=put_back.settle(component_job, left))


def ask_swapped(plugin: StatePlugin, ctx: Context, left: UnfinishedJob) -> bool:
    """Whether the swap of a job has happened, as its type tells from its own steps in the journal.

    Raises PluginError, and Unreadable where the type cannot make sense of them (another version of it wrote them)."""
    try:
        return plugin.recover(ctx)
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable(
            f"job {left.job} did not come to its end, and the type {plugin.type!r} does not understand what it noted"
            f" ({type(error).__name__}: {error})",
            f"recover it with the version that ran it, or see that {ctx.component.key} is whole and remove its journal",
        ) from error


def begin_activity(component_job: ComponentJob, name: str) -> None:
    """Written before an activity of a type without state begins."""
    component_job.journal.step(ACTIVITY, name=name, active=component_job.active)


def _settle_activity(component_job: ComponentJob, left: UnfinishedJob) -> Recovery:
    """A type without state. Its marker is set after all else: one that moved says that only the journal lacks its end.

    Of an activation that did not come to its end, nothing stays. A deactivation is done again by who wanted it."""
    began = step_of(left, ACTIVITY) or {}
    name = str(began.get("name", ""))
    ended = component_job.active != began.get("active", component_job.active)
    if name == "activate" and not ended:
        with component_job.context(of=left) as ctx, component_job.shielded():
            component_job.plugin.rollback_activation(ctx)
    left.journal.step(SETTLED, swapped=False)
    return Recovery(left.job, swapped=False, unfinished="" if ended else name)


def _settle_module(component_job: ComponentJob, lock: ComponentLock, left: UnfinishedJob) -> Recovery:
    """A module swaps nothing: it ended well, or nobody can tell what it left. Its guard is a generation already."""
    swap = step_of(left, "swap")
    if swap is not None and step_of(left, "swapped") is not None:
        resolve(component_job, left.job, but=left.job)
        number = int(str(swap["restored"]))
        linked = link_restored(component_job, lock, left, str(swap["id"]), number, str(swap["text"]))
        left.journal.step(SETTLED, swapped=True)
        return Recovery(left.job, swapped=True, restored=Restored(number, linked))
    half = half_restored(left)
    left.journal.step(SETTLED, swapped=False, half=half)
    return Recovery(left.job, swapped=False, half=half)


def resolve(component_job: ComponentJob, by: str, but: str = "") -> None:
    """A restore by a module ended well, so live is whole: what earlier jobs left half restored is over."""
    for left in component_job.half_restored():
        if left.job not in (but, component_job.job):
            left.journal.step(RESOLVED, by=by)


def recover(component_job: ComponentJob, left: UnfinishedJob) -> Recovery:
    """Settle one dead job, under the component's lock."""
    with component_job.locked(f"recover job {left.job}") as lock:
        return recover_job(component_job, lock, left)


def _sweep_places(plugin: StatePlugin, ctx: Context, left: UnfinishedJob) -> tuple[str, ...]:
    """Drop what a job that replaced nothing made: only places named after it, never what may be the only copy."""
    live_there = plugin.exists(ctx, plugin.live(ctx.component))
    borrowed = (step_of(left, "swap") or {}).get("beside")
    places: list[Place] = []
    for place in plugin.left_behind(ctx):
        if place == plugin.place(ctx, Purpose.ASIDE) and not live_there:
            raise NotSafe(
                f"{ctx.component.key} has nothing live, and {place.name} may be the only copy of it",
                "check it before anything is removed",
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
