"""Timers of systemd that call our commands: what they say, and what is written of them. Never a scheduler of our own.

The units carry the names that the NixOS module gives them. What was written here is known by its first line, and
nothing else is overwritten or removed.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from dysnomia_base.patterns import pattern
from dysnomia_base.records import dataclass
from dysnomia_base.whole_file import in_place_of
from dysnomia_tui.config import Settings
from dysnomia_tui.engine.errors import EngineError, Exit

MARK = "# Written by dysnomia-tui schedule: change config.toml and write it again."
SYSTEM = Path("/etc/systemd/system")
UNIT = "dysnomia-tui-"
"""Begins the names of our units."""
MASK = "/dev/null"
"""Where systemd leads the file of a unit that is masked."""
BOOTED = Path("/run/systemd/system")
"""There where systemd runs the machine (sd_booted(3))."""
SERVERS = ("remote-fs.target", "postgresql.service", "mariadb.service", "mysql.service", "redis-server.service",
           "redis.service", "valkey-server.service", "valkey.service", "mongod.service", "influxdb.service",
           "slapd.service", "ejabberd.service", "docker.service")  # fmt: skip
"""What is started first where it is there: a timer that was missed runs soon after boot."""
_SIMPLE = pattern(r"(?:(?P<day>Mon|Tue|Wed|Thu|Fri|Sat|Sun) )?(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::00)?")
"""A time that cron has words for."""
HARDENING = ("LockPersonality=yes", "ProtectClock=yes", "ProtectHostname=yes", "ProtectKernelModules=yes",
             "ProtectKernelTunables=yes", "ProtectKernelLogs=yes", "RestrictRealtime=yes")  # fmt: skip
"""What no job needs. Not: a closed file system, a private /tmp, no setuid: live state may be anywhere, sockets stand in
/tmp, and a restored tree has the modes it had. For the system's units alone: from systemd 253 on such options put a
user's unit into a user namespace, where root's files belong to nobody and so nothing may be obeyed; and what they
protect is not a user's anyway."""


class NotWritten(EngineError):
    """A unit that could not be written or removed, or that is another's."""

    exit = Exit.REFUSED


@dataclass(frozen=True, slots=True)
class Task:
    """Something that is done on time."""

    name: str
    title: str
    words: tuple[str, ...]
    """The command, by its name, and its arguments."""
    default: str = ""
    """When, where config.toml does not say; ``""`` for never."""
    fine: tuple[int, ...] = ()
    """Exit codes besides 0 that are no failure."""

    @property
    def timer(self) -> str:
        """The file of its timer, in a folder of units."""
        return f"{UNIT}{self.name}.timer"

    @property
    def service(self) -> str:
        return f"{UNIT}{self.name}.service"


TASKS = (
    Task("snapshot", "Snapshot every active component", ("dysnomia-containers", "--snapshot", "--scheduled"), "02:00"),
    Task("collect", "Collect old generations by the retention in config.toml",
         ("dysnomia-snapshots", "--gc", "--policy", "--scheduled")),
    Task("check", "Read every newest generation and compare its checksums",
         ("dysnomia-snapshots", "--query-latest", "--check", "--scheduled"), "Sun 05:00"),
    Task("verify", "Prove generations in turn by restoring them into a scratch place",
         ("dysnomia-tui", "verify", "--due", "--scheduled")),
    Task("status", "Fail where a component needs someone", ("dysnomia-tui", "status", "--scheduled"), "hourly",
         fine=(1,)),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class UnitFile:
    """A unit as it should be."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Timer:
    """A task with the time that is in force, and its units."""

    task: Task
    when: str
    """A calendar expression of systemd; ``""``: never."""
    units: tuple[UnitFile, ...]
    shell: str = ""
    """The same command for a shell, with the variables that lead it to this store."""

    @property
    def unit(self) -> str:
        return self.task.timer


def timers(settings: Settings, bin_folder: Path, environ: Mapping[str, str]) -> tuple[Timer, ...]:
    """Every task, as config.toml has it. ``bin_folder`` is where our commands are."""
    environ = _leading(environ, settings)
    result = []
    for task in TASKS:
        when = settings.schedule.get(task.name, task.default)
        units = _units(task, when, settings, bin_folder, environ) if when else ()
        result.append(Timer(task, when, tuple(units), _shell(task, bin_folder, environ)))
    return tuple(result)


def _units(
    task: Task, when: str, settings: Settings, bin_folder: Path, environ: Mapping[str, str]
) -> Iterator[UnitFile]:
    name = f"{UNIT}{task.name}"
    program, *arguments = task.words
    command = " ".join(_quoted(word) for word in (str(bin_folder / program), *arguments))
    service = [
        "[Unit]", f"Description={task.title}", "Documentation=man:systemd.timer(5)", f"After={' '.join(SERVERS)}",
        *(f"OnFailure={unit}" for unit in settings.schedule_on_failure),
        "", "[Service]", "Type=oneshot", f"ExecStart={command}", "UMask=0077", "Nice=5", "IOSchedulingPriority=6",
        *(HARDENING if os.geteuid() == 0 else ()),
        *(f"Environment={_quoted(f'{key}={value}')}" for key, value in sorted(environ.items())),
    ]  # fmt: skip
    if task.fine:
        service.append(f"SuccessExitStatus={' '.join(map(str, task.fine))}")
    timer = ["[Unit]", f"Description={task.title}", "", "[Timer]", f"OnCalendar={when}", "Persistent=true",
             "RandomizedDelaySec=60", "", "[Install]", "WantedBy=timers.target"]  # fmt: skip
    yield UnitFile(f"{name}.service", "\n".join((MARK, *service, "")))
    yield UnitFile(f"{name}.timer", "\n".join((MARK, *timer, "")))


def _leading(environ: Mapping[str, str], settings: Settings) -> Mapping[str, str]:
    """The variables that lead a command to the same store, and to the same config.toml: what a timer starts has
    neither those of a login nor, with the system's units, a home."""
    names = ["DYSNOMIA_STATEDIR", "DYSNOMIA_CONTAINERS_PATH", "DYSNOMIA_COMPONENTS_PATH", "DYSNOMIA_MODULES_PATH"]
    folder = Path(environ.get("XDG_CONFIG_HOME") or "/nowhere")
    if folder != Path(environ.get("HOME", "")) / ".config" and any(folder in file.parents for file in settings.files):
        names.append("XDG_CONFIG_HOME")
    return {name: environ[name] for name in names if name in environ}


def _quoted(word: str) -> str:
    """A word of a unit file (systemd.syntax(7)): specifiers, quotes and variables are not expanded in it."""
    plain = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{plain}"' if any(letter in word for letter in " \t\"'\\;") else plain


def is_daily(settings: Settings, folder: Path) -> bool:
    """Whether a timer of ours that snapshots is written in a folder of units, and runs at least once a day. A time in
    words of systemd that are not plain counts as seldom: nothing is called stale on a guess."""
    task = TASKS[0]
    when = settings.schedule.get(task.name, task.default)
    simple = _SIMPLE.fullmatch(when)
    often = when in ("minutely", "hourly", "daily") or (simple is not None and not simple["day"])
    return often and (folder / task.timer).is_file()


def cron(timers: Sequence[Timer]) -> Iterator[str]:
    """Lines for crontab(5), where there is no systemd. Times that cron cannot say are left to the operator."""
    for timer in timers:
        if timer.when:
            command = timer.shell.replace("%", r"\%")  # which would end the line
            yield f"{_cron_time(timer.when)} {command}"


def _shell(task: Task, bin_folder: Path, environ: Mapping[str, str]) -> str:
    program, *arguments = task.words
    variables = [f"{name}={shlex.quote(value)}" for name, value in sorted(environ.items())]
    return " ".join([*variables, shlex.join([str(bin_folder / program), *arguments])])


def _cron_time(when: str) -> str:
    named = {"minutely": "* * * * *", "hourly": "0 * * * *", "daily": "0 0 * * *", "weekly": "0 0 * * 1",
             "monthly": "0 0 1 * *"}  # fmt: skip
    if when in named:
        return named[when]
    simple = _SIMPLE.fullmatch(when)
    if simple is None:
        return f"# {shlex.quote(when)} in cron's words, in place of this:"
    return f"{int(simple['minute'])} {int(simple['hour'])} * * {simple['day'] or '*'}"


def write(timers: Sequence[Timer], folder: Path) -> tuple[list[str], list[str]]:
    """Write what should be there and remove what should not. Returns the timers that are there, and those removed.

    Raises NotWritten, also where a unit of the same name is another's."""
    for timer in timers:
        for name in _names(timer):
            _refuse_others(folder / name)
    for timer in timers:
        for unit in timer.units:
            _put(folder / unit.name, unit.text)
    without_units = [timer for timer in timers if not timer.units]
    return [timer.unit for timer in timers if timer.units], remove(without_units, folder)


def remove(timers: Sequence[Timer], folder: Path) -> list[str]:
    """Remove what was written here; returns the timers that were there. Raises NotWritten."""
    was = []
    for timer in timers:
        for name in _names(timer):
            path = folder / name
            if _written_here(path):
                was += [name] if name == timer.unit else []
                try:
                    path.unlink()
                except OSError as error:
                    raise NotWritten(f"{path} was not removed: {error.strerror}", "run it as root") from None
    return was


def is_written(timer: Timer, folder: Path) -> bool | None:
    """Whether a timer's units stand there as they should; None where there are none."""
    texts = [_read(folder / unit.name) for unit in timer.units]
    if not any(texts):
        return None
    return all(text == unit.text for text, unit in zip(texts, timer.units, strict=True))


def put_units(units: Mapping[str, str], folder: Path) -> None:
    """Write unit files (by name) over none of another's. Raises NotWritten."""
    for name in units:
        _refuse_others(folder / name)
    for name, text in units.items():
        _put(folder / name, text)


def _names(timer: Timer) -> tuple[str, str]:
    return timer.unit, timer.unit.replace(".timer", ".service")


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "surrogateescape")
    except OSError:
        return ""


def _written_here(path: Path) -> bool:
    return _read(path).startswith(MARK)


def _refuse_others(path: Path) -> None:
    if is_masked(path):
        raise NotWritten(f"{path.name} is masked", f"{systemctl_of(path.parent)} unmask {path.name}")
    if (path.exists() or path.is_symlink()) and not _written_here(path):
        raise NotWritten(f"{path} is there and was not written by this command", "rename it, or remove it")


def is_masked(unit: str | Path) -> bool:
    """Whether systemd was told to start nothing of a unit, by the link in the place of its file."""
    try:
        return os.readlink(unit) == MASK
    except OSError:
        return False


def systemctl_of(folder: Path) -> str:
    """What asks the systemd that has its units in a folder."""
    return "systemctl" if folder == SYSTEM else "systemctl --user"


def _put(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with in_place_of(path, 0o644, durable=False) as file:
            file.write(text.encode())
    except OSError as error:
        hint = "run it as root; on NixOS the module has snapshot, collect and onFailure"
        raise NotWritten(f"{path} was not written: {error.strerror}", hint) from None
