"""A retention policy written into ``config.toml``: only the lines of its table change, all others stay as they are."""

from __future__ import annotations

import fcntl
import os
import re
import stat
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dysnomia_base.durations import format_keeping
from dysnomia_base.ownership import nearest_existing, refusal
from dysnomia_base.sizes import parse_size
from dysnomia_base.whole_file import in_place_of
from dysnomia_store.records.retention import Policy
from dysnomia_store.records.rules import DURATION, RULES, SIZE, TAG
from dysnomia_tui.config.errors import SettingsError
from dysnomia_tui.config.load import components_of
from dysnomia_tui.config.model import ComponentSettings, Settings
from dysnomia_tui.config.nix import nix_store
from dysnomia_tui.config.toml import dotted, line_of, read_document, read_text

HEADER = re.compile(r"\s*\[+\s*(.+?)\s*\]+\s*(#.*)?$")
_KEY = re.compile(r"(?P<before>\s*(?P<key>[\w\"'-]+)\s*=\s*)(?P<value>[^#]*?)(?P<after>\s*(?:#.*)?)$")
_ACCESS_LIST = "system.posix_acl_access"
_UNITS = (("T", 1 << 40), ("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10), ("B", 1))
Values = Mapping[str, "int | str | list[str]"]


def values_of(policy: Policy) -> dict[str, int | str | list[str]]:
    """What config.toml says of a policy, by rule; rules that keep nothing are left out."""
    values: dict[str, int | str | list[str]] = {}
    for rule in RULES:
        value: Any = getattr(policy, rule.name)
        if not value:
            continue
        if rule.takes == DURATION:
            values[rule.name] = format_keeping(value)
        elif rule.takes == SIZE:
            values[rule.name] = _size_text(value)
        elif rule.takes == TAG:
            values[rule.name] = list(value)
        else:
            values[rule.name] = int(value)
    return values


def target_of(settings: Settings, uid: int) -> Path:
    """The config.toml that overrules the others: the user's own; as root the last that was read."""
    own = settings.user_config / "config.toml"
    return settings.files[-1] if uid == 0 and settings.files else own


def why_not_written(path: Path, environ: Mapping[str, str], uid: int) -> str:
    """Why a configuration file must not, or cannot, be written by us; ``""`` where it can."""
    real = Path(os.path.realpath(path))
    if str(real).startswith(nix_store(environ) + "/"):
        return f"{path} comes from the Nix store: write the retention into the configuration that makes it"
    refused = refusal(real, uid)
    if refused:
        return refused
    existing = nearest_existing(real)
    folder = existing if existing.is_dir() else existing.parent
    if not os.access(folder, os.W_OK | os.X_OK) or (existing == real and not os.access(real, os.W_OK)):
        return f"permission denied: {path} cannot be written by this user"
    return ""


def with_retention(path: Path, text: str, pattern: str, values: Values) -> str:
    """The text with this policy for a pattern. Raises SettingsError where it stands in a form that is not understood.

    The result is read again, and says the same of everything else."""
    before = _loads(path, text)
    trail = ("components", pattern, "retention")
    given = before.get("components", {}).get(pattern, {})
    lines = text.splitlines(keepends=True)
    at = next((number for number, line in enumerate(lines) if _is_header(line, trail)), None)
    if at is not None:
        new = _changed(lines, at, values)
    elif "retention" in given:
        raise _by_hand(path, text, trail)
    else:
        new = appended(text, _table(pattern, values))
    try:
        after = tomllib.loads(new)
    except tomllib.TOMLDecodeError:
        raise _by_hand(path, text, trail) from None
    if after != _with(before, pattern, values):
        raise _by_hand(path, text, trail)
    return new


def components_with(settings: Settings, path: Path, text: str) -> Mapping[str, ComponentSettings]:
    """What would be said of components if a file had this text. Raises SettingsError."""
    files = settings.files if path in settings.files else (*settings.files, path)
    return components_of([read_text(one, text) if one == path else read_document(one) for one in files])


def identity(path: Path) -> str:
    """Of a file as it is now, so that another is noticed; ``""`` where there is none. Nothing of what it holds."""
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{status.st_ino} {status.st_size} {status.st_mtime_ns}"


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold a configuration file against other jobs that write it: from the look at what it holds until it is replaced.

    The lock is a file beside it, which others cannot open, and is gone afterwards. Raises OSError."""
    real = Path(os.path.realpath(path))
    real.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = real.with_name(f".{real.name}.lock")
    descriptor = _locked(lock)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(descriptor)


def _locked(lock: Path) -> int:
    """A lock file, held; one that its last holder removed meanwhile does not count."""
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), lock.lstat()):
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def text_of(path: Path) -> str:
    """What a configuration file holds; ``""`` where there is none. Raises SettingsError."""
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        raise SettingsError(f"{path} is not UTF-8", "save it as UTF-8") from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}", "run it as its owner, or as root") from None


def appended(text: str, table: str) -> str:
    """The text with a table at its end, an empty line before it."""
    lead = text if not text or text.endswith("\n") else text + "\n"
    return f"{lead}{chr(10) if lead.strip() else ''}{table}"


def replace_if_same(path: Path, seen: str, how: Callable[[str], str]) -> bool:
    """Change a file where it is still the one that was seen (see ``identity``), and no other job writes it meanwhile.

    Returns whether it is. Raises SettingsError, OSError: then it is as it was."""
    with alone(path):
        if identity(path) != seen:
            return False
        replace_text(path, how(text_of(path)))
        return True


def replace_text(path: Path, text: str) -> None:
    """Write a configuration file in one step, durably, with the mode, owner and access list that it had; where it is a
    link, the file that it leads to. Raises OSError."""
    real = Path(os.path.realpath(path))
    real.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with in_place_of(real) as file:
        if real.exists():
            _like(file.fileno(), real)
        file.write(text.encode())


def _like(descriptor: int, path: Path) -> None:
    """Give a new file the owner, mode and access list of another. Raises OSError."""
    status = path.stat()
    if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
        os.fchown(descriptor, status.st_uid, status.st_gid)
    inherited, given = _access_list(descriptor), _access_list(path)
    if inherited is not None and given is None:
        os.removexattr(descriptor, _ACCESS_LIST)
    os.fchmod(descriptor, stat.S_IMODE(status.st_mode))
    if given is not None:
        os.setxattr(descriptor, _ACCESS_LIST, given)


def _access_list(file: Path | int) -> bytes | None:
    try:
        return os.getxattr(file, _ACCESS_LIST)
    except OSError:
        return None  # none, or a file system without any


def in_toml(value: int | str | list[str]) -> str:
    """A value as TOML writes it."""
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return _quoted(value)
    return "[" + ", ".join(map(_quoted, value)) + "]"


def _size_text(count: int) -> str:
    """Bytes in the largest unit in which they are read as the same."""
    texts = (f"{count / by:.6f}".rstrip("0").rstrip(".") + unit for unit, by in _UNITS)
    return next((text for text in texts if text[0] != "0" and parse_size(text) == count), f"{count}B")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    plain = "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in escaped)
    return f'"{plain}"'


def _loads(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}", "correct that line") from None


def _by_hand(path: Path, text: str, trail: Sequence[str]) -> SettingsError:
    line = line_of(text, tuple(trail))
    where = f"{path}, line {line}" if line else str(path)
    return SettingsError(f"{where}: the retention is written in a form that is not changed here", "change it there")


def _is_header(line: str, trail: Sequence[str]) -> bool:
    header = HEADER.match(line)
    return header is not None and dotted(header[1]) == tuple(trail)


def _table(pattern: str, values: Values) -> str:
    body = "".join(f"{name} = {in_toml(value)}\n" for name, value in values.items())
    return f"[components.{_quoted(pattern)}.retention]\n{body}"


def _changed(lines: Sequence[str], at: int, values: Values) -> str:
    """The table whose head is line ``at``: values change in their lines, rules that went go, new ones come last."""
    end = next((number for number in range(at + 1, len(lines)) if HEADER.match(lines[number])), len(lines))
    left = dict(values)
    table: list[str] = []
    last = 1
    for line in lines[at + 1 : end]:
        match = _KEY.match(line.rstrip("\r\n"))
        name = match["key"].strip("\"'") if match else ""
        if match and name in left:
            ending = line[len(line.rstrip("\r\n")) :]
            table.append(f"{match['before']}{in_toml(left.pop(name))}{match['after']}{ending or chr(10)}")
        elif match and any(rule.name == name for rule in RULES):
            continue
        else:
            table.append(line)
        if line.strip() and not line.lstrip().startswith("#"):
            last = len(table) + 1
    head = [lines[at] if lines[at].endswith("\n") else lines[at] + "\n", *table]
    head[last:last] = [f"{name} = {in_toml(value)}\n" for name, value in left.items()]
    return "".join([*lines[:at], *head, *lines[end:]])


def _with(data: Mapping[str, Any], pattern: str, values: Values) -> Mapping[str, Any]:
    components = data.get("components", {})
    component = {**components.get(pattern, {}), "retention": dict(values)}
    return {**data, "components": {**components, pattern: component}}
