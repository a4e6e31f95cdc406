"""The type ``etcd-database``: the keys of an etcd that begin with one prefix, such as an application's.

A snapshot is a line of JSON a key (``records.py``), read at one revision. It is restored exactly, by transactions that
change what differs (``swap.py``); other prefixes are not touched. A copy is another prefix of the same server. Etcd is
spoken to by its own API in JSON over HTTP: no program is needed, and no secret is given to one. Properties:
``server.py``.

The initial state is ``etcd-databases/*.json``: lines as a snapshot has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
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
from dysnomia_plugins.errors import NotSafe, PluginError, ServerDown
from dysnomia_plugins.interface.status import Fact, Status, Tone
from dysnomia_plugins.toolkit.half_copies import may_be_left
from dysnomia_plugins.toolkit.servers import await_server
from dysnomia_plugins.types.etcd import contents, discover, load, put_back, swap
from dysnomia_plugins.types.etcd.api import Session, session
from dysnomia_plugins.types.etcd.dump import ARTEFACT, dump_live, dump_spool
from dysnomia_plugins.types.etcd.facts import Facts
from dysnomia_plugins.types.etcd.keyspace import Keyspace
from dysnomia_plugins.types.etcd.preflight import preflight
from dysnomia_plugins.types.etcd.records import lines_of, of_line, to_line
from dysnomia_plugins.types.etcd.server import Server
from dysnomia_plugins.types.etcd.spool import Keyed, Spool
from dysnomia_store.model import Section
from dysnomia_store.sink import ContentSink

INITIAL = "etcd-databases"


class EtcdDatabase(StatePlugin):
    """Keys with one prefix."""

    type: ClassVar[str] = "etcd-database"
    title: ClassVar[str] = "etcd database"
    property_names: ClassVar[tuple[str, ...]] = (
        "etcdEndpoints",
        "etcdUser",
        "etcdPassword",
        "etcdPasswordFile",
        "etcdCaFile",
        "etcdCertFile",
        "etcdKeyFile",
        "etcdPrefix",
        "etcdWhole",
        "etcdCopiesDir",
    )
    main_artefact: ClassVar[str] = ARTEFACT
    rows_by_line: ClassVar[bool] = True
    puts_back: ClassVar[bool] = True
    put_back_word: ClassVar[str] = "key"

    # Life.

    def activate(self, ctx: Context) -> None:
        """Lay down the initial state where no key begins with the prefix. A prefix itself need not be made."""
        await_server(ctx, lambda: self._answers(ctx.component))
        files = ctx.component.initial_files(INITIAL, "*.json")
        prefix = self.live(ctx.component).name
        beside, aside = (self.place(ctx, purpose) for purpose in (Purpose.BESIDE, Purpose.ASIDE))
        with self._session(ctx.component) as made:
            if not files or Keyspace.of(made, prefix).count():
                return
            pairs: dict[bytes, bytes] = {}
            for path in files:
                ctx.progress.log(f"loading {path.name}")
                with path.open("rb") as stream:
                    pairs |= dict(of_line(line) for line in lines_of(stream) if line.strip())
            lines = ((key, to_line(key, pairs[key])) for key in sorted(pairs))
            load.into_spool(ctx, made, prefix, lines, Spool(beside.name))
            swap.fill(ctx, made, prefix, beside, aside)

    def _answers(self, component: Component) -> bool:
        """Raises ServerDown, also where its cluster has no leader."""
        with session(Server.of(component), patience=0) as made:
            if not Facts.of(made).leader:
                raise ServerDown(
                    f"the cluster of etcd on {made.server} has no leader", "most of its members must be up"
                )
            return True

    def deactivate(self, ctx: Context) -> None:
        """The keys stay; the engine marks them as garbage."""

    def collect_garbage(self, ctx: Context) -> None:
        """Delete all keys with the prefix, those attached to a lease too, in one revision."""
        with self._session(ctx.component) as made:
            Keyspace.of(made, self.live(ctx.component).name).delete()

    def shell(self, component: Component) -> tuple[Sequence[str], Mapping[str, str]]:
        """A shell for etcdctl, which takes all from its environment (and warns of what is empty there)."""
        server = Server.of(component)
        environment = {
            "ETCDCTL_API": "3",
            "ETCDCTL_ENDPOINTS": ",".join(map(str, server.endpoints)),
            "ETCDCTL_USER": server.user,
            "ETCDCTL_PASSWORD": server.secret() if server.user else "",
            "ETCDCTL_CACERT": server.ca_file,
            "ETCDCTL_CERT": server.cert_file,
            "ETCDCTL_KEY": server.key_file,
        }
        return ["bash", "--norc", "--noprofile", "-i"], {name: value for name, value in environment.items() if value}

    def hints(self, component: Component) -> Sequence[str]:
        return (f"its keys: etcdctl get --prefix --keys-only '{self.live(component).name}'",)

    def probe(self, component: Component, runner: Runner) -> Probe:
        try:
            return discover.probe(Server.of(component), self.live(component).name)
        except PluginError as error:
            return Probe(up=False, detail=error.message)

    def status(self, component: Component, runner: Runner) -> Status:
        try:
            return Status(facts=(Fact(f"on {Server.of(component)}", tone=Tone.DIM),))
        except PluginError:
            return Status()

    def discover(self, runner: Runner) -> Iterable[Found]:
        return discover.discover()

    def list_state(self, container: Component, runner: Runner) -> ListedState:
        return discover.list_state(Server.of(container))

    def location(self, component: Component) -> tuple[str, ...]:
        try:
            return (Server.of(component).location, self.live(component).name)
        except PluginError:
            return super().location(component)

    def _session(self, component: Component) -> AbstractContextManager[Session]:
        return session(Server.of(component))

    # Places: a prefix for live and copies, a file for what a job makes.

    def live(self, component: Component) -> Place:
        return Place(Server.of(component).live(component.key.component))

    def address(self, component: Component) -> str:
        return f"etcd on {Server.of(component)}"

    def place(self, ctx: Context, purpose: Purpose) -> Place:
        return Spool.place(Server.of(ctx.component).copies, ctx.tag, purpose.value)

    def named(self, component: Component, name: str) -> Place:
        return Place(Server.of(component).copy(component.key.component, name))

    def _spool(self, component: Component, place: Place) -> Spool | None:
        """The files of a place; None for a prefix."""
        return Spool(place.name) if Spool.at(Server.of(component).copies, place) else None

    def exists(self, ctx: Context, place: Place) -> bool:
        spool = self._spool(ctx.component, place)
        if spool is not None:
            return spool.exists()
        with self._session(ctx.component) as made:
            return Keyspace.of(made, place.name).count() > 0

    def drop(self, ctx: Context, place: Place) -> None:
        spool = self._spool(ctx.component, place)
        if spool is not None:
            spool.drop()
            return
        if place == self.live(ctx.component):
            raise NotSafe(f"{place.name} is live", "deactivate the component and collect garbage")
        if any(name == load.COPYING and data["name"] == place.name for name, data in ctx.journal.steps()):
            with self._session(ctx.component) as made:
                Keyspace.of(made, place.name).delete()

    def left_behind(self, ctx: Context) -> Iterable[Place]:
        """Also a copy that was not loaded to its end. Raises PluginError."""
        places = may_be_left(ctx, self, load.COPYING, load.COPIED)
        return [place for place in places if self.exists(ctx, place)]

    # Snapshot.

    def dump(self, ctx: Context, place: Place, draft: Draft) -> Dumped:
        spool = self._spool(ctx.component, place)
        if spool is not None:
            return dump_spool(ctx, spool, draft)
        with self._session(ctx.component) as made:
            return dump_live(ctx, made, place.name, draft, Facts.of(made).version)

    def rescan(self, ctx: Context, stored: Stored, sink: ContentSink) -> bool | None:
        return contents.rescan(ctx, stored, sink)

    # Restore.

    def preflight(self, ctx: Context, stored: Stored, *, replace: bool) -> Preflight:
        with self._session(ctx.component) as made:
            return preflight(ctx, made, self.live(ctx.component).name, stored, replace=replace)

    def load(self, ctx: Context, stored: Stored, place: Place, sections: Sequence[Section] | None = None) -> None:
        chosen = tuple(stored.sections() if sections is None else sections)

        def pairs() -> Iterator[Keyed]:
            return load.of_sections(stored, chosen)

        spool = self._spool(ctx.component, place)
        with self._session(ctx.component) as made:
            if spool is not None:
                load.into_spool(ctx, made, self.live(ctx.component).name, pairs(), spool)
                return
            load.into_prefix(ctx, made, pairs(), place)
            ctx.progress.phase("check")
            load.compare(Keyspace.of(made, place.name), pairs())

    def swap(self, ctx: Context, beside: Place, aside: Place) -> None:
        with self._session(ctx.component) as made:
            swap.swap(ctx, made, self.live(ctx.component).name, beside, aside)

    def recover(self, ctx: Context) -> bool:
        if swap.begun_in(ctx) is None:
            return False
        with self._session(ctx.component) as made:
            return swap.recover(ctx, made)

    # Contents.

    def raw_rows(self, stored: Stored, section: Section) -> Iterator[Sequence[bytes]]:
        return contents.raw_rows(stored, section)

    def parse_row(self, section: Section, raw: bytes) -> Row:
        return contents.parse_row(raw)

    def rows_of_key(self, stored: Stored, section: Section, key: Sequence[str]) -> Iterator[Sequence[bytes]]:
        return contents.rows_of_key(stored, section, key)

    # Keys put back.

    def lacking(self, ctx: Context, section: Section, batches: Iterator[Sequence[bytes]]) -> Iterator[bytes]:
        with self._session(ctx.component) as made:
            yield from put_back.lacking(made, self.live(ctx.component).name, section, batches)

    def look_at_rows(self, ctx: Context, rows: Sequence[PutRow]) -> LiveLook:
        with self._session(ctx.component) as made:
            return put_back.look(made, self.live(ctx.component).name, rows)

    def put_back(self, ctx: Context, rows: Sequence[PutRow], seen: Sequence[str]) -> Mapping[int, str]:
        with self._session(ctx.component) as made:
            return put_back.put_back(made, self.live(ctx.component).name, rows, seen)
