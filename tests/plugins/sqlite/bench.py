"""SQLite's plugin on one database without store or engine, and processes that hold it open."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from dysnomia_plugins.base import Context, Place, Purpose
from dysnomia_plugins.types.sqlite.plugin import SqliteDatabase
from tests.plugins.conformance.bare import Bare, BareStored, Notes, component

HOLDER = """
import sqlite3, sys
db = sqlite3.connect(f"file:{sys.argv[1]}?mode=rw", uri=True, isolation_level=None, timeout=30)
for statement in sys.argv[2:]:
    print(db.execute(statement).fetchone(), flush=True)
print("ready", flush=True)
for line in sys.stdin:
    try:
        print(db.execute(line).fetchall(), flush=True)
    except sqlite3.Error as error:
        print(error, flush=True)
"""


class SqliteBench(Bare):
    """A component ``name`` with its databases in ``folder/databases``; ``sql`` makes what is live."""

    def __init__(self, folder: Path, *sql: str, name: str = "orders", **properties: str) -> None:
        self.databases = folder / "databases"
        self.databases.mkdir()
        (folder / "component").mkdir()
        about = component(folder / "component", name, sqliteDir=str(self.databases), **properties)
        self.sqlite = SqliteDatabase()
        super().__init__(self.sqlite, folder, about)
        self._jobs = 0
        if sql:
            self.run(*sql)

    @property
    def live(self) -> Path:
        return Path(self.sqlite.live(self.component).name)

    def run(self, *statements: str, at: Path | str | None = None) -> list[Any]:
        """Run statements by SQLite itself; the rows of the last one."""
        with closing(sqlite3.connect(at or self.live, isolation_level=None, timeout=30)) as db:
            rows: list[Any] = []
            for statement in statements:
                rows = db.execute(statement).fetchall()
            return rows

    def sound(self, at: Path | None = None) -> bool:
        return self.run("PRAGMA integrity_check", at=at) == [("ok",)]

    def job(self, journal: Notes | None = None) -> Context:
        self._jobs += 1
        return self.context(str(self._jobs), journal)

    def replace(self, stored: BareStored, ctx: Context | None = None) -> Path:
        """Load and swap; returns where what was live stands."""
        ctx = ctx or self.job()
        self.sqlite.load(ctx, stored, beside := self.sqlite.place(ctx, Purpose.BESIDE))
        aside = self.sqlite.place(ctx, Purpose.ASIDE)
        self.sqlite.swap(ctx, beside, aside)
        return Path(aside.name)

    def identity(self, at: Path | None = None) -> str:
        return self.dump(Place(str(at)) if at else None, job=f"look{self._jobs}").digest

    def files(self) -> list[str]:
        return sorted(one.name for one in self.databases.iterdir())


class Holder:
    """A process that has a database open and runs statements on it."""

    def __init__(self, path: Path, *statements: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(path), *statements],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        while self._line() != "ready":
            pass

    @property
    def pid(self) -> int:
        return self._process.pid

    def run(self, statement: str) -> str:
        """What the statement gave, or the error it met."""
        assert self._process.stdin is not None
        self._process.stdin.write(statement + "\n")
        self._process.stdin.flush()
        return self._line()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the holder died"
        return line.rstrip("\n")

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextmanager
def holding(path: Path, *statements: str) -> Iterator[Holder]:
    """Another process has ``path`` open, and has run ``statements``."""
    holder = Holder(path, *statements)
    try:
        yield holder
    finally:
        holder.stop()


def names(journal: Notes) -> list[str]:
    return [name for name, _ in journal.steps()]


def with_surroundings(stored: BareStored, **surroundings: object) -> Mapping[str, Any]:
    assert stored.metadata is not None
    return {**stored.metadata.surroundings, **surroundings}
