"""What a plugin is handed: the component an activity is about, and the context it works in. It touches nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from dysnomia_base.environment import search_path
from dysnomia_base.records import dataclass, field
from dysnomia_store.names import ComponentKey

if TYPE_CHECKING:
    from typing import BinaryIO, Unpack

    from dysnomia_plugins.interface.options import FollowOptions, ReadOptions, RunOptions, WriteOptions
    from dysnomia_plugins.interface.records import Earlier

PropertyValue = str | tuple[str, ...]
Argv = Sequence[str | bytes]


def single(properties: Mapping[str, PropertyValue], name: str, default: str = "") -> str:
    """A property as one string: an array gives its first element, what is empty or not there the default."""
    value = properties.get(name, default)
    return (value if isinstance(value, str) else (value[0] if value else "")) or default


@dataclass(frozen=True, slots=True)
class Component:
    """The component an activity is about."""

    key: ComponentKey
    path: Path
    """The component's file or folder with its initial state (an empty file where it has none)."""
    properties: Mapping[str, PropertyValue]
    """Its container's properties, ``type`` included."""
    recorded: Callable[[], Mapping[str, Any]] = field(default=dict, compare=False, repr=False)
    """The surroundings of its newest generation that was made here, for a type that does not know where the state was
    that is no longer there."""

    def prop(self, name: str, default: str = "") -> str:
        """A property as one string (see ``single``)."""
        return single(self.properties, name, default)

    def initial_files(self, folder: str, pattern: str = "*.sql") -> list[Path]:
        """The files in a folder of the component that its state begins with, in the order of their names."""
        inside = self.path / folder
        return sorted(inside.glob(pattern)) if inside.is_dir() else []


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


class WarningLine(str):
    """A line for the log that the end of the job repeats: it ended well, and something is not as was asked for."""

    text: str
    """The line without the word that says what it is."""

    @classmethod
    def of(cls, text: str) -> WarningLine:
        made = cls(f"warning: {text}")
        made.text = text
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
    """Output of a child process that exited with 0."""

    stdout: bytes
    stderr: str


SERVICE_UMASK = 0o022
"""What programs that are not ours (a component's, an operator's, a module) leave out of the mode of what they make: as
when they are started from a terminal or by systemd. A job's own is closed to all others."""


class Runner(Protocol):
    """Child processes: argv lists, never a shell; own process group; killed on cancel and with their parent."""

    def run(self, argv: Argv, **options: Unpack[RunOptions]) -> Finished:
        """Run to the end. Raises ProcessFailed, Cancelled, ToolMissing."""

    def reading(self, argv: Argv, **options: Unpack[ReadOptions]) -> AbstractContextManager[BinaryIO]:
        """Run while its standard output is read. On leaving, raises ProcessFailed unless it ended with 0."""

    def follow(self, argv: Argv, **options: Unpack[FollowOptions]) -> None:
        """Run to the end of the program itself: a daemon that it started goes on, without our locks, and what that
        prints later is not waited for. Raises ProcessFailed, Cancelled, ToolMissing."""

    def writing(self, argv: Argv, **options: Unpack[WriteOptions]) -> AbstractContextManager[BinaryIO]:
        """Run while its standard input is written. On leaving, raises ProcessFailed unless it ended with 0."""


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
    tool_path: str = field(default_factory=search_path)
    """Where programs are looked for, and the PATH of children."""
    earlier: Earlier | None = None
    """What a dump of live need not read again; None: all of it is to be read."""
