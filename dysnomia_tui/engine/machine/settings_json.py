"""What a worker needs to know of the settings it was submitted under, as JSON: never a secret."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from dysnomia_tui.config import Settings
from dysnomia_tui.config.model import GivenContainer

_PATHS = ("statedir", "user_config")
_PATH_LISTS = ("containers_path", "components_path", "modules_path")
_TIMES = ("grace", "guard_hold", "read_all_every")
_PLAIN = ("jobs_at_once", "compression", "level", "group")


def settings_to_json(settings: Settings) -> Mapping[str, Any]:
    """The part of the settings that a job depends on."""
    data: dict[str, Any] = {name: str(getattr(settings, name)) for name in _PATHS}
    data |= {name: [str(path) for path in getattr(settings, name)] for name in (*_PATH_LISTS, "libexec")}
    data |= {name: getattr(settings, name).total_seconds() for name in _TIMES}
    data |= {name: getattr(settings, name) for name in _PLAIN}
    data["compression_by_container"] = dict(settings.compression_by_container)
    data["given_containers"] = {
        name: {"file": str(given.file) if given.file else None, "type": given.type}
        for name, given in settings.given_containers.items()
    }
    data["given_components"] = {name: str(path) for name, path in settings.given_components.items()}
    return data


def settings_from_json(data: Mapping[str, Any]) -> Settings:
    """From what was written by ``settings_to_json``: of a file, after it was looked at (``JobRequest``)."""
    given: dict[str, Any] = {name: Path(data[name]) for name in _PATHS}
    given |= {name: tuple(Path(path) for path in data[name]) for name in _PATH_LISTS}
    given["libexec"] = tuple(Path(path) for path in data.get("libexec", ()))
    given |= {name: timedelta(seconds=data[name]) for name in _TIMES if name in data}
    given |= {name: data[name] for name in _PLAIN}
    containers = {
        name: GivenContainer(Path(container["file"]) if container["file"] else None, container["type"])
        for name, container in data.get("given_containers", {}).items()
    }
    components = {name: Path(path) for name, path in data.get("given_components", {}).items()}
    return Settings(
        **given,
        compression_by_container=dict(data["compression_by_container"]),
        given_containers=containers,
        given_components=components,
    )
