"""Jobs on what is kept: collection, trash, marks, imports, adoption, recovery."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from dysnomia_store.errors import Refused
from dysnomia_tui.engine import audit
from dysnomia_tui.engine.component import activities
from dysnomia_tui.engine.component.context import UnfinishedJob
from dysnomia_tui.engine.component.recover import needs_settling
from dysnomia_tui.engine.errors import EngineError, Exit, Stale
from dysnomia_tui.engine.jobs.context import JobContext, Outcome
from dysnomia_tui.engine.jobs.folder import JobFolder
from dysnomia_tui.engine.operations.run_archives import run_import_archive
from dysnomia_tui.engine.plans.json_codec import gc_from_json
from dysnomia_tui.engine.plans.mark_change import MarkChange, merged
from dysnomia_tui.engine.records import JobState
from dysnomia_tui.engine.translate import Expected, exit_of, words_of


def run_gc(work: JobContext) -> Outcome:
    review = gc_from_json(work.plan.params["review"])
    free_now = bool(work.plan.params["now"])
    _not_in_use(work)
    try:
        entries = work.machine.store.apply_gc(
            review,
            grace=0.0 if free_now else work.machine.settings.grace.total_seconds(),
            who=work.who,
            job=work.id,
            cancelled=lambda: work.cancel.cancelled,
            on_step=lambda done, total: work.log.write("progress", done=done, total=total, unit="steps", rate=None),
        )
    except Refused as error:
        raise Stale(f"nothing was collected: {error.message}", "review it again") from error
    details: dict[str, Any] = {
        "dropped": len(review.dropped),
        "bytes": review.freed,
        "trash": [entry.name for entry in entries],
        "undoable": bool(entries) and not free_now,
    }
    where = "freed" if free_now else "in the trash"
    if work.cancel.cancelled:
        return Outcome(
            JobState.CANCELLED, f"stopped; {len(entries)} snapshots are {where}", Exit.CANCELLED, details=details
        )
    return Outcome(
        JobState.DONE, f"{len(review.dropped)} generations collected, {review.freed:,} bytes {where}", details=details
    )


def _not_in_use(work: JobContext) -> None:
    """A job that was submitted after the plan was made may need what the plan drops."""
    dropped = {(str(snapshot[0]), snapshot[1]) for snapshot in work.plan.params["review"]["snapshots"]}
    for folder, key, snapshot_id in in_use(work):
        if (key, snapshot_id) in dropped:
            raise Stale(f"nothing was collected: job {folder.id} needs a snapshot of {key}", "review it again")


def in_use(work: JobContext) -> list[tuple[JobFolder, str, str]]:
    """Snapshots that waiting and running jobs are about."""
    found = []
    for waiting in work.board.waiting():
        if str(waiting.number) == work.id:
            continue
        folder = work.board.folder(str(waiting.number))
        plan = folder.plan()
        if "id" in plan.params:
            found.append((folder, str(plan.keys[0]), str(plan.params["id"])))
    return found


def run_empty_trash(work: JobContext) -> Outcome:
    freed = work.machine.store.empty_trash(work.plan.params["names"])
    return Outcome(JobState.DONE, f"{freed:,} bytes freed", details={"bytes": freed})


def run_bring_back(work: JobContext) -> Outcome:
    generations = work.machine.store.bring_back(work.plan.params["names"], who=work.who, job=work.id)
    came = [{"key": str(one.key), "number": one.number, "id": one.id} for one in generations]
    if work.plan.params.get("job"):
        work.board.folder(work.plan.params["job"]).record().step("undone", by=work.id)
    return Outcome(JobState.DONE, f"{len(came)} generations came back", details={"generations": came})


def run_mark(work: JobContext) -> Outcome:
    """Merged with what is said at that moment, under the lock of the records."""
    params = work.plan.params
    change = MarkChange.from_json(params["change"])
    work.machine.store.update_marks(
        work.plan.keys[0], params["number"], lambda said: merged(said, change, work.who), who=work.who
    )
    return Outcome(JobState.DONE, f"{work.plan.title}: recorded")


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


def run_adopt(work: JobContext) -> Outcome:
    """Write the files, and never over one that is there."""
    written: list[str] = []
    for name, content in work.plan.params["files"].items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            raise Stale(f"{path} is there already", "look at it, and adopt again") from None
        with os.fdopen(fd, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        written.append(name)
    work.machine.store.set_state(work.plan.keys[0], active=True, garbage=False)
    return Outcome(JobState.DONE, f"{work.plan.keys[0]} is adopted", details={"files": written})


def run_recover(work: JobContext) -> Outcome:
    """Settle every component of an interrupted job, and sweep what is named after it."""
    dead = work.board.folder(work.plan.params["job"])
    if dead.held:
        raise Stale(f"job {dead.id} is still alive, or a child of it is", "wait for it")
    texts: list[str] = []
    problems: list[str] = []
    for index, journal in dead.journals():
        left = UnfinishedJob(dead.id, journal, str(dead.request().get("who", "")))
        if not needs_settling(left):
            continue
        try:
            settled = activities.recover(work.component_job(index), left)
        except Expected as error:
            problems.append(words_of(error)[0])
            continue
        texts.append(settled.text)
        if settled.restored is not None and not settled.restored.whole:
            problems.extend(settled.restored.warnings)
    texts.extend(work.machine.store.sweep(alive=work.board.alive))
    if problems:
        raise EngineError(f"job {dead.id} is not put right yet: {'; '.join(problems)}", "see to that, then recover it")
    text = "; ".join(texts) or "nothing was left behind"
    for folder in (dead, *work.board.dead_recoveries(dead.id)):
        _say_interrupted(work, folder, text)
        folder.record().step("recovered", by=work.id, at=work.clock().isoformat(), text=text)
        folder.trim()
    return Outcome(JobState.DONE, text, details={"recovered": dead.id})


def _say_interrupted(work: JobContext, folder: JobFolder, text: str) -> None:
    """The end of a job that could not write its own into the audit."""
    request = folder.request()
    message = f"its process was gone; job {work.id} put it right: {text}"
    entry = audit.entry_of(
        folder.id, folder.plan(), JobState.INTERRUPTED.value, who=str(request.get("who", "")),
        why=str(request.get("why", "")), host=str(request.get("host", "")), message=message,
    )  # fmt: skip
    with suppress(OSError):
        audit.append(work.machine.settings.statedir, work.clock(), entry, work.machine.settings.group)
