"""Where the demo lies, and the settings that lead to it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dysnomia_base.ownership import may_be_made
from dysnomia_tui.config.load import home_folder

if TYPE_CHECKING:
    from dysnomia_tui.config import Settings

MARKER = ".dysnomia-demo"
"""A file that says that a folder was made here, and may be thrown away and made anew."""

VARIABLE = "DYSNOMIA_TUI_DEMO"
"""Names the folder of a demo machine to the commands that are called on it."""

PARTS = ("containers", "components", "state", "live", "config", "hosts")


def default_folder() -> Path:
    """The demo's place among this user's data."""
    from platformdirs import user_data_path

    folder = user_data_path("dysnomia-tui") / "demo"
    if os.geteuid() == 0 and not may_be_made(folder):  # HOME is another's, as sudo -E leaves it
        folder = home_folder(os.environ) / ".local" / "share" / "dysnomia-tui" / "demo"
    return folder


def environment(folder: Path) -> dict[str, str]:
    """The variables that point Dysnomia's commands, and ours, at the demo in ``folder``."""
    root = folder.absolute()
    return {
        "DYSNOMIA_STATEDIR": str(root / "state"),
        "DYSNOMIA_CONTAINERS_PATH": str(root / "containers"),
        "DYSNOMIA_COMPONENTS_PATH": str(root / "components"),
        "DYSNOMIA_MODULES_PATH": "",
        "XDG_CONFIG_HOME": str(root / "config"),
    }


def settings(folder: Path, environ: Mapping[str, str] | None = None) -> Settings:
    """Settings on the demo alone: nothing of this machine's own configuration is shown, nor written to. Only how the
    operator wants the screen (``theme``, ``dim``, ``[keys]``) is theirs."""
    from dysnomia_tui.config import SettingsError, load_settings

    # The machine's own config.toml, its modules and what lies on it are not the demo's: a folder that is not there
    # stands for /etc/dysnomia-tui.
    nowhere = folder.absolute() / "config" / "machine"
    given = {**(os.environ if environ is None else environ), **environment(folder)}
    settings = load_settings(given, machine=nowhere)
    ssh = str(folder.absolute() / "hosts" / "ssh")
    hosts = {name: replace(host, ssh=ssh) for name, host in settings.hosts.items()}
    settings = replace(settings, libexec=(), discovers=False, hosts=hosts, ansible_inventory=None, ssh_hosts=None)
    try:
        own = load_settings(os.environ if environ is None else environ)
    except SettingsError:
        return settings  # the demo opens whatever is wrong with it
    dim = own.dim if settings.dim is None else settings.dim
    return replace(settings, theme=settings.theme or own.theme, dim=dim, keys={**own.keys, **settings.keys})
