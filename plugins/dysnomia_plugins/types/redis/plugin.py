"""The type ``redis-database``: all that a Redis or Valkey server holds, in all its databases.

A component is a whole server, for a takeover replaces it whole. A snapshot is an RDB file as the server itself sends
it; its identity and contents come from a reader of such files (rd/contents.py), never from their bytes. A place other
than live, and so a copy, is a folder with an RDB file that any server of that version loads; a part of a snapshot goes
into a copy as well. How it is restored: rd/swap.py. Properties: rd/server.py.

The initial state is ``redis-databases/*.rdb`` (one file), then the commands in ``redis-databases/*.redis``, a line
each, as one would type them into redis-cli. Collecting garbage flushes all databases and functions.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from dysnomia_base.clock import from_seconds
from dysnomia_plugins.base import (
    Component,
    Context,
    Draft,
    Dumped,
    Found,
    Listed,
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
    WholeAsked,
)
from dysnomia_plugins.errors import NotSafe, PluginError, ServerDown
from dysnomia_plugins.toolkit.process import NeverCancelled
from dysnomia_plugins.toolkit.servers import await_server
from dysnomia_plugins.types.redis import (
    contained,
    contents,
    discover,
    folders,
    initial,
    preflight,
    rdb_file,
    swap,
    temporary_server,
)
from dysnomia_plugins.types.redis.emptying import empty, has_functions
from dysnomia_plugins.types.redis.files import writing
from dysnomia_plugins.types.redis.programs import client, fitting
from dysnomia_plugins.types.redis.resp import Connection, Refused
from dysnomia_plugins.types.redis.server import Server
from dysnomia_plugins.types.redis.server_info import keyspace, read, refuse
from dysnomia_plugins.types.redis.sync import stream
from dysnomia_store.errors import NameRejected
from dysnomia_store.model import Section
from dysnomia_store.names import validate_name
from dysnomia_store.sink import ContentSink

if TYPE_CHECKING:
    from dysnomia_plugins.types.redis.putting.live import LiveKeys

ARTEFACT = "dump.rdb"
LIVE = "live"
"""The name of live's place; a copy's is a path."""


class RedisDatabase(StatePlugin):
    """All that a Redis or Valkey server holds."""

    type: ClassVar[str] = "redis-database"
    title: ClassVar[str] = "Redis server's data"
    property_names: ClassVar[tuple[str, ...]] = (
        "redisSocket",
        "redisHost",
        "redisPort",
        "redisUsername",
        "redisPassword",
        "redisPasswordFile",
        "redisCopiesDir",
        "redisServerUser",
        "redisBinDir",
        "redisTimeout",
        "dockerContainer",
        "podmanContainer",
        "containerClient",
        "dockerSocket",
    )
    tools: ClassVar[tuple[str, ...]] = ("redis-server", "redis-cli")
    packages: ClassVar[Mapping[str, str]] = {"redis-cli": "redis-tools"}
    alternatives: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "redis-server": ("valkey-server",),
        "redis-cli": ("valkey-cli",),
    }
    digest_version: ClassVar[int] = contents.DIGEST_VERSION

    def __init__(self) -> None:
        self._standing: dict[str, tuple[ExitStack, temporary_server.Temporary]] = {}
        """Servers of ours that a load has left running for the swap that follows, by place."""

    # Life.

    def activate(self, ctx: Context) -> None:
        """Lay down the initial state in a server that holds nothing. It is made in a server of ours and taken over, so
        it is there whole or not at all."""
        server = Server.of(ctx.component)
        await_server(ctx, lambda: self._ready(ctx, server))
        with Connection.open(server, ctx.cancel) as live:
            facts = read(live)
            if facts.keyspace() or has_functions(live):
                return
            dump, files = initial.dump_file(ctx.component), initial.command_files(ctx.component)
            if dump is None and not files:
                return
            refuse(live, facts)
            address, program = reachable_address(server, live), fitting(ctx.runner, server, facts.version)
        beside = self._folder(ctx, Purpose.BESIDE)
        temporary_server.remove(beside)
        folders.make(beside)
        try:
            if dump is not None:
                rdb_file.write_from(dump, beside)
            with temporary_server.serving(
                ctx, server, program, beside, databases=facts.databases, address=address
            ) as ours:
                for path in files:
                    ctx.progress.log(f"loading {path.name}")
                    ours.connection.call("SELECT", 0)
                    initial.run_file(ours.connection, path, ctx.cancel)
                try:
                    swap.Takeover(ctx, server, ours, beside, None).run()
                except PluginError:
                    if not swap.recover(replace(ctx, cancel=NeverCancelled()), server):
                        raise
        finally:
            temporary_server.remove(beside)

    def _ready(self, ctx: Context, server: Server) -> bool:
        with Connection.open(server, ctx.cancel) as live:
            return live.info("persistence").get("loading") != "1"

    def deactivate(self, ctx: Context) -> None:
        """The data stays; the engine marks it as garbage."""

    def collect_garbage(self, ctx: Context) -> None:
        """Delete all keys of all databases, and all functions."""
        with Connection.open(Server.of(ctx.component), ctx.cancel) as live:
            empty(live, ctx.cancel)

    def shell(self, component: Component) -> tuple[Sequence[str], Mapping[str, str]]:
        """redis-cli (or Valkey's) on the server; the password by REDISCLI_AUTH, which both take."""
        server = Server.of(component)
        if server.container is not None:
            return contained.shell(server)
        secret = server.secret()
        return [client(server), *server.arguments()], ({"REDISCLI_AUTH": secret} if secret else {})

    def probe(self, component: Component, runner: Runner) -> Probe:
        try:
            return discover.probe(Server.of(component))
        except PluginError as error:
            return Probe(up=False, detail=str(error))

    def discover(self, runner: Runner) -> Iterable[Found]:
        return chain(discover.discover(), discover.in_containers(runner))

    def list_state(self, container: Component, runner: Runner) -> ListedState:
        """A server holds one component, all of it; the server need not be asked for that."""
        return ListedState([Listed(discover.COMPONENT)])

    def location(self, component: Component) -> tuple[str, ...]:
        """The server: a component is all that one holds, whatever it is called."""
        return Server.of(component).location

    # Places.

    def live(self, component: Component) -> Place:
        return Place(LIVE)

    def place(self, ctx: Context, purpose: Purpose) -> Place:
        return Place(str(self._folder(ctx, purpose)))

    def _folder(self, ctx: Context, purpose: Purpose) -> Path:
        return (
            folders.real_copies(Server.of(ctx.component).copies) / f"{temporary_server.PREFIX}{ctx.tag}_{purpose.value}"
        )

    def address(self, component: Component) -> str:
        return f"the folder {Server.of(component).copies}"

    def named(self, component: Component, name: str) -> Place:
        try:
            validate_name(name, "copy")
        except NameRejected as error:
            raise NotSafe(f"a copy cannot be called {name!r} ({error})", "choose another name") from None
        if name.startswith(temporary_server.PREFIX):
            raise NotSafe(f"a copy cannot be called {name!r}: such names are reserved for jobs", "choose another name")
        return Place(str(folders.real_copies(Server.of(component).copies) / name))

    def exists(self, ctx: Context, place: Place) -> bool:
        """Live is there when its server is: what it holds may be nothing."""
        if place.name != LIVE:
            return os.path.lexists(place.name)
        try:
            with Connection.open(Server.of(ctx.component), ctx.cancel):
                return True
        except ServerDown:
            return False

    def drop(self, ctx: Context, place: Place) -> None:
        if place.name == LIVE:
            raise NotSafe(
                "the live data is not dropped here", "to delete it: deactivate the component, then collect-garbage"
            )
        self._end(place)
        temporary_server.remove(Path(place.name))

    # Snapshot.

    def dump(self, ctx: Context, place: Place, draft: Draft) -> Dumped:
        ctx.progress.phase("dump")
        if place.name != LIVE:
            return self._dump_folder(ctx, Path(place.name), draft)
        server = Server.of(ctx.component)
        spool = ctx.staging / "dump.rdb"
        spool.unlink(missing_ok=True)
        warnings = []
        try:
            with Connection.open(server, ctx.cancel) as live, draft.artefact(ARTEFACT) as sink:
                facts = read(live)
                warnings += rdb_file.say_what_it_does(ctx, facts)
                as_of, data = stream(live)
                end = self._store(ctx, data, sink, spool)
                with spool.open("rb", buffering=0) as source:
                    digested = rdb_file.digest(ctx, source, sink)
        finally:
            spool.unlink(missing_ok=True)
        return Dumped(
            as_of=max(as_of, min(end, from_seconds(digested.made / 1000))),
            end=end,
            tool_versions={digested.server.product: digested.server.number},
            surroundings={"databases": facts.databases},
            warnings=tuple(warnings),
        )

    def _store(self, ctx: Context, data: Iterable[bytes], sink: ContentSink, spool: Path) -> datetime:
        """Store what the server sends as quickly as it does, so that it can let go of the view it holds for us."""
        done = 0
        with writing(spool, durable=False) as write:
            for piece in data:
                sink.store_only(piece)
                write(piece)
                done += len(piece)
                ctx.progress.advance(done)
        return datetime.now(UTC)

    def _dump_folder(self, ctx: Context, folder: Path, draft: Draft) -> Dumped:
        if not folders.is_there(folder):
            raise PluginError(f"there is no RDB file in {folder}")
        with folders.reading(folder) as source, draft.artefact(ARTEFACT) as sink:
            for piece in rdb_file.pieces(source, ctx.cancel):
                sink.store_only(piece)
            source.seek(0)
            digested = rdb_file.digest(ctx, source, sink, now=rdb_file.as_of(folder))
        made = from_seconds(digested.made / 1000)
        return Dumped(as_of=made, end=made, tool_versions={digested.server.product: digested.server.number})

    def rescan(self, ctx: Context, stored: Stored, sink: ContentSink) -> bool | None:
        with stored.open() as source:
            contents.describe(contents.scan(source, cancel=ctx.cancel), sink)
        return True

    # Restore.

    def preflight(self, ctx: Context, stored: Stored, *, replace: bool) -> Preflight:
        return preflight.preflight(ctx, stored, Server.of(ctx.component), replace=replace)

    def load(self, ctx: Context, stored: Stored, place: Place, sections: Sequence[Section] | None = None) -> None:
        server, folder = Server.of(ctx.component), Path(place.name)
        expected = contents.keys_by_database(list(sections if sections is not None else stored.sections()))
        beside = place == self.place(ctx, Purpose.BESIDE)
        address, databases = "", max(16, 1 + max(expected, default=0))
        program = fitting(ctx.runner, server, preflight.made_by(stored))
        if beside:
            with Connection.open(server, ctx.cancel) as live:
                facts = read(live)
                refuse(live, facts, max(expected, default=-1))
                program = fitting(ctx.runner, server, facts.version)
                if wrong := preflight.other_version(program, facts):
                    raise NotSafe(*wrong)
                address, databases = reachable_address(server, live), facts.databases
        try:
            folders.make(folder)
        except FileExistsError:
            raise NotSafe(f"{folder} already exists", "choose another name") from None
        stack = ExitStack()
        try:
            rdb_file.write_out(ctx, stored, folder, sections)
            scratch = place == self.place(ctx, Purpose.SCRATCH)
            if scratch:
                rdb_file.keep_as_of(folder)
            ctx.progress.phase("check")
            serving = temporary_server.serving(
                ctx, server, program, folder, databases=databases, address=address,
                keep_expired=not beside, sanitize=not ctx.made_here,
            )  # fmt: skip
            with folders.syncing(folder):
                ours = stack.enter_context(serving)
            expired = rdb_file.check_keys(keyspace(ours.connection.info()), expected)
            if scratch:
                ours.connection.call("SAVE", limit=600.0)
                folders.reclaim(folder, ours.run)
            if beside:
                if expired:
                    ctx.progress.log(f"{expired} keys of the snapshot have expired and are not restored")
                self._standing[place.name] = (stack, ours)
            else:
                stack.close()
                if not scratch:
                    folders.give(folder, server.run_as)
        except BaseException:
            stack.close()
            temporary_server.remove(folder)
            raise
        if not beside and not scratch:
            ctx.progress.log(f"a server loads it with: {program.path} --dir {folder} --dbfilename {folders.DUMP}")

    def swap(self, ctx: Context, beside: Place, aside: Place) -> None:
        server, folder = Server.of(ctx.component), Path(beside.name)
        if os.path.lexists(aside.name):
            raise NotSafe(f"{aside.name} already exists", "an earlier job left it behind: recover that job first")
        if beside.name not in self._standing:
            with Connection.open(server, ctx.cancel) as live:
                facts = read(live)
                address, program = reachable_address(server, live), fitting(ctx.runner, server, facts.version)
            stack = ExitStack()
            serving = temporary_server.serving(ctx, server, program, folder, databases=facts.databases, address=address)
            self._standing[beside.name] = (stack, stack.enter_context(serving))
        try:
            swap.Takeover(ctx, server, self._standing[beside.name][1], folder, Path(aside.name)).run()
        finally:
            self._end(beside)
        temporary_server.remove(folder)

    def _end(self, place: Place) -> None:
        """End the server that stands on a place, if it is one of this process."""
        standing = self._standing.pop(place.name, None)
        if standing is not None:
            standing[0].close()

    def recover(self, ctx: Context) -> bool:
        return swap.recover(ctx, Server.of(ctx.component))

    def lost_live(self, ctx: Context) -> bool:
        return swap.lost_live(ctx.journal)

    # Keys back into what is live.

    puts_back: ClassVar[bool] = True
    puts_back_sections: ClassVar[bool] = True
    put_back_word: ClassVar[str] = "key"

    def whole_sections(self, ctx: Context, stored: Stored, asked: Sequence[WholeAsked]) -> Sequence[PutRow]:
        from dysnomia_plugins.types.redis.putting import keys

        with self._live_keys(ctx) as live:
            return keys.chosen(live, stored, asked)

    def look_at_rows(self, ctx: Context, rows: Sequence[PutRow]) -> LiveLook:
        from dysnomia_plugins.types.redis.putting import put

        with self._live_keys(ctx) as live:
            return put.look(live, rows)

    def put_sections_back(
        self, ctx: Context, stored: Stored, rows: Sequence[PutRow], seen: Sequence[str]
    ) -> Sequence[int]:
        from dysnomia_plugins.types.redis.putting import put

        with self._live_keys(ctx) as live:
            return put.put_back(ctx, live, stored, rows, seen)

    def parse_whole(self, raw: bytes) -> Mapping[str, str]:
        from dysnomia_plugins.types.redis.putting import payload

        return payload.shown(raw)

    @contextmanager
    def _live_keys(self, ctx: Context) -> Iterator[LiveKeys]:
        """On a connection that no cancel breaks off: a transaction is waited for to its end."""
        from dysnomia_plugins.types.redis.putting.live import LiveKeys

        with Connection.open(Server.of(ctx.component)) as connection:
            try:
                yield LiveKeys(connection)
            except Refused as error:
                raise PluginError(
                    f"{error.message} (at {connection.name}); nothing was changed",
                    "grant its user the command (ACL SETUSER)",
                ) from None

    # Contents.

    def raw_rows(self, stored: Stored, section: Section) -> Iterator[Sequence[bytes]]:
        return contents.raw_rows(stored, section)

    def parse_row(self, section: Section, raw: bytes) -> Row:
        return contents.parse_row(section, raw)


def reachable_address(server: Server, live: Connection) -> str:
    """Where a server of ours listens so that live reaches it."""
    address = live.local_address
    return address if address and not server.socket else "127.0.0.1"
