"""Submitting a plan: its job's folder, its lock, its worker."""

from __future__ import annotations

import os
from datetime import datetime

from dysnomia_tui.engine import audit
from dysnomia_tui.engine.jobs.events import EventLog
from dysnomia_tui.engine.jobs.folder import create_job
from dysnomia_tui.engine.jobs.request import settings_to_json
from dysnomia_tui.engine.jobs.spawn import start_worker
from dysnomia_tui.engine.plan import Plan
from dysnomia_tui.engine.redact import Redactor
from dysnomia_tui.engine.world import World


def submit_job(world: World, plan: Plan, *, who: str, why: str, host: str, now: datetime) -> str:
    """Returns the job's id. Raises OSError or EngineError where it could not be started."""
    world.jobs.mkdir(mode=0o700, parents=True, exist_ok=True)
    why = Redactor().text(why)
    request = {"who": who, "why": why, "host": host, "settings": settings_to_json(world.settings)}
    folder, lock = create_job(world.jobs, plan, request, now)
    try:
        EventLog(folder.events, Redactor(), lambda: now).write("queued", title=plan.title, who=who, why=why)
        audit.append(
            world.settings.statedir,
            now,
            {
                "job": folder.id, "event": "submitted", "kind": plan.kind.value, "title": plan.title,
                "keys": [str(key) for key in plan.keys], "who": who, "why": why, "host": host, "message": "",
            },
        )  # fmt: skip
        start_worker(folder, lock, f"dysnomia-{world.store.id[:8] or 'store'}-job-{folder.id}")
    finally:
        os.close(lock)
    return folder.id
