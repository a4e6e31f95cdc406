"""Rows of a generation put back into live, in the order that loses nothing.

    dump live as the guard, hold it -> journal -> one transaction of the server's own

What live was before is the guard, and an undo puts these rows back from there. The engine's steps in the journal:
``put-back`` (with the guard's number, and some rows by which a recovery tells whether the transaction ended well),
``put`` (which rows were left), ``reverted``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dysnomia_base.records import dataclass
from dysnomia_plugins.base import Context, PutRow, StatePlugin, Stored, WholeAsked
from dysnomia_plugins.errors import NotSafe, OutcomeUnknown, Unsupported
from dysnomia_store.model import Generation, Section
from dysnomia_store.store import ComponentLock
from dysnomia_tui.engine.component.context import ComponentJob, state_plugin
from dysnomia_tui.engine.component.guard import dump_guard, pin_guard
from dysnomia_tui.engine.component.index import ensure_index
from dysnomia_tui.engine.component.left import SETTLED, UnfinishedJob, step_of
from dysnomia_tui.engine.component.restore import known_live, refuse_another
from dysnomia_tui.engine.component.rows import PlannedRow
from dysnomia_tui.engine.component.rows_by_key import scratch_in, wanted_rows
from dysnomia_tui.engine.component.trust import made_here

PUT_BACK, PUT = "put-back", "put"
_DONE = "had put its rows back"
SAMPLE = 20
"""Rows that are noted in the journal: by them a recovery tells whether the transaction was committed."""


@dataclass(frozen=True)
class PutBack:
    """How it came out. All rows are in live but those that were left."""

    done: int
    left: tuple[PlannedRow, ...]
    """Those of which live holds something else than what was planned upon."""
    guard: Generation
    warnings: tuple[str, ...] = ()
    against: tuple[tuple[PlannedRow, str], ...] = ()
    """Those that were left because of what came to live since it was planned, with that in a sentence."""


def put_back(
    component_job: ComponentJob, number: int, snapshot_id: str, planned: Sequence[PlannedRow], what: str
) -> PutBack:
    """Put the planned rows of generation ``number`` back. Raises StoreError or PluginError with live as it was."""
    plugin = state_plugin(component_job)
    if not plugin.puts_back:
        raise Unsupported(plugin.cannot_put_back())
    with component_job.locked(what) as lock:
        live = known_live(component_job, plugin, lock)
        generation = component_job.store.generation(component_job.key, number)
        if generation.id != snapshot_id:
            raise NotSafe(f"generation {number} of {component_job.key} now links to another snapshot", "plan it again")
        with (
            component_job.context(made_here=made_here(component_job.store, generation)) as ctx,
            scratch_in(ctx.staging),
        ):
            rows = _rows(component_job, plugin, ctx, lock, generation, planned)
            warnings: list[str] = []
            guard = _guard(component_job, plugin, ctx, lock, warnings)
            refuse_another(component_job, plugin, live)
            sample = [row.to_json() for row in planned[:SAMPLE]]
            component_job.journal.step(PUT_BACK, guard=guard.number, id=snapshot_id, restored=number, rows=sample)
            stored = ensure_index(component_job, lock, generation)
            left = _transaction(component_job, plugin, ctx, stored, rows, planned)
            component_job.journal.step(PUT, left=list(left))
            component_job.journal.step(SETTLED, swapped=True)
    changed = tuple(planned[at] for at, reason in left.items() if not reason)
    against = tuple((planned[at], reason) for at, reason in left.items() if reason)
    return PutBack(len(planned) - len(left), changed, guard, tuple(warnings), against)


def _rows(
    component_job: ComponentJob,
    plugin: StatePlugin,
    ctx: Context,
    lock: ComponentLock,
    generation: Generation,
    planned: Sequence[PlannedRow],
) -> list[PutRow]:
    """The rows in the order of the plan, read from the generation, every byte verified."""
    component_job.progress.phase("load")
    stored = ensure_index(component_job, lock, generation)
    if plugin.puts_back_sections:
        return list(plugin.whole_sections(ctx, stored, _exactly(planned)))
    sections = _sections(stored.sections(), planned)
    rows: dict[tuple[str, tuple[str, ...]], PutRow] = {}
    for name, section in sections.items():
        keys = [row.key for row in planned if row.section == name]
        for row in wanted_rows(plugin, stored, section, keys):
            rows[name, row.key] = row
    ctx.cancel.check()
    return [rows[row.section, row.key] for row in planned]


def _sections(known: Any, planned: Sequence[PlannedRow]) -> dict[str, Section]:
    wanted = {row.section for row in planned}
    sections = {name: one for one in known if (name := f"{one.kind}:{one.name}") in wanted}
    for name in wanted - sections.keys():
        raise NotSafe(f"the snapshot holds no {name.replace(':', ' ', 1)}", "plan it again")
    return sections


def _guard(
    component_job: ComponentJob, plugin: StatePlugin, ctx: Context, lock: ComponentLock, warnings: list[str]
) -> Generation:
    """What live holds, as a generation that is held. Nothing is changed where that fails."""
    me = UnfinishedJob(component_job.job, component_job.journal, component_job.who)
    number = component_job.store.reserve(lock)
    guard = dump_guard(component_job, plugin, ctx, lock, me, plugin.live(ctx.component), number, warnings)
    pin_guard(component_job, guard, me)
    return guard


def _transaction(
    component_job: ComponentJob,
    plugin: StatePlugin,
    ctx: Context,
    stored: Stored,
    rows: Sequence[PutRow],
    planned: Sequence[PlannedRow],
) -> dict[int, str]:
    """By the places of the rows that were left: what stands against them, nothing where they changed since the plan."""
    component_job.progress.phase("put back")
    seen = [row.seen for row in planned]
    try:
        if plugin.puts_back_sections:
            return dict.fromkeys(sorted(plugin.put_sections_back(ctx, stored, rows, seen)), "")
        return dict(sorted(plugin.put_back(ctx, rows, seen).items()))
    except OutcomeUnknown:
        raise  # the journal stays open: the next writer settles it
    except BaseException:
        if plugin.put_back_in_transaction or not list(plugin.left_behind(ctx)):  # else the next writer heals it
            component_job.journal.step("reverted")
        raise


def settle(component_job: ComponentJob, left: UnfinishedJob) -> str:
    """Of a job that died: whether its transaction was committed, as far as rows tell, in words; and end its journal.

    The server itself took back what was not; of whole sections the type does. Raises PluginError, StoreError where live
    cannot be read."""
    if not state_plugin(component_job).put_back_in_transaction:
        return _settle_sections(component_job, left)
    if step_of(left, PUT) is not None:
        left.journal.step(SETTLED, swapped=True)
        return _DONE
    made, seen = _votes(component_job, left, step_of(left, PUT_BACK) or {})
    if made > seen:
        left.journal.step(PUT, left=[])
    left.journal.step(SETTLED, swapped=made > seen)
    if made == seen:
        return "may have put its rows back: they were changed since, so that nobody can tell"
    return _DONE if made > seen else "had put no row back; what was live still is"


def _exactly(planned: Sequence[PlannedRow]) -> list[WholeAsked]:
    return [WholeAsked(row.section, exact=True, key=row.key) for row in planned]


def _settle_sections(component_job: ComponentJob, left: UnfinishedJob) -> str:
    """The type takes back what did not come to its end, and what the job made beside live goes."""
    plugin = state_plugin(component_job)
    with component_job.context(of=left) as ctx:
        done = plugin.recover(ctx) or step_of(left, PUT) is not None
        for place in plugin.left_behind(ctx):
            plugin.drop(ctx, place)
    if done and step_of(left, PUT) is None:
        left.journal.step(PUT, left=[])
    left.journal.step(SETTLED, swapped=done)
    word = plugin.put_back_word
    return f"had put its {word}s back" if done else f"had put no {word} back; what was live still is"


def _votes(component_job: ComponentJob, left: UnfinishedJob, step: Mapping[str, object]) -> tuple[int, int]:
    """How many of the noted rows are in live as they were wanted, and as they were before."""
    noted: Any = step["rows"]
    planned = [PlannedRow.from_json(row) for row in noted]
    stored = component_job.store.stored(component_job.key, str(step["id"]))
    plugin = state_plugin(component_job)
    with component_job.context(of=left) as ctx:
        if plugin.puts_back_sections:
            rows = list(plugin.whole_sections(ctx, stored, _exactly(planned)))
        else:
            sections = _sections(stored.sections(), planned)
            rows = [PutRow(sections[row.section], row.key, None) for row in planned]
        look = plugin.look_at_rows(ctx, rows)
    pairs = list(zip(look.rows, planned, strict=False))
    return sum(now.digest == row.made for now, row in pairs), sum(now.digest == row.seen for now, row in pairs)
