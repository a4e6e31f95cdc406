"""The job that takes an archive in."""

from __future__ import annotations

from pathlib import Path

from dysnomia_tui.engine.jobs.context import JobContext, Outcome
from dysnomia_tui.engine.jobs.events import JobProgress
from dysnomia_tui.engine.records import JobState


def run_import_archive(work: JobContext) -> Outcome:
    """All of it is read to verify it, then what is not here yet once more to copy it."""
    params = work.plan.params
    total = int(params["bytes"])
    done = 0
    progress = JobProgress(work.log, "")
    progress.phase("verify")

    def on_bytes(count: int) -> None:
        nonlocal done
        work.cancel.check()
        done += count
        progress.advance(done, total or None)

    came = work.machine.store.import_archive(
        Path(params["archive"]),
        digest=params["digest"],
        who=work.who,
        job=work.id,
        on_bytes=on_bytes,
        reader=work.machine.dump_reader,
    )
    made = [{"key": str(one.key), "number": one.number, "id": one.id} for one in came.made]
    said = f"{len(made)} imported" + (f", {came.already} were here already" if came.already else "")
    return Outcome(JobState.DONE, said, details={"generations": made, "already": came.already})
