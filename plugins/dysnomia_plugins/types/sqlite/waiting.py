"""How long a database that others keep locked is waited for."""

from __future__ import annotations

from pathlib import Path

from dysnomia_plugins.base import Component, Context
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.types.sqlite.files import who
from dysnomia_plugins.types.sqlite.opening import LOCK_TIMEOUT, Deadline


def lock_timeout(component: Component) -> float:
    """Seconds, as the container says. Raises PluginError."""
    text = component.prop("sqliteLockTimeout")
    if not text:
        return LOCK_TIMEOUT
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 86400:
        raise PluginError(
            f"sqliteLockTimeout of container {component.key.container!r} is not 0 to 86400 seconds: {text!r}",
            "correct it",
        )
    return seconds


def deadline_of(ctx: Context, path: Path) -> Deadline:
    """What waits for it, in a job."""
    return Deadline(path, lock_timeout(ctx.component), ctx.cancel, who)
