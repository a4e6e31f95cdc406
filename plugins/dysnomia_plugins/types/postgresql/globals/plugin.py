"""The type ``postgresql-globals``: roles with their passwords, memberships, tablespaces, settings, grants.

Restored additively: what is missing is created, what differs is altered, nothing is dropped. The container's properties
are those of ``postgresql-database``; the role must be a superuser.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from dysnomia_plugins.base import Component, Context, Found, Listed, ListedState, Place, Probe, Runner
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.globals.document import Kind
from dysnomia_plugins.toolkit.globals.plugin import GlobalsPlugin
from dysnomia_plugins.toolkit.servers import PROBE_SECONDS, down
from dysnomia_plugins.types.postgresql.client import Client
from dysnomia_plugins.types.postgresql.globals import swap
from dysnomia_plugins.types.postgresql.globals.facts import KINDS
from dysnomia_plugins.types.postgresql.globals.keeper import PostgresqlKeeper
from dysnomia_plugins.types.postgresql.names import MAX_BYTES, check_database
from dysnomia_plugins.types.postgresql.plugin import PostgresqlDatabase
from dysnomia_plugins.types.postgresql.server import PROPERTIES, Server
from dysnomia_plugins.types.postgresql.tools import FOLDERS

COMPONENT = "globals"
"""What the component is called, where discovery names it."""


class PostgresqlGlobals(GlobalsPlugin):
    """The globals of a PostgreSQL server."""

    type: ClassVar[str] = "postgresql-globals"
    title: ClassVar[str] = "PostgreSQL roles and settings"
    property_names: ClassVar[tuple[str, ...]] = PROPERTIES
    tools: ClassVar[tuple[str, ...]] = ("psql",)
    packages: ClassVar[Mapping[str, str]] = {"psql": "postgresql-client"}
    tool_folders: ClassVar[tuple[str, ...]] = tuple(f"/usr/{folder}" for folder in FOLDERS)
    kinds: ClassVar[tuple[Kind, ...]] = KINDS
    name_limit: ClassVar[int] = MAX_BYTES
    swap_words: ClassVar[str] = (
        "Roles, memberships, settings and grants would change in one transaction, tablespaces by themselves; nothing"
        " is dropped, what live has more stays."
    )

    def keeper(self, ctx: Context) -> PostgresqlKeeper:
        return PostgresqlKeeper(Client.of(ctx))

    def server(self, component: Component) -> Server:
        return Server.of(component)

    def checked(self, name: str) -> str:
        if name in ("postgres", "template0", "template1"):
            raise NotSafe(f"a copy cannot be called {name!r}: the name is reserved", "choose another name")
        return check_database(name)

    def shell(self, component: Component) -> tuple[Sequence[str], Mapping[str, str]]:
        """psql on the server."""
        argv, env = PostgresqlDatabase().shell(component)
        return argv, {**env, "PGDATABASE": "postgres"}

    def probe(self, component: Component, runner: Runner) -> Probe:
        client = Client(Server.of(component), runner, application="dysnomia-probe", connect_timeout=2)
        try:
            version, roles = client.ask(
                "SELECT json_build_array(split_part(current_setting('server_version'), ' ', 1),"
                " (SELECT count(*) FROM pg_roles WHERE rolname !~ '^pg_'))",
                timeout=PROBE_SECONDS,
            )
        except PluginError as error:
            return down(error)
        return Probe(up=True, version=version, detail=f"{roles} {'role' if roles == 1 else 'roles'}")

    def discover(self, runner: Runner) -> Iterable[Found]:
        from dysnomia_plugins.types.postgresql import discover

        return discover.discover_globals(runner)

    def list_state(self, container: Component, runner: Runner) -> ListedState:
        """One component, whatever the server holds."""
        Client(Server.of(container), runner, connect_timeout=5).ask("SELECT 1")
        return ListedState([Listed(COMPONENT)])

    def swap(self, ctx: Context, beside: Place, aside: Place) -> None:
        swap.swap(ctx, self.keeper(ctx), beside, aside)

    def recover(self, ctx: Context) -> bool:
        return swap.recover(ctx, self.keeper(ctx))
