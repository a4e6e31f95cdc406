"""Import of snapshot folders: planned, and run as a job."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import Any

from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.errors import Exit
from dysnomia_tui.engine.jobs.context import JobContext, Outcome
from dysnomia_tui.engine.machine.machine import Machine
from dysnomia_tui.engine.operations.import_archive import run_import_archive
from dysnomia_tui.engine.plans.grades import confirmation, graded
from dysnomia_tui.engine.plans.plan import Grade, Kind, Plan, Step
from dysnomia_tui.engine.records import JobState
from dysnomia_tui.engine.translate import Expected, exit_of, words_of


def plan_import(
    machine: Machine, key: ComponentKey, folders: Collection[Path], now: datetime, *, move: bool = False
) -> Plan:
    """Folders named by their snapshot's id. They stay untrusted until an operator says otherwise.

    Args:
        move: the folders are gone afterwards, each once its generation stands. One of this store is only linked.
    """
    what = "moved" if move else "copied"
    blockers = [f"{folder} is not a folder" for folder in folders if not folder.is_dir()]
    grade = graded(machine.settings, (key,), Grade.ADDS)
    return Plan(
        kind=Kind.IMPORT,
        title=f"import {len(folders)} snapshots into {key}",
        keys=(key,),
        grade=grade,
        steps=tuple(Step(f"{folder} would be {what} into the store, and verified", str(key)) for folder in folders),
        params={"folders": [str(folder.absolute()) for folder in folders], "move": move},
        blockers=tuple(blockers) if folders else ("no folder was named",),
        command=("dysnomia-snapshots", "--import", "-C", key.container, "-c", key.component, *map(str, folders)),
        confirm=confirmation(grade, (key,), str(len(folders))),
        made=now,
    )


def run_import(work: JobContext) -> Outcome:
    if "archive" in work.plan.params:
        return run_import_archive(work)
    key = work.plan.keys[0]
    made: list[dict[str, Any]] = []
    failed: dict[str, str] = {}
    last: Exception | None = None
    for folder in work.plan.params["folders"]:
        work.cancel.check()
        try:
            with work.machine.store.lock(key, who=work.who, job=work.id, doing="import", wait=None) as lock:
                committed = work.machine.store.import_folder(
                    lock,
                    Path(folder),
                    who=work.who,
                    job=work.id,
                    move=bool(work.plan.params.get("move")),
                    reader=work.machine.dump_reader(key),
                )
        except Expected as error:
            last = error
            failed[folder] = words_of(error)[0]
            work.log.write("log", line=f"{folder}: {failed[folder]}")
            continue
        made.append({"key": str(key), "number": committed.generation.number, "id": committed.generation.id})
    details = {"generations": made, "failed": failed}
    if last is not None and not made:
        return Outcome(JobState.FAILED, words_of(last)[0], exit_of(last), words_of(last)[1], details)
    if failed:
        return Outcome(JobState.PARTLY, f"{len(made)} imported, {len(failed)} failed", Exit.PARTLY, "", details)
    return Outcome(JobState.DONE, f"{len(made)} imported", details=details)
