"""A small machine for the engine's tests: a SQLite database, a fileset, a bash module, and an engine on them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dysnomia_store.names import ComponentKey
from dysnomia_tui.config import Settings
from dysnomia_tui.engine.component.journal import FileJournal
from dysnomia_tui.engine.engine import Engine
from dysnomia_tui.engine.jobs.folder import JobFolder
from dysnomia_tui.engine.plans.plan import Plan
from dysnomia_tui.engine.records import JobView
from tests.waiting import wait_until

ORDERS = ComponentKey("sqlite", "orders")
CRM = ComponentKey("sqlite", "crm")
DOCS = ComponentKey("files", "docs")
TEXT = ComponentKey("module", "text")

MODULE = """#!/bin/bash
# Dysnomia's convention: the state is one text file. A file called hold beside it makes every activity wait.
set -e
component=$(basename "$2"); container=$(basename "$3")
echo "activity $1 on $component"
touch "$dir/entered.$1"
while [ -e "$dir/hold" ]; do sleep 0.05; done
[ ! -e "$dir/fail" ]
snapshots=$DYSNOMIA_STATEDIR/snapshots/$container/$component
generations=$DYSNOMIA_STATEDIR/generations/$container/$component
case "$1" in
  activate) [ -e "$dir/live" ] || echo initial > "$dir/live"
    mkdir -p "$DYSNOMIA_STATEDIR/activated/$container"; touch "$DYSNOMIA_STATEDIR/activated/$container/$component" ;;
  deactivate) rm -f "$DYSNOMIA_STATEDIR/activated/$container/$component" ;;
  snapshot) id=$(sha256sum < "$dir/live" | cut -c1-64); mkdir -p "$snapshots/$id" "$generations"
    cp "$dir/live" "$snapshots/$id/dump"; ln -s "../../../snapshots/$container/$component/$id" "$generations/1" ;;
  restore) last=$(ls "$generations" | sort -n | tail -n 1); cp "$generations/$last/dump" "$dir/live" ;;
esac
"""


@dataclass
class EngineFixture:
    """Where everything is, and what tests do to it."""

    root: Path

    @property
    def settings(self) -> Settings:
        return Settings(
            statedir=self.root / "state",
            containers_path=(self.root / "containers",),
            components_path=(self.root / "components",),
            modules_path=(self.root / "modules",),
            user_config=self.root / "config",
        )

    def engine(self, *, read_only: bool = False, **changed: Any) -> Engine:
        return Engine(replace(self.settings, **changed), read_only=read_only)

    # The databases.

    def execute(self, statement: str, key: ComponentKey = ORDERS) -> None:
        with closing(sqlite3.connect(self.root / "data" / f"{key.component}.db", timeout=60)) as database, database:
            database.execute(statement)

    def rows(self, key: ComponentKey = ORDERS) -> list[int]:
        with closing(sqlite3.connect(self.root / "data" / f"{key.component}.db", timeout=60)) as database:
            return [row[0] for row in database.execute("SELECT id FROM t ORDER BY id")]

    def insert(self, number: int, key: ComponentKey = ORDERS) -> None:
        self.execute(f"INSERT INTO t VALUES ({number}, 'row {number}')", key)

    # The module.

    @property
    def text(self) -> Path:
        return self.root / "text" / "live"

    def hold(self, *, held: bool = True) -> None:
        """Make the module wait in whatever it is asked to do, or let it go on."""
        path = self.root / "text" / "hold"
        if held:
            path.touch()
        else:
            path.unlink()

    def entered(self, activity: str) -> bool:
        return (self.root / "text" / f"entered.{activity}").exists()

    # Jobs.

    def run(self, engine: Engine, plan: Plan) -> JobView:
        """Submit a plan and wait for its end."""
        return self.end(engine, engine.submit(plan).id)

    def end(self, engine: Engine, job_id: str) -> JobView:
        """Wait until a job has ended, and its worker too."""
        wait_until(lambda: engine.job(job_id).state.ended)
        wait_until(lambda: not self.folder(job_id).held)
        return engine.job(job_id)

    def folder(self, job_id: str) -> JobFolder:
        return JobFolder(self.root / "state" / "jobs" / job_id)

    def worker_pid(self, job_id: str) -> int:
        worker = wait_until(lambda: self.folder(job_id).worker)
        assert worker is not None
        return worker.pid


def forget_the_end(folder: JobFolder, last: str = "") -> None:
    """As if the worker had died before it wrote its result; right after its journal's step ``last``, where given."""
    wait_until(lambda: not folder.held)  # its end is told before its process is gone, which may write still
    (folder.path.parent / "floor").unlink(missing_ok=True)
    for name in ("record", *(("journal.0",) if last else ())):
        entries = [(step, data) for step, data in FileJournal(folder.path / name).steps() if step != "result"]
        (folder.path / name).unlink()
        journal = FileJournal.create(folder.path / name)
        for step, data in entries:
            journal.step(step, **data)
            if step == last:
                break
        journal.close()


def make_machine(root: Path) -> EngineFixture:
    """Lay everything out under ``root``."""
    for folder in ("containers", "components/sqlite", "components/files", "components/module", "data", "modules",
                   "text", "tree"):  # fmt: skip
        (root / folder).mkdir(parents=True)
    (root / "containers" / "sqlite").write_text(f"type=sqlite-database\nsqliteDir='{root}/data'\n")
    (root / "containers" / "files").write_text(f"type=fileset\ntargetDir='{root}/tree'\n")
    (root / "containers" / "module").write_text(f"type=text-file\ndir='{root}/text'\npassword='hunter22'\n")
    for name in ("orders", "crm"):
        (root / "components" / "sqlite" / name).touch()
    docs = root / "components" / "files" / "docs"
    docs.mkdir()
    (docs / ".dysnomia-fileset").write_text("mkdir docs\n")
    (root / "components" / "module" / "text").touch()
    module = root / "modules" / "text-file"
    module.write_text(MODULE)
    module.chmod(0o755)
    (root / "text" / "live").write_text("first\n")
    machine = EngineFixture(root)
    for key in (ORDERS, CRM):
        machine.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT)", key)
        machine.insert(1, key)
    return machine
