"""Drives the engine's own activities on a world: a store, a job for each call, and the jobs that died."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from dysnomia_plugins.base import Context, Place
from dysnomia_plugins.errors import Cancelled
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_store.model import CheckResult, Generation, Section
from dysnomia_store.store import Store
from dysnomia_tui.engine.component import activities
from dysnomia_tui.engine.component.activities import ComponentJob, RestoreTarget, Snapshotted, UnfinishedJob
from dysnomia_tui.engine.component.guard import Restored
from dysnomia_tui.engine.component.index import DigestingDraft
from dysnomia_tui.engine.component.journal import FileJournal
from dysnomia_tui.engine.component.left import needs_settling
from dysnomia_tui.engine.component.runner import CancelShield
from tests.plugins.conformance.world import World


class Token:
    """A cancel token that a test trips."""

    def __init__(self) -> None:
        self.cancelled = False

    def check(self) -> None:
        if self.cancelled:
            raise Cancelled("a cancel was asked for")


class Reporter:
    """Progress that is kept; ``on_phase`` is called at each new phase, and ``on_advance`` while one goes on."""

    def __init__(self) -> None:
        self.phases: list[str] = []
        self.lines: list[str] = []
        self.on_phase: Callable[[int], None] = lambda _: None
        self.on_advance: Callable[[], None] = lambda: None

    def phase(self, name: str) -> None:
        self.phases.append(name)
        self.on_phase(len(self.phases))

    def advance(self, done: int, total: int | None = None, unit: str = "bytes") -> None:
        assert done >= 0
        self.on_advance()

    def log(self, line: str) -> None:
        self.lines.append(line)


class Mortal(FileJournal):
    """A journal whose process is killed at its n-th step: before it is written, or as soon as it is."""

    def __init__(self, path: Path, at: int, *, after: bool) -> None:
        super().__init__(path)
        self._left = at
        self._after = after

    def step(self, name: str, /, **data: Any) -> None:
        self._left -= 1
        if self._left == 0 and not self._after:
            os.kill(os.getpid(), signal.SIGKILL)
        super().step(name, **data)
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class _Sections:
    """Where the sections go of a dump of which only the id is wanted."""

    def add(self, section: Section) -> None:
        assert section.digest

    def amend(self, kind: str, name: str, key: tuple[str, ...]) -> None:
        assert key


def _names(place: str, copy: str) -> bool:
    return place == copy or place.endswith((f"/{copy}", f".{copy}", f"/{copy}/", f"/{copy}/_data"))


class Driver:
    """A store in ``folder``, and jobs on a world's component."""

    def __init__(self, world: World, folder: Path, *, compression: str = "zstd") -> None:
        self.world = world
        self.compression = compression
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.store = Store(folder / "state")
        world.belongs_to(self.store)
        self.key = world.component.key
        self.dead: list[str] = []
        """Jobs that were killed, or left something behind."""
        self._jobs = 0

    # Jobs.

    def new_job(self) -> str:
        self._jobs += 1
        return str(self._jobs)

    def journal_path(self, job: str) -> Path:
        return self.folder / f"journal-{job}"

    def left(self, job: str) -> UnfinishedJob:
        return UnfinishedJob(job, FileJournal(self.journal_path(job)), who="tester")

    def unsettled(self) -> list[UnfinishedJob]:
        return [left for left in map(self.left, self.dead) if needs_settling(left)]

    def bench(
        self,
        job: str = "",
        *,
        token: Token | None = None,
        reporter: Reporter | None = None,
        mortal: tuple[int, bool] | None = None,
    ) -> ComponentJob:
        """A bench for a job. ``mortal`` (n, after) kills the process at its n-th journal step."""
        job = job or self.new_job()
        path = self.journal_path(job)
        if not path.exists():
            FileJournal.create(path).close()
        journal = Mortal(path, mortal[0], after=mortal[1]) if mortal else FileJournal(path)
        shield = CancelShield(token or Token())
        return ComponentJob(
            store=self.store,
            plugin=self.world.plugin,
            component=self.world.component,
            job=job,
            who="tester",
            journal=journal,
            runner=ProcessRunner(shield),
            progress=reporter or Reporter(),
            cancel=shield,
            wait=60.0,
            compression=self.compression,
            unsettled=self.unsettled,
        )

    # Activities.

    def activity(self, name: str) -> None:
        activities.activity(self.bench(), name)

    def snapshot(self) -> Snapshotted:
        return activities.snapshot(self.bench())

    def restore(self, number: int, target: RestoreTarget | None = None) -> Restored:
        return activities.restore(self.bench(), number, target)

    def undo(self, job: str) -> Restored:
        return activities.undo(self.bench(), self.left(job))

    # Looking.

    def generations(self) -> tuple[Generation, ...]:
        return self.store.generations(self.key)

    def newest(self) -> Generation:
        return self.generations()[-1]

    @contextmanager
    def context(self) -> Iterator[Context]:
        with self.bench().context() as ctx:
            yield ctx

    def identity(self, place: Place | None = None) -> str:
        """The id that a snapshot of a place would have; nothing is stored."""
        with self.context() as ctx:
            draft = DigestingDraft(ctx.staging, _Sections())
            self.world.plugin.dump(ctx, place or self.world.plugin.live(self.world.component), draft)
            return draft.digest

    def named(self, name: str) -> Place:
        return self.world.plugin.named(self.world.component, self.world.copy_prefix + name)

    def copied(self, name: str, sections: tuple[str, ...] = ()) -> RestoreTarget:
        """For ``restore``: a copy of all, or of those sections."""
        name = self.world.copy_prefix + name
        return RestoreTarget("sections", name, sections) if sections else RestoreTarget("copy", name)

    def left_behind(self, job: str) -> list[Place]:
        """What a job left on server or disk."""
        with self.bench().context(of=self.left(job)) as ctx:
            return list(self.world.plugin.left_behind(ctx))

    def restored_elsewhere(self, number: int, name: str) -> Place:
        """A generation as a copy, to look into it."""
        self.restore(number, self.copied(name))
        return self.named(name)

    def drop(self, place: Place) -> None:
        """By the job that made it: a type may remove only what stands in the job's journal."""
        with self.bench().context(of=self.maker_of(place.name)) as ctx:
            self.world.plugin.drop(ctx, place)

    def maker_of(self, name: str) -> UnfinishedJob | None:
        """The last job that made a copy of that name, whole or not; None where no job did."""
        for number in range(self._jobs, 0, -1):
            if not self.journal_path(str(number)).exists():
                continue
            left = self.left(str(number))
            steps = dict(left.journal.steps())
            if "copy" in steps and "reverted" not in steps and _names(name, str(steps["copy"]["place"])):
                return left
        return None

    def assert_intact(self, ids: dict[int, str]) -> None:
        """Every generation of ``ids`` is there as it was, and its bytes are."""
        found = {one.number: one.id for one in self.generations()}
        for number, snapshot_id in ids.items():
            assert found.get(number) == snapshot_id
        for snapshot_id in set(ids.values()):
            check = self.store.check(self.key, snapshot_id)
            assert check.result is CheckResult.OK, check.text

    def ids(self) -> dict[int, str]:
        return {one.number: one.id for one in self.generations()}


def with_properties(world: World, **properties: str) -> None:
    """Configure its component otherwise."""
    world.component = replace(world.component, properties={**world.component.properties, **properties})


def in_child(work: Callable[[], object]) -> int:
    """Run ``work`` in a forked child. Returns the signal that killed it, 0 if it ended well.

    Raises AssertionError with the child's own traceback where it failed.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:  # noqa: BLE001  # the child's failure is told by the parent
            os.write(writing, traceback.format_exc().encode()[-60000:])
        finally:
            sys.stdout.flush()
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode()
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return os.WTERMSIG(status)
    assert os.WEXITSTATUS(status) == 0, said
    return 0


def peak_memory() -> int:
    """The most memory (bytes) that this process has had since ``memory_now``."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:"))


def memory_now() -> int:
    """The memory (bytes) of this process; the peak is counted anew from here (proc(5), clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_memory()
