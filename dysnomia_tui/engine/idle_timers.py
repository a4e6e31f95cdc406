"""Timers of ours that are written and start nothing: they were disabled, masked or stopped behind our back.

What the links of systemd's folders say is looked at each time; systemd itself is asked only where somebody waits for a
report, since a call of systemctl takes longer than all else that a look needs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dysnomia_base.records import dataclass
from dysnomia_tui.config import Settings
from dysnomia_tui.engine.records import Alarm
from dysnomia_tui.engine.schedule import BOOTED, SYSTEM, TASKS, is_masked, systemctl_of

if TYPE_CHECKING:
    from subprocess import Popen

PATIENCE = 2.0
"""Seconds that systemd has for its answer; then nothing is known of it."""
TOLD = ("Id", "LoadState", "ActiveState")
WANTED = "timers.target.wants"
WRITE = "dysnomia-tui schedule --write"
DISABLED = "is disabled, and does not run any more, or not after a reboot"


@dataclass(frozen=True, slots=True)
class IdleTimer:
    """A timer that is written and starts nothing."""

    unit: str
    state: str
    """``is masked, and starts nothing``."""
    remedy: str
    """The command that has it run again."""

    @property
    def alarm(self) -> Alarm:
        """Known by its unit: each is told once."""
        return Alarm(f"{self.unit} {self.state}: {self.remedy}", topic=f"timer {self.unit}")


def units_of(settings: Settings) -> Path | None:
    """The folder of the units that work on this store: its owner's. None where that is another user than root or us,
    where the units are for another store, where systemd does not run, and in the demo."""
    if not settings.discovers or not BOOTED.is_dir():
        return None
    try:
        owner = os.stat(settings.statedir).st_uid  # noqa: PTH116 (called each second; a Path would cost more)
    except OSError:
        owner = os.geteuid()
    if owner not in (0, os.geteuid()):
        return None
    folder = SYSTEM if owner == 0 else settings.user_config.parent / "systemd" / "user"
    return None if _is_for_another(folder, settings.statedir) else folder


def _is_for_another(folder: Path, statedir: Path) -> bool:
    """Whether the units there name another state directory."""
    for task in TASKS:
        try:
            text = (folder / task.service).read_text("utf-8", "surrogateescape")
        except OSError:
            continue
        named = text.replace("%%", "%").replace("$$", "$").partition("DYSNOMIA_STATEDIR=")[2].partition("\n")[0]
        return bool(named) and named.rstrip('"').replace('\\"', '"').replace("\\\\", "\\") != str(statedir)
    return False


def seen_in(folder: Path) -> Iterator[IdleTimer]:
    """Those that the links say are not started with the machine."""
    command = systemctl_of(folder)
    for unit in _units():
        timer = f"{folder}/{unit}"
        wanted = os.path.lexists(f"{folder}/{WANTED}/{unit}")
        if is_masked(timer):
            if os.path.lexists(timer.replace(".timer", ".service")):
                yield IdleTimer(unit, "is masked, and starts nothing", f"{command} unmask {unit}; {WRITE}")
        elif os.path.exists(timer):  # noqa: PTH110 (as above)
            if not wanted:
                yield IdleTimer(unit, DISABLED, f"{command} enable --now {unit}")
        elif wanted:
            yield IdleTimer(unit, "is enabled, and its file is gone", WRITE)


def _units() -> Iterator[str]:
    return (task.timer for task in TASKS)


class Asked:
    """What systemd is asked while other things are looked at."""

    def __init__(self, folder: Path) -> None:
        """Ask of those that are written; nothing where systemd does not run, or cannot be asked."""
        self._folder = folder
        self._child: Popen[str] | None = None
        units = [unit for unit in _units() if os.path.exists(f"{folder}/{unit}")]  # noqa: PTH110
        if units:
            argv = [*systemctl_of(folder).split(), "--no-pager", "--no-ask-password", "show",
                    f"--property={','.join(TOLD)}", *units]  # fmt: skip
            import subprocess  # where there are no timers nobody is asked

            try:
                self._child = subprocess.Popen(
                    argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
                )
            except OSError:
                return

    def idle(self) -> Sequence[IdleTimer]:
        """Those that do not run, though their links say that they are enabled."""
        if self._child is None:
            return ()
        from subprocess import TimeoutExpired

        with self._child as child:
            try:
                out, _ = child.communicate(timeout=PATIENCE)
            except TimeoutExpired:
                child.kill()
                return ()
        return tuple(self._stopped(out))

    def _stopped(self, answer: str) -> Iterator[IdleTimer]:
        command = systemctl_of(self._folder)
        for block in answer.split("\n\n"):
            properties = dict(line.partition("=")[::2] for line in block.splitlines())
            unit, loaded, state = (properties.get(name, "") for name in TOLD)
            if loaded not in ("", "loaded"):
                yield IdleTimer(unit, f"is not loaded by systemd ({loaded}), and starts nothing", WRITE)
            elif state in ("inactive", "failed"):
                word = "is stopped" if state == "inactive" else "has failed"
                yield IdleTimer(unit, f"{word}, and starts nothing", f"{command} start {unit}")


def alarms(folder: Path | None, asked: Asked | None = None) -> Iterator[Alarm]:
    """An alarm for each that is written and starts nothing. ``asked``: what systemd was asked before."""
    if folder is None:
        return
    by_link = {one.unit: one for one in seen_in(folder)}
    by_systemd = {one.unit: one for one in (asked.idle() if asked is not None else ())}
    for unit in _units():
        one = by_link.get(unit) or by_systemd.get(unit)
        if one is not None:
            yield one.alarm
