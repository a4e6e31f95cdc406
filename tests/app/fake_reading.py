"""What can be seen of an engine that keeps the contract from memory: no plan, no change."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from dysnomia_plugins.base import Found, Probe
from dysnomia_store.model import Form, Generation, Section
from dysnomia_store.names import ComponentKey
from dysnomia_store.store import Usage
from dysnomia_tui.config import Settings
from dysnomia_tui.engine import FindAsked, HistoryAsked, Schedule, Search, Standing, Wanted
from dysnomia_tui.engine.diff.handle import Diff
from dysnomia_tui.engine.engine import Engine, Side
from dysnomia_tui.engine.errors import Unknown
from dysnomia_tui.engine.machine import group_views
from dysnomia_tui.engine.operations.deploy import Deployment
from dysnomia_tui.engine.records import (
    Change,
    Condition,
    Discovered,
    Event,
    FoundRow,
    HistoryLine,
    JobView,
    Overview,
    RowChange,
    SectionChange,
    TrashView,
)
from tests.app.fake_world import CHANGES, CRM, DOCUMENTS, LEGACY, NOW, SECTIONS, World, fake_settings

T = TypeVar("T")


class FakeDiff(Diff):
    """A diff that is ready at once."""

    def __init__(self, key: ComponentKey, old: Side, new: Side, gate: threading.Event) -> None:
        """Rows wait for ``gate``."""
        self.old_title = f"{key}/{old}"
        self.new_title = f"{key}/{new}"
        self._gate = gate
        self.closed = False

    @property
    def ready(self) -> bool:
        return True

    @property
    def error(self) -> str:
        return ""

    def progress(self) -> tuple[int, int | None]:
        return 41, 41

    def sections(self) -> Sequence[SectionChange]:
        return CHANGES

    def rows(self, section: SectionChange, start: int, count: int) -> Sequence[RowChange]:
        self._gate.wait()
        made = []
        for at in range(start, min(start + count, 1204)):
            old = (str(at), "pending", "[b]x[/y]\x1b[2J")
            new = (str(at), "shipped", "[b]x[/y]\x1b[2J")
            kind = (Change.CHANGED, Change.ADDED, Change.REMOVED)[at % 3]
            made.append(
                RowChange(
                    kind,
                    None if kind is Change.ADDED else old,
                    None if kind is Change.REMOVED else new,
                    frozenset({1}) if kind is Change.CHANGED else frozenset(),
                )
            )
        return made

    def note(self, section: SectionChange) -> str:
        return ""

    def wait(self, timeout: float | None = None) -> bool:
        return True

    def close(self) -> None:
        self.closed = True


class FakeSearch(Search[T]):
    """A search that has found everything."""

    def __init__(self, found: Sequence[T]) -> None:
        self.found = found
        self.closed = False

    @property
    def ready(self) -> bool:
        return True

    @property
    def error(self) -> str:
        return ""

    @property
    def notes(self) -> tuple[str, ...]:
        return ()

    def progress(self) -> tuple[int, int | None]:
        return 214, 214

    def __len__(self) -> int:
        return len(self.found)

    def page(self, start: int, count: int) -> list[T]:
        return list(self.found[start : start + count])

    def close(self) -> None:
        self.closed = True


def history_of(key: str) -> list[HistoryLine]:
    """A row that came, was changed, and is gone."""
    columns = ("id", "state", "note\x1b[2J")
    first, second = (key, "pending", "[b]x[/y]\x1b[2J"), (key, "shipped", None)
    changed = RowChange(Change.CHANGED, first, second, frozenset({1, 2}))
    told = (
        (214, 213, RowChange(Change.REMOVED, second, None)),
        (205, 204, changed),
        (1, None, RowChange(Change.ADDED, None, first)),
    )
    return [
        HistoryLine(
            "table", "orders", number, NOW - timedelta(days=214 - number), before,
            NOW - timedelta(days=214 - before) if before is not None else None, columns, row,
        )
        for number, before, row in told
    ]  # fmt: skip


class FakeReading(Engine):
    """What the contract says of reading, from a ``World``."""

    def __init__(self, world: World, settings: Settings | None = None, *, read_only: bool = False) -> None:
        self.settings = settings or fake_settings()
        self.world = world
        self._read_only = "--read-only" if read_only else ""
        self.followed: list[HistoryAsked] = []
        """Whose history was asked for."""
        self.asked: list[ComponentKey] = []
        """The components whose condition was asked for."""
        self.gate = threading.Event()
        """Reads wait for it: a test that wants to see the first frame clears it."""
        self.gate.set()
        self.rows_gate = threading.Event()
        """Rows of a section wait for it."""
        self.rows_gate.set()

    def overview(self, on_read: Callable[[int, int], None] = lambda _done, _of: None) -> Overview:
        on_read(57, 300)
        self.gate.wait()
        w = self.world
        return Overview(
            "db1",
            "root(alice)",
            self._read_only or w.read_only,
            "/var/state/dysnomia",
            "a1b2c3d4",
            126_701_535_232,
            500_000_000_000,
            w.labels,
            w.containers,
            w.alarms,
            NOW,
            w.notice,
            groups=tuple(group_views.views(w.groups, w.containers)),
        )

    def generations(self, key: ComponentKey) -> tuple[Generation, ...]:
        self.gate.wait()
        return self.world.lines.get(key, ())

    def alone(self, key: ComponentKey) -> Mapping[str, int]:
        """Of each snapshot an eighth: the rest is in others too."""
        known = ((one.id, one.metadata) for one in self.world.lines.get(key, ()))
        return {snapshot_id: metadata.stored_size // 8 for snapshot_id, metadata in known if metadata is not None}

    def sections(self, key: ComponentKey, number: int) -> Iterator[Section]:
        self.gate.wait()
        yield from SECTIONS

    def changes(self, key: ComponentKey, number: int) -> Sequence[SectionChange]:
        return CHANGES

    def browse(
        self, key: ComponentKey, number: int, section: Section, start: int, count: int
    ) -> Sequence[tuple[str | None, ...]]:
        self.rows_gate.wait()
        total = section.rows if section.rows is not None else 40
        if section.form is Form.TEXT:
            return [(f"line {at} of {section.name}",) for at in range(start, min(start + count, total))]
        return [
            (str(at), f"name [{at}]", None if at % 5 else "x\x1b[2Jy\nz")
            for at in range(start, min(start + count, total))
        ]

    def remarks(self, key: ComponentKey, number: int, sections: Sequence[Section]) -> Mapping[str, str] | None:
        return None

    def find_time(self, key: ComponentKey, when: datetime) -> Generation | None:
        return next((g for g in self.world.lines.get(key, ()) if g.good and g.as_of <= when), None)

    def standing(self, group: str, when: datetime) -> Sequence[Standing]:
        self.gate.wait()
        found = []
        for key in self.members(group):
            one = self.find_time(key, when)
            newer = sum(1 for g in self.world.lines.get(key, ()) if one is not None and g.number > one.number)
            found.append(Standing(key, one, newer))
        return found

    def members(self, group: str) -> Sequence[ComponentKey]:
        """The components of a group, or of a container that is in service."""
        if group in self.world.groups:
            return self.world.groups[group].components
        views = next((one.components for one in self.world.containers if one.name == group), None)
        if views is None:
            raise Unknown(f"there is no group and no container {group!r}")
        return [view.key for view in views]

    def probe(self, container: str) -> Probe:
        self.gate.wait()
        return self.world.probes.get(container, Probe(False, detail="connection refused"))

    def probes(self, container: str, *, patient: bool = False) -> tuple[Probe, Mapping[ComponentKey, Probe]]:
        if patient and container in self.world.patient:
            return self.world.patient[container], {}
        own = {key: known.probe for key, known in self.world.conditions.items() if key.container == container}
        return self.probe(container), own

    def condition(self, key: ComponentKey) -> Condition:
        self.gate.wait()
        self.asked.append(key)
        known = self.world.conditions.get(key)
        return known if known is not None else Condition(self.probe(key.container))

    def discover(self) -> Sequence[Found]:
        self.gate.wait()
        return self.world.found

    def discovered(self) -> Discovered:
        return Discovered(tuple(self.discover()), self.world.applications)

    def read_groups(self) -> None:
        return None

    def look_at_servers(
        self,
        containers: Collection[str] | None = None,
        *,
        older_than: timedelta = timedelta(0),
        accept: bool = False,
    ) -> Mapping[str, str]:
        return {}

    def schedule(self) -> Schedule:
        return self.world.schedule

    def usage(self) -> Usage:
        self.gate.wait()
        by = {key: sum(g.metadata.stored_size for g in line if g.metadata) for key, line in self.world.lines.items()}
        growth = tuple(
            (NOW - timedelta(days=60 - day), 2_000_000_000 + day * 41_000_000 + (day % 7) * 9_000_000)
            for day in range(61)
        )
        return Usage(by, 27_000_000, 104_857_600, 500_000_000_000, 126_701_535_232, growth)

    def trash(self) -> Sequence[TrashView]:
        return self.world.trash

    def deployment(self, container: str = "") -> Deployment:
        views = [view for one in self.overview().containers for view in one.components]
        keys = [view.key for view in views if not container or view.key.container == container]
        return Deployment(
            available=tuple(key for key in keys if key not in (CRM, LEGACY)),
            active=tuple(key for key in keys if key not in (DOCUMENTS, LEGACY)),
            garbage=tuple(key for key in keys if key == LEGACY),
        )

    def history(self, key: ComponentKey, asked: HistoryAsked) -> Search[HistoryLine]:
        self.followed.append(asked)
        self.gate.wait()
        return FakeSearch(history_of((asked.row or ("7",))[0] or ""))

    def find(self, key: ComponentKey, asked: FindAsked) -> Search[FoundRow]:
        section = next(one for one in SECTIONS if asked.section == f"{one.kind}:{one.name}")
        wanted = Wanted(asked.text, section.columns)
        rows = enumerate(self.browse(key, asked.number, section, 0, 1000), 1)
        return FakeSearch(
            [FoundRow(section.kind, section.name, section.columns, at, cells) for at, cells in rows if wanted(cells)]
        )

    def diff(self, key: ComponentKey, old: Side, new: Side) -> Diff:
        self.gate.wait()
        return FakeDiff(key, old, new, self.rows_gate)

    def shell(self, key: ComponentKey) -> tuple[Sequence[str], Mapping[str, str]]:
        return ["/bin/true"], {}

    def jobs(self, limit: int = 200) -> Sequence[JobView]:
        self.gate.wait()
        return sorted(self.world.jobs, key=lambda item: item.state.ended)[:limit]

    def job(self, job_id: str) -> JobView:
        found = next((item for item in self.world.jobs if item.id == job_id), None)
        if found is None:
            raise Unknown(f"there is no job {job_id}")
        return found

    def events(self, job_id: str, after: int = 0) -> tuple[Sequence[Event], int]:
        if after:
            return (), after
        start = NOW - timedelta(seconds=5)
        return (
            Event(start, "queued", {}),
            Event(start + timedelta(seconds=1), "started", {}),
            Event(start + timedelta(seconds=1), "phase", {"name": "dump"}),
            Event(start + timedelta(seconds=2), "log", {"line": "pg_dump: dumping [public].orders\x1b[2J"}),
        ), 400

    def follow(self, job_id: str) -> Iterator[Event]:
        yield from self.events(job_id)[0]

    def timeline(self, key: ComponentKey | None = None) -> str:
        return f"{NOW:%Y-%m-%dT%H:%M:%SZ} alice restored 211\n"
