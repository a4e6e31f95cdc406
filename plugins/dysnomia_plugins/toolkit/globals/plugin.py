"""What the types of a server's globals have in common: snapshot, places, contents. Each says how its server is asked.

A place of a job holds a document (and what a restore made) on the server itself, so that a worker that dies leaves it
for whoever recovers.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import ClassVar, Protocol

from dysnomia_plugins.base import (
    Component,
    Context,
    Draft,
    Dumped,
    Finding,
    Place,
    Preflight,
    Purpose,
    Row,
    Severity,
    StatePlugin,
    Stored,
)
from dysnomia_plugins.errors import NotSafe
from dysnomia_plugins.toolkit.globals.changes import Changes
from dysnomia_plugins.toolkit.globals.document import ARTEFACT, Document, Kind, Made, parse_row, read, write
from dysnomia_plugins.toolkit.line_batches import in_lines
from dysnomia_plugins.toolkit.servers import await_server
from dysnomia_plugins.toolkit.sqldump.database import SqlServer
from dysnomia_plugins.toolkit.sqldump.names import job_place
from dysnomia_store.model import Section
from dysnomia_store.sink import ContentSink

STRANGER = (
    "this snapshot was imported and is not trusted: accounts, passwords and privileges would be what somebody else"
    " wrote down; read every line"
)
_PIECE = 1 << 20


@dataclass
class Held:
    """What a place holds."""

    document: Document
    made: list[Made] = field(default_factory=list)
    """Of a guard: what the restore made that it guards. Where it is restored, these are taken back."""


class Keeper(Protocol):
    """A server, and what is kept on it for a job."""

    def live(self) -> Document:
        """Read what is live. Raises PluginError, also where the account may not read all of it."""

    def kept(self, place: Place) -> Held:
        """Read a place. Raises PluginError."""

    def keep(self, place: Place, held: Held) -> None:
        """Fill a new place. Raises PluginError."""

    def exists(self, place: Place) -> bool: ...

    def drop(self, place: Place) -> None:
        """Idempotent. Raises NotSafe for what no job of ours made."""

    def changes(self, held: Held, live: Document) -> Changes:
        """What would make live hold the document. Raises PluginError."""

    def version(self) -> str: ...


class GlobalsPlugin(StatePlugin):
    """The globals of a server."""

    kinds: ClassVar[tuple[Kind, ...]]
    main_artefact: ClassVar[str] = ARTEFACT
    name_limit: ClassVar[int]
    swap_words: ClassVar[str]
    guard_words: ClassVar[str] = "all globals as they were right before; an undo alters back, and drops what was made"

    @abstractmethod
    def keeper(self, ctx: Context) -> Keeper:
        """Return the server of an activity."""

    @abstractmethod
    def server(self, component: Component) -> SqlServer:
        """Return the server of a component. Raises PluginError."""

    @abstractmethod
    def checked(self, name: str) -> str:
        """Return ``name`` if a copy can be called so. Raises NotSafe."""

    # Life.

    def activate(self, ctx: Context) -> None:
        """See that the server answers: it has globals since it was made."""
        await_server(ctx, lambda: bool(self.keeper(ctx).version()))

    def deactivate(self, ctx: Context) -> None:
        """Roles and accounts stay."""

    def collect_garbage(self, ctx: Context) -> None:
        """Nothing is deleted: who may log in to a server is no garbage of a component."""
        ctx.progress.log("roles and accounts of the server stay as they are")

    def location(self, component: Component) -> tuple[str, ...]:
        return (self.type, *self.server(component).location)

    # Places.

    def live(self, component: Component) -> Place:
        return Place(f"the globals of the server at {self.server(component)}")

    def address(self, component: Component) -> str:
        return f"the server at {self.server(component)}"

    def place(self, ctx: Context, purpose: Purpose) -> Place:
        return job_place(ctx.tag, purpose, self.name_limit)

    def named(self, component: Component, name: str) -> Place:
        return Place(self.checked(name))

    def exists(self, ctx: Context, place: Place) -> bool:
        if place == self.live(ctx.component):
            return bool(self.keeper(ctx).version())
        return self.keeper(ctx).exists(place)

    def drop(self, ctx: Context, place: Place) -> None:
        if place == self.live(ctx.component):
            raise NotSafe(f"{place.name} are live and were not dropped", "drop them by the server's client")
        self.keeper(ctx).drop(place)

    def left_behind(self, ctx: Context) -> Iterable[Place]:
        keeper = self.keeper(ctx)
        return [place for purpose in Purpose if keeper.exists(place := self.place(ctx, purpose))]

    # Snapshot.

    def dump(self, ctx: Context, place: Place, draft: Draft) -> Dumped:
        ctx.progress.phase("dump")
        keeper = self.keeper(ctx)
        as_of = datetime.now(UTC)
        held = Held(keeper.live()) if place == self.live(ctx.component) else keeper.kept(place)

        def advance(done: int) -> None:
            ctx.cancel.check()
            ctx.progress.advance(done)

        with draft.artefact(ARTEFACT) as sink:
            write(held.document, sink, advance, held.made)
        return Dumped(
            as_of=as_of,
            end=datetime.now(UTC),
            complete=True,
            tool_versions={self.type.partition("-")[0]: keeper.version()},
        )

    def rescan(self, ctx: Context, stored: Stored, sink: ContentSink) -> bool | None:
        """Lines have no end mark: whether they are complete cannot be known."""
        with stored.open(ARTEFACT) as stream:
            document, made = read(self.kinds, stream)
            write(document, sink, lambda _: None, made)
        return None

    # Restore.

    def held(self, ctx: Context, stored: Stored, sections: Sequence[Section] | None = None) -> Held:
        """What a snapshot holds, or some sections of it. Raises NotSafe, Corrupt."""
        with stored.open(ARTEFACT) as stream:
            document, made = read(self.kinds, stream)
        if sections is not None:
            names = {section.name for section in sections}
            facts = {name: document.facts[name] for name in document.facts if name in names}
            return Held(Document(self.kinds, facts))
        # A stranger may not say what is to be dropped.
        return Held(document, made if ctx.made_here else [])

    def preflight(self, ctx: Context, stored: Stored, *, replace: bool) -> Preflight:
        held = self.held(ctx, stored)
        findings = [] if ctx.made_here else [Finding(Severity.DANGEROUS, STRANGER, of_snapshot=True)]
        if not replace:
            return Preflight(findings=tuple(findings))
        keeper = self.keeper(ctx)
        changes = keeper.changes(held, keeper.live())
        for line in (*changes.left_out, *changes.more):
            findings.append(Finding(Severity.WARNING, line, of_snapshot=True))
        lines = tuple(change.text for change in changes.ordered) or ("nothing would change: live has all of it",)
        return Preflight(tuple(findings), swap=self.swap_words, guard=self.guard_words, changes=lines)

    def load(self, ctx: Context, stored: Stored, place: Place, sections: Sequence[Section] | None = None) -> None:
        keeper = self.keeper(ctx)
        if keeper.exists(place):
            raise NotSafe(f"{place.name} already exists", "choose another name")
        held = self.held(ctx, stored, sections)
        ctx.cancel.check()
        keeper.keep(place, held)

    # Contents.

    def raw_rows(self, stored: Stored, section: Section) -> Iterator[Sequence[bytes]]:
        with stored.open_range(section.artefact or ARTEFACT, section.offset or 0, section.length or 0) as stream:
            yield from in_lines(iter(lambda: stream.read(_PIECE), b""))

    def parse_row(self, section: Section, raw: bytes) -> Row:
        return parse_row(self.kinds, raw)

    def cannot_put_back(self) -> str:
        return (
            f"rows of {self.title} cannot be put back one by one: restore the generation, which changes only what"
            " differs and drops nothing"
        )
