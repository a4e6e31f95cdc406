"""What the engine can do to one component, in-process: over the store, the plugin and the journal of a job.

The worker runs exactly these; so do the tests that prove them. Each takes the component's lock, first puts right
what dead jobs left there, and ends with everything durable or with live as it was.

    snapshot(bench) -> Snapshotted          restore(bench, number, target) -> Restored
    undo(bench, of) -> Restored             recover(bench, left) -> Settled
    verify(bench, number) -> Check          check(bench, number) -> Check
    activity(bench, name)                   activate, deactivate, collect-garbage, lock, unlock
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dysnomia_base.ownership import refusal_below
from dysnomia_plugins.base import Context, PrivateStatePlugin, StatePlugin
from dysnomia_plugins.errors import Cancelled, NotSafe, PluginError, ToolMissing, Unsupported
from dysnomia_store.model import Generation, Reason
from dysnomia_store.store import Committed, ComponentLock
from dysnomia_tui.engine.component import dysnomia_module as modules
from dysnomia_tui.engine.component import restore as restoring
from dysnomia_tui.engine.component.check import check, require_sound, same_state, verify
from dysnomia_tui.engine.component.context import Bench, Left
from dysnomia_tui.engine.component.guard import Restored, hold, step_of
from dysnomia_tui.engine.component.recover import SETTLED, Settled, begin_activity, recover, resolve
from dysnomia_tui.engine.component.restore import RestoreTarget, settle_others
from dysnomia_tui.engine.translate import Expected, words_of

__all__ = [
    "Bench",
    "Left",
    "RestoreTarget",
    "Restored",
    "Settled",
    "Snapshotted",
    "activity",
    "check",
    "import_folder",
    "recover",
    "restore",
    "snapshot",
    "undo",
    "verify",
]


@dataclass(frozen=True)
class Snapshotted:
    """How a snapshot came out."""

    committed: Committed
    warnings: tuple[str, ...] = ()
    half: str = ""
    """Why it may be of half a restore, or ``""``. Among the warnings too."""

    @property
    def generation(self) -> Generation:
        return self.committed.generation


def snapshot(bench: Bench, *, reason: Reason = Reason.MANUAL, text: str = "") -> Snapshotted:
    """Make a generation of what is live, or record that the newest one was seen again.

    Raises StoreError or PluginError, and then nothing was added.
    """
    with bench.locked("snapshot") as lock:
        settle_others(bench, lock)
        if isinstance(bench.plugin, PrivateStatePlugin):
            bench.progress.phase("dump")
            half = _half_restored(bench)
            text = "; ".join(filter(None, (text, half)))
            committed = modules.run_snapshot(bench, bench.plugin, lock, reason=reason, text=text)
            return Snapshotted(committed, (half,) if half else (), half)
        return _dump_live(bench, restoring.state_plugin(bench), lock, reason, text)


def _half_restored(bench: Bench) -> str:
    """A warning where what is live may be neither what it was nor what a module was to restore; else ``""``."""
    jobs = ", ".join(f"job {left.job}" for left in bench.half_restored())
    return f"live may be half restored, by {jobs}" if jobs else ""


def _dump_live(bench: Bench, plugin: StatePlugin, lock: ComponentLock, reason: Reason, text: str) -> Snapshotted:
    bench.journal.step("dump")
    bench.progress.phase("dump")
    with (
        bench.context() as ctx,
        bench.draft() as draft,
    ):
        dumped = plugin.dump(ctx, plugin.live(bench.component), draft)
        bench.cancel.check()
        bench.progress.phase("commit")
        bench.journal.step("commit")
        committed = bench.store.commit(
            lock, draft, type=plugin.type, digest_version=plugin.digest_version, as_of=dumped.as_of, end=dumped.end,
            complete=dumped.complete, reason=reason, text=text, who=bench.who, job=bench.job,
            tool_versions=dumped.tool_versions, surroundings=dumped.surroundings, host=bench.host,
            same_rows=lambda known: same_state(bench, plugin, known, draft, ctx.staging),
        )  # fmt: skip
    bench.journal.step("settled", swapped=False)
    return Snapshotted(committed, tuple(dumped.warnings))


def restore(
    bench: Bench,
    number: int,
    target: RestoreTarget | None = None,
    *,
    text: str = "",
    guard: bool = True,
    snapshot_id: str = "",
) -> Restored:
    """Restore a generation; see ``restoring.restore``. A module of Dysnomia's convention gets a guard made before."""
    if not isinstance(bench.plugin, PrivateStatePlugin):
        return restoring.restore(bench, number, target, text=text, guard=guard, snapshot_id=snapshot_id)
    if target is not None and target.kind != "replace":
        raise Unsupported(f"a module of type {bench.plugin.type!r} restores in place only", "replace what is live")
    return _restore_by_module(bench, bench.plugin, number, text, guard, snapshot_id)


def undo(bench: Bench, of: Left, *, text: str = "") -> Restored:
    """Undo a restore that job ``of`` made; see ``restoring.undo``."""
    if not isinstance(bench.plugin, PrivateStatePlugin):
        return restoring.undo(bench, of, text=text)
    swap = step_of(of, "swap")
    if swap is None or not swap.get("guard"):
        raise Unsupported(f"job {of.job} made no guard", "restore another generation")
    return _restore_by_module(bench, bench.plugin, int(str(swap["guard"])), text or f"undo of job {of.job}", True, "")


def _restore_by_module(
    bench: Bench, plugin: PrivateStatePlugin, number: int, text: str, guard: bool, snapshot_id: str
) -> Restored:
    """A module restores over what is live, so what is live is snapshotted first: writes in between are in neither."""
    with bench.locked(f"restore {number}") as lock:
        settle_others(bench, lock)
        generation = bench.store.generation(bench.key, number)
        if snapshot_id and generation.id != snapshot_id:
            raise NotSafe(f"generation {number} of {bench.key} is another snapshot now", "plan it again")
        require_sound(bench, generation)
        made: Generation | None = None
        unguarded = ""
        if guard:
            bench.progress.phase("guard")
            made, unguarded = _guard_by_module(bench, plugin, lock)
        bench.journal.step(
            "swap", guard=made.number if made else 0, id=generation.id, restored=number, text=text, in_place=True
        )
        bench.progress.phase("restore")
        try:
            modules.run_restore(bench, plugin, generation)
        except PluginError as error:
            held = f"; what was live before is generation {made.number}" if made else ""
            raise PluginError(
                f"the module may have left it half restored ({error.message}){held}", "undo it"
            ) from error
        bench.journal.step("swapped")
        resolve(bench, bench.job)
        linked = bench.store.link(
            lock, generation.id, reason=Reason.RESTORE, restored=number, text=text, who=bench.who, job=bench.job
        )
        bench.journal.step("settled", swapped=True)
        return Restored(number, linked, made, made.number if made else None, warnings=(unguarded,) if unguarded else ())


def _guard_by_module(bench: Bench, plugin: PrivateStatePlugin, lock: ComponentLock) -> tuple[Generation | None, str]:
    """Snapshot what is live, and hold it. Returns the guard, or why there is none.

    What is broken, gone or half restored may be more than its module can snapshot: that must not stand in the way of
    making it whole, and the plan says so. What fails for another reason stops the restore: Cancelled, StoreError.
    """
    half = _half_restored(bench)
    text = "; ".join(filter(None, (f"guard of job {bench.job}", half)))
    number = bench.store.reserve(lock)
    try:
        made = modules.run_snapshot(bench, plugin, lock, reason=Reason.GUARD, text=text, number=number).generation
    except PluginError as error:
        if isinstance(error, (Cancelled, ToolMissing)):
            raise
        why = f"no guard: what was live could not be snapshotted ({error.message})"
        bench.progress.log(f"{half}; {why}" if half else why)
        return None, why
    hold(bench, made, Left(bench.job, bench.journal, bench.who))
    return made, ""


def activity(bench: Bench, name: str) -> None:
    """Run ``activate``, ``deactivate``, ``collect-garbage``, ``lock`` or ``unlock``; markers follow. A module may
    have activities of its own.

    Raises Unsupported where the type has no such activity.
    """
    own = isinstance(bench.plugin, PrivateStatePlugin) and name not in _ACTIVITIES
    if not own and name not in bench.plugin.activities() | {"lock", "unlock"}:
        raise Unsupported(f"type {bench.plugin.type!r} has no activity {name!r}")
    with bench.locked(name) as lock:
        settle_others(bench, lock)
        refused = refusal_below(bench.component.path) if name == "activate" else ""
        if refused:
            raise NotSafe(refused, "give it to root (chown, chmod go-w), or to the user who calls")
        bench.progress.phase(name)
        if isinstance(bench.plugin, PrivateStatePlugin):
            modules.run_activity(bench, bench.plugin, name)
            return
        with bench.context() as ctx:
            if isinstance(bench.plugin, StatePlugin):
                _ACTIVITIES[name](bench, ctx)
            else:
                _whole_or_taken_back(bench, ctx, name)


def _whole_or_taken_back(bench: Bench, ctx: Context, name: str) -> None:
    """An activity of a type without state: what one that fails has made is taken back, and nothing stays half done.

    One that dies is taken back by the next writer, or by the recovery of its job (``settle``)."""
    begin_activity(bench, name)
    try:
        _ACTIVITIES[name](bench, ctx)
    except Expected as error:
        if name == "activate":
            _take_back(bench, ctx, error)
        bench.journal.step(SETTLED, swapped=False)
        raise
    bench.journal.step(SETTLED, swapped=False)


def _take_back(bench: Bench, ctx: Context, why: Exception) -> None:
    """What cannot be taken back is said with what went wrong first, and left to the next writer."""
    try:
        with bench.shielded():
            bench.plugin.take_back(ctx)
    except Expected as error:
        message, hint = words_of(error)
        raise PluginError(f"{words_of(why)[0]}; {message}", hint) from why


def _activate(bench: Bench, ctx: Context) -> None:
    bench.plugin.activate(ctx)
    bench.store.set_state(bench.key, active=True, garbage=False, component=bench.component.path)


def _deactivate(bench: Bench, ctx: Context) -> None:
    """State that stays behind is garbage: it may be collected, and comes back with the next activation."""
    bench.plugin.deactivate(ctx)
    bench.store.set_state(bench.key, active=False, garbage=isinstance(bench.plugin, StatePlugin))


def _collect_garbage(bench: Bench, ctx: Context) -> None:
    plugin = restoring.state_plugin(bench)
    if bench.active:
        raise NotSafe(f"{bench.key} is active", "deactivate it first")
    if bench.planned:
        restoring.refuse_another(bench, plugin, bench.planned)
    plugin.collect_garbage(ctx)
    bench.store.set_state(bench.key, active=False, garbage=False)


_ACTIVITIES: Mapping[str, Callable[[Bench, Context], None]] = {
    "activate": _activate,
    "deactivate": _deactivate,
    "collect-garbage": _collect_garbage,
    "lock": lambda bench, ctx: bench.plugin.lock(ctx),
    "unlock": lambda bench, ctx: bench.plugin.unlock(ctx),
}


def import_folder(bench: Bench, folder: Path) -> Committed:
    """Take a snapshot folder made elsewhere into the store."""
    with bench.locked("import") as lock:
        settle_others(bench, lock)
        return bench.store.import_folder(lock, folder, who=bench.who, job=bench.job)
