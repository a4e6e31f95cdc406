"""What a restore of a database would need and meet, without changing anything."""

from __future__ import annotations

from collections.abc import Iterator

from dysnomia_plugins.base import Context, Finding, Preflight, Severity, Stored
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit import stopped_server
from dysnomia_plugins.toolkit.findings import free_bytes, of_snapshot
from dysnomia_plugins.types.influx import databases, portable
from dysnomia_plugins.types.influx.contents import DUMP, definitions_of
from dysnomia_plugins.types.influx.influxql import identifier
from dysnomia_plugins.types.influx.running import START_SETTING, STOP_SETTING, Running, actor, kind
from dysnomia_plugins.types.influx.server import Server

_MOST_USERS = 100


def preflight(ctx: Context, server: Server, live: str, stored: Stored, *, replace: bool) -> Preflight:
    """Findings, space, and how the swap would be made. Raises PluginError where the server does not answer."""
    exists = databases.exists(server, live)
    findings = list(of_snapshot(_of_snapshot(stored)))
    needed = stored.metadata.content_size if stored.metadata is not None else None
    folder = _folder(server)
    needs = ((folder, needed, free_bytes(folder)),) if folder and needed is not None else ()
    swap = "nothing would be replaced"
    if replace:
        obstacles, swap = _exchange(ctx, server)
        findings += obstacles
        findings += _grants(server, live)
    return Preflight(
        findings=tuple(findings),
        needs=needs,
        swap=swap,
        guard=_guard(exists) if replace else "",
    )


def _folder(server: Server) -> str:
    try:
        return Running.of(server).data
    except PluginError:
        return ""


def _of_snapshot(stored: Stored) -> Iterator[Finding]:
    """From what a dump begins with. Raises PluginError."""
    yield Finding(Severity.NOTE, "accounts of the server, their rights, and subscriptions are not in it")
    if portable.is_one(stored):
        yield Finding(
            Severity.NOTE,
            "it is a portable backup, as Dysnomia's module makes one: influxd is run on it beside the server; points "
            "that are older than their retention policy keeps them are deleted by the server later",
        )
        return
    with stored.open(DUMP) as stream:
        defined, _ = definitions_of(stream)
    ends = [f"{one.name} ({one.duration})" for one in defined.policies if one.duration != "INF"]
    if ends:
        text = f"the server deletes points that are older than their retention policy keeps them: {', '.join(ends)}"
        yield Finding(Severity.WARNING, text)
    if defined.queries:
        queries = len(defined.queries)
        yield Finding(
            Severity.NOTE,
            f"{queries} continuous {'query runs' if queries == 1 else 'queries run'} again only where what is live is "
            "replaced; in a copy the texts are kept",
        )


def _exchange(ctx: Context, server: Server) -> tuple[list[Finding], str]:
    try:
        running = Running.of(server)
        actor(running.uid, running.gid)
        how = stopped_server.control(kind(server), ctx.component, ctx.tool_path, running.data, [running.pid])
    except PluginError as error:
        hint = f": {error.hint}" if error.hint else ""
        return [Finding(Severity.BLOCKER, f"{error.message}{hint}")], ""
    if how is None:
        text = (
            f"InfluxDB renames no database, so influxd (pid {running.pid}) has to be stopped for that, and how is not "
            f"known: set {STOP_SETTING} and {START_SETTING} in the container, or restore a copy"
        )
        return [Finding(Severity.BLOCKER, text)], ""
    seconds = stopped_server.last_time(kind(server), running.data)
    took = f"the last time it was away for {seconds:.1f} s" if seconds is not None else "usually for a second or two"
    count = len(databases.names(server))
    text = (
        f"the server would be stopped and started ({how.words}), {took}: clients of its {count} "
        f"{'database' if count == 1 else 'databases'} get no answer meanwhile"
    )
    return (
        [Finding(Severity.WARNING, text)],
        f"the server would be stopped ({how.words}), the two databases change names in its meta.db and its folders, "
        f"and the server is started again; {took}",
    )


def _grants(server: Server, live: str) -> Iterator[Finding]:
    """Who has rights on what is live: they go by the name, and stay."""
    try:
        users = [str(row[0]) for one in server.query("SHOW USERS") for row in one.get("values", ())]
        granted = [
            f"{user} ({row[1]})"
            for user in users[:_MOST_USERS]
            for one in server.query(f"SHOW GRANTS FOR {identifier(user)}")
            for row in one.get("values", ())
            if row[0] == live
        ]
    except PluginError:
        return
    if granted:
        yield Finding(Severity.NOTE, f"rights on it go by its name and stay: {', '.join(granted)}")


def _guard(exists: bool) -> str:
    if not exists:
        return "nothing is live, so there is nothing to guard"
    return (
        "the database as the stopped server left it, with all that it has acknowledged; it is set aside under another "
        "name and becomes a generation; until then undo would bring back that very database"
    )
