"""The type ``mysql-globals``: accounts with their passwords, roles, memberships, default roles, privileges.

Restored additively: what is missing is created, what differs is altered, nothing is dropped. The container's properties
are those of ``mysql-database``; the account must have all privileges.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from dysnomia_plugins.base import Component, Context, Found, Listed, ListedState, Place, Probe, Runner
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.globals.document import Kind
from dysnomia_plugins.toolkit.globals.plugin import GlobalsPlugin
from dysnomia_plugins.toolkit.servers import PROBE_SECONDS, down
from dysnomia_plugins.types.mysql.client import Client
from dysnomia_plugins.types.mysql.globals import swap
from dysnomia_plugins.types.mysql.globals.facts import KINDS
from dysnomia_plugins.types.mysql.globals.keeper import MysqlKeeper
from dysnomia_plugins.types.mysql.names import MAX_CHARACTERS, check_database
from dysnomia_plugins.types.mysql.plugin import MysqlDatabase
from dysnomia_plugins.types.mysql.server import PROPERTIES, Server

COMPONENT = "globals"
"""What the component is called, where discovery names it."""


class MysqlGlobals(GlobalsPlugin):
    """The globals of a MariaDB server."""

    type: ClassVar[str] = "mysql-globals"
    title: ClassVar[str] = "MariaDB accounts and privileges"
    property_names: ClassVar[tuple[str, ...]] = PROPERTIES
    tools: ClassVar[tuple[str, ...]] = ("mariadb",)
    packages: ClassVar[Mapping[str, str]] = {"mariadb": "mariadb-client"}
    alternatives: ClassVar[Mapping[str, tuple[str, ...]]] = {"mariadb": ("mysql",)}
    kinds: ClassVar[tuple[Kind, ...]] = KINDS
    name_limit: ClassVar[int] = MAX_CHARACTERS
    swap_words: ClassVar[str] = (
        "Accounts, roles and privileges would change one after the other (MariaDB has no transaction for them; what"
        " breaks off is taken back); nothing is dropped, what live has more stays."
    )

    def keeper(self, ctx: Context) -> MysqlKeeper:
        return MysqlKeeper(Client.of(ctx))

    def server(self, component: Component) -> Server:
        return Server.of(component)

    def checked(self, name: str) -> str:
        return check_database(name)

    def named(self, component: Component, name: str) -> Place:
        """A table in the system schema, which only those may read who may read the accounts. Raises NotSafe."""
        if name.lower().startswith("innodb_") or name.lower() in _TAKEN:
            raise NotSafe(f"a copy cannot be called {name!r}: the name is reserved", "choose another name")
        return super().named(component, name)

    def shell(self, component: Component) -> tuple[Sequence[str], Mapping[str, str]]:
        return MysqlDatabase().shell(component)

    def probe(self, component: Component, runner: Runner) -> Probe:
        client = Client(Server.of(component), runner, connect_timeout=2)
        sql = "SELECT JSON_ARRAY(VERSION(), (SELECT COUNT(*) FROM mysql.global_priv WHERE User <> 'mariadb.sys'))"
        try:
            version, accounts = client.ask(sql, timeout=PROBE_SECONDS)
        except PluginError as error:
            return down(error)
        words = f"{accounts} {'account' if accounts == 1 else 'accounts and roles'}"
        return Probe(up=True, version=str(version).split("-")[0] + " MariaDB", detail=words)

    def discover(self, runner: Runner) -> Iterable[Found]:
        from dysnomia_plugins.types.mysql import discover

        return discover.discover_globals(runner)

    def list_state(self, container: Component, runner: Runner) -> ListedState:
        """One component, whatever the server holds."""
        Client(Server.of(container), runner, connect_timeout=5).ask("SELECT JSON_ARRAY(1)")
        return ListedState([Listed(COMPONENT)])

    def swap(self, ctx: Context, beside: Place, aside: Place) -> None:
        swap.swap(ctx, self.keeper(ctx), beside, aside)

    def recover(self, ctx: Context) -> bool:
        return swap.recover(ctx, self.keeper(ctx))


_TAKEN = frozenset({"user", "db", "global_priv", "proc", "func", "event", "plugin", "servers", "host"})
