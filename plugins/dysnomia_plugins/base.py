"""The plugin interface: what a type of state can do, and the context each activity gets.

A plugin is a class for one ``type``. It never touches the store, the screen or the environment: it gets a
``Context`` and nothing else. The engine keeps locks, commits what was dumped, and drives a restore in the one order
that loses nothing:

    load beside -> check -> swap (the original ends in ``aside``) -> commit -> dump aside as the guard -> drop aside

A *place* is where state of this kind can stand: a database name, a folder, a file. ``live`` is one; ``beside``,
``aside`` and ``scratch`` are named after the store and the job, so that a sweep touches only what a job made.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from dysnomia_plugins.interface.context import (
    CancelToken,
    Component,
    Context,
    Finished,
    Journal,
    OutputLine,
    Progress,
    PropertyValue,
    Runner,
)
from dysnomia_plugins.interface.records import (
    Draft,
    Dumped,
    Finding,
    Found,
    Place,
    Preflight,
    Probe,
    Purpose,
    Row,
    Severity,
    Stored,
)
from dysnomia_plugins.interface.status import Status
from dysnomia_store.model import Metadata, Section
from dysnomia_store.sink import ContentSink

__all__ = [
    "CancelToken",
    "Component",
    "Context",
    "Draft",
    "Dumped",
    "Finding",
    "Finished",
    "Found",
    "Journal",
    "OutputLine",
    "Place",
    "Plugin",
    "Preflight",
    "PrivateStatePlugin",
    "Probe",
    "Progress",
    "PropertyValue",
    "Purpose",
    "Row",
    "Runner",
    "Severity",
    "StatePlugin",
    "Status",
    "Stored",
]


_FORMER_NAMES = {"take_back": "rollback_activation", "whereabouts": "location"}
"""What methods were called until version 0.2; these names work until 0.4."""


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

    def __init_subclass__(cls, **options: object) -> None:
        """Let a class that was written with the former names be called by today's names, and the other way round.

        Whichever name comes first in the order of its bases counts, so that a mixin with a former name does too."""
        super().__init_subclass__(**options)
        for former, name in _FORMER_NAMES.items():
            home = next(base for base in cls.__mro__ if former in base.__dict__ or name in base.__dict__)
            if name not in home.__dict__:
                setattr(cls, name, home.__dict__[former])
                text = f"{cls.__qualname__}.{former} is called {name} now, and the former name goes in version 0.4"
                warnings.warn(text, DeprecationWarning, stacklevel=3)
            elif former not in home.__dict__:
                setattr(cls, former, home.__dict__[name])

    def activities(self) -> frozenset[str]:
        """Which activities it has."""
        return frozenset({"activate", "deactivate"})

    @abstractmethod
    def activate(self, ctx: Context) -> None:
        """Make the component be there, with its initial state where it has none yet. Idempotent."""

    @abstractmethod
    def deactivate(self, ctx: Context) -> None:
        """Take it out of service. State stays. Idempotent."""

    def rollback_activation(self, ctx: Context) -> None:
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

    def location(self, component: Component) -> tuple[str, ...]:
        """Where the component's unit of state is, in words that are the same however its container is called or its
        properties are written: found state of the same location is configured already.

        The default takes the name and every property as it is."""
        properties = (f"{name}={component.properties[name]}" for name in sorted(component.properties))
        return (component.key.component, *properties)

    take_back = rollback_activation
    whereabouts = location


class StatePlugin(Plugin):
    """A type that holds state: snapshot, restore, and all that makes them safe."""

    digest_version: ClassVar[int] = 1
    """Counts up whenever the canonical bytes of an unchanged state would differ."""
    order_varies: ClassVar[bool] = False
    """True where a dump gives rows in the order in which the server happens to store them. The same rows in another
    order are the same state: such sections are compared as multisets of their rows before a difference is believed."""

    def activities(self) -> frozenset[str]:
        return frozenset({"activate", "deactivate", "snapshot", "restore", "collect-garbage"})

    def dump_like(self, ctx: Context, known: Metadata | None) -> None:
        """Let the dumps of this job be written as a snapshot was which they are to be compared with.

        For a type whose earlier versions wrote the same values in another way."""

    def worded_otherwise(self, old: Metadata | None, new: Metadata | None) -> str:
        """Why the same values may be written in different ways in two snapshots, as a remark for whoever compares
        them; ``""`` where they are not."""
        return ""

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

    def identity(self, component: Component) -> str:
        """What stands at the live place now, so that it can be told whether it is still that when it is replaced: for
        files and folders device, inode and owner of each. ``""`` where only a server can tell.

        Raises PluginError where it is not to be replaced."""
        return ""

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
