"""``config.toml``, read strictly: an unknown key, a wrong type or a bad value is refused with file and line.

read_only = false           labels = ["PROD"]          compression = "zstd"       level = 3
jobs_at_once = 2            grace = "7d"               guard_hold = "7d"          group = ""
theme = ""                  zone = "server"            statedir = "/var/state/dysnomia"
read_all_every = "7d"       ansible_inventory = ""     ssh_hosts = ""
containers_path, components_path, modules_path = folders, as in Dysnomia's variables

[keys]                      # action = "keys, comma-separated"
[containers.NAME]           # compression = "xz"
[components."NAME/*"]       # labels, stale_after = "26h"; "*/*" is for all, "NAME/COMPONENT" for one
[schedule]                  # snapshot = "02:00", collect, check, verify, status; on_failure = ["tell@%n.service"]
                            # collect_mode = "apply"; "review": the timer plans, and a person applies it
                            # metrics = "/var/lib/prometheus/node-exporter/dysnomia.prom"
[components."NAME/*".retention]   # last, hourly, daily, weekly, monthly, yearly, within = "2d", tagged = ["TAG"],
                            # max_size = "50G", at_least = 3, min_age = "7d"
[notify]                    # command = ["/a/program"], apprise = ["mailto://…"], time_limit = "30s"
[notify.ping]               # snapshot = "https://…", collect, check, verify, status; or a file that holds the address
[hosts.NAME]                # address, port, labels, command: another machine
[groups.NAME]               # components = ["NAME/COMPONENT", …]; before, after = ["/a/program"], time_limit = "1m"
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from dysnomia_base.durations import LONGEST, parse_duration, parse_keeping
from dysnomia_base.records import dataclass
from dysnomia_base.secret import Secret
from dysnomia_base.sizes import parse_size
from dysnomia_store.errors import NameRejected
from dysnomia_store.names import ComponentKey, validate_name
from dysnomia_store.records.retention import Policy
from dysnomia_store.records.rules import DURATION, RULES, SIZE, TAG
from dysnomia_tui.config.errors import SettingsError
from dysnomia_tui.config.model import GroupSettings, HostSettings

COMPRESSIONS = ("zstd", "xz", "none")
COLLECT_MODES = ("apply", "review")
ZONES = ("server", "utc", "relative")

Reader = Callable[[Any], Any]
Trail = tuple[str, ...]


@dataclass(frozen=True)
class Document:
    """One file as read: top-level settings by the names of ``Settings``, and the tables below."""

    path: Path
    top: Mapping[str, Any] = field(default_factory=dict)
    schedule: Mapping[str, Any] = field(default_factory=dict)
    """When what is done, and ``on_failure``."""
    notify: Mapping[str, Any] = field(default_factory=dict)
    """By the names of ``NotifySettings``."""
    keys: Mapping[str, str] = field(default_factory=dict)
    compression_by_container: Mapping[str, str] = field(default_factory=dict)
    components: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By pattern: ``labels``, ``stale_after``, ``policy``, each only where it is given."""
    groups: Mapping[str, GroupSettings] = field(default_factory=dict)
    hosts: Mapping[str, HostSettings] = field(default_factory=dict)


def read_document(path: Path) -> Document:
    """Raises SettingsError, naming file and line; FileNotFoundError is the caller's to expect."""
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not UTF-8 (byte {error.start})", "save it as UTF-8") from None
    except PermissionError:
        raise SettingsError(f"permission denied: {path}", "ask its owner to make it readable, or run as root") from None
    return read_text(path, text)


def read_text(path: Path, text: str) -> Document:
    """The text of a file, or what it would be. Raises SettingsError, naming file and line."""
    if text.startswith("\ufeff"):
        raise SettingsError(f"{path} begins with a byte order mark", "save it as UTF-8 without one (without BOM)")
    try:
        data = tomllib.loads(text)
    except RecursionError:
        raise SettingsError(f"{path} is not valid TOML: it is nested too deeply", "correct it") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}", "correct that line") from None
    return _Reading(path, text).document(data)


@dataclass(frozen=True)
class _Reading:
    path: Path
    text: str

    def document(self, data: Mapping[str, Any]) -> Document:
        tables: dict[str, Reader] = dict.fromkeys(TABLES, _table)
        top = self._values(data, {**TOP, **tables}, ())
        keys = top.pop("keys", {})
        containers = top.pop("containers", {})
        components = top.pop("components", {})
        groups = top.pop("groups", {})
        hosts = top.pop("hosts", {})
        schedule = self._values(top.pop("schedule", {}), SCHEDULE, ("schedule",))
        notify = self._values(top.pop("notify", {}), NOTIFY, ("notify",))
        if "ping" in notify:
            notify["ping"] = self._values(notify["ping"], PING, ("notify", "ping"))
        return Document(
            path=self.path,
            top=top,
            schedule=schedule,
            notify=notify,
            keys={name: self._value(value, _string, ("keys", name)) for name, value in keys.items()},
            compression_by_container={
                name: settings["compression"]
                for name, table in containers.items()
                if (settings := self._subtable(table, CONTAINER, ("containers", name)))
            },
            components={
                pattern: self._component(table, ("components", pattern)) for pattern, table in components.items()
            },
            groups={name: self._group(table, ("groups", name)) for name, table in groups.items()},
            hosts={
                name: HostSettings(name, **{"address": name, **self._subtable(table, HOST, ("hosts", name))})
                for name, table in hosts.items()
            },
        )

    def _group(self, table: Any, trail: Trail) -> GroupSettings:
        try:
            validate_name(trail[-1], "group")
        except NameRejected as error:
            raise self._error(trail, error.message, "give the group another name") from None
        group_table = self._subtable(table, GROUP, trail)
        if not group_table.get("components"):
            raise self._error(trail, f"group {trail[-1]!r} has no components", 'write components = ["NAME/COMPONENT"]')
        return GroupSettings(**group_table)

    def _component(self, table: Any, trail: Trail) -> Mapping[str, Any]:
        pattern = trail[-1]
        if not _is_pattern(pattern):
            raise self._error(trail, f"{pattern!r} is not a component", "write NAME/COMPONENT, NAME/* or */*")
        settings = self._subtable(table, COMPONENT, trail)
        if "retention" in settings:
            settings["policy"] = Policy(**self._subtable(settings.pop("retention"), RETENTION, (*trail, "retention")))
        return settings

    def _subtable(self, table: Any, known: Mapping[str, Reader], trail: Trail) -> dict[str, Any]:
        return self._values(self._value(table, _table, trail), known, trail)

    def _values(self, table: Mapping[str, Any], known: Mapping[str, Reader], trail: Trail) -> dict[str, Any]:
        for name in table:
            if name not in known:
                raise self._error((*trail, name), f"unknown key {name!r}", nearest(name, known))
        return {name: self._value(value, known[name], (*trail, name)) for name, value in table.items()}

    def _value(self, value: Any, read: Reader, trail: Trail) -> Any:
        try:
            return read(value)
        except _NoTable as error:
            way_out = f"write it as [{'.'.join(trail)}] with lines below"
            raise self._error(trail, f"{trail[-1]}: {error}", way_out) from None
        except ValueError as error:
            raise self._error(trail, f"{trail[-1]}: {error}", "correct that line") from None

    def _error(self, trail: Trail, message: str, hint: str) -> SettingsError:
        line = line_of(self.text, trail)
        where = f"{self.path}, line {line}" if line else str(self.path)
        return SettingsError(f"{where}: {message}", hint)


def _is_pattern(text: str) -> bool:
    """Whether it is ``*/*``, ``NAME/*`` or the name of a component, which may hold a ``*`` of its own."""
    container, _, component = text.partition("/")
    if container == "*":
        return component == "*"
    try:
        ComponentKey.of(container, component)
    except NameRejected:
        return False
    return True


def nearest(name: str, known: Collection[str]) -> str:
    """The hint for an unknown key."""
    import difflib  # for who has made a mistake

    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(sorted(known))}"


def line_of(text: str, trail: Trail) -> int | None:
    """The line (from 1) where the key at ``trail`` stands, as far as a look at the lines can tell."""
    table: Trail = ()
    best: int | None = None
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[+\s*(.+?)\s*\]+\s*(#.*)?$", line)
        if header:
            table = dotted(header[1])
            if table == trail:
                return number
            if best is None and table[: len(trail)] == trail:
                best = number
            continue
        key = re.match(r"\s*([^=#]+?)\s*=", line)
        if key:
            here = (*table, *dotted(key[1]))
            if here == trail or here[: len(trail)] == trail:
                return number
            if here == trail[: len(here)]:
                best = number
    return best


def dotted(text: str) -> Trail:
    """The parts of a key or of a table's head."""
    return tuple(
        bare or double or single for double, single, bare in re.findall(r'"([^"]*)"|\'([^\']*)\'|([\w*-]+)', text)
    )


# --- readers of single values: each raises ValueError with what was expected ---------------------------------------


class _NoTable(ValueError):
    """Something else where a table belongs."""


def _table(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _NoTable("expected a table here")
    return value


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("expected a text in quotes")
    return value


def _command(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ValueError('expected how the program is called there, as in "sudo dysnomia-tui"')
    return value


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("expected true or false")
    return value


def _whole(low: int, high: int) -> Reader:
    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"a whole number from {low} to {high} is expected")
        return value

    return read


def _one_of(choices: Collection[str]) -> Reader:
    def read(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"one of {', '.join(choices)} is expected")
        return str(value)

    return read


def _strings(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError('expected a list of texts, as in ["PROD"]')
    return tuple(value)


def _path(value: Any) -> Path:
    path = Path(_string(value))
    if not path.is_absolute():
        raise ValueError("expected an absolute path")
    return path


def _paths(value: Any) -> tuple[Path, ...]:
    return tuple(_path(one) for one in _strings(value))


def _duration(value: Any) -> Any:
    return parse_duration(_string(value))


def _keeping(value: Any) -> Any:
    return parse_keeping(_string(value))


def _size(value: Any) -> int:
    return parse_size(_string(value))


def _calendar(value: Any) -> str:
    text = _string(value).strip()
    if "\n" in text or len(text) > 200:
        raise ValueError("expected a calendar expression of systemd, as 02:00, hourly or Sun 05:00")
    return "" if text == "never" else text


def _argv(value: Any) -> tuple[str, ...]:
    words = _strings(value)
    if not words or not words[0].startswith("/") or any("\0" in word for word in words):
        raise ValueError('expected a program by its absolute path, and its arguments, as in ["/usr/bin/logger", "-t"]')
    return words


def _address(value: Any) -> Secret | Path:
    """An address over http or https, or a file that holds one. No message repeats it."""
    text = _string(value).strip()
    if text.startswith("/"):
        return Path(text)
    from dysnomia_tui.config.addresses import why_not_http

    reason = why_not_http(text)
    if reason:
        raise ValueError(reason)
    return Secret(text)


def _apprise(value: Any) -> tuple[Secret | Path, ...]:
    return tuple(Path(text) if text.startswith("/") else Secret(text) for text in map(str.strip, _strings(value)))


def _time_limit(value: Any) -> Any:
    limit = _duration(value)
    if not 1 <= limit.total_seconds() <= 600:
        raise ValueError("a time from 1s to 10m is expected")
    return limit


def _keys(value: Any) -> tuple[ComponentKey, ...]:
    try:
        keys = tuple(ComponentKey.parse(one) for one in _strings(value))
    except NameRejected as error:
        raise ValueError(f"{error.message}; write NAME/COMPONENT") from None
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise ValueError(f"{twice} is named twice")
    return keys


def _duration_or_never(value: Any) -> Any:
    return LONGEST if value == "never" else _duration(value)


TOP: Mapping[str, Reader] = {
    "statedir": _path,
    "containers_path": _paths,
    "components_path": _paths,
    "modules_path": _paths,
    "read_only": _boolean,
    "jobs_at_once": _whole(1, 64),
    "grace": _keeping,
    "guard_hold": _keeping,
    "read_all_every": _duration,
    "compression": _one_of(COMPRESSIONS),
    "level": _whole(1, 22),
    "group": _string,
    "labels": _strings,
    "theme": _string,
    "zone": _one_of(ZONES),
    "dim": _boolean,
    "ansible_inventory": _path,
    "ssh_hosts": _path,
}
TABLES = ("keys", "containers", "components", "schedule", "notify", "groups", "hosts")
HOST: Mapping[str, Reader] = {
    "address": _string, "port": _whole(1, 65535), "labels": _strings, "command": _command,
}  # fmt: skip
SCHEDULED = ("snapshot", "collect", "check", "verify", "status")
NOTIFY: Mapping[str, Reader] = {"command": _argv, "ping": _table, "apprise": _apprise, "time_limit": _time_limit}
PING: Mapping[str, Reader] = dict.fromkeys(SCHEDULED, _address)
SCHEDULE: Mapping[str, Reader] = {
    **dict.fromkeys(SCHEDULED, _calendar),
    "collect_mode": _one_of(COLLECT_MODES),
    "on_failure": _strings,
    "metrics": _path,
}
GROUP: Mapping[str, Reader] = {"components": _keys, "before": _argv, "after": _argv, "time_limit": _time_limit}
CONTAINER: Mapping[str, Reader] = {"compression": _one_of(COMPRESSIONS)}
COMPONENT: Mapping[str, Reader] = {"labels": _strings, "stale_after": _duration_or_never, "retention": _table}
RETENTION: Mapping[str, Reader] = {
    rule.name: {DURATION: _keeping, SIZE: _size, TAG: _strings}.get(rule.takes) or _whole(0, 100_000) for rule in RULES
}
