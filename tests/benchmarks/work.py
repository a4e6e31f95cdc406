"""``python -m tests.benchmarks.work``: one activity in a process of its own, as a job has it.

What is timed there is the activity with the start of Python and its imports; the engine's queue and the command's
own start are not in it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from dysnomia_plugins.base import Component, Plugin, Progress, Purpose, StatePlugin
from dysnomia_plugins.loading.registry import Registry
from dysnomia_plugins.toolkit.process import NeverCancelled, ProcessRunner
from dysnomia_store.names import ComponentKey
from dysnomia_store.store import Store
from dysnomia_tui.engine.component import activities
from dysnomia_tui.engine.component.activities import ComponentJob
from dysnomia_tui.engine.component.journal import FileJournal
from dysnomia_tui.engine.component.runner import CancelShield
from dysnomia_tui.engine.memory import keep_memory


class Silent:
    """Progress that nobody watches."""

    def phase(self, name: str) -> None:
        return

    def advance(self, done: int, total: int | None = None, unit: str = "bytes") -> None:
        return

    def log(self, line: str) -> None:
        return


SOCKETS = {"postgresql-database": "postgresqlRuntimeDir", "mysql-database": "mysqlSocket"}
"""By type: which property says where the server is."""


def bench_of(folder: Path, socket: Path, job: str, kind: str) -> ComponentJob:
    """A job on the database ``bench`` of the server with that socket."""
    return job_in(folder, job, Registry().get(kind), {"type": kind, SOCKETS[kind]: str(socket)})


def job_in(
    folder: Path, job: str, plugin: Plugin, properties: Mapping[str, str], progress: Progress | None = None
) -> ComponentJob:
    """A job on a component whose files, store and journal are in ``folder``.

    Args:
        job: its number; a journal that is there already is gone on with.
        properties: the container's.
        progress: what is told of it; nobody by default.
    """
    component = folder / "component"
    component.mkdir(exist_ok=True)
    journal = folder / f"journal-{job}"
    if not journal.exists():
        FileJournal.create(journal).close()
    shield = CancelShield(NeverCancelled())
    return ComponentJob(
        store=Store(folder / "state"),
        plugin=plugin,
        component=Component(ComponentKey.of("box", "bench"), component, properties),
        job=job,
        who="bench",
        journal=FileJournal(journal),
        runner=ProcessRunner(shield),
        progress=progress or Silent(),
        cancel=shield,
    )


def load(component_job: ComponentJob) -> None:
    """A restore's load: into a database beside live, checked against the contents index."""
    plugin = component_job.plugin
    assert isinstance(plugin, StatePlugin)
    newest = component_job.store.generations(component_job.key)[-1]
    with component_job.context() as ctx:
        plugin.load(ctx, component_job.store.stored(component_job.key, newest.id), plugin.place(ctx, Purpose.BESIDE))


def main() -> None:
    keep_memory()
    what, folder, socket, job, kind = sys.argv[1:]
    component_job = bench_of(Path(folder), Path(socket), job, kind)
    if what == "snapshot":
        activities.snapshot(component_job)
    else:
        load(component_job)


if __name__ == "__main__":
    main()
