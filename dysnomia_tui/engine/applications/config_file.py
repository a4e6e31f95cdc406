"""An application's configuration file: found by its pattern, read by descriptor, and who could have written it."""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dysnomia_base.ownership import why_not_obeyed
from dysnomia_base.users import FIRST_OF_PEOPLE
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.guarded.folder import Folder
from dysnomia_plugins.toolkit.guarded.way import real_path, user_in_words

MOST_BYTES = 256 << 10
"""Several times what the longest of them (Grafana's, Synapse's, with all their comments) has."""
MOST_FILES = 100
"""Files that a pattern is followed to."""
_SYSTEM = (
    "/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/media", "/mnt", "/nix", "/opt", "/proc",
    "/root", "/run", "/sbin", "/srv", "/sys", "/tmp", "/usr", "/usr/bin", "/usr/lib", "/usr/share", "/var",
    "/var/cache", "/var/lib", "/var/log", "/var/tmp", "/var/www",
)  # fmt: skip
"""Folders that are no application's."""


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """One, read."""

    path: str
    """As it was found."""
    real: str
    text: str
    owner: int
    trusted: bool
    """Whether only root and the caller may write it. Where others may, what it names is looked at harder."""

    @property
    def here(self) -> str:
        return posixpath.dirname(self.path)

    @property
    def who(self) -> str:
        """Its owner, in words."""
        return user_in_words(self.owner)


def config_files(patterns: Sequence[str]) -> Iterator[ConfigFile]:
    """Those that are there and may be read, each once. A link that somebody else could have made is not followed."""
    seen: set[str] = set()
    for pattern in patterns:
        for path in sorted(Path("/").glob(pattern.lstrip("/")))[:MOST_FILES]:
            try:
                real = real_path(str(path))
                if real not in seen:
                    seen.add(real)
                    yield _read(str(path), real)
            except (OSError, PluginError):
                continue


def _read(path: str, real: str) -> ConfigFile:
    """Raises OSError, PluginError."""
    folder, name = posixpath.split(real)
    with Folder.at(folder) as opened, opened.file(name) as descriptor:
        seen = os.fstat(descriptor)
        if seen.st_size > MOST_BYTES:
            raise PluginError(f"{real} is longer than {MOST_BYTES} bytes")
        text = os.read(descriptor, MOST_BYTES).decode("utf-8", "replace")
        return ConfigFile(path, real, text, seen.st_uid, trusted=not why_not_obeyed(real))


def why_not_place(config: ConfigFile, path: str) -> str:
    """Why a folder or file that a configuration names is not taken for the application's; ``""`` where it is.

    Who may write the configuration could name what is not theirs, for root to read and to replace: so it has to be
    theirs, wherever it lies; or, below the configuration's folder, a system account's, as where one deploys and a web
    server writes. Of a file of root's that others may write, it is not known whose that would be."""
    if not path.startswith("/") or any(ord(char) < 32 for char in path):
        return "it is not an absolute path"
    try:
        real = real_path(path)
        status = os.lstat(real)
    except FileNotFoundError:
        return "it does not exist"
    except OSError as error:
        return f"it cannot be looked at ({error.strerror})"
    except PluginError as error:
        return error.message
    if real in _SYSTEM:
        return "it is a folder of the system's"
    if stat.S_ISLNK(status.st_mode):
        return "it is a link"
    served = 0 < status.st_uid < FIRST_OF_PEOPLE and real.startswith(f"{posixpath.dirname(config.real)}/")
    if not config.trusted and not served and (status.st_uid != config.owner or config.owner == 0):
        who = "others than root" if config.owner == 0 else config.who
        return f"it belongs to {user_in_words(status.st_uid)}, and {who} may write the file that names it"
    return ""


def why_not_run(config: ConfigFile, path: str) -> str:
    """Why a program that lies beside a configuration is not run as the owner of that configuration; ``""`` where it
    is: nobody else may be able to change it, or to put another in its place."""
    try:
        real = real_path(path)
        seen = [os.lstat(one) for one in (real, posixpath.dirname(real))]
    except (OSError, PluginError):
        return "it cannot be looked at"
    for status in seen:
        if status.st_uid not in (0, config.owner):
            return f"it, or its folder, belongs to {user_in_words(status.st_uid)}, and would be run as {config.who}"
        if status.st_mode & stat.S_IWOTH:
            return f"everybody may write it, or its folder, and it would be run as {config.who}"
    return "" if stat.S_ISREG(seen[0].st_mode) else "it is not a file"
