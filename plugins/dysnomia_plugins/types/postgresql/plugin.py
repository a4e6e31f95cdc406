"""The type ``postgresql-database``: a database of a PostgreSQL server, dumped by pg_dump, restored beside and swapped.

A place is a database, by its name. See pg/server.py for the container's properties. What a snapshot does not need is
imported where it is used: a job begins with its imports.
"""

from __future__ import annotations

import pwd
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

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
    SectionPatch,
    Stored,
    WarningLine,
)
from dysnomia_plugins.errors import NotSafe, PluginError, ProcessFailed, Truncated, Unsupported
from dysnomia_plugins.toolkit.servers import await_server, down
from dysnomia_plugins.toolkit.sqldump.database import SqlDatabase
from dysnomia_plugins.types.postgresql import contained, rows, surroundings, swap
from dysnomia_plugins.types.postgresql.client import Client
from dysnomia_plugins.types.postgresql.contents import TABLE, ContentsWriter, scan
from dysnomia_plugins.types.postgresql.names import MAX_BYTES, check_database, identifier
from dysnomia_plugins.types.postgresql.scanner import DumpScanner, Part
from dysnomia_plugins.types.postgresql.server import PROPERTIES, NoDatabase, Server
from dysnomia_plugins.types.postgresql.sessions import MONEY, Session
from dysnomia_plugins.types.postgresql.tools import FOLDERS, any_tool
from dysnomia_store.model import FOOTERS, Metadata, Section
from dysnomia_store.sink import ContentSink

if TYPE_CHECKING:
    from dysnomia_plugins.types.postgresql.load import Loader
    from dysnomia_plugins.types.postgresql.needs import Needs
    from dysnomia_plugins.types.postgresql.statements import Statements

ARTEFACT = "dump.pgsql"
AS_BEFORE = "postgresql-dump-as-before"
"""Step of a job whose dump is compared with one that an earlier version made, under the settings of the server."""
PINNED = 2
"""The first version of this type whose dumps are written under settings of our own (``Session.DUMP``)."""
WORDING = (
    "one of the two was dumped by an earlier version, under the settings of the server: the same values may be written"
    " in another way (time zone, date style, money)"
)


class PostgresqlDatabase(SqlDatabase):
    """A database of a PostgreSQL server."""

    type: ClassVar[str] = "postgresql-database"
    title: ClassVar[str] = "PostgreSQL database"
    property_names: ClassVar[tuple[str, ...]] = PROPERTIES
    tools: ClassVar[tuple[str, ...]] = ("psql", "pg_dump")
    packages: ClassVar[Mapping[str, str]] = {"psql": "postgresql-client", "pg_dump": "postgresql-client"}
    tool_folders: ClassVar[tuple[str, ...]] = tuple(f"/usr/{folder}" for folder in FOLDERS)
    digest_version: ClassVar[int] = PINNED
    name_limit: ClassVar[int] = MAX_BYTES
    table_kind: ClassVar[str] = TABLE
    loaded_step: ClassVar[str] = swap.LOADED
    usual_escapes: ClassVar[bytes] = rows.USUAL_ESCAPES

    def client(self, ctx: Context) -> Client:
        return Client.of(ctx)

    def server(self, component: Component) -> Server:
        return Server.of(component)

    def checked(self, name: str) -> str:
        return check_database(name)

    # Life.

    def activate(self, ctx: Context) -> None:
        """Create the database where there is none, with ``postgresql-databases/*.sql`` of the component in it.

        It is filled under another name, and gets its own when it is whole."""
        name = self.name(ctx.component)
        client = Client.of(ctx)
        await_server(ctx, lambda: bool(client.version))
        if client.exists(name):
            return
        beside = self.place(ctx, Purpose.BESIDE).name
        self.drop(ctx, Place(beside))
        client.script(f"CREATE DATABASE {identifier(beside)};")
        try:
            for path in ctx.component.initial_files("postgresql-databases"):
                ctx.progress.log(f"loading {path.name}")
                self._load_file(ctx, client, beside, path)
            client.script(f"ALTER DATABASE {identifier(beside)} RENAME TO {identifier(name)};")
        except BaseException:
            client.drop_database(beside)
            raise

    def _load_file(self, ctx: Context, client: Client, database: str, path: Path) -> None:
        argv = [client.psql.path, "-X", "-q", "-w", "-v", "ON_ERROR_STOP=1", "-f", "-"]
        with (
            path.open("rb") as source,
            client.explained(),
            client.runner.writing(
                argv, env=client.environment(database, Session.PLAIN), user=client.server.os_user
            ) as stdin,
        ):
            while data := source.read(1 << 20):
                stdin.write(data)

    def shell(self, component: Component) -> tuple[Sequence[str], Mapping[str, str]]:
        """psql on the database; as root by way of the role's user."""
        server = Server.of(component)
        if server.container is not None:
            return contained.shell(server, component.key.component)
        argv = [any_tool("psql", server.bin_folder)]
        if server.os_user:
            argv = ["setpriv", f"--reuid={server.os_user}", f"--regid={_group(server.os_user)}", "--init-groups", *argv]
        env = server.environment(component.key.component, "dysnomia-shell")
        del env["PGCONNECT_TIMEOUT"]
        return argv, env

    def probe(self, component: Component, runner: Runner) -> Probe:
        from dysnomia_plugins.types.postgresql import discover

        try:
            client = Client(Server.of(component), runner, application="dysnomia-probe", connect_timeout=2)
        except PluginError as error:
            return down(error)
        return discover.probe(client, component.key.component)

    def discover(self, runner: Runner) -> Iterable[Found]:
        from dysnomia_plugins.types.postgresql import discover

        return discover.discover(runner)

    def list_state(self, container: Component, runner: Runner) -> ListedState:
        from dysnomia_plugins.types.postgresql import discover

        return discover.list_state(Client(Server.of(container), runner, connect_timeout=5))

    # Places.

    def taken(self, component: Component, name: str) -> bool:
        return name in (component.key.component, "postgres", "template0", "template1")

    def drop(self, ctx: Context, place: Place) -> None:
        self.require_not_live(ctx, place)
        client = Client.of(ctx)
        client.end_backends()
        client.drop_database(place.name)
        self._drop_role(ctx, client)

    def _drop_role(self, ctx: Context, client: Client) -> None:
        from dysnomia_plugins.types.postgresql.untrusted import drop_role

        drop_role(client, ctx)

    # Snapshot.

    def dump(self, ctx: Context, place: Place, draft: Draft) -> Dumped:
        client = Client.of(ctx)
        ctx.progress.phase("dump")
        try:
            around, inside = surroundings.read_inside(client, place.name)
        except NoDatabase:
            raise PluginError(
                f"there is no database {place.name} on the server at {client.server}", "activate it first"
            ) from None
        as_before = any(name == AS_BEFORE for name, _ in ctx.journal.steps())
        session = Session.PLAIN if as_before else Session.DUMP
        argv = [client.pg_dump.path, "--format=plain", "--no-password", f"--encoding={around['encoding']}"]
        needs = None if client.superuser else _new_needs()
        as_of = datetime.now(UTC)
        with draft.artefact(ARTEFACT) as sink:
            with (
                client.explained(),
                client.runner.reading(
                    argv, env=client.environment(place.name, session), user=client.server.os_user
                ) as stream,
            ):
                scanner = DumpScanner(stream)
                writer = self._scan(ctx, scanner, sink, inside.absent, needs)
            if not scanner.complete:
                raise Truncated(f"the dump of {place.name} ended before its end marker", "nothing was kept; try again")
        versions = {"postgresql": writer.server_version, "pg_dump": writer.client_version}
        if not as_before:
            versions[MONEY] = "C"
        if not ctx.made_here:
            versions["owners"] = "those of a dump that is not trusted"
        return Dumped(
            as_of=as_of,
            end=datetime.now(UTC),
            complete=True,
            tool_versions=versions,
            surroundings={**around, surroundings.REORDERED: inside.reordered} if inside.reordered else around,
            warnings=tuple(self._warnings(client, inside, needs, around)),
        )

    def dump_like(self, ctx: Context, known: Metadata | None) -> None:
        if not _pinned(known):
            ctx.journal.step(AS_BEFORE)

    def worded_otherwise(self, old: Metadata | None, new: Metadata | None) -> str:
        return WORDING if _pinned(old) != _pinned(new) else ""

    def _scan(
        self, ctx: Context, scanner: DumpScanner, sink: ContentSink, absent: Sequence[str], needs: Needs | None
    ) -> ContentsWriter:
        writer = ContentsWriter(sink)
        done = 0
        for part, data in scanner.pieces():
            if part is Part.STATEMENT:
                # What every new database begins with, and this one lacks: pg_dump only says what is there.
                for statement in absent:
                    writer.write(Part.STATEMENT, statement.encode() + b"\n")
                absent = ()
                if needs is not None:
                    needs.look(data)
            writer.write(part, data)
            done += len(data)
            ctx.progress.advance(done)
        writer.finish()
        return writer

    def _warnings(
        self, client: Client, inside: surroundings.Inside, needs: Needs | None, around: Mapping[str, Any]
    ) -> Iterator[str]:
        """What a restore of this snapshot would meet: said now, and not when it is needed."""
        if client.tool_warning:
            yield client.tool_warning
        if inside.reordered:
            from dysnomia_plugins.types.postgresql.preflight import reordered

            yield reordered(inside.reordered)
        if inside.unseen:
            yield (
                f"not in this snapshot, since only a superuser is shown it: {', '.join(inside.unseen)}: configure one"
                " (postgresqlUsername) for a whole one"
            )
        if needs is not None:
            from dysnomia_plugins.types.postgresql.rights import beyond

            for line in beyond(client, needs, around):
                yield f"a restore by this role will be refused: {line}"

    def rescan(self, ctx: Context, stored: Stored, sink: ContentSink) -> bool | None:
        with stored.open() as stream:
            scanner = DumpScanner(stream)
            scan(scanner, sink)
        return scanner.complete

    def dump_reader(self, component: Component) -> str:
        server = Server.of(component)
        return "" if server.container is not None else server.os_user or ""

    # Restore.

    def preflight(self, ctx: Context, stored: Stored, *, replace: bool) -> Preflight:
        from dysnomia_plugins.types.postgresql.preflight import preflight

        return preflight(ctx, Client.of(ctx), stored, replace=replace)

    def load(self, ctx: Context, stored: Stored, place: Place, sections: Sequence[Section] | None = None) -> None:
        from dysnomia_plugins.types.postgresql import load
        from dysnomia_plugins.types.postgresql.confined import OLDEST_CONFINED, ConfinedStatements
        from dysnomia_plugins.types.postgresql.statements import Statements

        client = Client.of(ctx)
        around = self.begin_load(ctx, stored, place, surroundings.read(client, self.name(ctx.component)))
        # Of one that was imported the record is a stranger's: nothing but our own word counts.
        fixed = _pinned(stored.metadata)
        money = "C" if fixed else ""
        if ctx.made_here:
            load.create(client, place.name, around)
            confined = client.superuser and client.major >= OLDEST_CONFINED and not client.server.trusts_owners
            rules = ConfinedStatements if confined else Statements
            statements = rules(client.major, client.superuser, money)
            self._fill(ctx, client, stored, place, sections, statements, around)
        else:
            self._load_untrusted(ctx, client, stored, place, sections, money, around)
        if place not in (self.place(ctx, Purpose.BESIDE), self.place(ctx, Purpose.SCRATCH)):
            self._open(client, place, around)

    def _load_untrusted(
        self,
        ctx: Context,
        client: Client,
        stored: Stored,
        place: Place,
        sections: Sequence[Section] | None,
        money: str,
        around: Mapping[str, Any] | None,
    ) -> None:
        """As a role of the job's own, from which the database is taken once it is full."""
        from dysnomia_plugins.types.postgresql import load, untrusted
        from dysnomia_plugins.types.postgresql.needs import needs_of

        needs = needs_of(stored)
        for why in untrusted.refusals(client, needs):
            raise NotSafe(why)
        with untrusted.lent(ctx, client) as role:
            load.create(client, place.name, around, role.name)
            untrusted.prepare(client, role.name, place.name, needs)
            statements = untrusted.UntrustedStatements(client.major, False, money, made=untrusted.made_before(needs))
            self._fill(ctx, role.client, stored, place, sections, statements, around)
            untrusted.take_over(client, role.name, place.name, around)

    def _fill(
        self,
        ctx: Context,
        client: Client,
        stored: Stored,
        place: Place,
        sections: Sequence[Section] | None,
        statements: Statements,
        around: Mapping[str, Any] | None,
    ) -> None:
        from dysnomia_plugins.types.postgresql import load

        loader = load.Loader(ctx, client, place.name, statements, own=surroundings.own_settings(around))
        if sections is None:
            total = stored.metadata.content_size if stored.metadata else None
            counts = self.tables(stored) if stored.metadata else iter(())
            with stored.open() as stream:
                loader.whole(stream, counts, total)
        else:
            self._load_some(ctx, loader, stored, sections)
        for what in statements.left_out:
            ctx.progress.log(f"left out: {what}")
        if statements.not_refreshed and place == self.place(ctx, Purpose.SCRATCH):
            raise PluginError(f"nothing is proved: {statements.not_refreshed[0]}", "a restore loads all the rest")
        for what in statements.not_refreshed:
            ctx.progress.log(WarningLine.of(what))
        ctx.progress.phase("analyze")
        try:
            client.script("ANALYZE;", place.name, session=Session.LOAD)
        except ProcessFailed as error:  # the statistics of some table, and no state: autovacuum comes again
            ctx.progress.log(f"not all tables were analyzed ({error.message})")

    def _load_some(self, ctx: Context, loader: Loader, stored: Stored, wanted: Sequence[Section]) -> None:
        from dysnomia_plugins.types.postgresql.load import SectionsReader, chosen_sections

        taken, missing, count = chosen_sections(stored, wanted)
        total = sum(section.length or 0 for section in taken)
        tables = (section for section in taken if section.kind == TABLE)
        loader.some(SectionsReader(stored, taken), tables, total)
        if count:
            more = f" and {count - len(missing)} more" if count > len(missing) else ""
            ctx.progress.log(f"left out: the rows of {', '.join(missing)}{more}")

    def _open(self, client: Client, place: Place, around: Mapping[str, Any] | None) -> None:
        """A copy is given what the original has beyond its dump, and opened."""
        if around is None:
            client.script(f"ALTER DATABASE {identifier(place.name)} WITH CONNECTION LIMIT -1;")
            return
        sql = surroundings.giving({**around, "template": False}, place.name, surroundings.read(client, place.name))
        client.script(f"BEGIN;\n{sql}COMMIT;\n")

    def swap(self, ctx: Context, beside: Place, aside: Place) -> None:
        swap.swap(ctx, Client.of(ctx), self.name(ctx.component), beside.name, aside.name)

    def recover(self, ctx: Context) -> bool:
        return swap.recover(ctx, Client.of(ctx))

    def left_behind(self, ctx: Context) -> Iterable[Place]:
        from dysnomia_plugins.types.postgresql.untrusted import is_there

        client = Client.of(ctx)
        places = self.own_places(ctx)
        oids = client.oids(*(place.name for place in places))
        left = [place for place, oid in zip(places, oids, strict=True) if oid is not None]
        # A role of the job that is left goes with whatever place of it is dropped.
        return left or (places[:1] if is_there(client, ctx) else [])

    # Contents.

    rows_by_line: ClassVar[bool] = True

    def raw_rows(self, stored: Stored, section: Section) -> Iterator[Sequence[bytes]]:
        return rows.raw_rows(stored, section)

    def parse_row(self, section: Section, raw: bytes) -> Row:
        return rows.parse_row(section, raw)

    def sql_patch(self, old: Stored, new: Stored, changes: Sequence[SectionPatch], title: str) -> Iterator[str]:
        from dysnomia_plugins.types.postgresql.patch import sql_patch

        if not (_pinned(old.metadata) and _pinned(new.metadata)):
            raise Unsupported("one of the two was dumped under settings of the server, by an earlier version or tool")
        yield from sql_patch(changes, title)

    # Rows back into what is live.

    puts_back: ClassVar[bool] = True

    def lacking(self, ctx: Context, section: Section, batches: Iterator[Sequence[bytes]]) -> Iterator[bytes]:
        from dysnomia_plugins.types.postgresql import put_back

        return put_back.lacking(Client.of(ctx), self.name(ctx.component), section, batches)

    def look_at_rows(self, ctx: Context, rows: Sequence[PutRow]) -> LiveLook:
        from dysnomia_plugins.types.postgresql import put_back

        return put_back.look(ctx, Client.of(ctx), self.name(ctx.component), rows)

    def put_back(self, ctx: Context, rows: Sequence[PutRow], seen: Sequence[str]) -> Mapping[int, str]:
        from dysnomia_plugins.types.postgresql import put_back

        return put_back.put_back(ctx, Client.of(ctx), self.name(ctx.component), rows, seen)


def _pinned(metadata: Metadata | None) -> bool:
    """Whether the values of a dump were written under settings of ours, and not the server's, database's or role's."""
    versions = metadata.tool_versions if metadata is not None else {}
    return versions.get(MONEY) == "C" or versions.get(FOOTERS) == str(PINNED)


def _new_needs() -> Needs:
    from dysnomia_plugins.types.postgresql.needs import Needs

    return Needs()


def _group(user: str) -> int:
    return pwd.getpwnam(user).pw_gid
