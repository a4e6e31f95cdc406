"""The swap: live and the database beside it change names in one transaction.

``ALTER DATABASE live RENAME`` first takes an exclusive lock on the database, at which new connections wait, and then
waits up to 5 s for those that are in to leave. A second connection ends these, from the moment the lock is held: who
comes back waits at the door, and finds the restored database behind it. The transaction holds both renames and all
that live had beyond its dump. So the names on the server alone say whether the swap has happened, and no setting of
the server has to be put back.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from dysnomia_plugins.base import Context, Journal
from dysnomia_plugins.errors import Cancelled, NotSafe, PluginError, ProcessFailed
from dysnomia_plugins.types.postgresql.client import Client
from dysnomia_plugins.types.postgresql.names import identifier, literal
from dysnomia_plugins.types.postgresql.surroundings import Surroundings, giving, read

STEP = "postgresql-swap"
LOADED = "postgresql-loaded"
TRIES = 5
IN_USE = "is being accessed by other users"
LOCK_TIMEOUT = "lock timeout"


def swap(ctx: Context, client: Client, live: str, beside: str, aside: str) -> None:
    """Make ``beside`` live, and what was live ``aside``. Raises PluginError with nothing changed."""
    live_oid, beside_oid, aside_oid = client.oids(live, beside, aside)
    if aside_oid is not None:
        raise NotSafe(f"there is a database {aside} already", "an earlier job left it behind: recover that job first")
    if beside_oid is None:
        raise PluginError(f"the database {beside} is not there")
    refuse_prepared(client, live)
    around = read(client, live) if live_oid is not None else loaded(ctx.journal)
    present = read(client, beside)
    ctx.journal.step(
        STEP, live=live, beside=beside, aside=aside, live_oid=live_oid, beside_oid=beside_oid, around=around
    )
    client.end_backends()
    sql = _transaction(live if live_oid is not None else None, beside, aside, live, around, present)
    if live_oid is None:
        client.script(sql)
        return
    for attempt in range(1, TRIES + 1):
        ctx.cancel.check()
        try:
            _exchange(client, sql, live, live_oid, beside, beside_oid)
            return
        except ProcessFailed as error:
            if client.name_of(beside_oid) == live:
                return
            if attempt == TRIES or not (IN_USE in error.stderr or LOCK_TIMEOUT in error.stderr):
                raise
            ctx.progress.log(f"{live} could not be renamed ({error.message}); trying again")


def refuse_prepared(client: Client, live: str) -> None:
    """A prepared transaction holds its database's name. Raises NotSafe."""
    gids = client.ask(f"SELECT json_agg(gid) FROM pg_prepared_xacts WHERE database = {literal(live)}")
    if gids:
        names = ", ".join(map(repr, gids))
        raise NotSafe(f"prepared transactions hold {live}: {names}", "commit them or roll them back, then try again")


def loaded(journal: Journal) -> Surroundings | None:
    """The surroundings that the load kept for a live database that is gone."""
    return next((data.get("around") for name, data in reversed(journal.steps()) if name == LOADED), None)


def _transaction(
    old: str | None, beside: str, aside: str, live: str, around: Surroundings | None, present: Surroundings | None
) -> str:
    lines = ["BEGIN;", "SET LOCAL lock_timeout = '10s';"]
    if old is not None:
        lines.append(f"ALTER DATABASE {identifier(old)} RENAME TO {identifier(aside)};")
    lines.append(f"ALTER DATABASE {identifier(beside)} RENAME TO {identifier(live)};")
    if around is not None:
        lines.append(giving(around, live, present))
    else:
        lines.append(f"ALTER DATABASE {identifier(live)} WITH CONNECTION LIMIT -1;")
    lines.append("COMMIT;")
    return "\n".join(lines) + "\n"


def _exchange(client: Client, sql: str, live: str, live_oid: int, beside: str, beside_oid: int) -> None:
    """Run the transaction while a second connection ends whoever is in its way."""
    ender = _ender(live, live_oid, beside, beside_oid)
    failure: list[PluginError] = []

    def end_clients() -> None:
        try:
            client.script(ender)
        except PluginError as error:
            failure.append(error)

    thread = threading.Thread(target=end_clients, name="end clients", daemon=True)
    thread.start()
    try:
        client.script(sql)
    finally:
        _stop(client, thread)
    if failure and isinstance(failure[0], Cancelled):
        raise failure[0]


def _stop(client: Client, thread: threading.Thread) -> None:
    """The ender ends by itself after a rename; after a failure it must be ended, or it would go on."""
    thread.join(0.5)
    if thread.is_alive():
        client.end_backends()
        thread.join()


def _ender(live: str, live_oid: int, beside: str, beside_oid: int) -> str:
    """Ends the sessions on both databases while the rename holds its lock; stops once live has another name."""
    return f"""DO $do$ DECLARE deadline timestamptz := clock_timestamp() + interval '20 s'; one int; BEGIN
      WHILE clock_timestamp() < deadline LOOP
        EXIT WHEN NOT EXISTS (SELECT FROM pg_database WHERE oid = {live_oid:d} AND datname = {literal(live)});
        PERFORM pg_stat_clear_snapshot();
        IF EXISTS (SELECT FROM pg_locks WHERE locktype = 'object' AND classid = 'pg_database'::regclass
                   AND objid = {live_oid:d} AND mode = 'AccessExclusiveLock' AND granted) THEN
          FOR one IN SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND (
              (datid = {live_oid:d} AND datname = {literal(live)})
              OR (datid = {beside_oid:d} AND datname = {literal(beside)})) LOOP
            BEGIN
              PERFORM pg_terminate_backend(one);
            EXCEPTION WHEN insufficient_privilege THEN NULL;  -- a superuser's: the rename will name it
            END;
          END LOOP;
        END IF;
        PERFORM pg_sleep(0.01);
      END LOOP;
    END $do$;"""


def recover(ctx: Context, client: Client) -> bool:
    """Whether the swap in the journal has happened. Nothing is between: it was one transaction.

    What a dead worker left running on the server is ended first: it may be about to commit."""
    client.end_backends()
    step = _last_swap(ctx.journal)
    if step is None:
        return False
    return client.name_of(int(step["beside_oid"])) == str(step["live"])


def _last_swap(journal: Journal) -> Mapping[str, Any] | None:
    return next((data for name, data in reversed(journal.steps()) if name == STEP), None)
