"""The type ``mysql-database``: a schema of a MariaDB server, dumped by mariadb-dump, restored beside and swapped.

A place is a schema, by its name. See my/server.py for the container's properties.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from io import BytesIO
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
    SectionPatch,
    Stored,
    WarningLine,
)
from dysnomia_plugins.errors import PluginError, ProcessFailed, Truncated, WrongCredentials
from dysnomia_plugins.toolkit.guarded.named_file import require_obeyed_file
from dysnomia_plugins.toolkit.servers import await_server, down
from dysnomia_plugins.toolkit.sqldump.database import SqlDatabase
from dysnomia_plugins.types.mysql import (
    characters,
    confined,
    contained,
    dangling,
    lending,
    rows,
    session,
    surroundings,
    swap,
    views,
    views_and_routines,
)
from dysnomia_plugins.types.mysql import discover as discovery
from dysnomia_plugins.types.mysql import load as loading
from dysnomia_plugins.types.mysql import preflight as preflights
from dysnomia_plugins.types.mysql.client import CLIENTS, Client, program
from dysnomia_plugins.types.mysql.contents import ContentsWriter, scan
from dysnomia_plugins.types.mysql.counts import RowCounter
from dysnomia_plugins.types.mysql.counts import check as check_rows
from dysnomia_plugins.types.mysql.created import TABLE
from dysnomia_plugins.types.mysql.kept_events import EVENTS, keep, kept, woven
from dysnomia_plugins.types.mysql.names import KEPT, MAX_CHARACTERS, check_database
from dysnomia_plugins.types.mysql.scanner import DumpScanner, Part, Piece, without_host
from dysnomia_plugins.types.mysql.server import PROPERTIES, Server, error_code
from dysnomia_plugins.types.mysql.unseen import refuse_unseen
from dysnomia_store.errors import NotFound
from dysnomia_store.model import Section
from dysnomia_store.sink import ContentSink

ARTEFACT = "dump.sql"
DUMP_OPTIONS = ("--single-transaction", "--quick", "--order-by-primary", "--routines", "--triggers")


class MysqlDatabase(SqlDatabase):
    """A schema of a MariaDB server."""

    type: ClassVar[str] = "mysql-database"
    title: ClassVar[str] = "MariaDB database"
    property_names: ClassVar[tuple[str, ...]] = PROPERTIES
    tools: ClassVar[tuple[str, ...]] = ("mariadb", "mariadb-dump")
    packages: ClassVar[Mapping[str, str]] = {"mariadb": "mariadb-client", "mariadb-dump": "mariadb-client"}
    digest_version: ClassVar[int] = 2
    """2: a view's text without the name of its own schema."""
    name_limit: ClassVar[int] = MAX_CHARACTERS
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
        """Create the schema where there is none, with ``mysql-databases/*.sql`` of the component in it.

        It is filled under another name, and gets its own when it is whole."""
        name = self.name(ctx.component)
        client = Client.of(ctx)
        await_server(ctx, lambda: bool(client.version_text))
        if client.exists(name):
            return
        beside, aside = (self.place(ctx, purpose) for purpose in (Purpose.BESIDE, Purpose.ASIDE))
        self.drop(ctx, beside)
        client.script(surroundings.creation(beside.name, None))
        try:
            for path in ctx.component.initial_files("mysql-databases"):
                ctx.progress.log(f"loading {path.name}")
                self._load_file(client, beside.name, path)
            swap.swap(ctx, client, name, beside.name, aside.name, lock=False)
        except BaseException:
            swap.recover(ctx.journal, client)
            client.drop_database(beside.name)
            raise

    def _load_file(self, client: Client, database: str, path: Path) -> None:
        """An operator's own file, as it is: less the sandbox line, which not every client takes."""
        with path.open("rb") as source, client.loading(database, _ignore) as stdin:
            stdin.write(session.script(session.INITIAL).encode())
            for piece in DumpScanner(source).pieces():
                if piece.part is not Part.SANDBOX:
                    stdin.write(piece.data)

    def shell(self, component: Component) -> tuple[Sequence[str], Mapping[str, str]]:
        """The mariadb client on the schema."""
        server = Server.of(component)
        if server.container is not None:
            return contained.shell(server, component.key.component)
        argv = [program(CLIENTS)]
        if server.defaults_file:
            require_obeyed_file(server.defaults_file, "mysqlDefaultsFile")
            argv.append(f"--defaults-extra-file={server.defaults_file}")
        for option, value in {"user": server.user, **server.address}.items():
            argv += [f"--{option}={value}"] if value else []
        argv.append(f"--database={component.key.component}")
        if server.os_user:
            argv = ["setpriv", f"--reuid={server.os_user}", "--clear-groups", "--", *argv]
        return argv, {"MYSQL_PWD": server.password} if server.password else {}

    def probe(self, component: Component, runner: Runner) -> Probe:
        try:
            client = Client(Server.of(component), runner, connect_timeout=2)
        except PluginError as error:
            return down(error)
        return discovery.probe(client, component.key.component)

    def discover(self, runner: Runner) -> Iterable[Found]:
        return discovery.discover(runner)

    def list_state(self, container: Component, runner: Runner) -> ListedState:
        return discovery.list_state(Client(Server.of(container), runner, connect_timeout=5))

    # Places.

    def place(self, ctx: Context, purpose: Purpose) -> Place:
        return Place(super().place(ctx, purpose).name.lower())

    def taken(self, component: Component, name: str) -> bool:
        """Servers that fold names of databases to one case would give both the same."""
        return name.lower() == component.key.component.lower()

    def drop(self, ctx: Context, place: Place) -> None:
        self.require_not_live(ctx, place)
        lent = lending.taking_back(place.name) if place in self.own_places(ctx) else ""
        Client.of(ctx).drop_database(place.name, lent)

    # Snapshot.

    def dump(self, ctx: Context, place: Place, draft: Draft) -> Dumped:
        client = Client.of(ctx)
        ctx.progress.phase("dump")
        looked = surroundings.look(client, place.name)
        if looked.around is None:
            raise PluginError(f"there is no database {place.name} at {client.server}", "activate it first")
        views_and_routines.refuse_endless(place.name, looked.endless)
        refuse_unseen(client, place.name, looked.own_rights)
        notes = kept(client, place.name)
        text = notes.get(EVENTS)
        options = [*DUMP_OPTIONS, *self._options(client, place, looked, bool(notes), text is not None)]
        broken = notes.get(views.BROKEN) or views.texts(client, place.name, looked.broken)
        as_of = datetime.now(UTC)
        counter = RowCounter(frozenset(looked.partial))
        with draft.artefact(ARTEFACT) as sink:
            with client.dumping(place.name, options) as stream:
                scanner = DumpScanner(stream, exact=False, own=True)
                pieces = scanner.pieces()
                live = self.name(ctx.component)
                if place.name != live:
                    pieces = dangling.as_own(pieces, live)
                self._write(ctx, counter.counted(woven(views.appended(pieces, broken), _pieces(text))), sink)
            if not scanner.complete:
                raise Truncated(f"the dump of {place.name} ended before its end marker", "nothing was kept; try again")
        self._check_rows(ctx, client, place, counter, looked)
        warnings = []
        if odd := looked.not_transactional:
            warnings.append(f"not transactional, so perhaps of no single moment: {preflights.some(odd)}")
        if looked.broken:
            names = preflights.some(looked.broken)
            warnings.append(f"views that do not work are kept as text only, and not restored: {names}")
        if looked.floats:
            warnings.append(f"a dump keeps six digits of FLOAT columns: {preflights.some(looked.floats)}")
        if looked.nullable:
            names = preflights.some(looked.nullable)
            warnings.append(f"NULL in AUTO_INCREMENT columns comes back as a number: {names}")
        if lost := self._lost_characters(ctx, client, place, counter):
            warnings.append(f"a dump has '?' for bytes that are no character: {preflights.some(lost)}")
        for warning in warnings:
            ctx.progress.log(f"warning: {warning}")
        return Dumped(
            as_of=as_of,
            end=datetime.now(UTC),
            complete=True,
            tool_versions={"server": client.version_text, "dump": client.dumper_version},
            surroundings=looked.around,
            warnings=tuple(warnings),
        )

    def _check_rows(
        self, ctx: Context, client: Client, place: Place, counter: RowCounter, looked: surroundings.Looked
    ) -> None:
        try:
            check_rows(client, place.name, counter.rows, looked)
        except ProcessFailed as error:  # a table is locked, or was dropped since
            ctx.progress.log(f"the rows could not be counted a second time: {error.message}")

    def _lost_characters(self, ctx: Context, client: Client, place: Place, counter: RowCounter) -> list[str]:
        try:
            return characters.lost(client, place.name, sorted(counter.with_question_mark))
        except ProcessFailed as error:
            ctx.progress.log(f"it was not looked for bytes that are no character: {error.message}")
            return []

    def _options(
        self, client: Client, place: Place, looked: surroundings.Looked, noted: bool, events_kept: bool
    ) -> list[str]:
        options = [f"--ignore-table={place.name}.{KEPT}"] if noted else []
        options += [] if events_kept else ["--events"]
        options += views.ignoring(place.name, looked.broken)
        if looked.versioned and "--dump-history" in client.dumper_options:
            options.append("--dump-history")
        return options

    def _write(self, ctx: Context, pieces: Iterator[Piece], sink: ContentSink) -> None:
        writer = ContentsWriter(sink)
        done = 0
        for piece in pieces:
            writer.write(without_host(piece))
            done += len(piece.data)
            ctx.progress.advance(done)
        writer.finish()

    def rescan(self, ctx: Context, stored: Stored, sink: ContentSink) -> bool | None:
        with stored.open() as stream:
            scanner = DumpScanner(stream)
            for _ in scan(scanner, sink):
                ctx.cancel.check()
        return scanner.complete

    # Restore.

    def preflight(self, ctx: Context, stored: Stored, *, replace: bool) -> Preflight:
        return preflights.preflight(ctx, Client.of(ctx), stored, replace=replace)

    def load(self, ctx: Context, stored: Stored, place: Place, sections: Sequence[Section] | None = None) -> None:
        client = Client.of(ctx)
        around = surroundings.look(client, self.name(ctx.component)).around
        around = self.begin_load(ctx, stored, place, around)
        client.script(surroundings.creation(place.name, around))
        lender = lending.Lender.of(client, self.name(ctx.component), place.name)
        if ctx.made_here:
            loader = loading.Loader(ctx, client, place.name, lender)
            self._fill(ctx, loader, stored, sections)
        else:
            loader = self._fill_confined(ctx, client, stored, place, sections, lender)
        if lender.borrowers and place not in self.own_places(ctx):
            client.script(lending.taking_back(place.name, lender.borrowers))
            ctx.progress.log(
                WarningLine.of(
                    f"views in {place.name} read as {preflights.some(lender.borrowers)}, who has no rights on it:"
                    " views on them work once these are granted"
                )
            )
        if b"EVENT `" in loader.events:
            client.script(keep(EVENTS, loader.events), place.name)
            if place not in self.own_places(ctx):
                ctx.progress.log(f"events do not run in a copy: their text is in {place.name}.{KEPT}")
        if loader.broken:
            if place in self.own_places(ctx):
                client.script(keep(views.BROKEN, b"".join(loader.broken.values())), place.name)
            ctx.progress.log(
                WarningLine.of(f"views that did not work are not made anew: {preflights.some(sorted(loader.broken))}")
            )

    def _fill_confined(
        self,
        ctx: Context,
        client: Client,
        stored: Stored,
        place: Place,
        sections: Sequence[Section] | None,
        lender: lending.Lender,
    ) -> loading.Loader:
        """Load what is not trusted, by an account that can reach nothing else."""
        name = self.name(ctx.component)
        with confined.confined(ctx, client, place.name) as other:
            loader = loading.Loader(ctx, other, place.name, closely=True)
            try:
                self._fill(ctx, loader, stored, sections)
            except WrongCredentials as error:
                raise confined.refused(error) from error
            except ProcessFailed as error:
                if error_code(error) not in confined.DENIED:
                    raise
                raise confined.refused(error) from error
            confined.refuse_powerful(client, name, loader.definers)
            confined.give_definers(client, place.name, loader.definers, lender)
        return loader

    def _fill(self, ctx: Context, loader: loading.Loader, stored: Stored, sections: Sequence[Section] | None) -> None:
        unmarked = stored.metadata is None or stored.metadata.complete is None
        total = stored.metadata.content_size if stored.metadata else None
        if sections is None:
            counts = self.tables(stored) if stored.metadata else iter(())
            with stored.open() as stream:
                loader.load(stream, counts, total, unmarked=unmarked)
        else:
            self._load_some(ctx, loader, stored, sections, unmarked)

    def _load_some(
        self, ctx: Context, loader: loading.Loader, stored: Stored, wanted: Sequence[Section], unmarked: bool
    ) -> None:
        if stored.metadata is None:
            raise NotFound("the size of the snapshot is not known: check it first")
        left_out = loading.unwanted(stored, wanted)
        size = stored.metadata.content_size
        names = {section.name for section in left_out}
        counts = (section for section in self.tables(stored) if section.name not in names)
        loader.load(loading.WithoutSections(stored, left_out, size), counts, size, unmarked=unmarked)
        with_rows = [section.name for section in left_out if section.rows]
        if with_rows:
            ctx.progress.log(f"left out: the rows of {preflights.some(with_rows)}")

    def swap(self, ctx: Context, beside: Place, aside: Place) -> None:
        client = Client.of(ctx)
        preflights.refuse(client, self.name(ctx.component))
        swap.swap(ctx, client, self.name(ctx.component), beside.name, aside.name)

    def recover(self, ctx: Context) -> bool:
        client = Client.of(ctx)
        confined.drop_left(ctx.journal, client)
        return swap.recover(ctx.journal, client)

    def left_behind(self, ctx: Context) -> Iterable[Place]:
        places = self.own_places(ctx)
        existing = Client.of(ctx).existing(*(place.name for place in places))
        return [place for place in places if place.name in existing]

    # Contents.

    rows_by_line: ClassVar[bool] = True

    def raw_rows(self, stored: Stored, section: Section) -> Iterator[Sequence[bytes]]:
        return rows.raw_rows(stored, section)

    def parse_row(self, section: Section, raw: bytes) -> Row:
        return rows.parse_row(section, raw)

    def sql_patch(self, old: Stored, new: Stored, changes: Sequence[SectionPatch], title: str) -> Iterator[str]:
        from dysnomia_plugins.types.mysql.patch import sql_patch

        yield from sql_patch(new, changes, title)

    # Rows back into what is live.

    puts_back: ClassVar[bool] = True

    def lacking(self, ctx: Context, section: Section, batches: Iterator[Sequence[bytes]]) -> Iterator[bytes]:
        from dysnomia_plugins.types.mysql import put_back

        return put_back.lacking(Client.of(ctx), self.name(ctx.component), section, batches)

    def look_at_rows(self, ctx: Context, rows: Sequence[PutRow]) -> LiveLook:
        from dysnomia_plugins.types.mysql import put_back

        return put_back.look(ctx, Client.of(ctx), self.name(ctx.component), rows)

    def put_back(self, ctx: Context, rows: Sequence[PutRow], seen: Sequence[str]) -> Mapping[int, str]:
        from dysnomia_plugins.types.mysql import put_back

        return put_back.put_back(ctx, Client.of(ctx), self.name(ctx.component), rows, seen)


def _pieces(text: bytes | None) -> list[Piece]:
    """A stretch of events as pieces."""
    return list(DumpScanner(BytesIO(text)).pieces()) if text else []


def _ignore(_line: bytes) -> None:
    return None
