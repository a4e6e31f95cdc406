"""``dysnomia-tui schedule``: timers of systemd that snapshot, collect and check; shown, written and removed."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from dysnomia_tui.cli.shared.output import say, visible, write_json, write_line, write_lines
from dysnomia_tui.cli.shared.parser import load
from dysnomia_tui.engine.errors import Exit
from dysnomia_tui.engine.idle_timers import Asked, alarms
from dysnomia_tui.engine.schedule import BOOTED, Timer, cron, remove, timers, write
from dysnomia_tui.engine.timers import (
    TimerState,
    check,
    commands_folder,
    refuse_without_systemd,
    states,
    systemctl,
    tell_systemd,
    units_folder,
    why_not_lasting,
)


def schedule(args: argparse.Namespace) -> int:
    settings = load(args.statedir)
    configured = timers(settings, commands_folder(), os.environ)
    folder = args.dir or units_folder()
    if args.cron:
        write_lines(cron(configured))
    elif args.print:
        write_lines(line for timer in configured for unit in timer.units for line in (f"# {unit.name}", unit.text))
    elif args.write:
        check(configured, settings)
        if args.dir is None:
            refuse_without_systemd()
        written, removed = write(configured, folder)
        if args.dir is None:
            tell_systemd(written, removed)
        else:
            say("the units were written to --dir; systemd was not reloaded")
        _warn()
        write_lines(
            [*(f"{folder / unit}: written" for unit in written), *(f"{folder / unit}: removed" for unit in removed)]
        )
    elif args.remove:
        removed = [timer.unit for timer in configured if (folder / timer.unit).exists()]
        if args.dir is None and removed:
            systemctl("disable", "--now", *removed)
        write_lines(f"{folder / unit}: removed" for unit in remove(configured, folder))
        if args.dir is None:
            systemctl("daemon-reload")
    else:
        _show(configured, folder, as_json=args.json)
    return Exit.OK


def _warn() -> None:
    reason = why_not_lasting()
    if reason:
        say(f"warning: {reason}")


def _show(timers: Sequence[Timer], folder: Path, *, as_json: bool) -> None:
    timer_states = states(timers, folder)
    if as_json:
        write_json([asdict(one) for one in timer_states])
        return
    for one in timer_states:
        write_line(visible(_line(one)))
    if any(one.written != "yes" and one.when != "never" for one in timer_states):
        say("to write them: dysnomia-tui schedule --write (times are in config.toml, [schedule])")
    for alarm in alarms(folder, Asked(folder)) if BOOTED.is_dir() else ():
        say(alarm.text)
    if any(one.written != "no" for one in timer_states):
        _warn()


def _line(one: TimerState) -> str:
    parts = [f"{one.task:<8}  {one.when:<12}"]
    if one.when == "never":
        return parts[0].rstrip()
    if one.written == "no":
        return f"{parts[0]}  no timer is written"
    if one.written == "differs":
        parts.append("the timer differs from config.toml")
    parts += [f"next {one.next}"] if one.next else ["its timer is not active"]
    parts += [f"last {one.last} ({one.result})"] if one.last else ["not yet run"]
    return "  ".join(parts)
