"""``dysnomia-tui hosts``: every machine's worst health on one screen, asked over the operator's own ssh."""

from __future__ import annotations

import argparse
import os
import subprocess
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from dysnomia_base.durations import age_of
from dysnomia_base.plurals import plural
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
from dysnomia_tui.engine.errors import Exit, ReadOnly
from dysnomia_tui.engine.records import Level

if TYPE_CHECKING:
    from pathlib import Path

    from dysnomia_tui.config import HostSettings, Settings
    from dysnomia_tui.engine import HostReport

_COLUMNS = ("HOST", "STATE", "NEWEST GOOD", "COMP", "STORED", "JOBS", "FIRST")


def hosts(args: argparse.Namespace) -> int:
    """Ask them all. Returns the worst level: 0 ok, 1 warning, 2 critical (a host that does not answer is critical).

    Raises Usage where no hosts are configured, or for options that make no sense."""
    _check(args)
    settings = load(args.statedir)
    known = known_hosts(settings)
    for text in known.left_out:
        say(f"WARNING: {text}")
    if not known.hosts:
        raise Usage("no hosts are configured", 'write [hosts.db1] address = "db1.example.org" in config.toml')
    wanted = hosts_chosen(known.hosts, args.host)
    if args.list:
        _list(wanted, as_json=args.json)
        return 0
    control = control_folder(os.environ)
    if args.connect:
        _connect(wanted, control)
    if args.screen:
        return _open_screen(settings, args)
    if args.run:
        return _run(args, wanted, control, read_only=args.read_only or settings.read_only)
    reports = sorted(
        hosts_reported(wanted, control, at_once=args.at_once, limit=float(args.timeout)),
        key=lambda one: (-one.level, one.host.name),
    )
    if args.json:
        write_json({"hosts": [_document(one) for one in reports]})
    else:
        write_lines(map(visible, lines(reports)))
    return max((one.level for one in reports), default=Level.OK)


def _check(args: argparse.Namespace) -> None:
    """Raises Usage for numbers that are none, and for options that would be passed over."""
    for option, given in (
        ("--serial", args.serial),
        ("--max-fail-percentage", args.max_fail_percentage),
        ("--dry-run", args.dry_run or None),
    ):
        if given is not None and not args.run:
            raise Usage(f"{option} goes with --run")
    args.serial = 1 if args.serial is None else args.serial
    args.max_fail_percentage = args.max_fail_percentage or 0
    if args.list and (args.run or args.screen or args.connect):
        raise Usage("--list asks nobody", "give it without --run, --screen and --connect")
    if args.screen and args.json:
        raise Usage("--screen and --json cannot be combined", "give only one of them")
    if not 1 <= args.at_once <= 200:
        raise Usage(f"--at-once must be 1 to 200, not {args.at_once}")
    if not 1 <= args.timeout <= 600:
        raise Usage(f"--timeout must be 1 to 600 seconds, not {args.timeout}")
    if args.serial < 1:
        raise Usage(f"--serial must be 1 or more, not {args.serial}")
    if not 0 <= args.max_fail_percentage <= 100:
        raise Usage(f"--max-fail-percentage must be 0 to 100, not {args.max_fail_percentage}")


def _list(wanted: Sequence[HostSettings], *, as_json: bool) -> None:
    if as_json:
        write_json({"hosts": [{"host": one.name, "address": one.address, "labels": one.labels} for one in wanted]})
    else:
        write_lines(visible(f"{one.name}  {one.address}  {', '.join(one.labels)}".rstrip()) for one in wanted)


def _open_screen(settings: Settings, args: argparse.Namespace) -> int:
    from dysnomia_tui.cli.tui.command import run_app
    from dysnomia_tui.engine.records import Opening

    return run_app(settings, read_only=args.read_only, opening=Opening(hosts=True, only=tuple(args.host)))


def _run(
    args: argparse.Namespace, wanted: Sequence[HostSettings], control: Path | None, *, read_only: bool
) -> int:  # fmt: skip
    """Work on each, ``--serial`` at a time. Returns 0 where it went well on all, PARTLY where on some, else FAILED.

    Raises ReadOnly."""
    task = HostTask(args.run)
    if args.dry_run:
        _would_run([host for batch in batches(wanted, args.serial) for host in batch], task, as_json=args.json)
        return Exit.OK
    if read_only:
        raise ReadOnly(f"--run {task.value} was not begun: read-only", "--dry-run shows what would be called")
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


def _would_run(hosts: Sequence[HostSettings], task: HostTask, *, as_json: bool) -> None:
    """In the order in which they would be called. Raises EngineError."""
    calls = [(host.name, command_of(host, task)) for host in hosts]
    commands = [(name, " ".join([called.command, *words])) for name, (called, words) in calls]
    if as_json:
        write_json({"hosts": [{"host": name, "command": command} for name, command in commands]})
    else:
        write_lines(visible(f"{name}: would run {command}") for name, command in commands)


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
    yield f"{plural(len(reports), 'host')}, {bad} need{'s' if bad == 1 else ''} a person"


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
