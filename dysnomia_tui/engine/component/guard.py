"""After a swap: link what is live, make what was set aside a generation, hold it, and only then drop it.

Run by the restore itself and by whoever recovers it: each part is done only where it was not done yet.
"""

from __future__ import annotations

from dataclasses import field, replace

from dysnomia_base.records import dataclass
from dysnomia_plugins.base import Context, Place, Purpose, StatePlugin
from dysnomia_plugins.errors import Cancelled, PluginError
from dysnomia_store.errors import StoreError
from dysnomia_store.model import Generation, Pin, Reason
from dysnomia_store.store import ComponentLock
from dysnomia_tui.engine.component.context import ComponentJob
from dysnomia_tui.engine.component.left import SETTLED, UnfinishedJob, step_of

LOST = "the server was started again and lacks what it held: that is generation {}, restore it"


@dataclass(frozen=True)
class Restored:
    """How a restore came out. Live is the restored state whatever else is said here (except for a copy)."""

    restored: int | None
    """The generation that was restored; None where what stood aside was swapped back."""
    generation: Generation | None = None
    """The new generation that says what is live; None where it could not be linked (then ``warnings`` says why)."""
    guard: Generation | None = None
    guard_number: int | None = None
    aside: str = ""
    """Where what was live still stands, if it could not be made a generation yet."""
    stays: str = ""
    """What is the guard by now and still stands aside, since it could not be removed: the next writer tries again."""
    copy: str = ""
    """Where the copy stands."""
    warnings: tuple[str, ...] = field(default=())

    @property
    def whole(self) -> bool:
        """Whether nothing is left to be done."""
        return bool(self.copy) or (self.generation is not None and not self.aside)


def finish_restore(
    component_job: ComponentJob, plugin: StatePlugin, ctx: Context, lock: ComponentLock, left: UnfinishedJob
) -> Restored:
    """Link, guard, drop: everything from the swap on, each only where it was not done yet.

    Nothing here may undo the restore: what fails is said in ``warnings``, and the next writer tries again.
    """
    swap = step_of(left, "swap")
    assert swap is not None
    restored = None if swap["restored"] is None else int(str(swap["restored"]))
    warnings: list[str] = []
    generation: Generation | None = None
    if restored is not None:
        try:
            generation = link_restored(component_job, lock, left, str(swap["id"]), restored, str(swap["text"]))
        except (StoreError, OSError) as error:
            warnings.append(f"live is generation {restored}, but that could not be recorded: {error}")
    guard, aside, stays = _guard(component_job, plugin, ctx, lock, left, int(str(swap["guard"])), warnings)
    if guard is None and not aside and generation is not None:
        left.journal.step(SETTLED, swapped=True)  # nothing was live before: the next writer has nothing to put right
    if restored is None:
        generation = _record_live(component_job, plugin, ctx, lock, left, str(swap["text"]), warnings)
    return Restored(
        restored=restored,
        generation=generation,
        guard=guard,
        guard_number=int(str(swap["guard"])),
        aside=aside,
        stays=stays,
        warnings=tuple(warnings),
    )


def link_restored(
    component_job: ComponentJob, lock: ComponentLock, left: UnfinishedJob, snapshot_id: str, restored: int, text: str
) -> Generation:
    """The newest generation says what is live. Done once for a job."""
    generation = _made_by(component_job, left.job, Reason.RESTORE)
    if generation is None:
        info = component_job.link_info(restored, text, who=left.who, job=left.job)
        generation = component_job.store.link(lock, snapshot_id, info)
    if step_of(left, "linked") is None:
        left.journal.step("linked", number=generation.number)
    return generation


def _record_live(
    component_job: ComponentJob,
    plugin: StatePlugin,
    ctx: Context,
    lock: ComponentLock,
    left: UnfinishedJob,
    text: str,
    warnings: list[str],
) -> Generation | None:
    """After a swap back: live is no stored snapshot yet, so one is made of it."""
    generation = _made_by(component_job, left.job, Reason.RESTORE)
    if generation is not None:
        return generation
    component_job.progress.phase("snapshot")
    try:
        with component_job.draft() as draft:
            dumped = plugin.dump(ctx, plugin.live(ctx.component), draft)
            info = component_job.commit_info(dumped, Reason.RESTORE, text, who=left.who, job=left.job)
            number = component_job.store.reserve(lock)
            return component_job.store.commit(lock, draft, info, number=number).generation
    except (PluginError, StoreError, OSError) as error:
        warnings.append(f"what is live again could not be made a generation: {error}")
        return None


def _made_by(component_job: ComponentJob, job: str, reason: Reason) -> Generation | None:
    generations = component_job.store.generations(component_job.key)
    return next((one for one in reversed(generations) if one.job == job and one.reason is reason), None)


def _guard(
    component_job: ComponentJob,
    plugin: StatePlugin,
    ctx: Context,
    lock: ComponentLock,
    left: UnfinishedJob,
    number: int,
    warnings: list[str],
) -> tuple[Generation | None, str, str]:
    """Make what was set aside the generation that was reserved for it, hold it, then drop it.

    Returns the guard, where what was live still stands if it could not be made one, and if it could not be removed.
    """
    aside = plugin.place(ctx, Purpose.ASIDE)
    guard = _guard_of(component_job, left.job, number)
    if guard is None:
        if not plugin.exists(ctx, aside):
            return None, "", ""
        try:
            guard = dump_guard(component_job, plugin, ctx, lock, left, aside, number, warnings)
        except (PluginError, StoreError, OSError) as error:
            swap = step_of(left, "swap") or {}
            what = "was cancelled" if isinstance(error, Cancelled) else f"failed ({error})"
            warnings.append(f"the guard {what}: what was live before is kept at {aside.name}")
            if not swap.get("try_guard", True):
                left.journal.step("unguarded", aside=aside.name)
            return None, aside.name, ""
    pin_guard(component_job, guard, left)
    if step_of(left, "guarded") is None:
        left.journal.step("guarded", number=number)
    try:
        with component_job.shielded():
            for place in plugin.left_behind(ctx):
                plugin.drop(ctx, place)
    except (PluginError, OSError) as error:
        warnings.append(f"what was set aside could not be removed: {error}")
        return guard, "", aside.name
    left.journal.step("dropped")
    return guard, "", ""


def dump_guard(
    component_job: ComponentJob,
    plugin: StatePlugin,
    ctx: Context,
    lock: ComponentLock,
    left: UnfinishedJob,
    aside: Place,
    number: int,
    warnings: list[str],
) -> Generation:
    """Make what is at ``aside`` the generation ``number``. Raises PluginError, StoreError, OSError."""
    component_job.progress.phase("guard")
    with component_job.draft() as draft:
        dumped = plugin.dump(ctx, aside, draft)
        warnings.extend(dumped.remarks)
        text = f"guard of job {left.job}"
        info = component_job.commit_info(dumped, Reason.GUARD, text, who=left.who, job=left.job)
        return component_job.store.commit(lock, draft, info, number=number).generation


def keep_lost(
    component_job: ComponentJob, plugin: StatePlugin, ctx: Context, lock: ComponentLock, left: UnfinishedJob
) -> Generation | None:
    """Of a job that replaced nothing: make a generation of what it set aside, where live has lost that. Done once.

    Raises PluginError, StoreError, OSError: then it must not be dropped."""
    swap = step_of(left, "swap")
    aside = plugin.place(ctx, Purpose.ASIDE)
    if swap is None or not plugin.lost_live(ctx) or not plugin.exists(ctx, aside):
        return None
    number = int(str(swap["guard"]))
    guard = _guard_of(component_job, left.job, number)
    if guard is None:
        guard = dump_guard(component_job, plugin, ctx, lock, left, aside, number, [])
    pin_guard(component_job, guard, left)
    return guard


def _guard_of(component_job: ComponentJob, job: str, number: int) -> Generation | None:
    """The guard a job made, if it is durable. Another tool may have taken the number: then it is none."""
    guards = [
        one
        for one in component_job.store.generations(component_job.key)
        if one.number == number and one.job == job and one.id
    ]
    return guards[0] if guards else None


def pin_guard(component_job: ComponentJob, guard: Generation, left: UnfinishedJob) -> None:
    """Keep the guard from GC for its time. Done once."""
    if any(pin.held_by == left.job for pin in guard.marks.pins):
        return
    now = component_job.clock()
    pin = Pin(
        why=f"guard of job {left.job}", who=left.who or component_job.who, at=now, until=now + component_job.guard_hold,
        held_by=left.job,
    )  # fmt: skip
    component_job.store.update_marks(
        component_job.key,
        guard.number,
        lambda marks: replace(marks, pins=(*marks.pins, pin)),
        who=left.who or component_job.who,
    )
