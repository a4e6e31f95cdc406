"""What plugins of servers have in common: a server that is starting, whom its clients run as, why a probe failed."""

from __future__ import annotations

import os
import pwd
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dysnomia_plugins.base import Context, Probe
from dysnomia_plugins.errors import PluginError, ProcessFailed, ServerDown
from dysnomia_plugins.toolkit.process import TimedOut

PROBE_SECONDS = 1.7
"""A probe must be through in two seconds, its own start included."""
START_SECONDS = 10.0
"""How long an activation waits for a server that is starting, as Dysnomia's modules do."""
START_POLL = 0.25


def await_server(ctx: Context, ready: Callable[[], bool]) -> None:
    """Ask until ``ready`` says so: it raises ServerDown while there is no server, and may say no to one that is busy
    starting, for as long as that takes.

    Raises ServerDown where there is none after ``START_SECONDS``, Cancelled, and what else ``ready`` raises."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        ctx.cancel.check()
        try:
            if ready():
                return
        except ServerDown:
            if time.monotonic() > deadline:
                raise
        time.sleep(START_POLL)


def down(error: PluginError) -> Probe:
    """The answer of a probe that failed."""
    silent = isinstance(error, TimedOut) or "not answering" in error.message
    return Probe(up=False, detail="not answering" if silent else error.message)


@contextmanager
def explained(explain: Callable[[ProcessFailed], PluginError]) -> Iterator[None]:
    """Turn the failure of a client program into what it means; what is more than such a failure stays as it is.

    Raises what ``explain`` returns."""
    try:
        yield
    except ProcessFailed as error:
        if type(error) is not ProcessFailed:
            raise
        raise explain(error) from error


def namesake(account: str) -> str | None:
    """The user of this machine that is called as an account of a server's, where we are root and could become it."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(account).pw_name
    except KeyError:
        return None
