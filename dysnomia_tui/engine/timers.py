"""The timers of ``schedule.py`` on this machine: how they stand with systemd, and what starts them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dysnomia_base.users import user_name
from dysnomia_store.records.retention import Policy
from dysnomia_tui.config import Settings
from dysnomia_tui.engine.errors import ConfigError, EngineError
from dysnomia_tui.engine.jobs.spawn import lingers
from dysnomia_tui.engine.schedule import BOOTED, SYSTEM, NotWritten, Timer, is_written, put_units, timers

TOLD = ("NextElapseUSecRealtime", "LastTriggerUSec", "ActiveState")


class SystemctlFailed(EngineError):
    """systemd refused what it was asked."""


@dataclass(frozen=True, slots=True)
class TimerState:
    """A task, and how its timer stands."""

    task: str
    when: str
    """As config.toml has it; ``never``."""
    written: str
    """``yes``, ``no``, ``differs`` (from config.toml)."""
    next: str = ""
    """In systemd's words, as the others."""
    last: str = ""
    result: str = ""


@dataclass(frozen=True, slots=True)
class Schedule:
    """What is done on time on this machine."""

    timers: tuple[TimerState, ...] = ()
    problem: str = ""
    """Why this user can write no timers here, and what can."""
    warning: str = ""
    """What stops the timers of this user that are or would be written, and what would end that."""

    @property
    def snapshots(self) -> bool:
        """Whether a timer that snapshots is written."""
        return any(one.task == "snapshot" and one.written != "no" for one in self.timers)

    @property
    def can_be_offered(self) -> bool:
        """Whether timers that snapshot can be written here, and are not."""
        wanted = any(one.task == "snapshot" and one.when != "never" for one in self.timers)
        return wanted and not self.snapshots and not self.problem


def schedule_of(settings: Settings, environ: Mapping[str, str]) -> Schedule:
    """How it stands here. Raises nothing: what cannot be asked is not known."""
    try:
        folder, problem = commands_folder(), why_no_timers(environ)
    except EngineError as error:
        folder, problem = Path("/usr/bin"), f"{error.message}: {error.hint}"
    return Schedule(states(timers(settings, folder, environ), units_folder()), problem, why_not_lasting())


def why_no_timers(environ: Mapping[str, str]) -> str:
    """Why no timer of this user's can be started here, and what does instead; ``""`` where one can."""
    if not BOOTED.is_dir() or shutil.which("systemctl") is None:
        return "systemd does not run here: dysnomia-tui schedule --cron writes lines for a crontab"
    if os.geteuid() != 0:
        own = Path(environ.get("XDG_RUNTIME_DIR", "/nonexistent")) / "systemd" / "private"
        if not os.path.exists(own):  # noqa: PTH110 (False where it may not be looked at)
            return "no systemd of this user's runs: sudo dysnomia-tui schedule --write"
    return ""


def why_not_lasting() -> str:
    """That timers of this user's stop when they log out, and what would end that; ``""`` where they do not."""
    uid = os.geteuid()
    if uid == 0 or not BOOTED.is_dir() or lingers(uid):
        return ""
    user = user_name(uid)
    return f"timers of {user} stop when {user} logs out: loginctl enable-linger {user}"


def refuse_without_systemd() -> None:
    """Raises SystemctlFailed before anything is written: a timer that is there and never runs counts as one that does
    (sd_booted(3))."""
    if not BOOTED.is_dir():
        raise SystemctlFailed("this machine was not booted by systemd", "instead: dysnomia-tui schedule --cron")


def states(timers: Sequence[Timer], folder: Path) -> tuple[TimerState, ...]:
    """How each stands: its units in ``folder``, and what systemd says."""
    return tuple(_state(timer, folder) for timer in timers)


def _state(timer: Timer, folder: Path) -> TimerState:
    written = is_written(timer, folder) if timer.when else None
    if written is None:
        return TimerState(timer.task.name, timer.when or "never", "no")
    properties = dict(_told(timer.unit))
    last = properties.get("LastTriggerUSec", "")
    result = dict(_told(timer.unit.replace(".timer", ".service"), "Result")).get("Result", "") if last else ""
    next_run = properties.get("NextElapseUSecRealtime", "")
    return TimerState(timer.task.name, timer.when, "yes" if written else "differs", next_run, last, result)


def start_units(units: Mapping[str, str], folder: Path) -> None:
    """Write unit files, and have systemd start their timers. Raises NotWritten, SystemctlFailed."""
    put_units(units, folder)
    tell_systemd([name for name in units if name.endswith(".timer")], ())


def tell_systemd(written: Sequence[str], removed: Sequence[str]) -> None:
    """Stop timers that are removed, start those that are written. Raises SystemctlFailed."""
    if removed:
        systemctl("stop", *removed, check=False)
    systemctl("daemon-reload")
    if written:
        systemctl("enable", *written)
        systemctl("restart", *written)


def commands_folder() -> Path:
    """Where our commands are: beside the one that runs. Raises ConfigError, NotWritten where others may write it."""
    here = Path(sys.argv[0]).absolute().parent
    if not (here / "dysnomia-containers").exists():
        program = shutil.which("dysnomia-containers")
        if program is None:
            raise ConfigError(
                "cannot find the folder of dysnomia-tui and its commands", "call dysnomia-tui by its absolute path"
            )
        here = Path(program).absolute().parent
    from dysnomia_base.ownership import why_not_obeyed

    reason = why_not_obeyed(here)
    if reason:
        raise NotWritten(f"a timer must not start programs in {here}: {reason}", "install the program for root")
    return here


def units_folder() -> Path:
    """Where units are: root's are the system's."""
    if os.geteuid() == 0:
        return SYSTEM
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "systemd" / "user"


def systemctl(*words: str, check: bool = True) -> str:
    """What systemctl says; one of the user's own where we are not root. Raises SystemctlFailed."""
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


def check(timers: Sequence[Timer], settings: Settings) -> None:
    """Ask systemd whether it understands the times, before anything is written; and see that what collects by a
    retention finds one. Raises ConfigError."""
    kept = any(component.policy != Policy() for component in settings.components.values())
    if not kept and any(timer.task.name == "collect" and timer.when for timer in timers):
        raise ConfigError(
            "schedule.collect is set in config.toml, but no retention is", 'write [components."*/*".retention]'
        )
    if shutil.which("systemd-analyze") is None:
        return
    for timer in timers:
        if timer.when:
            words = ["systemd-analyze", "calendar", timer.when]
            done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                problem = (done.stderr.strip().splitlines() or [""])[0]
                raise ConfigError(
                    f"schedule.{timer.task.name} in config.toml: systemd does not understand {timer.when!r}: {problem}",
                    "write it as 02:00, hourly, Sun 05:00 (systemd.time(7))",
                )


def _told(unit: str, *names: str) -> Iterator[tuple[str, str]]:
    """What systemd says of a unit; nothing where it cannot be asked."""
    try:
        out = systemctl("show", f"--property={','.join(names or TOLD)}", unit, check=False)
    except SystemctlFailed:
        return
    for line in out.splitlines():
        name, _, value = line.partition("=")
        yield name, "" if value == "n/a" else value
