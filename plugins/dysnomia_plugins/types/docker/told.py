"""What an operator is told of a container: how it is, since when, and the last lines of its log."""

from __future__ import annotations

from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.interface.status import Fact, Status, Tone
from dysnomia_plugins.toolkit.servers import PROBE_SECONDS
from dysnomia_plugins.types.docker.client import Docker
from dysnomia_plugins.types.docker.containers import Container, time_of

LINES = 30


def overall(container: Container | None) -> tuple[str, Tone]:
    """One word for it."""
    if container is None:
        return "not installed", Tone.DIM
    if container.failed:
        return ("failed" if container.status == "exited" else container.status), Tone.BAD
    if container.status == "running":
        if container.health == "unhealthy":
            return container.health, Tone.BAD
        return "running", Tone.GOOD
    return ("stopped" if container.status == "exited" else container.status), Tone.WARN


def status_of(docker: Docker, container: Container) -> Status:
    """Raises PluginError."""
    word, tone = overall(container)
    ended = f", status {container.exit_status}" if container.status == "exited" else ""
    facts = [Fact(f"{container.name} {container.status}{ended}, started", at=container.started, tone=tone)]
    if container.error:
        facts.append(Fact(container.error, tone=Tone.BAD))
    if container.health:
        facts.append(Fact(f"its own check says: {container.health}", tone=tone))
    if container.restarts:
        facts.append(Fact(f"started again {container.restarts} times by {docker.title}", tone=Tone.WARN))
    facts.append(Fact(f"image {container.image_name} ({container.image.removeprefix('sha256:')[:12]})", tone=Tone.DIM))
    facts += [
        Fact(f"{mount.volume or mount.source} at {mount.destination}", tone=Tone.DIM) for mount in container.mounts
    ]
    lines, note = last_lines(docker, container.name, LINES)
    return Status(word, tone, tuple(facts), lines, note)


def last_lines(docker: Docker, name: str, count: int) -> tuple[tuple[Fact, ...], str]:
    """The last lines of a container's output, oldest first, and where they are from, or why there are none."""
    try:
        streams = docker.both("logs", "--timestamps", "--tail", str(count), name, timeout=PROBE_SECONDS)
    except PluginError as error:
        return (), f"its log cannot be read: {error.message}"
    lines = [_line(line) for stream in streams for line in stream.splitlines() if line]
    lines.sort(key=lambda line: line.at.timestamp() if line.at else 0.0)
    shown = tuple(lines[-count:])
    return shown, f"last lines of {name}" if shown else f"{name} has written nothing"


def _line(text: str) -> Fact:
    stamp, _, rest = text.partition(" ")
    at = time_of(stamp)
    return Fact(rest, at=at) if at is not None else Fact(text)
