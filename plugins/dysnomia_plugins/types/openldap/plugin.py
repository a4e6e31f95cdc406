"""The type ``openldap-directory``: one database of OpenLDAP's server, of the kind mdb.

A snapshot is an LDIF of all its entries, as ``slapcat`` writes it: a section for each entry. It is restored beside
(``slapadd``), then the server is stopped, the database's file is exchanged, and the server is started again. The
server's configuration (cn=config, schema, overlays) is no part of it and stays as it is.

Container properties: ``ldapConfig``, ``ldapSuffix``, ``ldapStop``, ``ldapStart``. A component is called as the suffix
of its database is.
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
from dysnomia_plugins.toolkit.guarded.acting import as_command
from dysnomia_plugins.toolkit.guarded.folder import Folder, identity_of
from dysnomia_plugins.toolkit.repositories.making import drop_named
from dysnomia_plugins.toolkit.repositories.places import remove_wrapper, wrapper_made, wrapper_of
from dysnomia_plugins.types.openldap import contents, discover, swap
from dysnomia_plugins.types.openldap import dump as dumping
from dysnomia_plugins.types.openldap.activation import activate
from dysnomia_plugins.types.openldap.load import NAMED, load
from dysnomia_plugins.types.openldap.places import COPY, data_at, has_data
from dysnomia_plugins.types.openldap.preflight import preflight
from dysnomia_plugins.types.openldap.programs import Directory
from dysnomia_store.model import Section
from dysnomia_store.sink import ContentSink


class OpenldapDirectory(StatePlugin):
    """A directory."""

    type: ClassVar[str] = "openldap-directory"
    title: ClassVar[str] = "OpenLDAP directory"
    property_names: ClassVar[tuple[str, ...]] = ("ldapConfig", "ldapSuffix", "ldapStop", "ldapStart")
    tools: ClassVar[tuple[str, ...]] = ("slapcat", "slapadd")
    packages: ClassVar[Mapping[str, str]] = {"slapcat": "slapd", "slapadd": "slapd"}
    tool_folders: ClassVar[tuple[str, ...]] = ("/usr/sbin", "/usr/local/sbin")
    main_artefact: ClassVar[str] = contents.LDIF
    order_varies: ClassVar[bool] = True

    # Life.

    def activate(self, ctx: Context) -> None:
        """Load the initial state where the directory has no entry."""
        places = [self.place(ctx, purpose) for purpose in (Purpose.BESIDE, Purpose.ASIDE)]
        try:
            activate(ctx, Directory.of(ctx.component), *places)
        finally:
            for place in places:
                self.drop(ctx, place)

    def deactivate(self, ctx: Context) -> None:
        """The directory stays; the engine marks it as garbage."""

    def collect_garbage(self, ctx: Context) -> None:
        """Delete all entries. A server that runs is stopped for that, and makes an empty database."""
        swap.remove(ctx, Directory.of(ctx.component))

    def shell(self, component: Component) -> tuple[Sequence[str], Mapping[str, str]]:
        """A shell for ``ldapsearch`` and its like, and for the programs that work on the database itself, as its
        owner."""
        directory = Directory.of(component)
        argv = [*as_command(directory.actor), "env", "--chdir=/", "bash", "-i"]
        return argv, {"LDAPURI": "ldapi:///", "LDAPBASE": directory.suffix}

    def hints(self, component: Component) -> Sequence[str]:
        directory = Directory.of(component)
        option = "-F" if directory.configuration.tree else "-f"
        where = f"{option} {directory.configuration.path} -n {directory.database.number}"
        return (f"all entries: slapcat {where}", "as the local administrator: ldapsearch -Q -Y EXTERNAL")

    def probe(self, component: Component, runner: Runner) -> Probe:
        try:
            return discover.probe(Directory.of(component), runner)
        except PluginError as error:
            return Probe(up=False, detail=str(error))

    def status(self, component: Component, runner: Runner) -> Status:
        try:
            return discover.status(Directory.of(component))
        except PluginError:
            return Status()

    def discover(self, runner: Runner) -> Iterable[Found]:
        return discover.discover()

    def location(self, component: Component) -> tuple[str, ...]:
        try:
            return (self.live(component).name,)
        except PluginError:
            return super().location(component)

    # Places.

    def live(self, component: Component) -> Place:
        return Directory.of(component).layout.live

    def identity(self, component: Component) -> str:
        return identity_of([data_at(self.live(component))])

    def address(self, component: Component) -> str:
        return f"the folder {self.live(component).name}"

    def place(self, ctx: Context, purpose: Purpose) -> Place:
        return Directory.of(ctx.component).layout.made(ctx.tag, purpose)

    def named(self, component: Component, name: str) -> Place:
        """A folder of that name in the folder of what is live: for ``slapcat``, or a server of its own."""
        return Directory.of(component).layout.named(name)

    def exists(self, ctx: Context, place: Place) -> bool:
        return has_data(place)

    def drop(self, ctx: Context, place: Place) -> None:
        layout = Directory.of(ctx.component).layout
        if place == layout.live:
            raise NotSafe(f"{place.name} is live", "deactivate the component and collect garbage")
        if wrapper_of(place):
            remove_wrapper(place)
            return
        drop_named(ctx, layout.made(ctx.tag, COPY), place, NAMED)

    def left_behind(self, ctx: Context) -> Iterable[Place]:
        """Also folders of the job's that are empty, and a copy that never got its name. Raises PluginError."""
        layout = Directory.of(ctx.component).layout
        places = [layout.made(ctx.tag, purpose) for purpose in (*Purpose, COPY)]
        try:
            with Folder.at(layout.folder) as folder:
                names = set(folder.names())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise PluginError(f"{layout.folder} cannot be read ({error.strerror})", "run it as root") from error
        return [place for place in places if wrapper_made(place).rpartition("/")[2] in names]

    # Snapshot.

    def dump(self, ctx: Context, place: Place, draft: Draft) -> Dumped:
        return dumping.dump(ctx, Directory.of(ctx.component), place, draft)

    def rescan(self, ctx: Context, stored: Stored, sink: ContentSink) -> bool | None:
        """An LDIF has no end mark: whether it is complete cannot be known."""
        contents.rescan(stored, sink)
        return None

    # Restore.

    def preflight(self, ctx: Context, stored: Stored, *, replace: bool) -> Preflight:
        return preflight(ctx, Directory.of(ctx.component), stored, replace=replace)

    def load(self, ctx: Context, stored: Stored, place: Place, sections: Sequence[Section] | None = None) -> None:
        load(ctx, Directory.of(ctx.component), stored, place, sections)

    def swap(self, ctx: Context, beside: Place, aside: Place) -> None:
        swap.swap(ctx, Directory.of(ctx.component), beside, aside)

    def recover(self, ctx: Context) -> bool:
        return swap.recover(ctx)

    # Contents.

    def raw_rows(self, stored: Stored, section: Section) -> Iterator[Sequence[bytes]]:
        return contents.raw_rows(stored, section)

    def parse_row(self, section: Section, raw: bytes) -> Row:
        return contents.parse_row(raw)
