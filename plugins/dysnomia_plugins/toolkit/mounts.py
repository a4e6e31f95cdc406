"""What is mounted where, as this process sees it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from dysnomia_base.records import dataclass

_ESCAPE = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """A line of ``/proc/self/mountinfo``."""

    point: str
    kind: str


def all_mounts() -> tuple[Mount, ...]:
    """Every mount; none where that cannot be read."""
    try:
        with open("/proc/self/mountinfo", "rb") as file:  # noqa: PTH123
            return tuple(_mount(os.fsdecode(line)) for line in file)
    except OSError:
        return ()


def points_below(path: str, mounts: Sequence[Mount]) -> list[str]:
    """Mount points inside a folder, not the folder itself."""
    prefix = path.rstrip("/") + "/"
    return [mount.point for mount in mounts if mount.point.startswith(prefix)]


def _mount(line: str) -> Mount:
    fields, _, rest = line.partition(" - ")
    point = _ESCAPE.sub(lambda match: chr(int(match.group(1), 8)), fields.split(" ")[4])
    return Mount(point, rest.split(" ", 1)[0])
