"""The type ``ejabberd-dump``: all that ejabberd keeps in its own database (Mnesia).

A snapshot is a dump as ``ejabberdctl dump`` writes it, its rows sorted: a section for each table. It is restored
exactly: rows that are not in it are deleted. Container properties: ``ejabberdUser`` (as in Dysnomia), and where they
are not as Debian has them ``ejabberdSettings``, ``ejabberdNode``, ``ejabberdHome``, ``ejabberdSpool``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, ClassVar

from dysnomia_plugins.base import (
    Component,
    Context,
    Draft,
    Dumped,
    Found,
    Place,
    Preflight,
    Probe,
    Purpose,
    Row,
    Runner,
    StatePlugin,
    Stored,
)
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.guarded.acting import as_command
from dysnomia_plugins.toolkit.servers import PROBE_SECONDS, await_server, down
from dysnomia_plugins.types.ejabberd import contents, discover, loading, places, swap
from dysnomia_plugins.types.ejabberd.node import USER, USUAL_USER, Server, State
from dysnomia_plugins.types.ejabberd.preflight import preflight
from dysnomia_plugins.types.ejabberd.terms import forms
from dysnomia_store.model import Section
from dysnomia_store.sink import ContentSink

INITIAL = "ejabberd-dump"


class EjabberdDump(StatePlugin):
    """ejabberd's database."""

    type: ClassVar[str] = "ejabberd-dump"
    title: ClassVar[str] = "ejabberd database"
    property_names: ClassVar[tuple[str, ...]] = (
        "ejabberdUser",
        "ejabberdSettings",
        "ejabberdNode",
        "ejabberdSpool",
        "ejabberdHome",
    )
    tools: ClassVar[tuple[str, ...]] = ("erl",)
    packages: ClassVar[Mapping[str, str]] = {"erl": "erlang-base"}
    main_artefact: ClassVar[str] = contents.DUMP
    read_by_dysnomia: ClassVar[str] = "none"

    # Life.

    def activate(self, ctx: Context) -> None:
        """Load the initial dump where the tables that it has rows for hold none."""
        server = Server.of(ctx.component)
        await_server(ctx, lambda: bool(State.of(server, ctx.runner)))
        for path in _initial(ctx.component):
            with path.open("rb") as stream:
                self._fill(ctx, server, stream, path.name)

    def _fill(self, ctx: Context, server: Server, stream: BinaryIO, name: str) -> None:
        beside, aside = (places.made(server, ctx.tag, purpose) for purpose in (Purpose.BESIDE, Purpose.ASIDE))
        try:
            loading.write(ctx, server, beside, forms(stream))
            if swap.fill(ctx, server, beside, aside):
                ctx.progress.log(f"{name} was loaded")
            else:
                ctx.progress.log(f"{name} was not loaded: tables that it has rows for hold some already")
        finally:
            for place in (beside, aside):
                places.drop(ctx, server, place)

    def deactivate(self, ctx: Context) -> None:
        """The rows stay; the engine marks them as garbage."""

    def collect_garbage(self, ctx: Context) -> None:
        """Delete all rows. The server goes on to run, empty."""
        server = Server.of(ctx.component)
        beside, aside = (places.made(server, ctx.tag, purpose) for purpose in (Purpose.BESIDE, Purpose.ASIDE))
        try:
            places.write(ctx, server, beside, [contents.header({})])
            swap.empty(ctx, server, beside, aside)
        finally:
            for place in (beside, aside):
                places.drop(ctx, server, place)

    def shell(self, component: Component) -> tuple[Sequence[str], Mapping[str, str]]:
        """A shell for ``ejabberdctl``, as the server's user."""
        server = Server.of(component)
        argv = [*as_command(server.actor), "env", f"--chdir={server.spool}", "bash", "--norc", "--noprofile", "-i"]
        return argv, {"HOME": server.home, "ERLANG_NODE": server.node}

    def hints(self, component: Component) -> Sequence[str]:
        return ("who is registered: ejabberdctl registered_users HOST", "its tables: ejabberdctl mnesia_info")

    def probe(self, component: Component, runner: Runner) -> Probe:
        try:
            server = Server.of(component)
            state = State.of(server, runner, timeout=PROBE_SECONDS)
        except PluginError as error:
            return down(error)
        who = (f"{state.users} connected users",) if state.users else ()
        return Probe(
            up=True, version=state.version, size=state.size, who=who, detail=f"{state.rows} rows, {server.node}"
        )

    def discover(self, runner: Runner) -> Iterable[Found]:
        """The server that ejabberdctl's own settings tell of, where it answers."""
        return discover.discover(runner)

    def location(self, component: Component) -> tuple[str, ...]:
        try:
            return (Server.of(component).node,)
        except PluginError:
            return super().location(component)

    def dump_reader(self, component: Component) -> str:
        return component.prop(USER, USUAL_USER)

    # Places.

    def live(self, component: Component) -> Place:
        return places.live(Server.of(component))

    def address(self, component: Component) -> str:
        return f"the folder {Server.of(component).spool}"

    def place(self, ctx: Context, purpose: Purpose) -> Place:
        return places.made(Server.of(ctx.component), ctx.tag, purpose)

    def named(self, component: Component, name: str) -> Place:
        """A dump of that name in the server's folder: for ``ejabberdctl load``, or to be read."""
        return places.named(Server.of(component), name)

    def exists(self, ctx: Context, place: Place) -> bool:
        server = Server.of(ctx.component)
        if place == places.live(server):
            return State.of(server, ctx.runner).rows > 0
        return places.holds_file(server, place)

    def drop(self, ctx: Context, place: Place) -> None:
        places.drop(ctx, Server.of(ctx.component), place)

    def left_behind(self, ctx: Context) -> Iterable[Place]:
        """Also a copy that never got its name. Raises PluginError."""
        server = Server.of(ctx.component)
        made = [places.made(server, ctx.tag, purpose) for purpose in (*Purpose, places.COPY)]
        return [place for place in dict.fromkeys(made) if places.holds_file(server, place)]

    # Snapshot.

    def dump(self, ctx: Context, place: Place, draft: Draft) -> Dumped:
        server = Server.of(ctx.component)
        ctx.progress.phase("dump")
        as_of = datetime.now(UTC)
        reported = 0

        def advance(done: int) -> None:
            nonlocal reported
            if done - reported >= 1 << 18 or not reported:
                reported = done
                ctx.cancel.check()
                ctx.progress.advance(done)

        is_live = place == places.live(server)
        versions: list[str] = []
        source = server.dumping(ctx.runner, versions.append) if is_live else places.reading(server, place)
        with draft.artefact(contents.DUMP) as sink, source as stream:
            count = contents.write_dump(ctx, sink, forms(stream), advance)
        ctx.progress.log(f"{count} row{'s' * (count != 1)}")
        tools = {"ejabberd": versions[-1]} if versions else {}
        return Dumped(as_of=as_of, end=datetime.now(UTC), tool_versions=tools, surroundings={"rows": count})

    def rescan(self, ctx: Context, stored: Stored, sink: ContentSink) -> bool | None:
        """A dump has no end mark: whether it is complete cannot be known."""
        with stored.open() as stream:
            contents.write_dump(ctx, sink, forms(stream), lambda _: None, as_it_is=True)
        return None

    # Restore.

    def preflight(self, ctx: Context, stored: Stored, *, replace: bool) -> Preflight:
        return preflight(ctx, Server.of(ctx.component), stored, replace=replace)

    def load(self, ctx: Context, stored: Stored, place: Place, sections: Sequence[Section] | None = None) -> None:
        loading.load(ctx, Server.of(ctx.component), stored, place, sections)

    def swap(self, ctx: Context, beside: Place, aside: Place) -> None:
        swap.swap(ctx, Server.of(ctx.component), beside, aside)

    def recover(self, ctx: Context) -> bool:
        return swap.recover(ctx, Server.of(ctx.component))

    # Contents.

    def raw_rows(self, stored: Stored, section: Section) -> Iterator[Sequence[bytes]]:
        return contents.raw_rows(stored, section)

    def parse_row(self, section: Section, raw: bytes) -> Row:
        return contents.parse_row(section, raw)


def _initial(component: Component) -> list[Path]:
    """The component itself where it is a file, else what is in its folder ``ejabberd-dump``."""
    if component.path.is_file():
        return [component.path]
    return [path for path in component.initial_files(INITIAL, "*") if path.is_file()]
