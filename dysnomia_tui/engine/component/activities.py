"""What the engine can do to one component, in-process: over the store, the plugin and the journal of a job.

The worker runs exactly these; so do the tests that prove them. Each takes the component's lock, first puts right
what dead jobs left there, and ends with everything durable or with live as it was.

    snapshot(job) -> Snapshotted          restore(job, number, target) -> Restored
    undo(job, of) -> Restored             recover(job, left) -> Recovery
    verify(job, number) -> Check          check(job, number) -> Check
    put_back(job, number, …) -> PutBack
    activity(job, name)                   activate, deactivate, collect-garbage, lock, unlock

What one of them needs is imported when it is run: a lock must not wait for what a restore needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dysnomia_base.ownership import refusal_below
from dysnomia_base.records import dataclass
from dysnomia_plugins.base import Context, Dumped, PrivateStatePlugin, StatePlugin
from dysnomia_plugins.errors import Cancelled, NotSafe, PluginError, ToolMissing, Unsupported
from dysnomia_store.errors import Corrupt, NotFound
from dysnomia_store.model import Reason
from dysnomia_tui.engine.component.context import ComponentJob, settle_others, state_plugin
from dysnomia_tui.engine.component.left import SETTLED, UnfinishedJob, made_something, step_of
from dysnomia_tui.engine.component.target import RestoreTarget
from dysnomia_tui.engine.translate import Expected, words_of

if TYPE_CHECKING:
    from dysnomia_store import Proofs
    from dysnomia_store.commit.earlier import Earlier
    from dysnomia_store.model import Check, Generation
    from dysnomia_store.store import Committed, ComponentLock
    from dysnomia_tui.engine.component.guard import Restored
    from dysnomia_tui.engine.component.put_back import PutBack
    from dysnomia_tui.engine.component.recover import Recovery
    from dysnomia_tui.engine.component.rows import PlannedRow

__all__ = [
    "ComponentJob",
    "RestoreTarget",
    "Snapshotted",
    "UnfinishedJob",
    "activity",
    "check",
    "import_folder",
    "put_back",
    "recover",
    "restore",
    "snapshot",
    "undo",
    "verify",
]


NOT_OURS_TO_REMOVE = "was found on its server (components=*), and nobody activated it: what it holds is not removed"
REMOVE_IT_YOURSELF = "drop it with the server's own client"


@dataclass(frozen=True)
class Snapshotted:
    """How a snapshot came out."""

    committed: Committed
    warnings: tuple[str, ...] = ()

    @property
    def generation(self) -> Generation:
        return self.committed.generation


def snapshot(component_job: ComponentJob, *, reason: Reason = Reason.MANUAL, text: str = "") -> Snapshotted:
    """Make a generation of what is live, or record that the newest one was seen again.

    Raises StoreError or PluginError, and then nothing was added.
    """
    with component_job.locked("snapshot") as lock:
        settle_others(component_job, lock)
        if isinstance(component_job.plugin, PrivateStatePlugin):
            component_job.progress.phase("dump")
            half = _half_restored(component_job)
            text = "; ".join(filter(None, (text, half)))
            from dysnomia_tui.engine.component import dysnomia_module as modules

            committed = modules.run_snapshot(component_job, component_job.plugin, lock, reason=reason, text=text)
            return Snapshotted(committed, (half,) if half else ())
        return _dump_live(component_job, state_plugin(component_job), lock, reason, text)


def _half_restored(component_job: ComponentJob) -> str:
    """A warning where what is live may be neither what it was nor what a module was to restore; else ``""``."""
    jobs = ", ".join(f"job {left.job}" for left in component_job.half_restored())
    return f"live may be half restored, by {jobs}" if jobs else ""


def _dump_live(
    component_job: ComponentJob, plugin: StatePlugin, lock: ComponentLock, reason: Reason, text: str
) -> Snapshotted:
    component_job.journal.step("dump")
    component_job.progress.phase("dump")
    earlier = component_job.store.earlier(
        lock, plugin.type, plugin.digest_version, read_all_every=component_job.read_all_every.total_seconds()
    )
    try:
        committed, dumped = _dump_and_commit(component_job, plugin, lock, (reason, text), earlier)
    except (Corrupt, NotFound):
        if earlier is None:
            raise
        # What is stored cannot be read: what is live is there, and all of it is read.
        committed, dumped = _dump_and_commit(component_job, plugin, lock, (reason, text), None)
    except BaseException:
        _settle_reading(component_job)
        raise
    finally:
        if earlier is not None:
            earlier.close()
    component_job.journal.step("settled", swapped=False)
    return Snapshotted(committed, dumped.remarks)


def _settle_reading(component_job: ComponentJob) -> None:
    """Of a snapshot that failed the next writer has nothing to put right, unless its type noted what it was making."""
    if not made_something(UnfinishedJob(component_job.job, component_job.journal)):
        with suppress(OSError):
            component_job.journal.step(SETTLED, swapped=False)


def _dump_and_commit(
    component_job: ComponentJob,
    plugin: StatePlugin,
    lock: ComponentLock,
    why: tuple[Reason, str],
    earlier: Earlier | None,
) -> tuple[Committed, Dumped]:
    def same_rows(known: str) -> bool:
        from dysnomia_tui.engine.component.check import same_state

        return same_state(component_job, plugin, known, draft, ctx.staging)

    store = component_job.store
    with component_job.context(earlier=earlier) as ctx, component_job.draft() as draft:
        dumped = plugin.dump(ctx, plugin.live(component_job.component), draft)
        component_job.cancel.check()
        component_job.progress.phase("commit")
        component_job.journal.step("commit")
        info = component_job.commit_info(dumped, *why)
        if earlier is not None and dumped.unchanged:
            return store.see_again(lock, earlier, info), dumped
        draft.note = dumped.note
        read = None if earlier is None else earlier.read
        return store.commit(lock, draft, info, same_rows=same_rows, read=read), dumped


def restore(
    component_job: ComponentJob,
    number: int,
    target: RestoreTarget | None = None,
    *,
    text: str = "",
    guard: bool = True,
    snapshot_id: str = "",
) -> Restored:
    """Restore a generation; see ``restoring.restore``. A module of Dysnomia's convention gets a guard made before.

    Raises Unsupported where a module is to make a copy."""
    if not isinstance(component_job.plugin, PrivateStatePlugin):
        from dysnomia_tui.engine.component import restore as restoring

        return restoring.restore(component_job, number, target, text=text, guard=guard, snapshot_id=snapshot_id)
    if target is not None and target.kind != "replace":
        raise Unsupported(
            f"a module of type {component_job.plugin.type!r} restores in place only", "replace what is live"
        )
    return _restore_by_module(component_job, component_job.plugin, number, text, guard, snapshot_id)


def undo(component_job: ComponentJob, of: UnfinishedJob, *, text: str = "") -> Restored:
    """Undo a restore that job ``of`` made; see ``restoring.undo``. Raises Unsupported where the job made no guard."""
    if not isinstance(component_job.plugin, PrivateStatePlugin):
        from dysnomia_tui.engine.component import restore as restoring

        return restoring.undo(component_job, of, text=text)
    swap = step_of(of, "swap")
    if swap is None or not swap.get("guard"):
        raise Unsupported(f"job {of.job} made no guard", "restore another generation")
    return _restore_by_module(
        component_job, component_job.plugin, int(str(swap["guard"])), text or f"undo of job {of.job}", True, ""
    )


def put_back(
    component_job: ComponentJob, number: int, snapshot_id: str, planned: Sequence[PlannedRow], what: str
) -> PutBack:
    """Put rows of a generation back into live; see ``component/put_back``."""
    from dysnomia_tui.engine.component import put_back as putting

    return putting.put_back(component_job, number, snapshot_id, planned, what)


def _restore_by_module(
    component_job: ComponentJob, plugin: PrivateStatePlugin, number: int, text: str, guard: bool, snapshot_id: str
) -> Restored:
    """A module restores over what is live, so what is live is snapshotted first: writes in between are in neither."""
    from dysnomia_tui.engine.component import dysnomia_module as modules
    from dysnomia_tui.engine.component.check import require_sound
    from dysnomia_tui.engine.component.guard import Restored
    from dysnomia_tui.engine.component.recover import resolve

    with component_job.locked(f"restore {number}") as lock:
        settle_others(component_job, lock)
        generation = component_job.store.generation(component_job.key, number)
        if snapshot_id and generation.id != snapshot_id:
            raise NotSafe(f"generation {number} of {component_job.key} now links to another snapshot", "plan it again")
        require_sound(component_job, generation)
        made: Generation | None = None
        unguarded = ""
        if guard:
            component_job.progress.phase("guard")
            made, unguarded = _guard_by_module(component_job, plugin, lock)
        component_job.journal.step(
            "swap", guard=made.number if made else 0, id=generation.id, restored=number, text=text, in_place=True
        )
        component_job.progress.phase("restore")
        try:
            modules.run_restore(component_job, plugin, generation)
        except PluginError as error:
            held = f"; what was live before is generation {made.number}" if made else ""
            raise PluginError(
                f"the module may have left it half restored ({error.message}){held}", "undo this job"
            ) from error
        component_job.journal.step("swapped")
        resolve(component_job, component_job.job)
        linked = component_job.store.link(lock, generation.id, component_job.link_info(number, text))
        component_job.journal.step("settled", swapped=True)
        return Restored(number, linked, made, made.number if made else None, warnings=(unguarded,) if unguarded else ())


def _guard_by_module(
    component_job: ComponentJob, plugin: PrivateStatePlugin, lock: ComponentLock
) -> tuple[Generation | None, str]:
    """Snapshot what is live, and hold it. Returns the guard, or why there is none.

    What is broken, gone or half restored may be more than its module can snapshot: that must not stand in the way of
    making it whole, and the plan says so. What fails for another reason stops the restore: Cancelled, StoreError.
    """
    from dysnomia_tui.engine.component import dysnomia_module as modules
    from dysnomia_tui.engine.component.guard import pin_guard

    half = _half_restored(component_job)
    text = "; ".join(filter(None, (f"guard of job {component_job.job}", half)))
    number = component_job.store.reserve(lock)
    try:
        made = modules.run_snapshot(
            component_job, plugin, lock, reason=Reason.GUARD, text=text, number=number
        ).generation
    except PluginError as error:
        if isinstance(error, (Cancelled, ToolMissing)):
            raise
        why = f"no guard: what was live could not be snapshotted ({error.message})"
        component_job.progress.log(f"{half}; {why}" if half else why)
        return None, why
    pin_guard(component_job, made, UnfinishedJob(component_job.job, component_job.journal, component_job.who))
    return made, ""


def check(component_job: ComponentJob, number: int, proofs: Proofs | None = None) -> Check:
    """Read every byte of a generation's snapshot; see ``component/check``."""
    from dysnomia_tui.engine.component import check as checking

    return checking.check(component_job, number, proofs)


def verify(component_job: ComponentJob, number: int) -> Check:
    """Prove that a generation can come back; see ``component/check``."""
    from dysnomia_tui.engine.component import check as checking

    return checking.verify(component_job, number)


def recover(component_job: ComponentJob, left: UnfinishedJob) -> Recovery:
    """Put right what a dead job left; see ``component/recover``."""
    from dysnomia_tui.engine.component import recover as recovering

    return recovering.recover(component_job, left)


def activity(component_job: ComponentJob, name: str) -> None:
    """Run ``activate``, ``deactivate``, ``collect-garbage``, ``lock`` or ``unlock``; markers follow. A module may
    have activities of its own.

    Raises Unsupported where the type has no such activity; NotSafe where others may write what would be activated.
    """
    own = isinstance(component_job.plugin, PrivateStatePlugin) and name not in _ACTIVITIES
    if not own and name not in component_job.plugin.activities() | {"lock", "unlock"}:
        raise Unsupported(f"type {component_job.plugin.type!r} has no activity {name!r}")
    with component_job.locked(name) as lock:
        settle_others(component_job, lock)
        refused = refusal_below(component_job.component.path) if name == "activate" else ""
        if refused:
            raise NotSafe(refused, "give it to root (chown, chmod go-w), or to the user who calls")
        component_job.progress.phase(name)
        if isinstance(component_job.plugin, PrivateStatePlugin):
            from dysnomia_tui.engine.component import dysnomia_module as modules

            modules.run_activity(component_job, component_job.plugin, name)
            return
        with component_job.context() as ctx:
            if isinstance(component_job.plugin, StatePlugin):
                _whole_or_recovered(component_job, ctx, name)
            else:
                _whole_or_taken_back(component_job, ctx, name)


def _whole_or_recovered(component_job: ComponentJob, ctx: Context, name: str) -> None:
    """An activity of a type with state. What an activation makes on the way is removed by the next writer where it
    dies; a type that has noted steps of its own and fails leaves those to the next writer as well."""
    journal = component_job.journal
    if name == "activate":
        from dysnomia_tui.engine.component.recover import begin_activity

        begin_activity(component_job, name)
    noted = len(journal.steps())
    try:
        _ACTIVITIES[name](component_job, ctx)
    except Expected:
        if noted and len(journal.steps()) == noted:
            journal.step(SETTLED, swapped=False)
        raise
    if journal.steps():
        journal.step(SETTLED, swapped=False)


def _whole_or_taken_back(component_job: ComponentJob, ctx: Context, name: str) -> None:
    """An activity of a type without state: what one that fails has made is taken back, and nothing stays half done.

    One that dies is taken back by the next writer, or by the recovery of its job (``recover_job``)."""
    from dysnomia_tui.engine.component.recover import begin_activity

    begin_activity(component_job, name)
    try:
        _ACTIVITIES[name](component_job, ctx)
    except Expected as error:
        if name == "activate":
            _rollback_activation(component_job, ctx, error)
        component_job.journal.step(SETTLED, swapped=False)
        raise
    component_job.journal.step(SETTLED, swapped=False)


def _rollback_activation(component_job: ComponentJob, ctx: Context, why: Exception) -> None:
    """What cannot be taken back is said with what went wrong first, and left to the next writer."""
    try:
        with component_job.shielded():
            component_job.plugin.rollback_activation(ctx)
    except Expected as error:
        message, hint = words_of(error)
        raise PluginError(f"{words_of(why)[0]}; {message}", hint) from why


def _activate(component_job: ComponentJob, ctx: Context) -> None:
    """One that its server had before stays one that a look found: its state is not ours to remove."""
    listed = component_job.only_listed
    component_job.plugin.activate(ctx)
    path = None if listed else component_job.component.path
    component_job.store.set_state(component_job.key, active=True, garbage=False, component=path, listed=listed)


def _deactivate(component_job: ComponentJob, ctx: Context) -> None:
    """State that stays behind is garbage: it may be collected, and comes back with the next activation. What a look at
    its server found was there before, and is none."""
    component_job.plugin.deactivate(ctx)
    garbage = not component_job.only_listed and component_job.plugin.leaves_garbage(component_job.component)
    component_job.store.set_state(component_job.key, active=False, garbage=garbage)


def _collect_garbage(component_job: ComponentJob, ctx: Context) -> None:
    plugin = component_job.plugin
    if component_job.active:
        raise NotSafe(f"{component_job.key} is active", "deactivate it first")
    if component_job.only_listed:
        raise NotSafe(f"{component_job.key} {NOT_OURS_TO_REMOVE}", REMOVE_IT_YOURSELF)
    if component_job.planned and isinstance(plugin, StatePlugin):
        from dysnomia_tui.engine.component.restore import refuse_another

        refuse_another(component_job, plugin, component_job.planned)
    plugin.collect_garbage(ctx)
    component_job.store.set_state(component_job.key, active=False, garbage=False)


_ACTIVITIES: Mapping[str, Callable[[ComponentJob, Context], None]] = {
    "activate": _activate,
    "deactivate": _deactivate,
    "collect-garbage": _collect_garbage,
    "lock": lambda component_job, ctx: component_job.plugin.lock(ctx),
    "unlock": lambda component_job, ctx: component_job.plugin.unlock(ctx),
}


def import_folder(component_job: ComponentJob, folder: Path) -> Committed:
    """Take a snapshot folder made elsewhere into the store."""
    with component_job.locked("import") as lock:
        settle_others(component_job, lock)
        return component_job.store.import_folder(lock, folder, who=component_job.who, job=component_job.job)
