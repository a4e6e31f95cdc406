"""The plugin interface: what a type of state can do, and the context each activity gets.

A plugin is a class for one ``type``. It never touches the store, the screen or the environment: it gets a
``Context`` and nothing else. The engine keeps locks, commits what was dumped, and drives a restore in the one order
that loses nothing:

    load beside -> check -> swap (the original ends in ``aside``) -> commit -> dump aside as the guard -> drop aside

A *place* is where state of this kind can stand: a database name, a folder, a file. ``live`` is one; ``beside``,
``aside`` and ``scratch`` are named after the store and the job, so that a sweep touches only what a job made.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Protocol

from dysnomia_plugins.status import Status
from dysnomia_store.model import Metadata, Section
from dysnomia_store.names import ComponentKey
from dysnomia_store.sink import ContentSink

PropertyValue = str | tuple[str, ...]


# --- what a plugin is handed ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Component:
    """The component an activity is about."""

    key: ComponentKey
    path: Path
    """The component's file or folder with its initial state (an empty file where it has none)."""
    properties: Mapping[str, PropertyValue]
    """Its container's properties, ``type`` included."""

    def prop(self, name: str, default: str = "") -> str:
        """A property as one string; an array gives its first element."""
        value = self.properties.get(name, default)
        return value if isinstance(value, str) else (value[0] if value else default)


class CancelToken(Protocol):
    """Asked between steps. An activity stops where nothing is lost and raises Cancelled."""

    @property
    def cancelled(self) -> bool: ...

    def check(self) -> None:
        """Raise Cancelled if a cancel was asked for."""


class OutputLine(str):
    """A line for the log that a module wrote on its standard output: who called it as a command wants it there, and
    byte for byte."""

    exact: str
    """The line with bytes that are no UTF-8 as surrogate escapes."""

    @classmethod
    def of(cls, raw: bytes) -> OutputLine:
        """The line of these bytes, without its end."""
        line = raw.removesuffix(b"\n")
        made = cls(line.removesuffix(b"\r").decode("utf-8", "backslashreplace"))
        made.exact = line.decode("utf-8", "surrogateescape")
        return made


class Progress(Protocol):
    """How far an activity is. Cheap to call; the engine writes at most ten a second."""

    def phase(self, name: str) -> None:
        """A new step begins: ``dump``, ``load``, ``check``, ``swap``, ``guard``…"""

    def advance(self, done: int, total: int | None = None, unit: str = "bytes") -> None: ...

    def log(self, line: str) -> None:
        """A line for the job's log. Control characters and secrets are taken out by the engine."""


class Journal(Protocol):
    """The durable record of a swap: ``step`` returns only when the entry is on disk."""

    def step(self, name: str, /, **data: Any) -> None: ...

    def steps(self) -> Sequence[tuple[str, Mapping[str, Any]]]: ...


@dataclass(frozen=True, slots=True)
class Finished:
    """A child process that ended with 0."""

    stdout: bytes
    stderr: str


class Runner(Protocol):
    """Child processes: argv lists, never a shell; own process group; killed on cancel and with their parent."""

    def run(
        self,
        argv: Sequence[str | bytes],
        *,
        env: Mapping[str, str] | None = None,
        stdin: bytes | BinaryIO | None = None,
        user: str | None = None,
        cwd: Path | None = None,
        timeout: float | None = None,
        pass_fds: Sequence[int] = (),
    ) -> Finished:
        """Run to the end. ``env`` is the whole environment besides PATH and LC_ALL. Raises ProcessFailed, Cancelled,
        ToolMissing."""

    def reading(
        self,
        argv: Sequence[str | bytes],
        *,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        cwd: Path | None = None,
        pass_fds: Sequence[int] = (),
    ) -> AbstractContextManager[BinaryIO]:
        """Run while its standard output is read. On leaving, raises ProcessFailed unless it ended with 0."""

    def writing(
        self,
        argv: Sequence[str | bytes],
        *,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        cwd: Path | None = None,
        pass_fds: Sequence[int] = (),
        on_stdout: Any = None,
    ) -> AbstractContextManager[BinaryIO]:
        """Run while its standard input is written. On leaving, raises ProcessFailed unless it ended with 0.
        ``on_stdout(line: bytes)`` is called for each line of output."""


@dataclass(frozen=True, slots=True)
class Context:
    """All that an activity gets."""

    component: Component
    runner: Runner
    progress: Progress
    cancel: CancelToken
    journal: Journal
    staging: Path
    """A private folder on the store's file system; gone after the job."""
    tag: str
    """``<8 hex of the store's id>_<job id>``: goes into the name of all that a job makes on a server or disk."""
    made_here: bool = True
    """False for a snapshot that was imported and not trusted: load it with the least privilege that works."""
    tool_path: str = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"


# --- what a plugin gives and takes ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Place:
    """Where state of a kind stands, under a name only its plugin understands (a database, a path)."""

    name: str


class Purpose(enum.StrEnum):
    """Why a place that is not live is needed."""

    BESIDE = "beside"
    ASIDE = "aside"
    SCRATCH = "scratch"


@dataclass(frozen=True, slots=True)
class Dumped:
    """What is known when a dump has ended well."""

    as_of: datetime
    end: datetime
    complete: bool | None = True
    tool_versions: Mapping[str, str] = field(default_factory=dict)
    surroundings: Mapping[str, Any] = field(default_factory=dict)
    """What belongs to the unit but not to its dump, as JSON values: carried over when live is gone."""
    warnings: tuple[str, ...] = ()
    """For the outcome: files that changed while read, parts that are not in the dump."""


class Draft(Protocol):
    """A snapshot in the making, in staging. The engine commits it if the dump ends well."""

    folder: Path

    def artefact(self, name: str) -> AbstractContextManager[ContentSink]:
        """Start the artefact ``name`` (``dump.pgsql``); the suffix of the store's compression is added."""

    def claim(self, snapshot_id: str) -> None:
        """For modules that write their own files into ``folder`` and name the snapshot themselves."""


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


@dataclass(frozen=True, slots=True)
class Probe:
    """Is it up, and what is there."""

    up: bool
    version: str = ""
    size: int | None = None
    """Bytes of live state, as the server or the file system says."""
    clients: int | None = None
    who: tuple[str, ...] = ()
    """Who is connected or has files open, a line each."""
    detail: str = ""
    """Why it is down, or what an operator should know."""


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


@dataclass(frozen=True, slots=True)
class Preflight:
    """What a restore would need and meet, from metadata and the server's own estimates, within a second."""

    findings: tuple[Finding, ...] = ()
    live_bytes: int | None = None
    """Estimated (shown with ``~``)."""
    needs: tuple[tuple[str, int, int | None], ...] = ()
    """(place in words, bytes needed, bytes free there or None)."""
    swap: str = ""
    """How the swap is made, in one sentence."""
    guard: str = ""
    """What the guard is, and where a gap remains, in one sentence."""


class Plugin(ABC):
    """A type that can be deployed. A type that holds state is a ``StatePlugin``."""

    type: ClassVar[str]
    title: ClassVar[str]
    """In words, for the screen."""
    tools: ClassVar[tuple[str, ...]] = ()
    """Client programs it needs."""
    packages: ClassVar[Mapping[str, str]] = {}
    """The Debian package of a tool, where it is not called as the tool is."""
    stateless: ClassVar[str] = ""
    """Of a type that holds no state: why there is nothing to snapshot, and where what it works on is kept."""

    def activities(self) -> frozenset[str]:
        """Which activities it has."""
        return frozenset({"activate", "deactivate"})

    @abstractmethod
    def activate(self, ctx: Context) -> None:
        """Make the component be there, with its initial state where it has none yet. Idempotent."""

    @abstractmethod
    def deactivate(self, ctx: Context) -> None:
        """Take it out of service. State stays. Idempotent."""

    def take_back(self, ctx: Context) -> None:
        """An activation failed, was cancelled or died: take back what it made, by what it wrote to its journal.

        For types without state; one that holds state has ``recover``. Never cancelled; idempotent."""

    def lock(self, ctx: Context) -> None:
        """Ask whether an upgrade may begin. The default allows it."""

    def unlock(self, ctx: Context) -> None:
        """The upgrade has ended."""

    def shell(self, component: Component) -> tuple[Sequence[str], Mapping[str, str]]:
        """The argv and environment of the server's own client on this component. Secrets by environment only.

        Raises Unsupported where there is none."""
        from dysnomia_plugins.errors import Unsupported

        raise Unsupported(f"{self.title} has no shell of its own")

    def hints(self, component: Component) -> Sequence[str]:
        """What somebody should know who opens a shell on this component, a line each. No secrets."""
        import shlex

        from dysnomia_plugins.errors import Unsupported

        try:
            argv, _ = self.shell(component)
        except Unsupported:
            return ()
        return (f"its own client: {shlex.join(argv)}",)

    def probe(self, component: Component, runner: Runner) -> Probe:
        """Is it up? The engine gives it two seconds in a process of its own."""
        return Probe(up=True)

    def status(self, component: Component, runner: Runner) -> Status:
        """How the component is, in lines for an operator. Asked with ``probe``, in the same two seconds."""
        return Status()

    def discover(self, runner: Runner) -> Iterable[Found]:
        """What is on this machine that it could manage. Never fails for what it may not see: says so."""
        return ()

    def whereabouts(self, component: Component) -> tuple[str, ...]:
        """Where the component's unit of state is, in words that are the same however its container is called or its
        properties are written: found state of the same whereabouts is configured already.

        The default takes the name and every property as it stands."""
        properties = (f"{name}={component.properties[name]}" for name in sorted(component.properties))
        return (component.key.component, *properties)


class StatePlugin(Plugin):
    """A type that holds state: snapshot, restore, and all that makes them safe."""

    digest_version: ClassVar[int] = 1
    """Counts up whenever the canonical bytes of an unchanged state would differ."""

    def activities(self) -> frozenset[str]:
        return frozenset({"activate", "deactivate", "snapshot", "restore", "collect-garbage"})

    def dump_reader(self, component: Component) -> str:
        """The user whom bash Dysnomia's module of this type becomes to read a snapshot, ``""`` where it stays whoever
        it is: with ``compression=xz`` that user may read what is stored."""
        return ""

    @abstractmethod
    def collect_garbage(self, ctx: Context) -> None:
        """Delete the live state of a deactivated component."""

    # Places.

    @abstractmethod
    def live(self, component: Component) -> Place: ...

    @abstractmethod
    def place(self, ctx: Context, purpose: Purpose) -> Place:
        """The place a job uses for a purpose: always the same for the same job, so that it can be found again."""

    @abstractmethod
    def named(self, component: Component, name: str) -> Place:
        """The place a copy called ``name`` stands in. Raises PluginError where the name cannot be."""

    @abstractmethod
    def exists(self, ctx: Context, place: Place) -> bool: ...

    @abstractmethod
    def drop(self, ctx: Context, place: Place) -> None:
        """Delete what stands there, and end connections that a dead job left on it. Idempotent."""

    # Snapshot.

    @abstractmethod
    def dump(self, ctx: Context, place: Place, draft: Draft) -> Dumped:
        """Stream the state at ``place`` into the draft. Raises when any part of it failed; nothing is kept then."""

    @abstractmethod
    def rescan(self, ctx: Context, stored: Stored, sink: ContentSink) -> bool | None:
        """Work out digest and contents of a stored snapshot again (another tool's, or a copied one).

        Returns whether it is complete (None: cannot be known)."""

    def rescan_artefacts(self, ctx: Context, stored: Stored, draft: Draft) -> bool | None:
        """The same for a type whose snapshots are several artefacts: ``draft`` stores nothing.

        The default gives ``rescan`` the sink of the only one."""
        names = stored.artefacts()
        with draft.artefact(names[0] if names else "") as sink:
            return self.rescan(ctx, stored, sink)

    # Restore.

    @abstractmethod
    def preflight(self, ctx: Context, stored: Stored, *, replace: bool) -> Preflight: ...

    @abstractmethod
    def load(self, ctx: Context, stored: Stored, place: Place, sections: Sequence[Section] | None = None) -> None:
        """Make ``place`` hold what the snapshot holds (or only those sections), and check it against the contents
        index. ``place`` must not exist. Live is untouched."""

    @abstractmethod
    def swap(self, ctx: Context, beside: Place, aside: Place) -> None:
        """Exchange live and ``beside`` in the shortest step the kind has, carrying over what is not in a dump.

        Afterwards ``aside`` holds what was live when it stopped taking writes. Every step is journaled before it is
        taken. Raises with live untouched, or leaves a journal that ``recover`` finishes or reverts."""

    @abstractmethod
    def recover(self, ctx: Context) -> bool:
        """Finish or revert what the journal says a dead worker left, and put servers back to how they were.

        Idempotent. Returns True where the swap has happened (live is the restored state), False where live is what
        it was before. Leaves ``aside`` in place if the swap happened."""

    def left_behind(self, ctx: Context) -> Iterable[Place]:
        """The places of this job that still exist."""
        return [place for purpose in Purpose if self.exists(ctx, place := self.place(ctx, purpose))]

    # Contents.

    @abstractmethod
    def raw_rows(self, stored: Stored, section: Section) -> Iterator[Sequence[bytes]]:
        """The records of a section (or lines of a TEXT one), in batches, each record's own bytes: equal bytes are
        equal records. Memory is bounded by the batch."""

    @abstractmethod
    def parse_row(self, section: Section, raw: bytes) -> Row:
        """One raw record as cells."""


class PrivateStatePlugin(Plugin):
    """A module in Dysnomia's own convention: it keeps a store of its own, and is given a private one.

    The engine seeds the private state directory (markers; for a restore the chosen snapshot as its only
    generation), runs the activity and commits what the module wrote.
    """

    @abstractmethod
    def run(self, ctx: Context, activity: str, statedir: Path) -> None:
        """Run the module with ``DYSNOMIA_STATEDIR=statedir``. Its output goes to the job's log."""
