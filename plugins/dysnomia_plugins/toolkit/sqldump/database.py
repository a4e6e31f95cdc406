"""What the types of a database on an SQL server have in common: its places are databases, known by their names."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Protocol

from dysnomia_plugins.base import Component, Context, Place, Purpose, StatePlugin, Stored
from dysnomia_plugins.errors import NotSafe
from dysnomia_plugins.toolkit.by_text import rows_with
from dysnomia_plugins.toolkit.sqldump.names import job_place
from dysnomia_store.model import Section


class SqlClient(Protocol):
    """A session with the server of a component, as far as places need it."""

    def exists(self, database: str) -> bool:
        """Whether there is a database of this name. Raises PluginError."""

    def drop_database(self, database: str) -> None:
        """Drop it if it is there, with whoever is connected. Raises PluginError."""


class SqlServer(Protocol):
    """Which server it is."""

    @property
    def location(self) -> tuple[str, ...]:
        """The same for every way to write its address down."""


class SqlDatabase(StatePlugin):
    """A database of a server that is dumped as SQL, loaded under another name, and swapped by name."""

    order_varies: ClassVar[bool] = True
    name_limit: ClassVar[int]
    """How long the name of a place of a job may be, in characters."""
    table_kind: ClassVar[str]
    """The kind of the sections that hold a table's rows."""
    loaded_step: ClassVar[str]
    """The journal's step of a load into a server that has no live database: what the new one is given at the swap."""
    usual_escapes: ClassVar[bytes]
    """The letters that stand behind a backslash in a row of a dump."""

    @abstractmethod
    def client(self, ctx: Context) -> SqlClient:
        """Return a session of this activity with the server of its component."""

    @abstractmethod
    def server(self, component: Component) -> SqlServer:
        """Return the server of a component, as its container says. Raises PluginError."""

    @abstractmethod
    def checked(self, name: str) -> str:
        """Return ``name`` if a database of an operator's can be called so. Raises NotSafe."""

    # Life.

    def deactivate(self, ctx: Context) -> None:
        """The database stays; the engine marks it as garbage."""

    def collect_garbage(self, ctx: Context) -> None:
        """Drop the database, with whoever is connected to it."""
        self.client(ctx).drop_database(self.name(ctx.component))

    def location(self, component: Component) -> tuple[str, ...]:
        return (*self.server(component).location, component.key.component)

    # Places.

    def name(self, component: Component) -> str:
        """The name of the live database. Raises NotSafe for one that the server could not give."""
        return self.checked(component.key.component)

    def live(self, component: Component) -> Place:
        return Place(component.key.component)

    def place(self, ctx: Context, purpose: Purpose) -> Place:
        return job_place(ctx.tag, purpose, self.name_limit)

    def own_places(self, ctx: Context) -> list[Place]:
        """All that a job may make for itself, in the order of ``Purpose``."""
        return [self.place(ctx, purpose) for purpose in Purpose]

    def address(self, component: Component) -> str:
        return f"the server at {self.server(component)}"

    def named(self, component: Component, name: str) -> Place:
        if self.taken(component, name):
            raise NotSafe(f"a copy cannot be called {name!r}: the name is reserved", "choose another name")
        return Place(self.checked(name))

    def taken(self, component: Component, name: str) -> bool:
        """Whether a copy would get the name of the live database, or of one that the server needs."""
        return name == component.key.component

    def exists(self, ctx: Context, place: Place) -> bool:
        return self.client(ctx).exists(place.name)

    def require_not_live(self, ctx: Context, place: Place) -> None:
        """Raise NotSafe where what is to be dropped is live."""
        if place == self.live(ctx.component):
            raise NotSafe(
                f"{place.name} is the live database and was not dropped",
                "to delete it: deactivate the component, then collect-garbage",
            )

    # Load.

    def begin_load(
        self, ctx: Context, stored: Stored, place: Place, around: Mapping[str, Any] | None
    ) -> Mapping[str, Any] | None:
        """Return what the new database is given beyond its dump: that of live, or else that of the snapshot.

        Raises NotSafe where a database of this name is there."""
        self.checked(place.name)
        if self.exists(ctx, place):
            raise NotSafe(f"the database {place.name} already exists", "choose another name")
        if around is None and stored.metadata is not None:
            around = dict(stored.metadata.surroundings) or None
            ctx.journal.step(self.loaded_step, around=around)
        return around

    def tables(self, stored: Stored) -> Iterator[Section]:
        """The sections that hold rows, in the order of the dump."""
        return (section for section in stored.sections() if section.kind == self.table_kind)

    # Contents.

    def rows_of_key(self, stored: Stored, section: Section, key: Sequence[str]) -> Iterator[Sequence[bytes]]:
        return rows_with(self.raw_rows(stored, section), key, self.usual_escapes)
