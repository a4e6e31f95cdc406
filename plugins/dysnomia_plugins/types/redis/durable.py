"""Waiting until a live server has saved what it holds now, in the way it is set to save."""

from __future__ import annotations

import time

from dysnomia_plugins.base import Context
from dysnomia_plugins.types.redis.resp import Connection, Refused

SAVE_SECONDS = 3600.0


def persist(live: Connection, ctx: Context) -> None:
    """After its data was replaced: else a crash would bring back what it had saved before.

    A server that cannot save is a matter for the log: its data is replaced all the same."""
    problem = ""
    if live.config("appendonly") == "yes":
        # Taking over begins a rewrite by itself; one more makes sure that there was one.
        problem = _saved(live, ctx, "BGREWRITEAOF", "aof_last_bgrewrite_status")
    if live.config("save"):
        problem = _saved(live, ctx, "BGSAVE", "rdb_last_bgsave_status") or problem
    if problem:
        ctx.progress.log(
            f"the data is replaced, but {problem}; a crash before it is saved brings back the earlier data"
        )


def _saved(live: Connection, ctx: Context, command: str, status: str) -> str:
    """Have it save, and wait for it. Returns what went wrong, or ``""``.

    Where it may not be asked (rename-command, an ACL), that is said and no failure: the data is replaced by then, and
    each later job on the component would fail in the same way."""
    deadline = time.monotonic() + SAVE_SECONDS
    asked = False
    while True:
        ctx.cancel.check()
        info = live.info("persistence")
        busy = any(info.get(f"{one}_in_progress") == "1" for one in ("rdb_bgsave", "aof_rewrite"))
        if not busy and info.get("aof_rewrite_scheduled", "0") == "0":
            if asked:
                return "" if info.get(status) == "ok" else f"the server at {live.name} could not save it ({command})"
            try:
                asked = _ask(live, command)
            except Refused as error:
                return f"it is not certain that the server at {live.name} has saved it: {error.message}"
        elif time.monotonic() > deadline:
            return f"the server at {live.name} does not come to an end saving it ({command})"
        time.sleep(0.02)


def _ask(live: Connection, command: str) -> bool:
    """Whether it begins; not while it forks for something else."""
    try:
        live.call(command)
        return True
    except Refused as error:
        if "in progress" in error.message or "active child" in error.message:
            return False
        raise
