"""The plugin interface: what a type of state can do, and the context each activity gets.

A plugin is a class for one ``type``. It never touches the store, the screen or the environment: it gets a
``Context`` and nothing else. The engine keeps locks, commits what was dumped, and drives a restore in the one order
that loses nothing:

    load beside -> check -> swap (the original ends in ``aside``) -> commit -> dump aside as the guard -> drop aside

A *place* is where state of this type can be: a database name, a folder, a file. ``live`` is one; ``beside``,
``aside`` and ``scratch`` are named after the store and the job, so that a sweep touches only what a job made.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from dysnomia_base.plurals import with_article
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
    WarningLine,
)
from dysnomia_plugins.interface.plugin import Plugin
from dysnomia_plugins.interface.records import (
    Draft,
    Dumped,
    Earlier,
    Finding,
    Found,
    Listed,
    ListedState,
    LiveLook,
    LiveRow,
    Place,
    Preflight,
    Probe,
    Purpose,
    PutRow,
    Row,
    RowPair,
    SectionPatch,
    Severity,
    Stored,
    WholeAsked,
)
from dysnomia_plugins.interface.status import Status

if TYPE_CHECKING:
    from dysnomia_store.model import Metadata, Section
    from dysnomia_store.sink import ContentSink

__all__ = [
    "CancelToken",
    "Component",
    "Context",
    "Draft",
    "Dumped",
    "Earlier",
    "Finding",
    "Finished",
    "Found",
    "Journal",
    "Listed",
    "ListedState",
    "LiveLook",
    "LiveRow",
    "OutputLine",
    "Place",
    "Plugin",
    "Preflight",
    "PrivateStatePlugin",
    "Probe",
    "Progress",
    "PropertyValue",
    "Purpose",
    "PutRow",
    "Row",
    "RowPair",
    "Runner",
    "SectionPatch",
    "Severity",
    "StatePlugin",
    "Status",
    "Stored",
    "WarningLine",
    "WholeAsked",
]


class StatePlugin(Plugin):
    """A type that holds state: snapshot, restore, and all that makes them safe."""

    digest_version: ClassVar[int] = 1
    """Counts up whenever the canonical bytes of an unchanged state would differ."""
    order_varies: ClassVar[bool] = False
    """True where a dump gives rows in the order in which the server happens to store them. The same rows in another
    order are the same state: such sections are compared as multisets of their rows before a difference is believed."""

    main_artefact: ClassVar[str] = ""
    """Of a type whose snapshots have several artefacts: the one that the server's own client loads."""

    read_by_dysnomia: ClassVar[str] = "xz"
    """The compression with which Dysnomia's own module of the type reads a snapshot of ours."""

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
        """Return the user that Dysnomia's own module of this type switches to before it reads a snapshot; ``""`` if it
        does not switch. With the compression of ``read_by_dysnomia`` that user may read stored snapshots."""
        return ""

    def leaves_garbage(self, component: Component) -> bool:
        """Its state stays."""
        return True

    @abstractmethod
    def collect_garbage(self, ctx: Context) -> None:
        """Delete the live state of a deactivated component. Idempotent. Raises PluginError."""

    # Places.

    @abstractmethod
    def live(self, component: Component) -> Place:
        """Return the place of the component's live state, whether it exists or not. Raises PluginError."""

    def identity(self, component: Component) -> str:
        """Return what identifies the file or folder at the live place now (device, inode, owner); ``""`` if only a
        server knows. A restore compares it with the plan's: nothing but what was planned is replaced.

        Raises PluginError if it must not be replaced."""
        return ""

    def address(self, component: Component) -> str:
        """Return, for the operator, on which server or in which folder copies of the component are made: a host and
        port, a socket, a path. No secrets. Raises PluginError."""
        return ""

    @abstractmethod
    def place(self, ctx: Context, purpose: Purpose) -> Place:
        """Return the job's place for a purpose. The same job (``ctx.tag``) always gets the same, so that recovery finds
        it."""

    @abstractmethod
    def named(self, component: Component, name: str) -> Place:
        """Return the place of a copy called ``name``. Raises PluginError if the name is not valid for the type."""

    @abstractmethod
    def exists(self, ctx: Context, place: Place) -> bool:
        """Return whether there is state at a place. Raises PluginError if that cannot be found out."""

    @abstractmethod
    def drop(self, ctx: Context, place: Place) -> None:
        """Delete the state at a place, and close connections that a dead job left open on it. Idempotent.

        Raises PluginError; NotSafe for the live place."""

    # Snapshot.

    @abstractmethod
    def dump(self, ctx: Context, place: Place, draft: Draft) -> Dumped:
        """Stream the state at ``place`` into the draft, in sections; memory is bounded.

        Raises PluginError, Truncated, Cancelled, StoreError if any part failed: then the draft is discarded."""

    @abstractmethod
    def rescan(self, ctx: Context, stored: Stored, sink: ContentSink) -> bool | None:
        """Compute the digest and the sections of a stored snapshot from its bytes (another tool's, or an imported one).

        Returns whether the dump is complete; None if that cannot be known. Raises PluginError, Corrupt, Truncated."""

    def rescan_artefacts(self, ctx: Context, stored: Stored, draft: Draft) -> bool | None:
        """``rescan`` for a type whose snapshots have several artefacts. ``draft`` stores nothing.

        The default calls ``rescan`` with the sink of the only artefact."""
        names = stored.artefacts()
        with draft.artefact(names[0] if names else "") as sink:
            return self.rescan(ctx, stored, sink)

    # Restore.

    @abstractmethod
    def preflight(self, ctx: Context, stored: Stored, *, replace: bool) -> Preflight:
        """Return what a restore needs (bytes) and would meet, within a second, from metadata and estimates.

        ``replace``: live would be replaced; else a copy would be made. Raises PluginError."""

    @abstractmethod
    def load(self, ctx: Context, stored: Stored, place: Place, sections: Sequence[Section] | None = None) -> None:
        """Load the snapshot (or only ``sections``) into ``place``, which does not exist yet, and check the result
        against the contents index. Live is not touched.

        Raises PluginError, Corrupt, Cancelled: then the engine drops ``place``."""

    @abstractmethod
    def swap(self, ctx: Context, beside: Place, aside: Place) -> None:
        """Exchange live and ``beside`` in the shortest step that the type has; keep owner, grants and settings.

        Afterwards ``aside`` holds what was live when it stopped taking writes. Write each step to the journal before it
        is done. Raises PluginError with live untouched, or leaves a journal that ``recover`` finishes or reverts."""

    @abstractmethod
    def recover(self, ctx: Context) -> bool:
        """Finish or revert what the journal says a dead worker left, and put servers back to how they were.

        Idempotent. Returns True where the swap has happened (live is the restored state), False where live is what
        it was before. Leaves ``aside`` in place if the swap happened."""

    def lost_live(self, ctx: Context) -> bool:
        """Whether live has lost what is set aside, though ``recover`` has just said that nothing was replaced: a server
        that keeps its data in memory was started again. It is made a generation then, before it is dropped."""
        return False

    def left_behind(self, ctx: Context) -> Iterable[Place]:
        """Return the places of this job that still exist. Raises PluginError."""
        return [place for purpose in Purpose if self.exists(ctx, place := self.place(ctx, purpose))]

    # Contents.

    rows_by_line: ClassVar[bool] = False
    """Whether the rows of a section of form ROWS are whole lines in its artefact: then lines may be left out of its
    middle (``stored`` is an ``Excerpt``), and ``raw_rows`` yields the rows of the others. It raises PluginError where
    they are not lines after all; the section is then read whole."""

    @abstractmethod
    def raw_rows(self, stored: Stored, section: Section) -> Iterator[Sequence[bytes]]:
        """Yield the records of a section (lines, for form TEXT) in batches, each record as bytes: records are equal if
        their bytes are. Memory is bounded by the batch. Raises Corrupt, PluginError."""

    @abstractmethod
    def parse_row(self, section: Section, raw: bytes) -> Row:
        """Return one raw record as cells, in the order of ``section.columns``."""

    def rows_of_key(self, stored: Stored, section: Section, key: Sequence[str]) -> Iterator[Sequence[bytes]]:
        """Yield, of the records of a section, those whose key has these cells, and as few others as can be left out
        more quickly than parsed. ``key`` is in the order of ``section.key``.

        The default yields all. Raises as ``raw_rows`` does."""
        return self.raw_rows(stored, section)

    has_remarks: ClassVar[bool] = False
    """Whether ``remark`` says something."""

    def remark(self, stored: Stored, section: Section) -> str:
        """Return what tells a person which section this is, besides its name: of a message its subject, sender and
        date. ``""`` where nothing does. Raises Corrupt, PluginError."""
        return ""

    def read_next(self, stored: Stored, before: Stored, parts: Sequence[tuple[int, int]], size: int) -> None:
        """``stored`` is read from now on, and ``before``, which was, no more: what was made of that to be read may be
        made into what would be made of this. ``parts``: (offset, length) of what differs in their only artefact, and
        ``size`` that of all of it in ``stored``. The default does nothing. Raises Corrupt, PluginError."""
        return

    def sql_patch(self, old: Stored, new: Stored, changes: Sequence[SectionPatch], title: str) -> Iterator[str]:
        """Yield SQL for the server's own client that turns the state ``old`` into exactly ``new``, in one transaction,
        and fails on any other state. ``changes``: what differs; ``title``: one line for a comment.

        Raises Unsupported before it yields anything where SQL cannot say it, naming what is not in it."""
        from dysnomia_plugins.errors import Unsupported

        raise Unsupported(f"there is no SQL for {with_article(self.title)}", "--diff --rows shows what differs")

    def section_dump(self, stored: Stored, section: Section) -> Iterator[bytes]:
        """Yield one section as the server's own client loads it, where no artefact has it in one piece
        (``section.offset`` is None): all of it or, by that client, nothing.

        Raises Unsupported before it yields anything where there is no such form; Corrupt, PluginError."""
        from dysnomia_plugins.errors import Unsupported

        raise Unsupported(f"{section.kind} {section.name} is not stored in one piece in the snapshot")

    # Rows back into what is live.

    puts_back: ClassVar[bool] = False
    """Whether rows of a snapshot can be put back into what is live: the four methods below."""
    puts_back_sections: ClassVar[bool] = False
    """Whether that goes by wholes instead, sections (files) or what rows belong to (keys of Redis): ``whole_sections``,
    ``look_at_rows``, ``put_sections_back`` and ``parse_whole``."""
    put_back_word: ClassVar[str] = "row"
    """What it puts back, in one word: ``file``, ``key``."""
    put_back_in_transaction: ClassVar[bool] = True
    """Whether the server itself takes back what a job that was killed had not committed. Else ``recover`` does."""

    def cannot_put_back(self) -> str:
        """Return why rows cannot be put back, in a sentence for the operator."""
        return (
            f"rows of {with_article(self.title)} cannot be put back one by one: restore a copy beside it, or replace it"
        )

    def lacking(self, ctx: Context, section: Section, batches: Iterator[Sequence[bytes]]) -> Iterator[bytes]:
        """Yield those of the snapshot's raw records whose key no row of live has. Raises PluginError."""
        from dysnomia_plugins.errors import Unsupported

        raise Unsupported(self.cannot_put_back())

    def rows_besides(self, ctx: Context, stored: Stored, rows: Sequence[PutRow]) -> Iterable[PutRow]:
        """Return what should come with rows that are asked for, of which they would be of no use without (the bindings
        of a queue). Those that the plan then names, and no others, are put back. The default has none.

        Raises PluginError, Corrupt."""
        return ()

    def look_at_rows(self, ctx: Context, rows: Sequence[PutRow]) -> LiveLook:
        """Return what live holds where rows are to be put back, and what stands against it. Changes and locks nothing.

        Raises PluginError where live cannot be read."""
        from dysnomia_plugins.errors import Unsupported

        raise Unsupported(self.cannot_put_back())

    def put_back(self, ctx: Context, rows: Sequence[PutRow], seen: Sequence[str]) -> Mapping[int, str]:
        """Make live hold these rows as they are wanted, in one transaction: all of them, or nothing is changed.

        ``seen``: the ``digest`` of what live held when it was planned. Two sorts of rows are left alone, and returned
        by their places: those of which live holds something else by now, with an empty text, and those against which
        something stands that came to live since (a value in use), with that in a sentence. Nothing but these rows may
        change (no trigger fires). Raises PluginError, Cancelled, with live as it was; OutcomeUnknown where it may be
        either way."""
        from dysnomia_plugins.errors import Unsupported

        raise Unsupported(self.cannot_put_back())

    def whole_sections(self, ctx: Context, stored: Stored, asked: Sequence[WholeAsked]) -> Sequence[PutRow]:
        """Return the sections that are asked for, and unless they are asked for exactly what has to come with each
        (folders above, all that is in a folder). Those that are exact come in their order, each as one row.

        Raises NotFound for what neither side has, PluginError, Corrupt."""
        from dysnomia_plugins.errors import Unsupported

        raise Unsupported(self.cannot_put_back())

    def put_sections_back(
        self, ctx: Context, stored: Stored, rows: Sequence[PutRow], seen: Sequence[str]
    ) -> Sequence[int]:
        """``put_back`` of whole sections, whose content is in ``stored``. Leaves a journal for ``recover`` and, where
        it is killed, places that ``left_behind`` names.

        Raises Unsupported where the type does not."""
        from dysnomia_plugins.errors import Unsupported

        raise Unsupported(self.cannot_put_back())

    def parse_whole(self, raw: bytes) -> Mapping[str, str]:
        """Return what a whole section is, by names, ready to show: size, owner, mode.

        Raises Unsupported where the type does not."""
        from dysnomia_plugins.errors import Unsupported

        raise Unsupported(self.cannot_put_back())


class PrivateStatePlugin(Plugin):
    """A module in Dysnomia's own convention: it writes snapshots into a state directory, and is given a private one.

    The engine seeds the private state directory (markers; for a restore the chosen snapshot as its only
    generation), runs the activity and commits what the module wrote.
    """

    @abstractmethod
    def run(self, ctx: Context, activity: str, statedir: Path) -> None:
        """Run the module with ``DYSNOMIA_STATEDIR=statedir``. Its output goes to the job's log.

        Raises ProcessFailed, Cancelled."""
