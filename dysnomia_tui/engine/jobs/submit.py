"""Submitting a plan: its job's folder, its lock, its worker."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import datetime

from dysnomia_base.exit_codes import NO_SPACE
from dysnomia_store.errors import StoreFull
from dysnomia_tui.engine import audit
from dysnomia_tui.engine.errors import EngineError
from dysnomia_tui.engine.jobs.events import EventLog
from dysnomia_tui.engine.jobs.folder import JobFolder, create_job
from dysnomia_tui.engine.jobs.request import JobRequest, request_of
from dysnomia_tui.engine.jobs.spawn import Forked, start_worker
from dysnomia_tui.engine.machine.machine import Machine
from dysnomia_tui.engine.machine.permissions import share
from dysnomia_tui.engine.machine.settings_json import settings_to_json
from dysnomia_tui.engine.plans.plan import Kind, Plan
from dysnomia_tui.engine.records import JobState
from dysnomia_tui.engine.redact import Redactor

MAKES_ROOM = frozenset({Kind.GC, Kind.EMPTY_TRASH})
FILES_ENOUGH = 20
"""So many files a job makes at the most before it does anything."""
NO_FILES = f"delete or move some files there, {FILES_ENOUGH} are enough to begin, then try again"
NO_RESERVE = "its reserve was used before: delete or move something else there, 1 MiB is enough, then try again"


def submit_job(
    machine: Machine, plan: Plan, *, who: str, why: str, host: str, now: datetime, forked: Forked | None = None
) -> str:  # fmt: skip
    """Returns the job's id; ``forked`` as for ``start_worker``. Raises OSError or EngineError where it could not be
    started."""
    if not machine.jobs.is_dir():
        _make_root(machine)
        machine.jobs.mkdir(mode=0o700, exist_ok=True)
        if machine.settings.group:
            share(machine.jobs, machine.settings.group)
    why = Redactor().text(why)
    settings = settings_to_json(machine.settings)
    request = request_of(plan, created=now, who=who, why=why, host=host, settings=settings)
    folder, lock = _created(machine, plan, request)
    try:
        EventLog(folder.events, Redactor(), lambda: now).write("queued", title=plan.title, who=who, why=why)
        entry = audit.entry_of(folder.id, plan, audit.SUBMITTED, who=who, why=why, host=host)
        with suppress(OSError):  # the worker's own lines say when it cannot be written
            audit.append(machine.settings.statedir, now, entry, machine.settings.group)
        start_worker(folder, lock, forked=forked)
    except EngineError as error:
        folder.record().step(
            "result", state=JobState.FAILED.value, exit=int(error.exit), message=error.message, hint=error.hint,
            details={}, at=now.isoformat(),
        )  # fmt: skip
        raise
    finally:
        os.close(lock)
    return folder.id


def _make_root(machine: Machine) -> None:
    """A store that a job makes is as private as one that a snapshot makes. Raises OSError or LookupError."""
    root = machine.settings.statedir
    if root.is_dir():
        return
    root.parent.mkdir(parents=True, exist_ok=True)
    root.mkdir(mode=0o700, exist_ok=True)
    if machine.settings.group:
        share(root, machine.settings.group)


def _created(machine: Machine, plan: Plan, request: JobRequest) -> tuple[JobFolder, int]:
    """Make the job's folder; on a full disk, what makes room gets the store's reserve for it."""
    try:
        return create_job(machine.jobs, plan, request, machine.settings.group)
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        if plan.kind not in MAKES_ROOM or not machine.store.release_reserve():
            raise _full(machine, plan) from error
    try:
        return create_job(machine.jobs, plan, request, machine.settings.group)
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        raise _full(machine, plan) from error  # of files: the reserve is bytes, and one file


def _full(machine: Machine, plan: Plan) -> StoreFull:
    """Why a job could not be begun, and what makes room for it."""
    statedir = machine.settings.statedir
    disk = os.statvfs(statedir)
    if disk.f_files and disk.f_favail < FILES_ENOUGH:
        what, hint = f"the disk of {statedir} can hold no more files (see df -i)", NO_FILES
        if plan.kind not in MAKES_ROOM:
            hint = f"{NO_FILES}; then a collection with 'delete now' frees more"
    else:
        what = f"the disk of {statedir} is full"
        hint = NO_RESERVE if plan.kind in MAKES_ROOM else "collect garbage with 'delete now', or empty the trash"
    return StoreFull(f"{plan.title} was not begun: {what}", hint)
