"""Import of an archive: planned, and run as a job."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from dysnomia_store import ArchiveReader
from dysnomia_tui.engine.jobs.context import JobContext, Outcome
from dysnomia_tui.engine.jobs.events import JobProgress
from dysnomia_tui.engine.machine.machine import Machine
from dysnomia_tui.engine.plans.grades import confirmation, graded
from dysnomia_tui.engine.plans.plan import Grade, Kind, Plan, SpaceNeed, Step
from dysnomia_tui.engine.records import JobState


def plan_import_archive(machine: Machine, path: Path, now: datetime) -> Plan:
    """An archive, by what its record says; the job reads all of it before anything is registered.

    Raises StoreError where it is no archive, or says what no archive does.
    """
    path = path.absolute()
    with ArchiveReader(path) as reader:
        archive, digest = reader.archive, reader.digest
    keys = tuple(sorted(component.key for component in archive.components))
    needs, has = machine.store.missing_of(archive), machine.store.free_bytes()
    grade = graded(machine.settings, keys, Grade.ADDS)
    origin = f"of {archive.host or 'another store'}, {archive.made:%Y-%m-%d %H:%M} UTC"
    steps = [Step(f"{path} ({origin}) would be read whole, and verified")]
    steps += [
        Step(
            f"{len(one.generations)} generations on {len(one.snapshots)} snapshots would come after those of {one.key}",
            str(one.key),
        )
        for one in archive.components
    ]
    return Plan(
        kind=Kind.IMPORT,
        title=f"import {archive.generations} generations from {path.name}",
        keys=keys,
        grade=grade,
        steps=tuple(steps),
        params={"archive": str(path), "digest": digest, "bytes": archive.size + needs},
        blockers=() if archive.generations else (f"{path} holds no generations",),
        space=(SpaceNeed(str(machine.store.root), needs, has, estimated=False),),
        command=("dysnomia-snapshots", "--import", str(path)),
        confirm=confirmation(grade, keys, str(archive.generations)),
        made=now,
    )


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

    imported = work.machine.store.import_archive(
        Path(params["archive"]),
        digest=params["digest"],
        who=work.who,
        job=work.id,
        on_bytes=on_bytes,
        reader=work.machine.dump_reader,
    )
    made = [{"key": str(one.key), "number": one.number, "id": one.id} for one in imported.made]
    message = f"{len(made)} imported" + (f", {imported.already} were here already" if imported.already else "")
    return Outcome(JobState.DONE, message, details={"generations": made, "already": imported.already})
