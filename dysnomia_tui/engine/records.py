"""What the engine shows of the world: frozen records for the app's presenters and the commands' output."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from dysnomia_base.records import dataclass, field
from dysnomia_plugins.base import Found as Found
from dysnomia_plugins.base import Probe as Probe
from dysnomia_plugins.interface.status import Fact as Fact
from dysnomia_plugins.interface.status import Status as Status
from dysnomia_plugins.interface.status import Tone as Tone
from dysnomia_tui.engine.applications.model import Application as Application
from dysnomia_tui.engine.job_records import Event as Event
from dysnomia_tui.engine.job_records import JobState as JobState
from dysnomia_tui.engine.job_records import JobView as JobView
from dysnomia_tui.engine.row_records import Change as Change
from dysnomia_tui.engine.row_records import FoundRow as FoundRow
from dysnomia_tui.engine.row_records import HistoryLine as HistoryLine
from dysnomia_tui.engine.row_records import RowChange as RowChange
from dysnomia_tui.engine.row_records import SectionChange as SectionChange

if TYPE_CHECKING:
    from dysnomia_store.model import CheckResult, Generation
    from dysnomia_store.names import ComponentKey
    from dysnomia_store.records.retention import GcPlan


class Health(enum.StrEnum):
    """One word for a component: also its glyph and colour on the screen."""

    OK = "ok"
    STALE = "stale"
    """Its newest good generation is older than the configured age."""
    NEVER = "never"
    FAILED = "FAILED"
    """Its last snapshot or check failed, or its newest generation is suspicious."""
    GARBAGE = "garbage"
    """Deactivated, its state still there."""
    INACTIVE = "inactive"
    """Configured and not active."""
    FOUND = "found"
    """On this machine, not adopted."""
    GONE = "gone"
    """In the store, no longer configured."""
    BUSY = "busy"
    """A job is on it."""
    UNKNOWN = "unknown"
    """What the store holds of it may not be read by this user."""


@dataclass(frozen=True, slots=True)
class ComponentView:
    """One component on the main screen."""

    key: ComponentKey
    type: str
    health: Health
    problem: str
    """What a person should know, in one line; ``""`` if nothing."""
    active: bool
    garbage: bool
    generations: int
    newest: Generation | None
    newest_good: Generation | None
    stored_size: int
    job: str = ""
    """The running or waiting job on it."""
    labels: tuple[str, ...] = ()
    """``PROD`` asks one grade more."""
    size: int | None = None
    """Of found state: bytes live."""
    can: frozenset[str] = frozenset()
    """Activities of its type; ``snapshot`` and ``restore`` are missing where it holds no state."""
    stateless: str = ""
    """Of a configured component whose type holds no state: why it has no generations."""
    promised: bool = False
    """Whether config.toml says how old its newest good generation may be."""
    dropped: bool = False
    """Its server held it and holds it no more."""
    vanished: bool = False
    """Gone, since the file that it was configured by is not there any more: nobody took it out of service."""

    @property
    def alarm(self) -> str:
        """Its health and problem as an alarm says them."""
        return f"{self.key.component} {self.health.value}: {self.problem}"


@dataclass(frozen=True, slots=True)
class Condition:
    """How one component is now, as its server and its type tell."""

    probe: Probe
    status: Status = field(default_factory=Status)


@dataclass(frozen=True, slots=True)
class ServerLook:
    """When the server of a container with ``components=*`` was asked what it holds."""

    container: str
    at: datetime | None
    """When it last answered; None: never."""
    components: int
    problem: str = ""
    """Why it did not answer when it was last asked."""
    remark: str = ""


@dataclass(frozen=True, slots=True)
class ContainerView:
    """One container, with its components."""

    name: str
    type: str
    title: str
    properties: Mapping[str, str]
    """Ready to show: secrets are ``•••``."""
    components: tuple[ComponentView, ...]
    problem: str = ""
    """A syntax error with file and line, an unknown type, a missing tool."""
    file: str = ""
    remedy: str = ""
    """What would end that problem, where it does not say so itself."""
    look: ServerLook | None = None
    """Of one with ``components=*``: when its server was last asked what it holds."""

    @property
    def alarm(self) -> str:
        """The problem and its remedy, in one line."""
        return f"{self.name}: {self.problem}" + (f": {self.remedy}" if self.remedy else "")


@dataclass(frozen=True, slots=True)
class GroupView:
    """A group of config.toml: components that are one application."""

    name: str
    keys: tuple[ComponentKey, ...]
    """In the order in which they are restored."""
    components: tuple[ComponentView, ...]
    """Those that are configured or in the store, in the same order."""
    missing: tuple[ComponentKey, ...]
    """Those that are neither."""
    health: Health
    """Of the worst of them."""
    before: tuple[str, ...]
    """argv of the program that is run before a job on the group; empty where there is none."""
    after: tuple[str, ...]
    time_limit: timedelta


WAITING = "review"
"""The topic of the alarm that a collection waits for a person."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that needs a person."""

    text: str
    key: ComponentKey | None = None
    urgent: bool = False
    """What is live may be damaged."""
    topic: str = ""
    """What it is about, where its text changes while it lasts; else the text says it."""


@dataclass(frozen=True, slots=True)
class Overview:
    """The whole machine at a glance."""

    host: str
    who: str
    """``root(alice)``: the effective user, and the login user where they differ."""
    read_only: str
    """Why nothing can be changed (``--read-only``, no permission on the store), or ``""``."""
    store: str
    store_id: str
    disk_free: int | None
    disk_total: int | None
    labels: tuple[str, ...]
    containers: tuple[ContainerView, ...]
    alarms: tuple[Alarm, ...]
    at: datetime
    notice: str = ""
    """For those who are not root: what may be seen and what not."""
    hidden: bool = False
    """The store is not readable: an empty list does not mean that it is empty."""
    groups: tuple[GroupView, ...] = ()


class Level(enum.IntEnum):
    """How urgent it is; the exit code by the convention of monitoring plugins."""

    OK = 0
    WARNING = 1
    CRITICAL = 2


LACKING = "lacking"
"""The word for a component that is well, and of which something is lacking: a part that it names is in no generation,
or older generations cannot be restored."""


@dataclass(frozen=True, slots=True)
class ComponentReport:
    """One component, as a monitoring system sees it."""

    key: ComponentKey
    type: str
    health: Health
    level: Level
    problem: str
    generations: int
    newest_good: int | None
    """Its number."""
    held_until: datetime | None
    """The last time at which the newest good generation was seen to be what is live."""
    verified: datetime | None
    """When the newest good generation last passed a check of its bytes."""
    stored_size: int
    """Bytes."""
    job: str
    """The job that runs on it or waits, or ``""``."""

    @property
    def word(self) -> str:
        """Its health; of one that is well and that asks for a person all the same, what it is."""
        return LACKING if self.health is Health.OK and self.level is not Level.OK else self.health.value


@dataclass(frozen=True, slots=True)
class Drill:
    """A generation whose turn it is to be proved by a restore into a scratch place."""

    key: ComponentKey
    number: int
    as_of: datetime
    proved: datetime | None
    """When a restore last proved it; None where none has yet."""
    suspicious: str = ""
    """Why it is suspicious: the newest is tried all the same."""


@dataclass(frozen=True, slots=True)
class Proof:
    """One check of a generation, and who asked for it."""

    at: datetime
    how: str
    """``bytes``: every byte was read and compared; ``restore``: it was restored into a scratch place and compared."""
    result: CheckResult
    text: str
    job: str
    """``""`` where no job did it."""
    who: str
    why: str


@dataclass(frozen=True, slots=True)
class GenerationProofs:
    """A generation, and every check of its snapshot, oldest first."""

    key: ComponentKey
    number: int
    id: str
    as_of: datetime
    as_of_estimated: bool
    problem: str
    """Why it cannot be proved (a broken link), or ``""``."""
    proofs: tuple[Proof, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """The machine, as a monitoring system sees it."""

    host: str
    at: datetime
    level: Level
    components: tuple[ComponentReport, ...]
    alarms: tuple[str, ...]
    """What else asks for a person: each is a warning at least."""
    jobs: tuple[str, ...]
    """Jobs under way, each with its title."""
    disk_free: int | None
    disk_total: int | None
    looks: tuple[ServerLook, ...] = ()
    """Of each container with ``components=*``."""
    topics: tuple[str, ...] = ()
    """What each alarm is about: the same for as long as it lasts."""
    containers: int = 0
    """How many are configured, or have something in the store."""

    def age(self, component: ComponentReport) -> timedelta | None:
        """How old the newest good generation of a component is."""
        return None if component.held_until is None else max(self.at - component.held_until, timedelta(0))


@dataclass(frozen=True, slots=True)
class WaitingCollection:
    """A collection that was planned and waits for a person."""

    made: datetime
    who: str
    review: GcPlan
    """What it would do: of the store as it is now, unless it is stale."""
    stale: str
    """Why it can no longer be applied, or ``""``."""


@dataclass(frozen=True, slots=True)
class Discovered:
    """What is on this machine and could be adopted."""

    found: tuple[Found, ...] = ()
    applications: tuple[Application, ...] = ()
    problem: str = ""
    """Why nothing is known of it; ``""`` where it was looked for."""


@dataclass(frozen=True, slots=True)
class TrashView:
    name: str
    key: ComponentKey
    generations: tuple[int, ...]
    stored_size: int
    collected: datetime
    freed_on: datetime


@dataclass(frozen=True, slots=True)
class Opening:
    """Where the app opens: on a component, one of its generations, or where a group stood at a time."""

    key: ComponentKey | None = None
    number: int | None = None
    """Of a generation; None where no generation was named."""
    group: str = ""
    """Instead of a component: a group of config.toml, or a container."""
    when: datetime | None = None
    """For a group: the time at which it is shown."""
    hosts: bool = False
    """Instead of all that: the other machines."""
    only: tuple[str, ...] = ()
    """Of these: those with one of the names or labels. All, where there is none."""
