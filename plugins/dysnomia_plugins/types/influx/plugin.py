"""The type ``influx-database``: one database of an InfluxDB 1.x server.

A snapshot is text: retention policies, continuous queries and all points, as ``influx -import`` loads them. It is
restored beside by writes and compared point by point; then the server is stopped, the two databases change names, and
it is started again. A server that cannot be stopped from here gets copies only. Properties: ``server.py``, and
``influxdbStop``, ``influxdbStart`` (``running.py``). The initial state is ``influx-databases/*``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
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
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.interface.status import Status
from dysnomia_plugins.toolkit.half_copies import may_be_left
from dysnomia_plugins.types.influx import activation, contents, databases, discover, portable, source, swap
from dysnomia_plugins.types.influx import dump as dumping
from dysnomia_plugins.types.influx.load import load
from dysnomia_plugins.types.influx.preflight import preflight
from dysnomia_plugins.types.influx.running import owner_left
from dysnomia_plugins.types.influx.server import Server
from dysnomia_store.model import Section
from dysnomia_store.sink import ContentSink

_PROBE = 1.5
COPYING, COPIED = "influxdb-copy", "influxdb-copied"
"""Written in journals, of jobs before an upgrade too: not to be renamed."""


class InfluxDatabase(StatePlugin):
    """A database."""

    type: ClassVar[str] = discover.TYPE
    title: ClassVar[str] = "InfluxDB database"
    property_names: ClassVar[tuple[str, ...]] = (
        "influxdbHttpPort",
        "influxdbHttpHost",
        "influxdbUser",
        "influxdbPassword",
        "influxdbStop",
        "influxdbStart",
        "influxdbUsername",
    )
    main_artefact: ClassVar[str] = contents.DUMP

    # Life.

    def activate(self, ctx: Context) -> None:
        activation.activate(ctx, _server(ctx), self.live(ctx.component).name)

    def deactivate(self, ctx: Context) -> None:
        """The database stays; the engine marks it as garbage."""

    def collect_garbage(self, ctx: Context) -> None:
        databases.drop(_server(ctx), self.live(ctx.component).name)

    def shell(self, component: Component) -> tuple[Sequence[str], Mapping[str, str]]:
        server = Server.of(component)
        argv = ["influx", "-host", server.host, "-port", str(server.port), "-database", self.live(component).name]
        account = {"INFLUX_USERNAME": server.user, "INFLUX_PASSWORD": server.password} if server.user else {}
        return argv, account

    def probe(self, component: Component, runner: Runner) -> Probe:
        try:
            return discover.probe(Server.of(component, _PROBE), self.live(component).name)
        except PluginError as error:
            return Probe(up=False, detail=error.message)

    def status(self, component: Component, runner: Runner) -> Status:
        try:
            return discover.status(Server.of(component, _PROBE))
        except PluginError:
            return Status()

    def discover(self, runner: Runner) -> Iterable[Found]:
        return discover.discover()

    def list_state(self, container: Component, runner: Runner) -> ListedState:
        return discover.list_state(Server.of(container))

    def location(self, component: Component) -> tuple[str, ...]:
        try:
            return (str(Server.of(component)), component.key.component)
        except PluginError:
            return super().location(component)

    # Places: databases of the same server.

    def live(self, component: Component) -> Place:
        return Place(databases.check_name(component.key.component))

    def address(self, component: Component) -> str:
        return f"InfluxDB on {Server.of(component)}"

    def place(self, ctx: Context, purpose: Purpose) -> Place:
        return Place(f"{databases.OURS}{ctx.tag}_{purpose}")

    def named(self, component: Component, name: str) -> Place:
        return Place(databases.check_name(name))

    def exists(self, ctx: Context, place: Place) -> bool:
        return databases.exists(_server(ctx), place.name)

    def drop(self, ctx: Context, place: Place) -> None:
        if place == self.live(ctx.component):
            raise NotSafe(f"{place.name} is live", "deactivate the component and collect garbage")
        databases.drop(_server(ctx), place.name)

    def left_behind(self, ctx: Context) -> Iterable[Place]:
        """Also a copy that was not loaded to its end. Raises PluginError."""
        existing = databases.names(_server(ctx))
        return [place for place in may_be_left(ctx, self, COPYING, COPIED) if place.name in existing]

    # Snapshot.

    def dump(self, ctx: Context, place: Place, draft: Draft) -> Dumped:
        return dumping.dump(ctx, _server(ctx), place.name, draft)

    def rescan(self, ctx: Context, stored: Stored, sink: ContentSink) -> bool | None:
        contents.rescan(stored, sink)
        return True

    def rescan_artefacts(self, ctx: Context, stored: Stored, draft: Draft) -> bool | None:
        return source.rescan_artefacts(ctx, stored, draft)

    # Restore.

    def preflight(self, ctx: Context, stored: Stored, *, replace: bool) -> Preflight:
        return preflight(ctx, _server(ctx), self.live(ctx.component).name, stored, replace=replace)

    def load(self, ctx: Context, stored: Stored, place: Place, sections: Sequence[Section] | None = None) -> None:
        server = _server(ctx)
        if databases.exists(server, place.name):
            raise NotSafe(f"InfluxDB on {server} has a database {place.name} already", "nothing was loaded over it")
        ctx.journal.step(COPYING, name=place.name)
        load(ctx, server, stored, place, sections)
        ctx.journal.step(COPIED, name=place.name)

    def swap(self, ctx: Context, beside: Place, aside: Place) -> None:
        swap.swap(ctx, _server(ctx), self.live(ctx.component).name, beside.name, aside.name)

    def recover(self, ctx: Context) -> bool:
        server = _server(ctx)
        swapped = swap.recover(ctx, server)
        activation.finish_left(ctx, server, self.live(ctx.component).name)
        return swapped

    # Contents.

    def raw_rows(self, stored: Stored, section: Section) -> Iterator[Sequence[bytes]]:
        portable.refuse_rows(stored)
        return contents.raw_rows(stored, section)

    def parse_row(self, section: Section, raw: bytes) -> Row:
        return contents.parse_row(section, raw)


def _server(ctx: Context) -> Server:
    """Where this job has stopped it, only its owner is told the password from then on. Raises PluginError."""
    return replace(Server.of(ctx.component), owner=owner_left(ctx))
