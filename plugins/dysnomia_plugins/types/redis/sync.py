"""A server's data as an RDB stream: what redis-cli --rdb does, over a connection of ours.

The server forks, and its child sends what it held at that moment. Nothing is written on the server's disk where it
knows how to do without (repl-diskless-sync, the default since Redis 7).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from dysnomia_plugins.errors import ServerDown, Truncated
from dysnomia_plugins.types.redis.resp import Connection, Refused

_MARK = 40
_READS = "9.1.0"
"""What Valkey takes us for: to a replica that does not say its version it sends what Valkey 8 reads, and breaks off at
the first field that expires."""
SILENCE = 60.0
"""Seconds between two signs of life, of a server that forks or waits."""


def stream(connection: Connection, on_wait: Callable[[], object] = lambda: None) -> tuple[datetime, Iterator[bytes]]:
    """Ask for the data, and wait for its beginning. The connection is good for nothing else afterwards.

    Args:
        each: called now and then while it is waited for.

    Returns when the view of the data began at the earliest, and its bytes. Raises Refused, ServerDown, Truncated
    (from the bytes), Cancelled.
    """
    for option in (("capa", "eof"), ("rdb-only", "1"), ("version", _READS)):
        try:
            connection.call("REPLCONF", *option)
        except Refused as error:
            if error.code == "NOPERM":
                raise
            # an older server, which does without
    as_of = datetime.now(UTC)
    connection.send("SYNC")
    line = b""
    while not line:
        # The server sends empty lines while it waits for its child, or for other replicas to come.
        line = connection.line_or_newline(time.monotonic() + SILENCE)
        on_wait()
    if line.startswith(b"-"):
        raise Refused("SYNC", line[1:].decode("utf-8", "replace"))
    if line.startswith(b"$EOF:") and len(line) == 5 + _MARK:
        return as_of, _until(connection, line[5:])
    if not line.startswith(b"$"):
        raise ServerDown(f"the Redis server at {connection.name} does not send its data ({line[:40]!r})")
    return as_of, _counted(connection, int(line[1:]))


def _counted(connection: Connection, size: int) -> Iterator[bytes]:
    try:
        while size > 0:
            data = connection.some(time.monotonic() + SILENCE)
            size -= len(data)
            yield data if size >= 0 else data[:size]
    except ServerDown as error:
        raise _cut(error) from None


def _until(connection: Connection, mark: bytes) -> Iterator[bytes]:
    held = b""
    try:
        while not held.endswith(mark):
            if len(held) > _MARK:
                yield held[:-_MARK]
                held = held[-_MARK:]
            held += connection.some(time.monotonic() + SILENCE)
    except ServerDown as error:
        raise _cut(error) from None
    if len(held) > _MARK:
        yield held[:-_MARK]


def _cut(error: ServerDown) -> Truncated:
    return Truncated(f"the dump ended before its end ({error.message})", "nothing was kept; try again")
