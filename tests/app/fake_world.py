"""The machine that the app's tests look at: its containers, components, generations, jobs and trash."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dysnomia_plugins.base import Found, Probe
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
from dysnomia_tui.config import Settings
from dysnomia_tui.config.model import GroupSettings
from dysnomia_tui.engine import Schedule
from dysnomia_tui.engine.records import (
    Alarm,
    Application,
    Change,
    ComponentView,
    Condition,
    ContainerView,
    Health,
    JobState,
    JobView,
    SectionChange,
    TrashView,
    WaitingCollection,
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
        dim=True,
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
    patient: dict[str, Probe] = field(default_factory=dict)
    """What servers answer to whoever waits longer."""
    conditions: dict[ComponentKey, Condition] = field(default_factory=dict)
    """Of those whose type tells more than their container's probe."""
    found: tuple[Found, ...] = ()
    applications: tuple[Application, ...] = ()
    schedule: Schedule = field(default_factory=Schedule)
    alarms: tuple[Alarm, ...] = ()
    waiting: WaitingCollection | None = None
    """The collection that waits for a person."""
    jobs: tuple[JobView, ...] = ()
    labels: tuple[str, ...] = ("PROD",)
    read_only: str = ""
    notice: str = ""
    trash: tuple[TrashView, ...] = ()
    groups: dict[str, GroupSettings] = field(default_factory=dict)


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


def shop_world() -> World:
    """The same machine, with an application of a database and the settings, and one that lacks a generation."""
    made = world()
    hook = ("/usr/local/sbin/shop", "stop")
    shop = GroupSettings((ORDERS, SETTINGS), before=hook, after=("/usr/local/sbin/shop", "start"))
    made.groups = {
        "all": GroupSettings((ORDERS, CRM, SETTINGS, DOCUMENTS, ComponentKey("fileset", "gone"))),
        "shop": shop,
    }
    return made
