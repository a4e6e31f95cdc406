"""Restore and undo of a type that swaps, in the one order that loses nothing.

    load beside (every byte verified as it streams) -> reserve the guard's number -> journal -> swap
    -> link the restored generation -> dump what was set aside as the guard, hold it -> drop it

Until the swap, live is untouched. From the swap on, live is the restored state and what was live stands aside; it is
dropped only once the guard is a durable generation. Until then undo swaps it back.

The engine's steps in the journal, each written before what it names:
``load``, ``swap`` (with the guard's number), ``swapped``, ``linked``, ``guarded``, ``dropped``; ``reverted``;
for a copy, ``copy`` and ``copied``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from dysnomia_plugins.base import Context, Place, Purpose, StatePlugin
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_store.errors import StoreError
from dysnomia_store.model import Check, CheckResult, Generation, Section
from dysnomia_store.store import ComponentLock
from dysnomia_tui.engine.component.context import ComponentJob, settle_one, settle_others, state_plugin
from dysnomia_tui.engine.component.guard import LOST, Restored, finish_restore, keep_lost
from dysnomia_tui.engine.component.index import ensure_index
from dysnomia_tui.engine.component.left import UnfinishedJob, step_of
from dysnomia_tui.engine.component.recover import ask_swapped
from dysnomia_tui.engine.component.target import RestoreTarget
from dysnomia_tui.engine.component.trust import made_here
from dysnomia_tui.engine.errors import Stale


def restore(
    component_job: ComponentJob,
    number: int,
    target: RestoreTarget | None = None,
    *,
    text: str = "",
    guard: bool = True,
    snapshot_id: str = "",
) -> Restored:
    """Restore generation ``number`` of the job's component.

    Args:
        target: replace what is live (the default), or make a copy beside it.
        text: the operator's words for it.
        guard: False where the plan said that live cannot be dumped: then a guard is tried and its failure is no
            failure of the restore.
        snapshot_id: what the plan was made from; another id there now is refused.

    Raises StoreError or PluginError with live untouched.
    """
    plugin = state_plugin(component_job)
    target = target or RestoreTarget()
    with component_job.locked(f"restore {number}") as lock:
        live = ""
        if target.kind == "replace":
            live = known_live(component_job, plugin, lock)
        else:
            settle_others(component_job, lock)
        generation = component_job.store.generation(component_job.key, number)
        if snapshot_id and generation.id != snapshot_id:
            raise NotSafe(
                f"generation {number} of {component_job.key} now links to another snapshot", "plan the restore again"
            )
        with component_job.context(made_here=made_here(component_job.store, generation)) as ctx:
            if target.kind == "replace":
                return _replace(component_job, plugin, ctx, lock, generation, text, guard, live)
            return copy_to(component_job, component_job, ctx, lock, generation, target)


def undo(component_job: ComponentJob, of: UnfinishedJob, *, text: str = "") -> Restored:
    """Undo a restore: swap back what it set aside while that stands, else restore its guard. Itself guarded.

    Raises NotSafe where the job replaced nothing, NotFound where neither is there, and what ``restore`` raises.
    """
    plugin = state_plugin(component_job)
    swap = step_of(of, "swap")
    if swap is None:
        raise NotSafe(f"job {of.job} replaced nothing", "there is nothing to undo")
    number = int(str(swap["guard"]))
    with component_job.locked(f"undo job {of.job}") as lock:
        known_live(component_job, plugin, lock, but=of.job)
        with component_job.context(of=of) as ctx:
            with component_job.shielded():
                swapped = step_of(of, "swapped") is not None or ask_swapped(plugin, ctx, of)
            live = plugin.identity(component_job.component)
            aside = plugin.place(ctx, Purpose.ASIDE)
            standing = swapped and step_of(of, "guarded") is None and plugin.exists(ctx, aside)
        if not standing:
            settle_one(component_job, lock, of)
        if not swapped:
            raise NotSafe(f"job {of.job} never replaced what was live", "there is nothing to undo")
        if standing:
            with component_job.context() as ctx:
                return _swap_back(component_job, plugin, ctx, lock, of, aside, text, live)
        guard = component_job.store.generation(component_job.key, number)
        with component_job.context(made_here=made_here(component_job.store, guard)) as ctx:
            return _replace(component_job, plugin, ctx, lock, guard, text or f"undo of job {of.job}", True, live)


def known_live(component_job: ComponentJob, plugin: StatePlugin, lock: ComponentLock, but: str = "") -> str:
    """Put right what dead jobs left, and say what is live then: what will be replaced must still be that.

    Raises Stale where it is not what the plan was made of."""
    if component_job.planned:
        refuse_another(component_job, plugin, component_job.planned)
    settle_others(component_job, lock, but)
    return plugin.identity(component_job.component)


def refuse_another(component_job: ComponentJob, plugin: StatePlugin, live: str) -> None:
    """Raise Stale where something else is live than what was seen: it may have been put there by somebody else."""
    if plugin.identity(component_job.component) != live:
        what = plugin.live(component_job.component).name
        raise Stale(f"nothing was changed: {what} was replaced since this was planned", "check it, then plan again")


# --- replace -------------------------------------------------------------------------------------------------------


def _replace(
    component_job: ComponentJob,
    plugin: StatePlugin,
    ctx: Context,
    lock: ComponentLock,
    generation: Generation,
    text: str,
    guard: bool,
    live: str,
) -> Restored:
    stored = ensure_index(component_job, lock, generation)
    beside = plugin.place(ctx, Purpose.BESIDE)
    component_job.journal.step("load", number=generation.number, id=generation.id)
    component_job.progress.phase("load")
    try:
        plugin.load(ctx, stored, beside)
        ctx.cancel.check()
        refuse_another(component_job, plugin, live)
        number = component_job.store.reserve(lock)
        component_job.journal.step(
            "swap", guard=number, id=generation.id, restored=generation.number, text=text, try_guard=guard
        )
    except BaseException:
        with component_job.shielded():
            plugin.drop(ctx, beside)
        component_job.journal.step("reverted")
        raise
    _swap(component_job, plugin, ctx, lock, beside)
    _record_verified(component_job, generation)
    return finish_restore(
        component_job, plugin, ctx, lock, UnfinishedJob(component_job.job, component_job.journal, component_job.who)
    )


def _record_verified(component_job: ComponentJob, generation: Generation) -> None:
    """Every byte was compared with what was written while it was loaded: as good as a check, and later than any.

    No restore fails because it could not be written down. What has no digests on record was not verified.
    """
    if generation.metadata is None or not generation.metadata.files:
        return
    check = Check(
        at=component_job.clock(),
        how="bytes",
        result=CheckResult.OK,
        text="verified while it was restored",
        job=component_job.job,
    )
    try:
        component_job.store.record_check(component_job.key, generation.id, check)
    except (StoreError, OSError) as error:
        component_job.progress.log(f"the verification of generation {generation.number} was not recorded: {error}")


def _swap_back(
    component_job: ComponentJob,
    plugin: StatePlugin,
    ctx: Context,
    lock: ComponentLock,
    of: UnfinishedJob,
    aside: Place,
    text: str,
    live: str,
) -> Restored:
    """Exchange live with what job ``of`` set aside. What is live now becomes this job's guard."""
    refuse_another(component_job, plugin, live)
    number = component_job.store.reserve(lock)
    component_job.journal.step(
        "swap", guard=number, id="", restored=None, text=text or f"undo of job {of.job}", try_guard=True, of=of.job,
        beside=aside.name,
    )  # fmt: skip
    _swap(component_job, plugin, ctx, lock, aside, keep_beside=True)
    of.journal.step("undone", by=component_job.job)
    return finish_restore(
        component_job, plugin, ctx, lock, UnfinishedJob(component_job.job, component_job.journal, component_job.who)
    )


def _swap(
    component_job: ComponentJob,
    plugin: StatePlugin,
    ctx: Context,
    lock: ComponentLock,
    beside: Place,
    *,
    keep_beside: bool = False,
) -> None:
    """The swap itself. Raises with live as it was; a swap that failed after the exchange counts as done."""
    component_job.progress.phase("swap")
    try:
        plugin.swap(ctx, beside, plugin.place(ctx, Purpose.ASIDE))
    except (PluginError, StoreError, OSError) as error:
        with component_job.shielded():
            if not plugin.recover(ctx):
                me = UnfinishedJob(component_job.job, component_job.journal, component_job.who)
                if guard := keep_lost(component_job, plugin, ctx, lock, me):
                    component_job.progress.log(LOST.format(guard.number))
                    if isinstance(error, PluginError):
                        error.message += f"; {LOST.format(guard.number)}"
                if not keep_beside:
                    plugin.drop(ctx, beside)
                _drop_spent_aside(plugin, ctx)
                component_job.journal.step("reverted")
                raise
        component_job.progress.log(f"live was replaced, with an error at the end of the swap: {error}")
    component_job.journal.step("swapped")


def _drop_spent_aside(plugin: StatePlugin, ctx: Context) -> None:
    """After a swap that was reverted: what stands aside is a spare copy, unless live is not there."""
    aside = plugin.place(ctx, Purpose.ASIDE)
    if plugin.exists(ctx, plugin.live(ctx.component)) and plugin.exists(ctx, aside):
        plugin.drop(ctx, aside)


# --- copy ----------------------------------------------------------------------------------------------------------


def copy_to(
    component_job: ComponentJob,
    source: ComponentJob,
    ctx: Context,
    lock: ComponentLock,
    generation: Generation,
    target: RestoreTarget,
    noted: Mapping[str, str] | None = None,
) -> Restored:
    """Make a copy of a generation of ``source``, whose lock is ``lock``, where the component of ``component_job`` is.

    Raises StoreError or PluginError, with nothing left."""
    plugin = state_plugin(component_job)
    place = plugin.named(component_job.component, target.name)
    if plugin.exists(ctx, place):
        raise NotSafe(f"{place.name} already exists", "choose another name for the copy")
    stored = ensure_index(source, lock, generation)
    sections = chosen(stored.sections(), target.sections) if target.kind == "sections" else None
    component_job.journal.step("copy", place=target.name, **(noted or {}))
    component_job.progress.phase("load")
    try:
        plugin.load(ctx, stored, place, sections)
    except NotSafe:
        component_job.journal.step("reverted")  # it is not ours: nobody may drop it for us later either
        raise
    except BaseException:
        with component_job.shielded():
            plugin.drop(ctx, place)
        component_job.journal.step("reverted")
        raise
    component_job.journal.step("copied")
    if sections is None:
        _record_verified(source, generation)
    return Restored(restored=generation.number, copy=place.name)


def chosen(sections: Iterable[Section], names: Sequence[str]) -> tuple[Section, ...]:
    """The sections called ``kind:name``. Raises NotSafe, naming the first that is not there."""
    wanted = dict.fromkeys(names)
    if not wanted:
        raise NotSafe("no section was chosen", "name at least one")
    matching = [section for section in sections if f"{section.kind}:{section.name}" in wanted]
    names_chosen = {f"{section.kind}:{section.name}" for section in matching}
    missing = [name for name in wanted if name not in names_chosen]
    if missing:
        raise NotSafe(f"the snapshot holds no {missing[0].replace(':', ' ', 1)}", "see the list of its sections")
    return tuple(matching)
