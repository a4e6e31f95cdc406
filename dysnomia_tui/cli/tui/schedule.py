"""``dysnomia-tui schedule``: timers of systemd that snapshot, collect and check; shown, written and removed."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from dysnomia_store.records.retention import Policy
from dysnomia_tui.cli.shared.output import say, visible, write_json, write_line, write_lines
from dysnomia_tui.cli.shared.parser import Usage, load
from dysnomia_tui.config import Settings
from dysnomia_tui.engine.errors import EngineError, Exit
from dysnomia_tui.engine.schedule import SYSTEM, NotWritten, Timer, cron, is_written, remove, timers, write

BOOTED = Path("/run/systemd/system")
"""There where systemd is PID 1."""
TOLD = ("NextElapseUSecRealtime", "LastTriggerUSec", "ActiveState")


class SystemctlFailed(EngineError):
    """systemd refused what it was asked."""


def schedule(args: argparse.Namespace) -> int:
    settings = load(args.statedir)
    configured = timers(settings, _commands(), os.environ)
    folder = args.dir or _folder()
    if args.cron:
        write_lines(cron(configured))
    elif args.print:
        write_lines(line for timer in configured for unit in timer.units for line in (f"# {unit.name}", unit.text))
    elif args.write:
        _check(configured, settings)
        if args.dir is None:
            _refuse_without_systemd()
        written, removed = write(configured, folder)
        _tell_systemd(args.dir, written, removed)
        write_lines(
            [*(f"{folder / unit}: written" for unit in written), *(f"{folder / unit}: removed" for unit in removed)]
        )
    elif args.remove:
        removed = [timer.unit for timer in configured if (folder / timer.unit).exists()]
        if args.dir is None and removed:
            _systemctl("disable", "--now", *removed)
        write_lines(f"{folder / unit}: removed" for unit in remove(configured, folder))
        if args.dir is None:
            _systemctl("daemon-reload")
    else:
        _show(configured, folder, as_json=args.json)
    return Exit.OK


def _commands() -> Path:
    """Where our commands are: beside the one that runs."""
    here = Path(sys.argv[0]).absolute().parent
    if not (here / "dysnomia-containers").exists():
        program = shutil.which("dysnomia-containers")
        if program is None:
            raise Usage(
                "cannot find the folder of dysnomia-tui and its commands", "call dysnomia-tui by its absolute path"
            )
        here = Path(program).absolute().parent
    from dysnomia_base.ownership import why_not_obeyed

    reason = why_not_obeyed(here)
    if reason:
        raise NotWritten(f"a timer must not start programs in {here}: {reason}", "install the program for root")
    return here


def _folder() -> Path:
    if os.geteuid() == 0:
        return SYSTEM
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "systemd" / "user"


def _systemctl(*words: str, check: bool = True) -> str:
    user = () if os.geteuid() == 0 else ("--user",)
    argv = ["systemctl", *user, "--no-pager", "--no-ask-password", *words]
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60)
    except FileNotFoundError:
        raise SystemctlFailed("systemctl is not there", "without systemd: dysnomia-tui schedule --cron") from None
    except subprocess.TimeoutExpired:
        raise SystemctlFailed(f"{' '.join(argv)} has not answered for a minute", "look at systemctl status") from None
    if check and done.returncode != 0:
        raise SystemctlFailed(
            f"{' '.join(argv)}: {done.stderr.strip()}", "without systemd: dysnomia-tui schedule --cron"
        )
    return done.stdout


def _refuse_without_systemd() -> None:
    """Raises SystemctlFailed before anything is written: a timer that is there and never runs counts as one that does
    (sd_booted(3))."""
    if not BOOTED.is_dir():
        raise SystemctlFailed("this machine was not booted by systemd", "instead: dysnomia-tui schedule --cron")


def _check(timers: Sequence[Timer], settings: Settings) -> None:
    """Ask systemd whether it understands the times, before anything is written; and see that what collects by a
    retention finds one."""
    kept = any(component.policy != Policy() for component in settings.components.values())
    if not kept and any(timer.task.name == "collect" and timer.when for timer in timers):
        raise Usage("schedule.collect is set in config.toml, but no retention is", 'write [components."*/*".retention]')
    if shutil.which("systemd-analyze") is None:
        return
    for timer in timers:
        if timer.when:
            words = ["systemd-analyze", "calendar", timer.when]
            done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                problem = (done.stderr.strip().splitlines() or [""])[0]
                raise Usage(
                    f"schedule.{timer.task.name} in config.toml: systemd does not understand {timer.when!r}: {problem}",
                    "write it as 02:00, hourly, Sun 05:00 (systemd.time(7))",
                )


def _tell_systemd(given: Path | None, written: Sequence[str], removed: Sequence[str]) -> None:
    if given is not None:
        say("the units were written to --dir; systemd was not reloaded")
        return
    if removed:
        _systemctl("stop", *removed, check=False)
    _systemctl("daemon-reload")
    if written:
        _systemctl("enable", *written)
        _systemctl("restart", *written)


def _show(timers: Sequence[Timer], folder: Path, *, as_json: bool) -> None:
    lines = []
    for timer in timers:
        written = is_written(timer, folder) if timer.when else None
        properties = dict(_told(timer.unit)) if written is not None else {}
        result = dict(_told(timer.unit.replace(".timer", ".service"), "Result")).get("Result", "") if properties else ""
        lines.append(
            {
                "task": timer.task.name,
                "when": timer.when or "never",
                "written": "no" if written is None else "yes" if written else "differs",
                "next": properties.get("NextElapseUSecRealtime", ""),
                "last": properties.get("LastTriggerUSec", ""),
                "result": result if properties.get("LastTriggerUSec") else "",
            }
        )
    if as_json:
        write_json(lines)
        return
    for line in lines:
        write_line(visible(_line(line)))
    if any(line["written"] != "yes" and line["when"] != "never" for line in lines):
        say("to write them: dysnomia-tui schedule --write (times are in config.toml, [schedule])")


def _line(line: dict[str, str]) -> str:
    parts = [f"{line['task']:<8}  {line['when']:<12}"]
    if line["when"] == "never":
        return parts[0].rstrip()
    if line["written"] == "no":
        return f"{parts[0]}  no timer is written"
    if line["written"] == "differs":
        parts.append("the timer differs from config.toml")
    parts += [f"next {line['next']}"] if line["next"] else ["its timer is not active"]
    parts += [f"last {line['last']} ({line['result']})"] if line["last"] else ["not yet run"]
    return "  ".join(parts)


def _told(unit: str, *names: str) -> Iterator[tuple[str, str]]:
    """What systemd says of a unit; nothing where it cannot be asked."""
    try:
        out = _systemctl("show", f"--property={','.join(names or TOLD)}", unit, check=False)
    except SystemctlFailed:
        return
    for line in out.splitlines():
        name, _, value = line.partition("=")
        yield name, "" if value == "n/a" else value
