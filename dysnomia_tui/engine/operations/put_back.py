"""Rows of a generation put back into what is live: planned row by row, run as a job, and undone row by row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from dysnomia_base.plurals import plural, with_article
from dysnomia_plugins.base import StatePlugin
from dysnomia_store.errors import NotFound
from dysnomia_store.model import Generation
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.component import activities
from dysnomia_tui.engine.component.left import UnfinishedJob, step_of
from dysnomia_tui.engine.component.put_back import PUT, PUT_BACK, PutBack
from dysnomia_tui.engine.component.rows import MOST_ROWS, PlannedRow, RowsAsked, typed
from dysnomia_tui.engine.errors import Blocked, Exit, Stale
from dysnomia_tui.engine.jobs.board import JobBoard
from dysnomia_tui.engine.jobs.context import JobContext, Outcome
from dysnomia_tui.engine.machine.machine import Machine
from dysnomia_tui.engine.operations.preflights import generation_warnings
from dysnomia_tui.engine.operations.snapshot import _generation
from dysnomia_tui.engine.plans.grades import confirmation, graded
from dysnomia_tui.engine.plans.plan import Grade, Kind, Plan, Step
from dysnomia_tui.engine.plans.staleness import component_depends, generation_depends, live_depends
from dysnomia_tui.engine.probing.client import NoAnswer
from dysnomia_tui.engine.records import JobState
from dysnomia_tui.engine.rows.client import RowSeen, RowsSeen, rows_seen

SHOWN = 200
"""Rows that a plan shows one by one; all of them are in its ``params``."""
CONFLICTS_SHOWN = 20
NAMED = 5
"""Rows that were left which the end of a job names one by one."""
IN_COMMAND = 12
"""Keys up to which the equivalent command names each."""
NOTHING = RowsSeen((), (), (), "")
_DOES = {"+": "inserted", "~": "changed", "-": "deleted"}
_BECOMES = {"+": "created", "~": "replaced or changed", "-": "removed"}


def plan_put_back(
    machine: Machine, key: ComponentKey, number: int, asked: Sequence[RowsAsked], text: str, now: datetime
) -> Plan:
    """Raises Unknown, ConfigError, NotFound. What stands in the way otherwise is a blocker of the plan."""
    generation = machine.store.generation(key, number)
    seen, blockers, code = _looked(machine, generation, asked)
    count = len(seen.taken) or len(seen.rows) or sum(max(len(one.keys), 1) for one in asked)
    known = seen.rows or not any(one.lacking for one in asked)
    what = plural(count, _word(machine, key)) if known else "what live lacks"
    title = f"put {what} of generation {number} back into {key}"
    if not blockers and seen.rows and not any(row.known for row in seen.rows):
        blockers, code = tuple(_unknown(seen.rows)), Exit.NOT_FOUND
    plan = _plan(machine, generation, seen, blockers or _nothing(seen, number, asked), title, now)
    command = _command(key, number, asked, text)
    return replace(plan, params={**plan.params, "text": text, "blocked": int(code)}, command=command)


def plan_undo_put_back(machine: Machine, board: JobBoard, job_id: str, now: datetime) -> Plan:
    """Put the rows that a job changed back as its guard has them. Raises Blocked, Unknown, ConfigError."""
    job, left = board.folder(job_id).plan(), board.left(job_id)
    begun = step_of(left, PUT_BACK)
    if begun is None or (step_of(left, PUT) is None and step_of(left, "reverted") is not None):
        raise Blocked(f"job {job_id} put no row back", "there is nothing to undo")
    key = job.keys[0]
    guard = _guard_of(machine, key, int(str(begun["guard"])), left)
    skipped = set(_places(step_of(left, PUT) or {}))
    rows = [row for at, row in enumerate(_planned(job.params)) if at not in skipped]
    seen, blockers, code = _looked(machine, guard, _asked_again(rows))
    count = plural(len(seen.taken), _word(machine, key))
    title = f"undo job {job_id}: put {count} back as live had them (guard {guard.number})"
    plan = _plan(machine, guard, seen, blockers or _nothing(seen, guard.number), title, now)
    params = {**plan.params, "of": "put-back", "job": job_id, "text": f"undo of job {job_id}", "blocked": int(code)}
    return replace(plan, kind=Kind.UNDO, params=params, command=("dysnomia-tui", "undo", job_id))


def _guard_of(machine: Machine, key: ComponentKey, number: int, left: UnfinishedJob) -> Generation:
    try:
        guard = machine.store.generation(key, number)
    except NotFound as error:
        raise Blocked(f"the guard of job {left.job} is gone ({error.message})", "put the rows back by hand") from None
    if guard.job != left.job or not guard.id:
        raise Blocked(f"the guard of job {left.job} is gone", "put the rows back by hand")
    return guard


def _asked_again(rows: Sequence[PlannedRow]) -> list[RowsAsked]:
    """The same rows, each only where live still holds what the job made of it."""
    sections = dict.fromkeys(row.section for row in rows)
    return [
        RowsAsked(
            name,
            tuple(row.key for row in rows if row.section == name),
            tuple(row.made or "-" for row in rows if row.section == name),
        )
        for name in sections
    ]


def _looked(
    machine: Machine, generation: Generation, asked: Sequence[RowsAsked]
) -> tuple[RowsSeen, tuple[str, ...], Exit]:
    """What it would meet, what forbids it, and the exit code that stands for that."""
    plugin = machine.plugin(generation.key)
    if not isinstance(plugin, StatePlugin):
        return (
            NOTHING,
            (f"{with_article(plugin.title)} has no rows that could be put back: restore a generation",),
            Exit.REFUSED,
        )
    if not plugin.puts_back:
        return NOTHING, (plugin.cannot_put_back(),), Exit.REFUSED
    if generation.problem:
        return NOTHING, (f"generation {generation.number}: {generation.problem}",), Exit.REFUSED
    if sum(len(one.keys) + len(one.texts) for one in asked) > MOST_ROWS:
        return (
            NOTHING,
            (f"more than {MOST_ROWS:,} rows are the most for one job: put them back in parts",),
            Exit.REFUSED,
        )
    try:
        seen = rows_seen(machine.settings, generation.key, generation.number, asked)
    except NoAnswer as error:
        return NOTHING, (error.words,), error.exit
    return seen, seen.refusals, Exit.REFUSED


def _nothing(seen: RowsSeen, number: int, asked: Sequence[RowsAsked] = ()) -> tuple[str, ...]:
    """Why no row would be put back; nothing where one would."""
    if seen.taken:
        return ()
    conflicts = [row.conflict for row in seen.rows if row.conflict]
    if conflicts:
        more = f" (and {len(conflicts) - 1:,} more)" if len(conflicts) > 1 else ""
        return (f"no row is left that can be put back: {conflicts[0]}{more}",)
    nothing = f"there is nothing to put back: live holds what generation {number} has"
    if any(one.section.startswith("folder:") and not one.lacking for one in asked):
        nothing += "; of a folder that both have, this is its owner, mode and attributes, and nothing that is in it"
    return (nothing,)


def _plan(
    machine: Machine, generation: Generation, seen: RowsSeen, blockers: Sequence[str], title: str, now: datetime
) -> Plan:
    key = generation.key
    taken = seen.taken
    grade = graded(machine.settings, (key,), Grade.UNDOABLE)
    return Plan(
        kind=Kind.PUT_BACK,
        title=title,
        keys=(key,),
        grade=grade,
        steps=tuple(Step(text, str(key)) for text in _steps(taken, _word(machine, key), _at_once(machine, key)))
        if taken and not blockers
        else (),
        params={
            "number": generation.number,
            "id": generation.id,
            "rows": [row.row.to_json() for row in taken],
            "word": _word(machine, key),
            "left": sum(bool(row.conflict) for row in seen.rows),
        },
        depends={
            **generation_depends(key, generation.number, generation.id),
            **component_depends(machine, key),
            **live_depends(key, seen.identity),
        },
        warnings=tuple(
            text
            for text in (*_left_out(seen.rows), *seen.warnings, *generation_warnings(machine, generation))
            if text not in blockers
        ),
        blockers=tuple(blockers),
        confirm=confirmation(grade, (key,), str(len(taken))),
        made=now,
    )


def _word(machine: Machine, key: ComponentKey) -> str:
    """What its type puts back."""
    plugin = machine.plugin(key)
    return plugin.put_back_word if isinstance(plugin, StatePlugin) else "row"


def _at_once(machine: Machine, key: ComponentKey) -> str:
    """How what is put back comes to be live."""
    plugin = machine.plugin(key)
    if isinstance(plugin, StatePlugin) and plugin.put_back_in_transaction:
        return "in one transaction"
    return "one after the other (what breaks off is finished or taken back)"


def _steps(taken: Sequence[RowSeen], word: str, at_once: str) -> Iterator[str]:
    """Totals first, then each row with what live holds there now."""
    if taken and not taken[0].row.key:
        yield from _whole_steps(taken)
        return
    counts = Counter((row.row.section, row.change) for row in taken)
    sections = dict.fromkeys(row.row.section for row in taken)
    lines = [
        f"{_named(name)}: "
        + ", ".join(f"{counts[name, one]:,} {done}" for one, done in _DOES.items() if counts[name, one])
        for name in sections
    ]
    yield f"{at_once}, and nothing else would change: {'; '.join(lines)}; what changes before that is left"
    yield f"what is live would be kept as a guard, held for a week; an undo takes exactly these {word}s back"
    yield from _lines(taken, word, several=len(sections) > 1)


def _whole_steps(taken: Sequence[RowSeen]) -> Iterator[str]:
    """The same of files, each of which is a section."""
    counts = Counter(row.change for row in taken)
    text = ", ".join(f"{counts[one]:,} {word}" for one, word in _BECOMES.items() if counts[one])
    yield f"each exchanged in one step, all or none, and nothing else would change: {text}; what changes before is left"
    yield "what is live would be kept as a guard, held for a week; an undo takes exactly these files back"
    yield from _lines(taken, "file", several=True)


def _lines(taken: Sequence[RowSeen], word: str, *, several: bool) -> Iterator[str]:
    for row in taken[:SHOWN]:
        yield _line(row, word, several=several)
    if len(taken) > SHOWN:
        yield f"and {len(taken) - SHOWN:,} more"


def _line(row: RowSeen, word: str, *, several: bool) -> str:
    name = f"{_named(row.row.section)} " if several else ""
    key = ",".join(row.row.key)
    if not row.row.key:
        remark = {"+": " (live has none)", "-": " (live has it: it would be deleted)"}.get(row.change, "")
        return f"{row.change} {_named(row.row.section)}: {row.text}{remark}"
    if word == "key" and row.change != "~":
        has = "none" if row.change == "+" else "it: it would be deleted"
        return f"{row.change} {name}{key}: {row.text} (live has {has})"
    if row.change == "+":
        return f"+ {name}{row.text} (live has no {word} {key})"
    if row.change == "-":
        return f"- {name}{row.text} (live has it: it would be deleted)"
    return f"~ {name}{key}: {row.text}"


def _named(section: str) -> str:
    return section.replace(":", " ", 1)


def _left_out(rows: Sequence[RowSeen]) -> Iterator[str]:
    conflicts = [row.conflict for row in rows if row.conflict]
    yield from (f"left as it is: {text}" for text in conflicts[:CONFLICTS_SHOWN])
    if len(conflicts) > CONFLICTS_SHOWN:
        yield f"and {len(conflicts) - CONFLICTS_SHOWN:,} more would be left as they are"
    yield from _unknown(rows)


def _unknown(rows: Sequence[RowSeen]) -> Iterator[str]:
    unknown = [",".join(row.row.key) or _named(row.row.section) for row in rows if not row.known]
    if unknown:
        more = f" and {len(unknown) - 5:,} more" if len(unknown) > 5 else ""
        yield f"neither the generation nor live has {', '.join(unknown[:5])}{more}"


def _command(key: ComponentKey, number: int, asked: Sequence[RowsAsked], text: str) -> tuple[str, ...]:
    """Nothing where there are more keys than anyone would type."""
    words = ["dysnomia", "-o", "put-back", "-c", key.component, "-C", key.container, "--generation", str(number)]
    if asked and len(asked) <= IN_COMMAND and all(one.keys == ((),) and not one.texts for one in asked):
        words += [word for one in asked for word in ("--section", one.section)]
        return (*words, *(("--reason", text) if text else ()))
    if len(asked) != 1 or len(asked[0].keys) + len(asked[0].texts) > IN_COMMAND:
        return ()
    one = asked[0]
    words += ["--section", one.section]
    words += [word for name in (*map(typed, one.keys), *one.texts) for word in ("--row", name)]
    return (*words, *(("--lacking",) if one.lacking else ()), *(("--reason", text) if text else ()))


def _planned(params: Mapping[str, Any]) -> list[PlannedRow]:
    return [PlannedRow.from_json(row) for row in params["rows"]]


def _places(step: Mapping[str, object]) -> list[int]:
    left: Any = step.get("left", [])
    return [int(at) for at in left]


# --- the job -------------------------------------------------------------------------------------------------------


def run_put_back(work: JobContext) -> Outcome:
    """Put back, or undo that, from a generation: which one and which rows is in the plan.

    Raises Stale where the job was undone already."""
    params = work.plan.params
    of = params.get("job")
    if of is not None and work.board.folder(of).record().last("undone") is not None:
        raise Stale(f"nothing was touched: job {of} is undone already", "check what is live now")
    planned = _planned(params)
    done = activities.put_back(work.component_job(), params["number"], params["id"], planned, work.plan.title)
    if of is not None and done.done:
        work.board.folder(of).record().step("undone", by=work.id)
    return _outcome(done, params["number"], str(params.get("word", "row")), int(params.get("left", 0)))


def _outcome(done: PutBack, number: int, word: str, planned_left: int) -> Outcome:
    """``planned_left``: rows that were asked for, and that the plan named as left."""
    changed = [_row_named(row) for row in done.left]
    against = [_row_named(row) for row, _ in done.against]
    details: dict[str, Any] = {
        "generations": [_generation(done.guard)],
        "guard": done.guard.number,
        "put": done.done,
        "rows_left": [*changed, *against][:SHOWN],
        "warnings": list(done.warnings),
        "undoable": done.done > 0,
    }
    rows = plural(done.done, word)
    message = f"{rows} of generation {number} in live again; guard {done.guard.number}"
    if not changed and not against and not planned_left:
        return Outcome(JobState.DONE, "; ".join((message, *done.warnings)), details=details)
    if changed:
        message = f"{message}; left as they were, for they changed since the plan: {_some(changed, ', ')}"
    if against:
        reasons = _some([reason for _, reason in done.against], "; ")
        message = f"{message}; left as they were, for what came to live since the plan: {reasons}"
    if planned_left:
        message = f"{message}; left as the plan named it: {plural(planned_left, word)}"
    state, code = (JobState.PARTLY, Exit.PARTLY) if done.done else (JobState.FAILED, Exit.FAILED)
    hint = "look at the new plan" if changed or against else "the plan says of each why"
    return Outcome(state, message, code, hint, details)


def _row_named(row: PlannedRow) -> str:
    return " ".join((_named(row.section), *([",".join(row.key)] if row.key else [])))


def _some(texts: Sequence[str], between: str) -> str:
    """The first of them, and how many more there are."""
    more = f" and {len(texts) - NAMED:,} more" if len(texts) > NAMED else ""
    return between.join(texts[:NAMED]) + more
