"""Deleting all that a server holds, with the commands it has left."""

from __future__ import annotations

from dysnomia_plugins.base import CancelToken
from dysnomia_plugins.types.redis.resp import Connection, Refused
from dysnomia_plugins.types.redis.server_info import keyspace

FLUSH_SECONDS = 600.0
_AT_ONCE = 1000
"""Keys asked for in one step."""


def empty(live: Connection, cancel: CancelToken) -> None:
    """Delete all keys of all databases, and all libraries of functions. Raises Refused, Cancelled.

    Where FLUSHALL was taken away (rename-command), keys are deleted one by one: what is asked for here is the end of
    a component, not an accident. Who may not give it (an ACL) is refused."""
    try:
        live.call("FLUSHALL", limit=FLUSH_SECONDS)
    except Refused as error:
        if error.code == "NOPERM" or "unknown command" not in error.message:
            raise
        for database in keyspace(live.info()):
            live.call("SELECT", database)
            _delete_keys(live, cancel)
    if has_functions(live):
        live.call("FUNCTION", "FLUSH")


def _delete_keys(live: Connection, cancel: CancelToken) -> None:
    """All of the database that is selected."""
    cursor: object = b"0"
    while True:
        cancel.check()
        answer = live.call("SCAN", cursor if isinstance(cursor, bytes) else b"0", "COUNT", _AT_ONCE)
        assert isinstance(answer, list)
        cursor, keys = answer
        assert isinstance(keys, list)
        if names := [key for key in keys if isinstance(key, bytes)]:
            live.call("UNLINK", *names)
        if cursor == b"0":
            return


def has_functions(live: Connection) -> bool:
    """Whether there is any library of functions (Redis 7)."""
    try:
        return bool(live.call("FUNCTION", "LIST"))
    except Refused as error:
        if error.code == "NOPERM":
            raise
        return False
