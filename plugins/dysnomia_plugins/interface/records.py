"""What plugins and the engine hand each other: places, drafts, stored snapshots, rows, answers about live state."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from dysnomia_base.records import dataclass, field

if TYPE_CHECKING:
    from dysnomia_plugins.interface.context import PropertyValue
    from dysnomia_store.model import Metadata, Section
    from dysnomia_store.sink import ContentSink


@dataclass(frozen=True, slots=True)
class Place:
    """Where state of a type is, by a name that only its plugin interprets (a database, a path)."""

    name: str


class Purpose(enum.StrEnum):
    """What a job needs a place for, besides live."""

    BESIDE = "beside"
    """Loaded, to be swapped in."""
    ASIDE = "aside"
    """What was live before the swap."""
    SCRATCH = "scratch"
    """Loaded to be verified, then dropped."""


@dataclass(frozen=True, slots=True)
class Dumped:
    """The result of a dump that ended well."""

    as_of: datetime
    """When the dump's view of the data began; aware, UTC."""
    end: datetime
    complete: bool | None = True
    """None: not known."""
    tool_versions: Mapping[str, str] = field(default_factory=dict)
    surroundings: Mapping[str, Any] = field(default_factory=dict)
    """What belongs to the unit but not to its dump, as JSON values: carried over when live is gone."""
    warnings: tuple[str, ...] = ()
    """For the outcome: files that changed while read, parts that are not in the dump."""
    lacks: tuple[str, ...] = ()
    """Names of parts that the component says it has and that were not there, as a folder of a set of files. A snapshot
    that lacks what the good one before it had is suspicious."""
    unchanged: bool = False
    """Nothing was written into the draft: live is what ``Context.earlier`` holds."""
    note: bytes | None = None
    """What the next dump should know of this one, to tell what did not change since: see ``Earlier``."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """All that is to be said of it where it is made."""
        return (*(f"{part} is not there" for part in self.lacks), *self.warnings)


class Draft(Protocol):
    """A snapshot in the making, in staging. The engine commits it if the dump ends well."""

    folder: Path

    def artefact(self, name: str) -> AbstractContextManager[ContentSink]:
        """Start the artefact ``name`` (``dump.pgsql``); the suffix of the store's compression is added."""

    def claim(self, snapshot_id: str) -> None:
        """For modules that write their own files into ``folder`` and name the snapshot themselves."""


class Earlier(Protocol):
    """The newest generation's snapshot, made by this type in this version, and known to be sound.

    A dump that can tell that a section is as it was takes it over instead of reading it.
    """

    @property
    def note(self) -> bytes:
        """What its dump noted (``Dumped.note``)."""

    def __len__(self) -> int:
        """The number of its sections."""

    def name(self, number: int) -> str:
        """The name of a section, from 0; quick where those before it were asked for before. Raises Corrupt."""

    def take(self, sink: ContentSink, start: int, count: int) -> None:
        """Put ``count`` of its sections, from the ``start``-th, into a sink of a draft's artefact of the same name.

        Raises Corrupt, NotFound where that cannot be: the engine has it dumped again, without an earlier one."""


class Stored(Protocol):
    """A snapshot to be read. Every byte is checked against its stored digest as it streams (raises Corrupt)."""

    @property
    def metadata(self) -> Metadata | None: ...

    @property
    def folder(self) -> Path: ...

    def artefacts(self) -> tuple[str, ...]:
        """Names without compression suffix, sorted."""

    def open(self, artefact: str | None = None) -> AbstractContextManager[BinaryIO]:
        """Stream the uncompressed content (of the only artefact, if none is named) from its start."""

    def open_range(self, artefact: str, offset: int, length: int) -> AbstractContextManager[BinaryIO]:
        """Stream a part of the uncompressed content: whole frames are read and checked, no more."""

    def sections(self) -> Iterator[Section]:
        """The contents index, streamed. Worked out by a rescan where none was written."""


@dataclass(frozen=True, slots=True)
class Row:
    """One record of a section of form ROWS."""

    key: tuple[str | None, ...]
    cells: tuple[str | None, ...]
    """In the order of the section's columns; None is NULL. Bytes that are not text are shown as ``\\x…``."""


RowPair = tuple[bytes | None, bytes | None]
"""A raw record as it was and as it is; None where it was not, or is no longer."""


@dataclass(frozen=True, slots=True)
class SectionPatch:
    """One section in which two snapshots differ, for whoever writes the difference down."""

    old: Section | None
    new: Section | None
    rows: Callable[[], Iterator[RowPair]]
    """What differs in it, by key where there is one; compared at the first call. In the plugin's own bytes where both
    sides have the same columns; not to be called where they have not, or where only one side has the section."""


@dataclass(frozen=True, slots=True)
class PutRow:
    """One row that is to be in live as a snapshot has it."""

    section: Section
    """The snapshot's."""
    key: tuple[str, ...]
    """Its cells, in the order of ``section.key``."""
    wanted: bytes | None
    """The snapshot's raw record; None where it has no such row, so that live's is to go. Of a whole section, which has
    no key, what ``StatePlugin.parse_whole`` reads."""


@dataclass(frozen=True, slots=True)
class WholeAsked:
    """What is to be in live as a snapshot has it, whole: a section (a file, a folder), or what a row belongs to."""

    section: str
    """``KIND:NAME``, or the name alone. Where the snapshot has none of this name, live's is to go."""
    exact: bool = False
    """Whether it alone is meant, and nothing that would come with it."""
    lacking: bool = False
    """Of a folder (a section): all in it that live lacks, and nothing else."""
    key: tuple[str, ...] = ()
    """The cells of a row's key, as they are shown or typed; fewer where fewer say what is meant (a key of Redis)."""


@dataclass(frozen=True, slots=True)
class LiveRow:
    """What live holds under the key of a ``PutRow``."""

    raw: bytes | None
    """As a raw record of the section; None where there is none."""
    digest: str
    """Equal for two rows that hold the same, whatever a server adds of its own; ``""`` for no row."""
    wanted: str
    """The same of the row that is to be there."""


@dataclass(frozen=True, slots=True)
class LiveLook:
    """What putting rows back would meet."""

    rows: tuple[LiveRow, ...]
    """In the order they were asked for."""
    conflicts: Mapping[int, str] = field(default_factory=dict)
    """Which of them cannot be put back beside what else is live, each with the reason; all others can, together."""
    warnings: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()
    """Why none can be: another table is there now. Then ``rows`` is empty."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Whether a component is up, and what it holds."""

    up: bool
    version: str = ""
    size: int | None = None
    """Bytes of live state, as the server or the file system says."""
    clients: int | None = None
    who: tuple[str, ...] = ()
    """Who is connected or has files open, a line each."""
    detail: str = ""
    """Why it is down, or what an operator should know."""
    word: str = ""
    """The component's own condition, where the server being up does not tell: ``active``, ``failed``."""
    broken: bool = False
    """Whether that condition needs an operator."""


@dataclass(frozen=True, slots=True)
class Found:
    """State on this machine that the plugin could manage."""

    type: str
    container: str
    """A proposed name."""
    component: str
    properties: Mapping[str, PropertyValue]
    """What the container's file would say."""
    size: int | None = None
    detail: str = ""
    readable: bool = True
    remedy: str = ""
    """Where it cannot be read: the exact line (sudo …) that could."""


@dataclass(frozen=True, slots=True)
class Listed:
    """State that a container's server or folder holds, and that could be a component."""

    name: str
    why_not: str = ""
    """Why it cannot be one, where the type knows a reason (the server lets nobody connect to it)."""
    idle: bool = False
    """The server's own, and nobody's data in it: a component only where it was one before."""


@dataclass(frozen=True, slots=True)
class ListedState:
    """All that a container's server or folder holds."""

    all: Sequence[Listed]
    remark: str = ""
    """Why there may be more than this: the account sees only some."""


class Severity(enum.StrEnum):
    NOTE = "note"
    WARNING = "warning"
    IRREVERSIBLE = "irreversible"
    """Possible, but cannot be undone: the plan becomes grade 3."""
    DANGEROUS = "dangerous"
    """Possible, and with consequences that no undo takes back, a copy's and a verification's too: grade 3."""
    BLOCKER = "blocker"
    """The plan is refused."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something the plan must say before anything is touched."""

    severity: Severity
    text: str
    of_snapshot: bool = False
    """About loading this snapshot: left out where an undo swaps back what was set aside."""
    in_place: bool = False
    """Of a dangerous one: it is about how a module restores, over what is live, whatever the snapshot holds. It is
    graded so, and no reason for a command to ask for ``--yes-untrusted``: that is about content."""


@dataclass(frozen=True, slots=True)
class Preflight:
    """What a restore would need and meet, from metadata and the server's own estimates, within a second."""

    findings: tuple[Finding, ...] = ()
    live_bytes: int | None = None
    """Estimated (shown with ``≈``)."""
    needs: tuple[tuple[str, int, int | None], ...] = ()
    """(place in words, bytes needed, bytes free there or None)."""
    swap: str = ""
    """How the swap is made, in one sentence."""
    guard: str = ""
    """What the guard is, and where a gap remains, in one sentence."""
    changes: tuple[str, ...] = ()
    """Of a type that changes what is live and does not replace it: every change, a line each, with no secrets. The job
    is refused where they are others when it begins."""
    identity: str = ""
    """What would be replaced (``StatePlugin.identity``). Filled in by the engine."""
    nothing_live: bool = False
    """Nothing would be replaced, since nothing is there (``StatePlugin.exists``). Filled in by the engine."""
    address: str = ""
    """The server or folder that a copy in another container would go to (``StatePlugin.address``). Filled in by the
    engine."""
