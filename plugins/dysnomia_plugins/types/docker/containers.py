"""What Docker or Podman says of one of its containers (``inspect``)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from dysnomia_plugins.errors import PluginError

_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)")
_ENDED_AS_TOLD = (0, 130, 137, 143)
"""By itself, or by SIGINT, SIGKILL, SIGTERM."""
_SWARM = "com.docker.swarm.service.name"


@dataclass(frozen=True, slots=True)
class MountedAt:
    """Something of the machine's that is seen in a container."""

    volume: str
    """The name of a volume; ``""`` where it is a folder."""
    source: str
    destination: str


@dataclass(frozen=True, slots=True)
class Container:
    """One container."""

    id: str
    name: str
    image: str
    """The id of its image."""
    image_name: str
    """As it was created from."""
    status: str
    """``created``, ``running``, ``paused``, ``restarting``, ``exited``, ``dead``…"""
    exit_status: int
    error: str
    out_of_memory: bool
    started: datetime | None
    restarts: int
    health: str
    """``healthy``, ``unhealthy``, ``starting``; ``""`` where its image has no check."""
    removed_when_stopped: bool
    """``--rm``."""
    labels: Mapping[str, str] = field(repr=False)
    mounts: tuple[MountedAt, ...] = field(repr=False)

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Self:
        """From one element of what ``inspect`` prints. Raises PluginError for what is none."""
        try:
            config, state, host = answer["Config"], answer["State"], answer.get("HostConfig") or {}
            return cls(
                id=str(answer["Id"]),
                name=str(answer["Name"]).removeprefix("/"),
                image=str(answer["Image"]),
                image_name=str(config.get("Image") or answer.get("ImageName") or ""),
                status=str(state["Status"]),
                exit_status=int(state.get("ExitCode") or 0),
                error=str(state.get("Error") or ""),
                out_of_memory=bool(state.get("OOMKilled")),
                started=time_of(str(state.get("StartedAt") or "")),
                restarts=int(answer.get("RestartCount") or 0),
                health=str((state.get("Health") or state.get("Healthcheck") or {}).get("Status") or ""),
                removed_when_stopped=bool(host.get("AutoRemove")),
                labels=dict(config.get("Labels") or {}),
                mounts=tuple(_mounted(one) for one in answer.get("Mounts") or ()),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise PluginError(f"what is said of a container is not understood ({error!r})") from error

    @property
    def swarm_service(self) -> str:
        """The service of a swarm that would start another in its place."""
        return str(self.labels.get(_SWARM) or "")

    @property
    def is_up(self) -> bool:
        """Whether processes of it are there, be they paused."""
        return self.status in ("running", "paused", "restarting")

    @property
    def failed(self) -> bool:
        """Whether it ended badly, or is being started over and over. One that was stopped ended by a signal."""
        if self.status in ("restarting", "dead") or self.error:
            return True
        return self.status == "exited" and (self.out_of_memory or self.exit_status not in _ENDED_AS_TOLD)


def _mounted(one: Mapping[str, Any]) -> MountedAt:
    volume = str(one.get("Name") or "") if one.get("Type") == "volume" else ""
    return MountedAt(volume, str(one.get("Source") or ""), str(one.get("Destination") or ""))


def time_of(text: str) -> datetime | None:
    """A time as Go writes it, to the nanosecond; None for none, or before all times."""
    match = _STAMP.match(text)
    if match is None or match[1].startswith("0001"):
        return None
    fraction = (match[2] or ".0")[1:7].ljust(6, "0")
    zone = "+00:00" if match[3] == "Z" else match[3]
    return datetime.fromisoformat(f"{match[1]}.{fraction}{zone}").astimezone(UTC)
