"""Settings of this machine and this user: the environment over the user's config.toml over the machine's."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from dysnomia_base.ownership import NAMESPACE, is_obeyed, may_be_made, refusal, root_is_unmapped, who_else_reads
from dysnomia_base.records import replace
from dysnomia_base.secret import Secret
from dysnomia_tui.config.errors import SettingsError
from dysnomia_tui.config.model import ComponentSettings, NotifySettings, Settings

if TYPE_CHECKING:
    from dysnomia_tui.config.toml import Document

MACHINE = Path("/etc/dysnomia-tui")
T = TypeVar("T")
NO_TIMES = ("on_failure", "collect_mode", "metrics")
"""What stands in [schedule] and is no task with its time."""
CONTAINERS = Path("/etc/dysnomia/containers")
COMPONENTS = Path("/etc/dysnomia/components")
ROOT_STATEDIR = Path("/var/state/dysnomia")
LIBEXEC = tuple(Path(prefix, "libexec/dysnomia") for prefix in ("/usr/local", "/usr", "/run/current-system/sw"))
"""Where a Dysnomia that is installed keeps its modules: searched last, for types that nothing else gives."""


def load_settings(environ: Mapping[str, str], *, machine: Path = MACHINE, uid: int | None = None) -> Settings:
    """Read environment and files.

    Args:
        environ: the environment (``DYSNOMIA_STATEDIR``, ``…_CONTAINERS_PATH``, ``…_COMPONENTS_PATH``,
            ``…_MODULES_PATH``, ``XDG_CONFIG_HOME``, ``HOME``).
        machine: the folder of the machine's own config.toml.
        uid: as whom; the effective user if None.

    Raises SettingsError, naming file and line.
    """
    caller = os.geteuid() if uid is None else uid
    root = caller == 0
    folders = _folders(environ, machine, caller)
    user_config = folders[-1]
    documents, left_out = _documents(folders, caller)
    top = _merged_top(documents)
    scheduled = _joined(document.schedule for document in documents)
    home = Path(environ.get("HOME") or "~").expanduser()
    own = () if root else (user_config,)
    return Settings(
        statedir=_path(environ, "STATEDIR", top.pop("statedir", ROOT_STATEDIR if root else home / ".dysnomia")),
        containers_path=(
            *_paths(environ, "CONTAINERS_PATH", top.pop("containers_path", (CONTAINERS,))),
            *(folder / "containers" for folder in own),
        ),
        components_path=(
            *_paths(environ, "COMPONENTS_PATH", top.pop("components_path", (COMPONENTS,))),
            *(folder / "components" for folder in own),
        ),
        modules_path=_paths(environ, "MODULES_PATH", top.pop("modules_path", ())),
        libexec=tuple(folder for folder in LIBEXEC if folder.is_dir()),
        user_config=user_config,
        files=tuple(document.path for document in documents),
        left_out=tuple(left_out),
        keys=_joined(document.keys for document in documents),
        compression_by_container=_joined(document.compression_by_container for document in documents),
        components=components_of(documents),
        schedule={name: when for name, when in scheduled.items() if name not in NO_TIMES},
        collect_mode=str(scheduled.get("collect_mode", "apply")),
        schedule_on_failure=tuple(scheduled.get("on_failure", ())),
        schedule_metrics=scheduled.get("metrics"),
        notify=NotifySettings(**_joined(document.notify for document in documents)),
        hosts={name: host for document in documents for name, host in document.hosts.items()},
        groups={name: group for document in documents for name, group in document.groups.items()},
        exposed=tuple(_exposed(documents, caller)),
        grace_set="grace" in top,
        **top,
    )


def _folders(environ: Mapping[str, str], machine: Path, caller: int) -> list[Path]:
    """Where config.toml is looked for; the last is the user's own folder.

    It is below the home that root's account names where root may not keep files in that of the environment (sudo)."""
    user_config = _user_config(environ)
    if caller != 0 or may_be_made(user_config, caller):
        return [machine, user_config]
    return [machine, user_config, home_folder(environ, caller) / ".config" / "dysnomia-tui"]


def _documents(folders: Sequence[Path], caller: int) -> tuple[list[Document], list[str]]:
    """The config.toml of each folder, and why one was left out (someone who is not trusted may write it)."""
    documents = []
    left_out = []
    for folder in dict.fromkeys(folders):
        if _is_file(folder / "config.toml"):
            refused = refusal(folder / "config.toml", caller)
            if refused:
                left_out.append(refused)
                continue
            from dysnomia_tui.config.toml import read_document  # the parser only where there is something to parse

            documents.append(read_document(folder / "config.toml"))
    return documents, left_out


def _is_file(path: Path) -> bool:
    """Raises SettingsError where that may not be seen: what it forbids would be allowed."""
    try:
        return path.is_file()
    except OSError as error:
        hint = NAMESPACE if root_is_unmapped() else "let yourself read it, or let HOME name your own folder"
        raise SettingsError(f"{path}: {error.strerror}", hint) from error


def groups_now(settings: Settings) -> Mapping[str, Any]:
    """``groups`` and ``files`` of settings as their files are now, and the one that a first adoption makes.

    Raises SettingsError."""
    caller = os.geteuid()
    folders = [*(path.parent for path in settings.files), settings.user_config]
    documents, _ = _documents(folders, caller)
    groups = {name: group for document in documents for name, group in document.groups.items()}
    return {"groups": groups, "files": tuple(document.path for document in documents)}


def _exposed(documents: Sequence[Document], uid: int) -> Iterator[str]:
    """Files that hold an address to be told at, and may be read by others."""
    for document in documents:
        addresses = (*document.notify.get("ping", {}).values(), *document.notify.get("apprise", ()))
        if any(isinstance(one, Secret) for one in addresses):
            readers = who_else_reads(document.path.stat(), uid)
            if readers:
                yield f"{document.path} holds a secret address ([notify]) and {readers}: chmod 0600, or name a file"


def _user_config(environ: Mapping[str, str]) -> Path:
    given = environ.get("XDG_CONFIG_HOME", "")
    if given.startswith("/"):
        return Path(given) / "dysnomia-tui"
    if environ.get("HOME", "").startswith("/"):
        return Path(environ["HOME"]) / ".config" / "dysnomia-tui"
    from platformdirs import user_config_path

    return user_config_path("dysnomia-tui")


def home_folder(environ: Mapping[str, str], uid: int | None = None) -> Path:
    """Whose files are read and written as the caller's own: HOME, but as root only where it is root's (``sudo -E``
    and ``su`` keep another's), else what the machine says."""
    caller = os.geteuid() if uid is None else uid
    given = environ.get("HOME", "")
    if given.startswith("/") and (caller != 0 or is_obeyed(given, caller)):
        return Path(given)
    try:
        return Path(pwd.getpwuid(caller).pw_dir)
    except KeyError:
        return Path(given or "/")


def _path(environ: Mapping[str, str], name: str, default: Path) -> Path:
    value = environ.get(f"DYSNOMIA_{name}", "")
    return Path(value).absolute() if value else default


def _paths(environ: Mapping[str, str], name: str, default: Sequence[Path]) -> tuple[Path, ...]:
    value = environ.get(f"DYSNOMIA_{name}", "")
    return tuple(Path(part).absolute() for part in value.split(":") if part) if value else tuple(default)


def _merged_top(documents: Sequence[Document]) -> dict[str, Any]:
    """The later file wins; but labels add up, and what the machine made read-only no user makes writable."""
    top: dict[str, Any] = {}
    for document in documents:
        labels = dict.fromkeys((*top.get("labels", ()), *document.top.get("labels", ())))
        read_only = top.get("read_only", False) or document.top.get("read_only", False)
        top.update(document.top)
        top.update({"labels": tuple(labels), "read_only": read_only})
    return top


def _joined(mappings: Iterable[Mapping[str, T]]) -> dict[str, T]:
    """Tables of several files as one: what is read last counts."""
    joined: dict[str, T] = {}
    for mapping in mappings:
        joined.update(mapping)
    return joined


def components_of(documents: Sequence[Document]) -> Mapping[str, ComponentSettings]:
    """Each pattern with all that the more general ones say merged in: labels add up, the rest is overruled."""
    given: dict[str, dict[str, Any]] = {}
    for document in documents:
        for pattern, properties in document.components.items():
            given.setdefault(pattern, {}).update(properties)
    return {pattern: _layered(given, pattern) for pattern in given}


def _layered(given: Mapping[str, Mapping[str, Any]], pattern: str) -> ComponentSettings:
    container = pattern.partition("/")[0]
    settings = ComponentSettings()
    for layer in dict.fromkeys(("*/*", f"{container}/*", pattern)):
        values = given.get(layer, {})
        labels = tuple(dict.fromkeys((*settings.labels, *values.get("labels", ()))))
        settings = replace(settings, **{**values, "labels": labels})
    return settings
