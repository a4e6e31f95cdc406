"""The type ``rabbitmq-definitions``: what one virtual host of a RabbitMQ is made of.

Its exchanges, queues and bindings, policies, parameters, permissions, limits and metadata; never its messages. A
snapshot is a file of definitions as RabbitMQ's own tools have them (``definitions.py``), restored exactly, by changes
of what differs (``swap.py``). A copy is another virtual host of the same server. The server is asked by a short-lived
Erlang node (``node.py``, with the properties): no plugin need be enabled, and no secret is in any word of a command.

The initial state is ``rabbitmq-definitions/*.json``: one file as a snapshot has it, or RabbitMQ's own export.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from dysnomia_plugins.base import (
    Component,
    Context,
    Draft,
    Dumped,
    Found,
    ListedState,
    LiveLook,
    Place,
    Preflight,
    Probe,
    Purpose,
    PutRow,
    Row,
    Runner,
    StatePlugin,
    Stored,
)
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.interface.status import Fact, Status, Tone
from dysnomia_plugins.toolkit.guarded.acting import as_command
from dysnomia_plugins.toolkit.half_copies import may_be_left
from dysnomia_plugins.toolkit.servers import await_server
from dysnomia_plugins.types.rabbitmq import contents, discover, load, put_back, swap
from dysnomia_plugins.types.rabbitmq import live as reading
from dysnomia_plugins.types.rabbitmq.definitions import ARTEFACT, Document, parse
from dysnomia_plugins.types.rabbitmq.exchange import EMPTY_IT
from dysnomia_plugins.types.rabbitmq.exported import of_file
from dysnomia_plugins.types.rabbitmq.messages import Depth
from dysnomia_plugins.types.rabbitmq.node import PROPERTIES, Server, State, in_words
from dysnomia_plugins.types.rabbitmq.preflight import preflight
from dysnomia_plugins.types.rabbitmq.rows import companions
from dysnomia_plugins.types.rabbitmq.spool import Spool
from dysnomia_plugins.types.rabbitmq.terms import Atom, of_bool
from dysnomia_plugins.types.rabbitmq.vhosts import of_component, of_copy, shown
from dysnomia_store.model import Section
from dysnomia_store.sink import ContentSink

INITIAL = "rabbitmq-definitions"


class RabbitmqDefinitions(StatePlugin):
    """One virtual host."""

    type: ClassVar[str] = "rabbitmq-definitions"
    title: ClassVar[str] = "RabbitMQ virtual host"
    property_names: ClassVar[tuple[str, ...]] = PROPERTIES
    tools: ClassVar[tuple[str, ...]] = ("erl",)
    packages: ClassVar[Mapping[str, str]] = {"erl": "erlang-base"}
    main_artefact: ClassVar[str] = ARTEFACT
    puts_back: ClassVar[bool] = True
    put_back_word: ClassVar[str] = "definition"
    put_back_in_transaction: ClassVar[bool] = False

    # Life.

    def activate(self, ctx: Context) -> None:
        """Make the virtual host with its initial state; one that there is stays as it is."""
        server, vhost = Server.of(ctx.component), self._vhost(ctx.component)
        await_server(ctx, lambda: bool(server.ask(ctx.runner, (Atom("status"),))))
        (host,) = server.ask(ctx.runner, (Atom("host"), vhost))
        if host[0] == "true":
            return
        beside, aside = (self.place(ctx, purpose) for purpose in (Purpose.BESIDE, Purpose.ASIDE))
        load.into_spool(ctx, server, _initial(ctx.component, vhost), Spool(beside.name))
        swap.swap(ctx, server, vhost, beside, aside)

    def deactivate(self, ctx: Context) -> None:
        """The virtual host stays; the engine marks it as garbage."""

    def collect_garbage(self, ctx: Context) -> None:
        """Delete the virtual host. Raises NotSafe where a queue of it holds messages."""
        self._delete(ctx, self._vhost(ctx.component))

    def _delete(self, ctx: Context, vhost: bytes) -> None:
        server = Server.of(ctx.component)
        (answer,) = server.ask(ctx.runner, (Atom("drop"), vhost, of_bool(server.discard)))
        if isinstance(answer, tuple) and answer[0] == "left":
            depth = Depth(known=False) if answer[2] == "unknown" else Depth(*answer[2:])
            raise NotSafe(
                f"the queue {shown(answer[1])} of {shown(vhost)} holds {depth}: nothing was deleted", EMPTY_IT
            )
        if answer != "done":
            raise PluginError(f"{shown(vhost)} was not deleted: {in_words(answer)}", "see the server's log")

    def shell(self, component: Component) -> tuple[Sequence[str], Mapping[str, str]]:
        """A shell for ``rabbitmqctl``, as the server's user."""
        server = Server.of(component)
        argv = [*as_command(server.actor), "env", f"--chdir={server.home}", "bash", "--norc", "--noprofile", "-i"]
        return argv, {"HOME": server.home, "RABBITMQ_NODENAME": server.node, "ERL_EPMD_PORT": str(server.epmd)}

    def hints(self, component: Component) -> Sequence[str]:
        return (f"its queues: rabbitmqctl list_queues -p '{shown(self._vhost(component))}' name messages",)

    def probe(self, component: Component, runner: Runner) -> Probe:
        try:
            return discover.probe(Server.of(component), self._vhost(component), runner)
        except PluginError as error:
            return Probe(up=False, detail=error.message)

    def status(self, component: Component, runner: Runner) -> Status:
        try:
            return Status(facts=(Fact(f"on {Server.of(component)}; {discover.NO_MESSAGES}", tone=Tone.DIM),))
        except PluginError:
            return Status()

    def discover(self, runner: Runner) -> Iterable[Found]:
        return discover.discover(runner)

    def list_state(self, container: Component, runner: Runner) -> ListedState:
        return discover.list_state(Server.of(container), runner)

    def location(self, component: Component) -> tuple[str, ...]:
        try:
            return (Server.of(component).node, self._vhost(component).hex())
        except PluginError:
            return super().location(component)

    # Places: a virtual host for live and copies, a file for what a job makes.

    def _vhost(self, component: Component) -> bytes:
        return of_component(Server.of(component).vhost, component.key.component)

    def live(self, component: Component) -> Place:
        return _place(self._vhost(component))

    def address(self, component: Component) -> str:
        return f"the node {Server.of(component)}"

    def place(self, ctx: Context, purpose: Purpose) -> Place:
        return Spool.place(Server.of(ctx.component).copies, ctx.tag, purpose.value)

    def named(self, component: Component, name: str) -> Place:
        return _place(of_copy(Server.of(component).vhost, name))

    def _spool(self, component: Component, place: Place) -> Spool | None:
        """The file of a place; None for a virtual host."""
        return Spool(place.name) if Spool.at(Server.of(component).copies, place) else None

    def exists(self, ctx: Context, place: Place) -> bool:
        spool = self._spool(ctx.component, place)
        if spool is not None:
            return spool.exists()
        (host,) = Server.of(ctx.component).ask(ctx.runner, (Atom("host"), _of_place(place)))
        return bool(host[0] == "true")

    def drop(self, ctx: Context, place: Place) -> None:
        spool = self._spool(ctx.component, place)
        if spool is not None:
            spool.drop()
            return
        if place == self.live(ctx.component):
            raise NotSafe(f"{place.name} is live", "deactivate the component and collect garbage")
        if any(name == load.COPYING and data["name"] == place.name for name, data in ctx.journal.steps()):
            self._delete(ctx, _of_place(place))

    def left_behind(self, ctx: Context) -> Iterable[Place]:
        """Also a copy that was not loaded to its end. Raises PluginError."""
        places = may_be_left(ctx, self, load.COPYING, load.COPIED)
        return [place for place in places if self.exists(ctx, place)]

    # Snapshot.

    def dump(self, ctx: Context, place: Place, draft: Draft) -> Dumped:
        ctx.progress.phase("dump")
        as_of = datetime.now(UTC)
        server, spool = Server.of(ctx.component), self._spool(ctx.component, place)
        warnings: tuple[str, ...] = ()
        version = ""
        if spool is not None:
            document = spool.read()
        else:
            status, facts = server.ask(
                ctx.runner, (Atom("status"),), (Atom("read"), _of_place(place)), timeout=reading.READ_SECONDS
            )
            if facts == "absent":
                raise PluginError(
                    f"the node {server} has no virtual host {place.name!r}",
                    "check the component's name, rabbitmqVhost and rabbitmqNode",
                )
            live, version = reading.of_facts(facts), State.of(status).version
            document, warnings = live.document, live.warnings()

        def advance(done: int) -> None:
            ctx.cancel.check()
            ctx.progress.advance(done)

        with draft.artefact(ARTEFACT) as sink:
            contents.write(document, sink, advance)
        return Dumped(
            as_of=as_of,
            end=datetime.now(UTC),
            complete=True,
            tool_versions={"rabbitmq": version} if version else {},
            warnings=warnings,
        )

    def rescan(self, ctx: Context, stored: Stored, sink: ContentSink) -> bool | None:
        with stored.open(ARTEFACT) as stream:
            contents.write(parse(stream), sink, lambda _: None)
        return True

    # Restore.

    def preflight(self, ctx: Context, stored: Stored, *, replace: bool) -> Preflight:
        return preflight(ctx, Server.of(ctx.component), self._vhost(ctx.component), stored, replace=replace)

    def load(self, ctx: Context, stored: Stored, place: Place, sections: Sequence[Section] | None = None) -> None:
        server, document = Server.of(ctx.component), load.document_of(stored, sections)
        spool = self._spool(ctx.component, place)
        if spool is not None:
            load.into_spool(ctx, server, document, spool)
        else:
            load.into_vhost(ctx, server, document, _of_place(place), place)

    def swap(self, ctx: Context, beside: Place, aside: Place) -> None:
        swap.swap(ctx, Server.of(ctx.component), self._vhost(ctx.component), beside, aside)

    def recover(self, ctx: Context) -> bool:
        server = Server.of(ctx.component)
        return swap.recover(ctx, server) if put_back.begun_in(ctx) is None else put_back.recover(ctx, server)

    # Contents.

    def raw_rows(self, stored: Stored, section: Section) -> Iterator[Sequence[bytes]]:
        return contents.raw_rows(stored, section)

    def parse_row(self, section: Section, raw: bytes) -> Row:
        return contents.parse_row(section, raw)

    # Single definitions put back.

    def lacking(self, ctx: Context, section: Section, batches: Iterator[Sequence[bytes]]) -> Iterator[bytes]:
        return put_back.lacking(ctx, Server.of(ctx.component), self._vhost(ctx.component), section, batches)

    def rows_besides(self, ctx: Context, stored: Stored, rows: Sequence[PutRow]) -> Iterable[PutRow]:
        server = Server.of(ctx.component)
        live = reading.read(server, ctx.runner, self._vhost(ctx.component))
        return () if live is None else companions(stored, live, rows)

    def look_at_rows(self, ctx: Context, rows: Sequence[PutRow]) -> LiveLook:
        return put_back.look(ctx, Server.of(ctx.component), self._vhost(ctx.component), rows)

    def put_back(self, ctx: Context, rows: Sequence[PutRow], seen: Sequence[str]) -> Mapping[int, str]:
        """Not in one transaction: what breaks off is finished or taken back."""
        places = [self.place(ctx, purpose) for purpose in (Purpose.BESIDE, Purpose.ASIDE)]
        return put_back.put_back(ctx, Server.of(ctx.component), self._vhost(ctx.component), rows, seen, places)


def _place(vhost: bytes) -> Place:
    return Place(vhost.decode("utf-8", "surrogateescape"))


def _of_place(place: Place) -> bytes:
    return place.name.encode("utf-8", "surrogateescape")


def _initial(component: Component, vhost: bytes) -> Document:
    """Raises PluginError, NotSafe."""
    files: list[Path] = component.initial_files(INITIAL, "*.json")
    if len(files) > 1:
        raise PluginError(f"{INITIAL} of the component has more than one file", "leave one")
    if not files:
        return of_file(b"{}", shown(vhost))
    return of_file(files[0].read_bytes(), shown(vhost))
