"""What a group's job will load is read before it touches anything: a component that cannot come back is named while all
of them are as they were, and not once those before it have been replaced."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress

from dysnomia_store import Proofs
from dysnomia_store.errors import StoreError
from dysnomia_store.model import Check, CheckResult
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.errors import EngineError, Exit
from dysnomia_tui.engine.jobs.context import JobContext
from dysnomia_tui.engine.plans.plan import Kind, Plan
from dysnomia_tui.engine.translate import words_of

BAD = (CheckResult.CORRUPT, CheckResult.MISSING)


class NotWhole(EngineError):
    """What is stored of a component is damaged."""

    exit = Exit.CORRUPT


def check_stored(work: JobContext, plans: Iterable[Plan]) -> None:
    """Read all bytes of the snapshots that these restores and undos would load. Raises NotWhole, Cancelled."""
    proofs = Proofs()
    for plan in plans:
        for number, snapshot in _loaded(work, plan):
            work.log.write("phase", name=f"check {plan.keys[0]}")
            try:
                check = work.machine.store.check(
                    plan.keys[0], snapshot, on_bytes=lambda _: work.cancel.check(), proofs=proofs
                )
            except StoreError as error:
                raise _not_whole(plan.keys[0], number, words_of(error)[0]) from error
            if check.result in BAD:
                _record(work, plan.keys[0], snapshot, check, proofs)
                raise _not_whole(plan.keys[0], number, check.text or check.result.value)


def _loaded(work: JobContext, plan: Plan) -> Iterator[tuple[int, str]]:
    """The generation that a job would load, and its snapshot. Of an undo none, where what was live still stands."""
    if plan.kind is not Kind.UNDO:
        yield int(plan.params["number"]), str(plan.params["id"])
        return
    for one in work.machine.store.generations(plan.keys[0]):
        if one.number == plan.params["guard"] and one.job == plan.params["job"] and one.id:
            yield one.number, one.id


def _record(work: JobContext, key: ComponentKey, snapshot: str, check: Check, proofs: Proofs) -> None:
    """So that it is told from now on. No job fails because it could not be written down."""
    recorded = Check(work.clock(), check.how, check.result, check.text, work.id)
    with suppress(StoreError, OSError):
        work.machine.store.record_damage(key, snapshot, recorded, proofs)


def _not_whole(key: ComponentKey, number: int, problem: str) -> NotWhole:
    return NotWhole(
        f"nothing was touched: generation {number} of {key} cannot be restored: {problem}",
        "choose another time, or restore the other components one by one",
    )
