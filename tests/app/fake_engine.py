"""An engine that keeps the contract from memory: for the app's tests and for looking at its screens.

It writes down every plan that was submitted, so that a test can tell what the app really asked for.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dysnomia_plugins.base import Found, Probe
from dysnomia_store.gcmodel import GcLine, GcPlan, GcSnapshot, Policy
from dysnomia_store.model import (
    Check,
    CheckResult,
    Delta,
    Form,
    Generation,
    Marks,
    Metadata,
    Pin,
    Reason,
    Section,
    Verdict,
)
from dysnomia_store.names import ComponentKey
from dysnomia_store.store import Usage
from dysnomia_tui.config import Settings
from dysnomia_tui.engine.engine import LIVE, Diff, Engine, RestoreTarget, Side
from dysnomia_tui.engine.errors import Blocked, ReadOnly, Unknown
from dysnomia_tui.engine.plan import Grade, Kind, Plan, SpaceNeed, Step
from dysnomia_tui.engine.planning.deploy import Deployment
from dysnomia_tui.engine.views import (
    Alarm,
    Change,
    ComponentView,
    Condition,
    ContainerView,
    Event,
    Health,
    JobState,
    JobView,
    Overview,
    RowChange,
    SectionChange,
    TrashView,
)

NOW = datetime(2025, 11, 22, 14, 22, 7, tzinfo=UTC)
ORDERS = ComponentKey("postgresql", "orders")
CRM = ComponentKey("postgresql", "crm")
LEGACY = ComponentKey("postgresql", "legacy")
SETTINGS = ComponentKey("sqlite", "settings")
DOCUMENTS = ComponentKey("fileset", "documents")
STATE = frozenset({"activate", "deactivate", "snapshot", "restore", "collect-garbage"})


def fake_settings(**changes: object) -> Settings:
    """Settings that name no real place."""
    base = Settings(
        statedir=Path("/var/state/dysnomia"),
        containers_path=(Path("/etc/dysnomia/containers"),),
        components_path=(Path("/etc/dysnomia/components"),),
        modules_path=(),
        user_config=Path("/nonexistent/config"),
        zone="utc",
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def generation(key: ComponentKey, number: int, **changes: object) -> Generation:
    """A generation with sensible values everywhere."""
    as_of = NOW - timedelta(hours=2, minutes=22, seconds=3) - timedelta(hours=13 * (214 - number))
    size = 1_288_490_188 + number * 1_000_003
    ident = f"{(number * 0x9E3779B97F4A7C15) % (1 << 64):016x}" * 4
    base = Generation(
        key=key,
        number=number,
        id=ident,
        as_of=as_of,
        as_of_estimated=False,
        unchanged_until=as_of,
        seen=1,
        reason=Reason.SCHEDULED,
        text="",
        restored=None,
        who="cron",
        job=str(number - 126) if number > 126 else "",
        delta=Delta(number - 1, "", 2, 0, 0, 1201 - 7 * (number % 13), False) if number > 1 else None,
        metadata=Metadata(ident, "postgresql-database", size, size // 12, (), ident, 1, True, 41, 8_211_930),
        marks=Marks(),
        last_check=None,
        suspicious="",
        problem="",
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def orders_generations(count: int = 40) -> tuple[Generation, ...]:
    """A line of generations in which every state is met once."""
    made = [generation(ORDERS, number) for number in range(214, 214 - count, -1)]
    by_number = {item.number: at for at, item in enumerate(made)}

    def change(number: int, **changes: object) -> None:
        if number in by_number:
            made[by_number[number]] = replace(made[by_number[number]], **changes)  # type: ignore[arg-type]

    newest = made[0]
    change(
        214,
        unchanged_until=newest.as_of + timedelta(hours=2),
        seen=3,
        last_check=Check(NOW - timedelta(days=2), "restore", CheckResult.OK),
    )
    eleven = generation(ORDERS, 211)
    change(
        213,
        id=eleven.id,
        reason=Reason.RESTORE,
        restored=211,
        who="alice",
        delta=Delta(212, "", 3, 0, 0, 3_111_404, False),
    )
    small = replace(generation(ORDERS, 212).metadata, content_size=325_058_560, stored_size=27_000_000)  # type: ignore[type-var]
    change(
        212,
        reason=Reason.GUARD,
        who="alice",
        metadata=small,
        suspicious="under half the median of the last five",
        delta=Delta(211, "", 3, 0, 0, -3_111_404, False),
        marks=Marks(verdict=Verdict.BAD, note="the migration dropped half of [orders]"),
    )
    change(211, marks=Marks(pins=(Pin("before migration", "alice", NOW - timedelta(days=2)),)))
    change(210, reason=Reason.MANUAL, who="alice", delta=Delta(209, "", 1, 1, 0, 0, True), text="before migration")
    change(209, metadata=None, as_of_estimated=True, reason=Reason.UNKNOWN, who="", job="", delta=None)
    change(208, last_check=Check(NOW - timedelta(days=1), "bytes", CheckResult.CORRUPT, "dump.pgsql.zst"))
    change(207, problem="it points at ../../etc/passwd", id="", metadata=None, delta=None)
    change(206, suspicious="no sections")
    return tuple(made)


def section(name: str, rows: int | None, kind: str = "table", form: Form = Form.ROWS) -> Section:
    return Section(
        kind,
        name,
        form,
        (rows or 40) * 73,
        f"{hash(name) & 0xFFFF:04x}",
        rows,
        columns=("id", "name", "note"),
        key=("id",),
    )


SECTIONS = (
    section("schema", None, "schema", Form.TEXT),
    section("orders", 4_102_331),
    section("users", 88_120),
    section("audit [log]", 4_000_000),
    section("stock\x1b[31m\nevil", 12_000),
    *(section(f"part_{number:02}", 250 * number) for number in range(1, 37)),
)


class FakeDiff(Diff):
    """A diff that is ready at once."""

    def __init__(self, key: ComponentKey, old: Side, new: Side) -> None:
        self.old_title = f"{key}/{old}"
        self.new_title = f"{key}/{new}"
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


CHANGES = (
    SectionChange(Change.CHANGED, section("orders", 4_101_127), section("orders", 4_102_331), 1207, 3, 12),
    SectionChange(Change.CHANGED, section("users", 88_123), section("users", 88_120), 0, 3, 0),
)


@dataclass
class World:
    """What the fake engine answers from; a test changes it."""

    containers: tuple[ContainerView, ...] = ()
    lines: dict[ComponentKey, tuple[Generation, ...]] = field(default_factory=dict)
    probes: dict[str, Probe] = field(default_factory=dict)
    conditions: dict[ComponentKey, Condition] = field(default_factory=dict)
    """Of those whose type tells more than their container's probe."""
    found: tuple[Found, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    jobs: tuple[JobView, ...] = ()
    labels: tuple[str, ...] = ("PROD",)
    read_only: str = ""
    notice: str = ""
    trash: tuple[TrashView, ...] = ()


def component(key: ComponentKey, health: Health, line: tuple[Generation, ...] = (), **changes: object) -> ComponentView:
    """A component on the main screen."""
    base = ComponentView(
        key,
        "postgresql-database",
        health,
        "",
        True,
        False,
        len(line),
        line[0] if line else None,
        line[0] if line else None,
        sum(g.metadata.stored_size for g in line if g.metadata),
        can=STATE,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def job(number: int, state: JobState, **changes: object) -> JobView:
    """A job."""
    base = JobView(
        str(number),
        "snapshot",
        "snapshot crm",
        (CRM,),
        state,
        "cron",
        "",
        NOW - timedelta(seconds=5),
        NOW - timedelta(seconds=4),
        None if not state.ended else NOW - timedelta(seconds=1),
        "dump",
        429_916_160,
        693_413_161,
        "bytes",
        207_618_048.0,
        "",
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def world(count: int = 40) -> World:
    """The machine of the design's sketch."""
    lines = {ORDERS: orders_generations(count)}
    lines[CRM] = tuple(
        replace(generation(CRM, number), as_of=NOW - timedelta(days=32 - number)) for number in range(31, 0, -1)
    )
    lines[LEGACY] = tuple(generation(LEGACY, number) for number in (2, 1))
    lines[SETTINGS] = tuple(
        replace(
            generation(SETTINGS, n),
            as_of=NOW - timedelta(hours=3 * (41 - n)),
            unchanged_until=NOW - timedelta(hours=3 * (41 - n)),
        )
        for n in range(40, 0, -1)
    )
    containers = (
        ContainerView(
            "postgresql",
            "postgresql-database",
            "PostgreSQL",
            {"hostname": "localhost", "password": "•••"},
            (
                component(ORDERS, Health.OK, lines[ORDERS]),
                component(CRM, Health.FAILED, lines[CRM], problem="its last snapshot failed 02:00 (dump died)"),
                component(LEGACY, Health.GARBAGE, lines[LEGACY], active=False, garbage=True),
            ),
            file="/etc/dysnomia/containers/postgresql",
        ),
        ContainerView(
            "sqlite",
            "sqlite-database",
            "SQLite",
            {"sqliteDir": "/srv/sqlite"},
            (component(SETTINGS, Health.OK, lines[SETTINGS], type="sqlite-database"),),
        ),
        ContainerView("fileset", "fileset", "Files", {}, (component(DOCUMENTS, Health.NEVER, type="fileset"),)),
    )
    return World(
        containers=containers,
        lines=lines,
        probes={
            "postgresql": Probe(True, "15.4", 9_000_000_000, 7, ("web 10.0.0.4 since 12:00",)),
            "sqlite": Probe(True, "", 4_000_000, 0),
            "fileset": Probe(True),
        },
        found=(
            Found(
                "sqlite-database", "sqlite-wiki", "wiki", {"sqliteDir": "/srv/wiki"}, 432_013_312, "held open by nginx"
            ),
            Found("postgresql-database", "pg-old", "old", {}, None, "", False, "sudo -u postgres dysnomia-tui"),
        ),
        alarms=(
            Alarm("crm FAILED 02:00 (dump died)", CRM),
            Alarm("documents never", DOCUMENTS),
        ),
        jobs=(
            job(91, JobState.RUNNING),
            job(
                90,
                JobState.DONE,
                kind="restore",
                title="restore generation 211 of postgresql/orders",
                keys=(ORDERS,),
                who="alice",
                message="live is 211; guard 212",
                undoable=True,
                ended=NOW - timedelta(hours=20),
            ),
            job(89, JobState.FAILED, title="snapshot crm", message="pg_dump was killed by signal 9"),
        ),
        trash=(
            TrashView(
                "20251120-orders-205", ORDERS, (205,), 104_857_600, NOW - timedelta(days=2), NOW + timedelta(days=5)
            ),
        ),
    )


class FakeEngine(Engine):
    """The contract, from a ``World``."""

    def __init__(self, world: World, settings: Settings | None = None, *, read_only: bool = False) -> None:
        self.settings = settings or fake_settings()
        self.world = world
        self._read_only = "--read-only" if read_only else ""
        self.submitted: list[Plan] = []
        self.cancelled: list[str] = []
        self.recovered = 0
        self.asked: list[ComponentKey] = []
        """The components whose condition was asked for."""
        self.gate = threading.Event()
        """Reads wait for it: a test that wants to see the first frame clears it."""
        self.gate.set()

    # Reading.

    def overview(self) -> Overview:
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
        )

    def generations(self, key: ComponentKey) -> tuple[Generation, ...]:
        self.gate.wait()
        return self.world.lines.get(key, ())

    def sections(self, key: ComponentKey, number: int) -> Iterator[Section]:
        yield from SECTIONS

    def changes(self, key: ComponentKey, number: int) -> Sequence[SectionChange]:
        return CHANGES

    def browse(
        self, key: ComponentKey, number: int, section: Section, start: int, count: int
    ) -> Sequence[tuple[str | None, ...]]:
        total = section.rows if section.rows is not None else 40
        if section.form is Form.TEXT:
            return [(f"line {at} of {section.name}",) for at in range(start, min(start + count, total))]
        return [
            (str(at), f"name [{at}]", None if at % 5 else "x\x1b[2Jy\nz")
            for at in range(start, min(start + count, total))
        ]

    def find_time(self, key: ComponentKey, when: datetime) -> Generation | None:
        return next((g for g in self.world.lines.get(key, ()) if g.good and g.as_of <= when), None)

    def probe(self, container: str) -> Probe:
        self.gate.wait()
        return self.world.probes.get(container, Probe(False, detail="connection refused"))

    def probes(self, container: str) -> tuple[Probe, Mapping[ComponentKey, Probe]]:
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

    def usage(self) -> Usage:
        by = {key: sum(g.metadata.stored_size for g in line if g.metadata) for key, line in self.world.lines.items()}
        growth = tuple(
            (NOW - timedelta(days=60 - day), 2_000_000_000 + day * 41_000_000 + (day % 7) * 9_000_000)
            for day in range(61)
        )
        return Usage(by, 27_000_000, 104_857_600, 500_000_000_000, 126_701_535_232, growth)

    def trash(self) -> Sequence[TrashView]:
        return self.world.trash

    def diff(self, key: ComponentKey, old: Side, new: Side) -> Diff:
        return FakeDiff(key, old, new)

    def shell(self, key: ComponentKey) -> tuple[Sequence[str], Mapping[str, str]]:
        return ["/bin/true"], {}

    # Planning.

    def _plan(
        self,
        kind: Kind,
        title: str,
        keys: Collection[ComponentKey],
        grade: Grade,
        *steps: str,
        confirm: str = "",
        **more: object,
    ) -> Plan:
        plan = Plan(kind, title, tuple(keys), grade, tuple(Step(text) for text in steps), confirm=confirm, made=NOW)
        return replace(plan, **more)  # type: ignore[arg-type]

    def plan_snapshot(self, keys: Collection[ComponentKey], *, reason: Reason = Reason.MANUAL, text: str = "") -> Plan:
        names = ", ".join(str(key) for key in keys)
        return self._plan(
            Kind.SNAPSHOT,
            f"snapshot {names}",
            keys,
            Grade.ADDS,
            *(f"would dump {key} (~1.2G) and commit it as the next generation" for key in keys),
            command=("dysnomia-containers", "--snapshot"),
        )

    def plan_restore(
        self, key: ComponentKey, number: int, target: RestoreTarget | None = None, *, text: str = ""
    ) -> Plan:
        target = target or RestoreTarget()
        if target.kind != "replace":
            return self._plan(
                Kind.RESTORE,
                f"restore generation {number} of {key} as {target.name}",
                (key,),
                Grade.ADDS,
                f"would load it as {target.name}; live would stay as it is",
                params={"target": target.kind, "name": target.name, "sections": list(target.sections)},
            )
        return self._plan(
            Kind.RESTORE,
            f"restore generation {number} of {key}",
            (key,),
            Grade.UNDOABLE,
            "would check the snapshot while it is read, and load it beside what is live",
            "would swap the two: 7 clients would lose their connection for about a second",
            "would keep what was live as generation 215, held for a week",
            confirm=str(number),
            replaces=f"the live database {key.component} (~1.2G, 7 clients)",
            space=(
                SpaceNeed("/var/lib/postgresql", 1_300_000_000, 126_701_535_232),
                SpaceNeed("/var/state/dysnomia", 110_000_000, 126_701_535_232),
            ),
            command=(
                "dysnomia",
                "-o",
                "restore",
                "-c",
                key.component,
                "-C",
                key.container,
                "--generation",
                str(number),
            ),
        )

    def plan_undo(self, job_id: str) -> Plan:
        done = self.job(job_id)
        return self._plan(
            Kind.UNDO,
            f"undo J{job_id}",
            done.keys,
            Grade.UNDOABLE,
            "would swap the guard back",
            confirm="212",
            warnings=("31 rows were written since; they would be in the new guard",),
        )

    def gc_review(
        self,
        keys: Collection[ComponentKey],
        policy: Policy | None,
        *,
        keep: Collection[tuple[ComponentKey, int]] = (),
        drop: Collection[tuple[ComponentKey, int]] = (),
    ) -> GcPlan:
        lines = []
        for key in keys:
            for at, item in enumerate(self.world.lines.get(key, ())):
                size = item.metadata.stored_size if item.metadata else 0
                dropped = (key, item.number) in set(drop)
                if policy is not None and policy.last and at >= policy.last and not item.marks.pins:
                    dropped = True
                if (key, item.number) in set(keep):
                    dropped = False
                rule = "marked" if dropped else (f"pinned: {item.marks.pins[0].why}" if item.marks.pins else "no rule")
                lines.append(GcLine(key, item.number, item.id, not dropped, (rule,), size * 12, size))
        kept = {line.id for line in lines if line.keep}
        gone = {line.id: line for line in lines if not line.keep and line.id not in kept}
        snapshots = tuple(GcSnapshot(line.key, line.id, line.stored_size, False) for line in gone.values())
        return GcPlan(tuple(lines), snapshots, (), sum(s.stored_size for s in snapshots), NOW)

    def plan_gc(self, review: GcPlan, *, now: bool = False, text: str = "") -> Plan:
        count = len(review.dropped)
        keys = tuple(dict.fromkeys(line.key for line in review.dropped))
        return self._plan(
            Kind.GC,
            f"collect {count} generations",
            keys,
            Grade.FINAL if now else Grade.UNDOABLE,
            f"would move {count} to the trash",
            confirm=keys[0].component if now and keys else str(count),
            blockers=() if count else ("nothing would be collected",),
        )

    def plan_empty_trash(self, names: Collection[str] | None = None) -> Plan:
        return self._plan(
            Kind.EMPTY_TRASH, "empty the trash", (ORDERS,), Grade.FINAL, "would free 100M for good", confirm="orders"
        )

    def plan_bring_back(self, names: Collection[str]) -> Plan:
        return self._plan(
            Kind.BRING_BACK, "bring back", (ORDERS,), Grade.ADDS, *(f"would bring back {n}" for n in names)
        )

    def plan_check(self, key: ComponentKey, numbers: Collection[int]) -> Plan:
        return self._plan(Kind.CHECK, f"check {len(numbers)} of {key}", (key,), Grade.READ, "would read every byte")

    def plan_verify(self, key: ComponentKey, number: int) -> Plan:
        return self._plan(
            Kind.VERIFY,
            f"verify generation {number} of {key}",
            (key,),
            Grade.ADDS,
            "would load it into a scratch database and drop it again",
        )

    def plan_trust(self, key: ComponentKey, number: int, *, trusted: bool = True) -> Plan:
        return self._plan(
            Kind.MARK,
            f"trust generation {number} of {key}",
            (key,),
            Grade.UNDOABLE,
            "would trust it",
            confirm=str(number),
        )

    def plan_mark(
        self, key: ComponentKey, number: int, marks: Marks, text: str = "", *, seen: Marks | None = None
    ) -> Plan:
        return self._plan(
            Kind.MARK,
            f"mark generation {number} of {key}",
            (key,),
            Grade.ADDS,
            "would write the marks",
            params={
                "number": number,
                "note": marks.note,
                "pins": len(marks.pins),
                "verdict": marks.verdict.value if marks.verdict else "",
            },
        )

    def plan_activity(self, key: ComponentKey, activity: str) -> Plan:
        grade = Grade.FINAL if activity == "collect-garbage" else Grade.UNDOABLE
        return self._plan(
            Kind.ACTIVITY, f"{activity} {key}", (key,), grade, f"would {activity} {key}", confirm=key.component
        )

    def deployment(self, container: str = "") -> Deployment:
        views = [view for one in self.overview().containers for view in one.components]
        keys = [view.key for view in views if not container or view.key.container == container]
        return Deployment(
            available=tuple(key for key in keys if key not in (CRM, LEGACY)),
            active=tuple(key for key in keys if key not in (DOCUMENTS, LEGACY)),
            garbage=tuple(key for key in keys if key == LEGACY),
        )

    def plan_deploy(self, container: str = "") -> Plan:
        steps = self.deployment(container).steps
        return self._plan(
            Kind.DEPLOY,
            f"deploy {container or 'all containers'}",
            tuple(key for _, key in steps),
            Grade.UNDOABLE,
            *(f"{key} would be {activity}d" for activity, key in steps),
            confirm=str(len(steps)),
            blockers=() if steps else ("all that is available is active",),
        )

    def plan_adopt(self, found: Found) -> Plan:
        key = ComponentKey(found.container, found.component)
        return self._plan(
            Kind.ADOPT,
            f"adopt {found.type} {key}",
            (key,),
            Grade.ADDS,
            f"would write /etc/dysnomia/containers/{found.container}",
            f"would write /etc/dysnomia/components/{found.container}/{found.component}",
        )

    def plan_import(self, key: ComponentKey, folders: Collection[Path], *, move: bool = False) -> Plan:
        return self._plan(Kind.IMPORT, f"import into {key}", (key,), Grade.ADDS)

    # Running.

    def submit(self, plan: Plan, *, why: str = "") -> JobView:
        if self.overview().read_only:
            raise ReadOnly("nothing can be changed here", self.overview().read_only)
        if plan.blockers:
            raise Blocked(plan.blockers[0])
        self.submitted.append(plan)
        made = job(
            92 + len(self.submitted),
            JobState.DONE,
            kind=plan.kind.value,
            title=plan.title,
            keys=plan.keys,
            who="alice",
            why=why,
            created=NOW,
            ended=NOW,
            message="done",
            undoable=plan.kind in (Kind.RESTORE, Kind.GC),
        )
        self.world.jobs = (made, *self.world.jobs)
        return made

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

    def cancel(self, job_id: str) -> None:
        self.cancelled.append(job_id)

    def recover(self) -> Sequence[JobView]:
        self.recovered += 1
        return ()

    def timeline(self, key: ComponentKey | None = None) -> str:
        return f"{NOW:%Y-%m-%dT%H:%M:%SZ} alice restored 211\n"


__all__ = ["LIVE", "FakeEngine", "World", "world"]
