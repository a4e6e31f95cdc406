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

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dysnomia_plugins.base import Context, Place, Purpose, StatePlugin
from dysnomia_plugins.errors import NotSafe, PluginError, Unsupported
from dysnomia_store.errors import StoreError
from dysnomia_store.model import Check, CheckResult, Generation, Section
from dysnomia_store.store import ComponentLock
from dysnomia_tui.engine.component.context import Bench, Left
from dysnomia_tui.engine.component.guard import Restored, finish, step_of
from dysnomia_tui.engine.component.index import ensure_index
from dysnomia_tui.engine.component.recover import settle
from dysnomia_tui.engine.component.trust import made_here
from dysnomia_tui.engine.errors import Stale


@dataclass(frozen=True)
class RestoreTarget:
    """Where a restore goes."""

    kind: str = "replace"
    """``replace``, ``copy`` or ``sections`` (some sections into a copy)."""
    name: str = ""
    """The copy's name."""
    sections: tuple[str, ...] = ()
    """``kind:name`` of the sections."""


def restore(
    bench: Bench,
    number: int,
    target: RestoreTarget | None = None,
    *,
    text: str = "",
    guard: bool = True,
    snapshot_id: str = "",
) -> Restored:
    """Restore generation ``number`` of the bench's component.

    Args:
        target: replace what is live (the default), or make a copy beside it.
        text: the operator's words for it.
        guard: False where the plan said that live cannot be dumped: then a guard is tried and its failure is no
            failure of the restore.
        snapshot_id: what the plan was made from; another id there now is refused.

    Raises StoreError or PluginError with live untouched.
    """
    plugin = state_plugin(bench)
    target = target or RestoreTarget()
    with bench.locked(f"restore {number}") as lock:
        live = ""
        if target.kind == "replace":
            live = known_live(bench, plugin, lock)
        else:
            settle_others(bench, lock)
        generation = bench.store.generation(bench.key, number)
        if snapshot_id and generation.id != snapshot_id:
            raise NotSafe(f"generation {number} of {bench.key} is another snapshot now", "plan the restore again")
        with bench.context(made_here=made_here(bench.store, generation)) as ctx:
            if target.kind == "replace":
                return _replace(bench, plugin, ctx, lock, generation, text, guard, live)
            return _copy(bench, plugin, ctx, lock, generation, target)


def undo(bench: Bench, of: Left, *, text: str = "") -> Restored:
    """Undo a restore: swap back what it set aside while that stands, else restore its guard. Itself guarded.

    Raises NotFound where neither is there, and what ``restore`` raises.
    """
    plugin = state_plugin(bench)
    swap = step_of(of, "swap")
    if swap is None:
        raise NotSafe(f"job {of.job} replaced nothing", "there is nothing to undo")
    number = int(str(swap["guard"]))
    with bench.locked(f"undo job {of.job}") as lock:
        known_live(bench, plugin, lock, but=of.job)
        with bench.context(of=of) as ctx:
            with bench.shielded():
                swapped = step_of(of, "swapped") is not None or plugin.recover(ctx)
            live = plugin.identity(bench.component)
            aside = plugin.place(ctx, Purpose.ASIDE)
            standing = swapped and step_of(of, "guarded") is None and plugin.exists(ctx, aside)
        if not swapped:
            raise NotSafe(f"job {of.job} never replaced what was live", "there is nothing to undo")
        if standing:
            with bench.context() as ctx:
                return _swap_back(bench, plugin, ctx, lock, of, aside, text, live)
        guard = bench.store.generation(bench.key, number)
        with bench.context(made_here=made_here(bench.store, guard)) as ctx:
            return _replace(bench, plugin, ctx, lock, guard, text or f"undo of job {of.job}", True, live)


def state_plugin(bench: Bench) -> StatePlugin:
    """The bench's plugin, which must hold state. Raises Unsupported."""
    if not isinstance(bench.plugin, StatePlugin):
        raise Unsupported(f"{bench.key} is of type {bench.plugin.type!r}, which holds no state of its own")
    return bench.plugin


def settle_others(bench: Bench, lock: ComponentLock, but: str = "") -> None:
    """Put right what dead jobs left on this component, before anything else is written."""
    for left in bench.unsettled():
        if left.job not in (but, bench.job):
            bench.progress.log(f"putting right what job {left.job} left behind")
            settle(bench, lock, left)


def known_live(bench: Bench, plugin: StatePlugin, lock: ComponentLock, but: str = "") -> str:
    """Put right what dead jobs left, and say what is live then: what will be replaced must still be that.

    Raises Stale where it is not what the plan was made of."""
    if bench.planned:
        refuse_another(bench, plugin, bench.planned)
    settle_others(bench, lock, but)
    return plugin.identity(bench.component)


def refuse_another(bench: Bench, plugin: StatePlugin, live: str) -> None:
    """Raise Stale where something else is live than what was seen: it may have been put there by somebody else."""
    if plugin.identity(bench.component) != live:
        what = plugin.live(bench.component).name
        raise Stale(f"nothing was touched: {what} is another one than when this was planned", "look at it, plan again")


# --- replace -------------------------------------------------------------------------------------------------------


def _replace(
    bench: Bench,
    plugin: StatePlugin,
    ctx: Context,
    lock: ComponentLock,
    generation: Generation,
    text: str,
    guard: bool,
    live: str,
) -> Restored:
    stored = ensure_index(bench, lock, generation)
    beside = plugin.place(ctx, Purpose.BESIDE)
    bench.journal.step("load", number=generation.number, id=generation.id)
    bench.progress.phase("load")
    try:
        plugin.load(ctx, stored, beside)
        ctx.cancel.check()
        refuse_another(bench, plugin, live)
        number = bench.store.reserve(lock)
        bench.journal.step(
            "swap", guard=number, id=generation.id, restored=generation.number, text=text, try_guard=guard
        )
    except BaseException:
        with bench.shielded():
            plugin.drop(ctx, beside)
        bench.journal.step("reverted")
        raise
    _swap(bench, plugin, ctx, beside)
    _record_verified(bench, generation)
    return finish(bench, plugin, ctx, lock, Left(bench.job, bench.journal, bench.who))


def _record_verified(bench: Bench, generation: Generation) -> None:
    """Every byte was compared with what was written while it was loaded: as good as a check, and later than any.

    No restore fails because it could not be written down. What has no digests on record was not verified.
    """
    if generation.metadata is None or not generation.metadata.files:
        return
    said = Check(
        at=bench.clock(), how="bytes", result=CheckResult.OK, text="verified while it was restored", job=bench.job
    )
    try:
        bench.store.record_check(bench.key, generation.id, said)
    except (StoreError, OSError) as error:
        bench.progress.log(f"that generation {generation.number} was verified could not be recorded: {error}")


def _swap_back(
    bench: Bench, plugin: StatePlugin, ctx: Context, lock: ComponentLock, of: Left, aside: Place, text: str, live: str
) -> Restored:
    """Exchange live with what job ``of`` set aside. What is live now becomes this job's guard."""
    refuse_another(bench, plugin, live)
    number = bench.store.reserve(lock)
    bench.journal.step(
        "swap", guard=number, id="", restored=None, text=text or f"undo of job {of.job}", try_guard=True, of=of.job,
        beside=aside.name,
    )  # fmt: skip
    _swap(bench, plugin, ctx, aside, keep_beside=True)
    of.journal.step("undone", by=bench.job)
    return finish(bench, plugin, ctx, lock, Left(bench.job, bench.journal, bench.who))


def _swap(bench: Bench, plugin: StatePlugin, ctx: Context, beside: Place, *, keep_beside: bool = False) -> None:
    """The swap itself. Raises with live as it was; a swap that failed after the exchange counts as done."""
    bench.progress.phase("swap")
    try:
        plugin.swap(ctx, beside, plugin.place(ctx, Purpose.ASIDE))
    except (PluginError, StoreError, OSError) as error:
        with bench.shielded():
            if not plugin.recover(ctx):
                if not keep_beside:
                    plugin.drop(ctx, beside)
                _drop_spent_aside(plugin, ctx)
                bench.journal.step("reverted")
                raise
        bench.progress.log(f"the swap is made, though it did not end well: {error}")
    bench.journal.step("swapped")


def _drop_spent_aside(plugin: StatePlugin, ctx: Context) -> None:
    """After a swap that was reverted: what stands aside is a spare copy, unless live is not there."""
    aside = plugin.place(ctx, Purpose.ASIDE)
    if plugin.exists(ctx, plugin.live(ctx.component)) and plugin.exists(ctx, aside):
        plugin.drop(ctx, aside)


# --- copy ----------------------------------------------------------------------------------------------------------


def _copy(
    bench: Bench,
    plugin: StatePlugin,
    ctx: Context,
    lock: ComponentLock,
    generation: Generation,
    target: RestoreTarget,
) -> Restored:
    place = plugin.named(bench.component, target.name)
    if plugin.exists(ctx, place):
        raise NotSafe(f"{place.name} is already there", "choose another name for the copy")
    stored = ensure_index(bench, lock, generation)
    sections = chosen(stored.sections(), target.sections) if target.kind == "sections" else None
    bench.journal.step("copy", place=target.name)
    bench.progress.phase("load")
    try:
        plugin.load(ctx, stored, place, sections)
    except NotSafe:
        bench.journal.step("reverted")  # it is not ours: nobody may drop it for us later either
        raise
    except BaseException:
        with bench.shielded():
            plugin.drop(ctx, place)
        bench.journal.step("reverted")
        raise
    bench.journal.step("copied")
    if sections is None:
        _record_verified(bench, generation)
    return Restored(restored=generation.number, copy=place.name)


def chosen(sections: Iterable[Section], names: Sequence[str]) -> tuple[Section, ...]:
    """The sections called ``kind:name``. Raises NotSafe, naming the first that is not there."""
    wanted = dict.fromkeys(names)
    if not wanted:
        raise NotSafe("no section was chosen", "name at least one")
    found = [section for section in sections if f"{section.kind}:{section.name}" in wanted]
    there = {f"{section.kind}:{section.name}" for section in found}
    missing = [name for name in wanted if name not in there]
    if missing:
        raise NotSafe(f"the snapshot holds no {missing[0].replace(':', ' ', 1)}", "look at its contents")
    return tuple(found)
