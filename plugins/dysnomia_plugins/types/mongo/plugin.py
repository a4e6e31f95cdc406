"""The type ``mongo-database``: one database of a MongoDB server.

A snapshot is what ``mongodump`` writes for a database, made with PyMongo: ``<collection>.bson`` and
``<collection>.metadata.json``, always in the same order. It is restored beside what is live, under other names in the
same database, compared, and exchanged by renaming. Properties: ``server.py``, and ``mongoReadConcern`` (``dump.py``).
Tested against a double that speaks MongoDB's protocol, never against mongod: none could be had.

PyMongo is imported where it is used: whoever does not have this type does not need it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar

from dysnomia_plugins.base import (
    Component,
    Context,
    Draft,
    Dumped,
    Found,
    ListedState,
    Place,
    Preflight,
    Probe,
    Purpose,
    Row,
    Runner,
    StatePlugin,
    Stored,
)
from dysnomia_plugins.errors import NotSafe, PluginError, Unsupported
from dysnomia_plugins.interface.status import Status
from dysnomia_plugins.toolkit.half_copies import may_be_left
from dysnomia_plugins.types.mongo.server import HOST, PORT, Server, require_pymongo
from dysnomia_store.model import Section
from dysnomia_store.sink import ContentSink

_PROBE = 1.5
_DISCOVERY = 1.0
COPYING, COPIED = "mongodb-copy", "mongodb-copied"
"""Written in journals, of jobs before an upgrade too: not to be renamed."""


class MongoDatabase(StatePlugin):
    """A database. What needs PyMongo is imported by the method that uses it, and said where it is missing."""

    type: ClassVar[str] = "mongo-database"
    title: ClassVar[str] = "MongoDB database"
    property_names: ClassVar[tuple[str, ...]] = (
        "mongoPort",
        "mongoHost",
        "mongoSocket",
        "mongoUser",
        "mongoPassword",
        "mongoAuthDatabase",
        "mongoReadConcern",
        "mongoDumpArgs",
        "mongoRestoreArgs",
    )
    order_varies: ClassVar[bool] = True
    """Of snapshots by ``mongodump``: it writes documents in the order in which they are stored."""

    # Life.

    def activate(self, ctx: Context) -> None:
        require_pymongo()
        from dysnomia_plugins.types.mongo.activation import activate

        places = (self.place(ctx, purpose).name for purpose in (Purpose.BESIDE, Purpose.ASIDE))
        activate(ctx, Server.of(ctx.component), self.live(ctx.component).name, *places)

    def deactivate(self, ctx: Context) -> None:
        """The database stays; the engine marks it as garbage."""

    def collect_garbage(self, ctx: Context) -> None:
        self._drop(ctx, self.live(ctx.component))

    def shell(self, component: Component) -> tuple[Sequence[str], Mapping[str, str]]:
        """The password is asked for: the shell takes none from its environment."""
        server = Server.of(component)
        argv = ["mongosh", server.address(self.live(component).name)]
        account = ["--username", server.user, "--authenticationDatabase", server.auth_database] if server.user else []
        return [*argv, *account], {}

    def probe(self, component: Component, runner: Runner) -> Probe:
        try:
            require_pymongo()
            from dysnomia_plugins.types.mongo import discover

            return discover.probe(Server.of(component, _PROBE, limited=True), self.live(component).name)
        except PluginError as error:
            return Probe(up=False, detail=error.message)

    def status(self, component: Component, runner: Runner) -> Status:
        try:
            require_pymongo()
            from dysnomia_plugins.types.mongo import discover

            return discover.status(Server.of(component, _PROBE, limited=True))
        except PluginError:
            return Status()

    def discover(self, runner: Runner) -> Iterable[Found]:
        """Where PyMongo is missing, nothing is looked for."""
        try:
            require_pymongo()
        except PluginError:
            return ()
        from dysnomia_plugins.types.mongo import discover

        return discover.discover(Server(HOST, int(PORT), timeout=_DISCOVERY, limited=True), self.type)

    def list_state(self, container: Component, runner: Runner) -> ListedState:
        require_pymongo()
        from dysnomia_plugins.types.mongo import discover

        return discover.list_state(Server.of(container))

    def location(self, component: Component) -> tuple[str, ...]:
        try:
            return (str(Server.of(component)), component.key.component)
        except PluginError:
            return super().location(component)

    # Places: collections with a prefix in the database that is live; a copy is a database of its own.

    def live(self, component: Component) -> Place:
        return self.named(component, component.key.component)

    def address(self, component: Component) -> str:
        return f"MongoDB on {Server.of(component)}"

    def place(self, ctx: Context, purpose: Purpose) -> Place:
        from dysnomia_plugins.types.mongo.names import OURS

        return Place(f"{self.live(ctx.component).name}.{OURS}{ctx.tag}_{purpose}")

    def named(self, component: Component, name: str) -> Place:
        from dysnomia_plugins.types.mongo.names import check_database

        return Place(check_database(name))

    def exists(self, ctx: Context, place: Place) -> bool:
        require_pymongo()
        from dysnomia_plugins.types.mongo.places import Spot

        with Server.of(ctx.component).client() as client:
            return Spot.of(place.name).exists(client)

    def drop(self, ctx: Context, place: Place) -> None:
        if place == self.live(ctx.component):
            raise NotSafe(f"{place.name} is live", "deactivate the component and collect garbage")
        self._drop(ctx, place)

    def _drop(self, ctx: Context, place: Place) -> None:
        require_pymongo()
        from dysnomia_plugins.types.mongo.places import Spot

        with Server.of(ctx.component).client() as client:
            Spot.of(place.name).drop(client)

    # Snapshot.

    def dump(self, ctx: Context, place: Place, draft: Draft) -> Dumped:
        require_pymongo()
        from dysnomia_plugins.types.mongo.dump import dump

        return dump(ctx, Server.of(ctx.component), place.name, draft)

    def rescan(self, ctx: Context, stored: Stored, sink: ContentSink) -> bool | None:
        raise Unsupported("a snapshot of MongoDB has several files")

    def rescan_artefacts(self, ctx: Context, stored: Stored, draft: Draft) -> bool | None:
        require_pymongo()
        from dysnomia_plugins.types.mongo.contents import rescan

        return rescan(stored, draft)

    # Restore.

    def preflight(self, ctx: Context, stored: Stored, *, replace: bool) -> Preflight:
        require_pymongo()
        from dysnomia_plugins.types.mongo.preflight import preflight

        live, aside = self.live(ctx.component).name, self.place(ctx, Purpose.ASIDE).name
        return preflight(ctx, Server.of(ctx.component), live, aside, stored, replace=replace)

    def load(self, ctx: Context, stored: Stored, place: Place, sections: Sequence[Section] | None = None) -> None:
        require_pymongo()
        from dysnomia_plugins.types.mongo.load import load
        from dysnomia_plugins.types.mongo.source import of_stored

        server = Server.of(ctx.component)
        ctx.journal.step(COPYING, name=place.name)
        load(ctx, server, of_stored(stored, sections), place.name)
        ctx.journal.step(COPIED, name=place.name)

    def left_behind(self, ctx: Context) -> Iterable[Place]:
        """Also a copy that was not loaded to its end. Raises PluginError."""
        places = may_be_left(ctx, self, COPYING, COPIED)
        return [place for place in places if self.exists(ctx, place)]

    def swap(self, ctx: Context, beside: Place, aside: Place) -> None:
        require_pymongo()
        from dysnomia_plugins.types.mongo.swap import swap

        swap(ctx, Server.of(ctx.component), self.live(ctx.component).name, beside.name, aside.name)

    def recover(self, ctx: Context) -> bool:
        require_pymongo()
        from dysnomia_plugins.types.mongo.swap import recover

        return recover(ctx, Server.of(ctx.component))

    # Contents.

    def raw_rows(self, stored: Stored, section: Section) -> Iterator[Sequence[bytes]]:
        require_pymongo()
        from dysnomia_plugins.types.mongo.contents import raw_rows

        return raw_rows(stored, section)

    def parse_row(self, section: Section, raw: bytes) -> Row:
        require_pymongo()
        from dysnomia_plugins.types.mongo.contents import parse_row

        return parse_row(section, raw)
