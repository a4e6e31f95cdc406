"""Where things are, and how the operator wants them: environment, platformdirs, ``config.toml``."""

from __future__ import annotations

from dysnomia_tui.config.errors import SettingsError
from dysnomia_tui.config.load import load_settings
from dysnomia_tui.config.model import ComponentSettings, HostSettings, Settings

__all__ = ["ComponentSettings", "HostSettings", "Settings", "SettingsError", "load_settings"]
