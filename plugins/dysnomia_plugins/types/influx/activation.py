"""A database's initial state: the files below the component's ``influx-databases``, as ``influx -import`` takes them.

Source: ``importer/v8`` of InfluxDB 1.6: statements after ``# DDL``, points after ``# DML``, whose database and policy
are named by ``# CONTEXT-DATABASE:`` and ``# CONTEXT-RETENTION-POLICY:``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dysnomia_plugins.base import Context, WarningLine
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.servers import await_server
from dysnomia_plugins.types.influx import databases
from dysnomia_plugins.types.influx.contents import batches
from dysnomia_plugins.types.influx.influxql import identifier
from dysnomia_plugins.types.influx.line import is_open
from dysnomia_plugins.types.influx.server import Server

INITIAL = "influx-databases"
BEGUN, LAID_DOWN, GIVEN_UP = "influxdb-activation", "influxdb-activated", "influxdb-not-activated"
"""Written in journals, of jobs before an upgrade too: not to be renamed."""
_DDL, _DML = b"# DDL", b"# DML"
_DATABASE, _POLICY = b"# CONTEXT-DATABASE:", b"# CONTEXT-RETENTION-POLICY:"


def activate(ctx: Context, server: Server, live: str) -> None:
    """Make the database where it is not there, and lay down its initial state. Raises PluginError."""
    databases.check_name(live)
    await_server(ctx, lambda: bool(server.version()) or True)
    if databases.exists(server, live):
        return
    ctx.journal.step(BEGUN)
    written = _Written()
    try:
        _lay_down(ctx, server, live, written)
    except BaseException:
        _give_up(ctx, server, live, written)
        raise
    ctx.journal.step(LAID_DOWN)


def _give_up(ctx: Context, server: Server, live: str, written: _Written) -> None:
    """Drop the database where nobody else has written into it: clients may as soon as it is there, and InfluxDB has
    nothing that keeps them out. Where that is not certain it is kept, and the log says so."""
    try:
        others = databases.points_written(server, live) - written.points
        if others == 0:
            databases.drop(server, live)
    except PluginError as error:
        ctx.progress.log(
            WarningLine.of(f"the database {live} is still there, with a part of its initial state: {error}")
        )
        return
    if others:
        ctx.progress.log(
            WarningLine.of(
                f"the database {live} was kept: it has other points than those of the component, clients' perhaps."
                " Its initial state is not complete: import the rest (influx -import), or drop the database and"
                " activate again"
            )
        )
    ctx.journal.step(GIVEN_UP)


def finish_left(ctx: Context, server: Server, live: str) -> None:
    """Lay down again what a dead activation began to: clients may have written since, so nothing is deleted. Points
    that are there already are the same. Idempotent. Raises PluginError."""
    names = [name for name, _ in ctx.journal.steps()]
    if BEGUN in names and LAID_DOWN not in names and GIVEN_UP not in names:
        _lay_down(ctx, server, live, _Written())
        ctx.journal.step(LAID_DOWN)


@dataclass
class _Written:
    """What this activation has written so far."""

    points: int = 0


def _lay_down(ctx: Context, server: Server, live: str, written: _Written) -> None:
    files = sorted(filter(Path.is_file, ctx.component.initial_files(INITIAL, "*")))
    server.query(f"CREATE DATABASE {identifier(live)}")
    try:
        for path in files:
            ctx.progress.log(f"loading {path.name}")
            with path.open("rb") as stream:
                _load(ctx, server, live, stream, written)
    except OSError as error:
        raise PluginError(f"{live} could not be filled ({error.strerror})", "check the component's files") from error
    if not databases.exists(server, live):
        raise PluginError(f"the initial state of {live} drops it", "correct the component's files")


def _load(ctx: Context, server: Server, live: str, stream: Iterable[bytes], written: _Written) -> None:
    database, policy = live, ""
    waiting: list[bytes] = []

    def write() -> None:
        for batch in batches(waiting, 5000):
            ctx.cancel.check()
            server.write(batch, database, policy)
            written.points += len(batch) if database == live else 0
        waiting.clear()

    points = False
    for line in _whole_lines(stream):
        if line.startswith((_DDL, _DML)):
            points = line.startswith(_DML)
        elif points and line.startswith((_DATABASE, _POLICY)):
            write()
            named = line.partition(b":")[2].strip().decode("utf-8", "surrogateescape")
            database, policy = (named, policy) if line.startswith(_DATABASE) else (database, named)
        elif line.startswith(b"#") or not line.strip():
            continue
        elif points:
            waiting.append(line)
            if len(waiting) >= 5000:
                write()
        else:
            server.query(line.decode("utf-8", "surrogateescape").strip(), database)
    write()


def _whole_lines(stream: Iterable[bytes]) -> Iterator[bytes]:
    """Lines; those of a text value together."""
    waiting = b""
    for line in stream:
        waiting += line if line.endswith(b"\n") else line + b"\n"
        if not waiting.startswith(b"#") and b'"' in waiting and _is_point(waiting) and is_open(waiting):
            continue
        yield waiting
        waiting = b""
    if waiting:
        yield waiting


def _is_point(line: bytes) -> bool:
    """Whether it has a text value that has not ended: an odd number of quotes that nothing escapes."""
    return (line.replace(b"\\\\", b"").replace(b'\\"', b"").count(b'"')) % 2 == 1
