"""``dysnomia-tui hosts``: every machine's worst health on one screen, asked over the operator's own ssh."""

from __future__ import annotations

import argparse
import os
import subprocess
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from dysnomia_base.durations import age_of
from dysnomia_tui.cli.shared.output import say, size, visible, write_json, write_line, write_lines
from dysnomia_tui.cli.shared.parser import Usage, load
from dysnomia_tui.engine import (
    HostTask,
    batches,
    command_of,
    control_folder,
    hosts_chosen,
    hosts_reported,
    known_hosts,
    ssh_words,
    work_on,
)
from dysnomia_tui.engine.errors import Exit
from dysnomia_tui.engine.records import Level

if TYPE_CHECKING:
    from pathlib import Path

    from dysnomia_tui.config import HostSettings, Settings
    from dysnomia_tui.engine import HostReport

_COLUMNS = ("HOST", "STATE", "NEWEST GOOD", "COMP", "STORED", "JOBS", "FIRST")


def hosts(args: argparse.Namespace) -> int:
    """Ask them all. Returns the worst level: 0 ok, 1 warning, 2 critical (a host that does not answer is critical).

    Raises Usage where no hosts are configured, or for options that make no sense."""
    if not 1 <= args.at_once <= 200:
        raise Usage(f"--at-once must be 1 to 200, not {args.at_once}")
    if not 1 <= args.timeout <= 600:
        raise Usage(f"--timeout must be 1 to 600 seconds, not {args.timeout}")
    if args.serial < 1:
        raise Usage(f"--serial must be 1 or more, not {args.serial}")
    if not 0 <= args.max_fail_percentage <= 100:
        raise Usage(f"--max-fail-percentage must be 0 to 100, not {args.max_fail_percentage}")
    settings = load(args.statedir)
    known = known_hosts(settings)
    for text in known.left_out:
        say(f"WARNING: {text}")
    if not known.hosts:
        raise Usage("no hosts are configured", 'write [hosts.db1] address = "db1.example.org" in config.toml')
    wanted = hosts_chosen(known.hosts, args.host)
    if args.list:
        write_lines(visible(f"{one.name}  {one.address}  {', '.join(one.labels)}".rstrip()) for one in wanted)
        return 0
    control = control_folder(os.environ)
    if args.connect:
        _connect(wanted, control)
    if args.screen:
        return _open_screen(settings)
    if args.run:
        return _run(args, wanted, control)
    reports = sorted(
        hosts_reported(wanted, control, at_once=args.at_once, limit=float(args.timeout)),
        key=lambda one: (-one.level, one.host.name),
    )
    if args.json:
        write_json({"hosts": [_document(one) for one in reports]})
    else:
        write_lines(map(visible, lines(reports)))
    return max((one.level for one in reports), default=Level.OK)


def _open_screen(settings: Settings) -> int:
    from dysnomia_tui.cli.tui.command import run_app
    from dysnomia_tui.engine.records import Opening

    return run_app(settings, read_only=False, opening=Opening(hosts=True))


def _run(args: argparse.Namespace, wanted: Sequence[HostSettings], control: Path | None) -> int:
    """Work on each, ``--serial`` at a time. Returns 0 where it went well on all, PARTLY where on some, else FAILED."""
    task = HostTask(args.run)
    if args.dry_run:
        for batch in batches(wanted, args.serial):
            for host in batch:
                called, words = command_of(host, task)
                write_line(visible(f"{host.name}: would run {' '.join([called.command, *words])}"))
        return Exit.OK
    results = []
    for one in work_on(
        wanted, task, control, serial=args.serial, max_fail_percentage=args.max_fail_percentage
    ):  # fmt: skip
        results.append(one)
        if not args.json:
            write_line(visible(f"{one.host.name}: {one.problem or f'{task.value} done'}"))
    if args.json:
        write_json({"hosts": [
            {"host": one.host.name, "begun": one.begun, "status": one.status, "problem": one.problem} for one in results
        ]})  # fmt: skip
    good = sum(1 for one in results if not one.problem)
    return Exit.OK if good == len(results) else Exit.PARTLY if good else Exit.FAILED


def _connect(wanted: Sequence[HostSettings], control: Path | None) -> None:
    """Open a connection to each, one after the other: ssh may ask for passwords and codes here, and nowhere else."""
    if control is None:
        raise Usage("there is no folder to keep connections in", "set XDG_RUNTIME_DIR to one that is yours alone")
    for host in wanted:
        status = subprocess.run([*ssh_words(host, control), "true"], check=False).returncode
        if status:
            say(f"WARNING: {visible(host.name)}: ssh ended with {status}")


def lines(reports: Sequence[HostReport]) -> Iterator[str]:
    """A table for people; the worst first."""
    rows = [_COLUMNS, *(_row(one) for one in reports)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS) - 1)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        yield "  ".join([*cells, row[-1]]).rstrip()
    bad = sum(1 for one in reports if one.level is not Level.OK)
    yield f"{len(reports)} host{'' if len(reports) == 1 else 's'}, {bad} need{'s' if bad == 1 else ''} a person"


def _row(one: HostReport) -> tuple[str, ...]:
    if one.problem:
        return one.host.name, "NO ANSWER", "?", "?", "?", "?", one.problem
    ago = "never" if one.oldest is None else age_of(one.oldest)
    counts = (str(one.components), size(one.stored_size), str(one.jobs or "-"))
    return one.host.name, one.level.name if one.level else "ok", ago if one.components else "-", *counts, one.said


def _document(one: HostReport) -> dict[str, object]:
    return {
        "host": one.host.name,
        "address": one.host.address,
        "labels": list(one.host.labels),
        "level": one.level.name.lower(),
        "problem": one.problem,
        "components": one.components,
        "stored_size": one.stored_size,
        "oldest_newest_good": one.oldest,
        "jobs": one.jobs,
        "first": one.said,
    }
