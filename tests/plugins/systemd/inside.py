"""Run inside the tests' own systemd: an activation killed at every step of it, and what heals each.

``python -m tests.plugins.systemd.inside COMPONENT``: prints how often it was killed; raises where anything stayed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from dysnomia_plugins.types.systemd.plugin import SystemdUnit
from tests.plugins.killed import accounts_of, kill_everywhere

UNITS = Path("/etc/systemd/system")


def everything(component: Path) -> dict[str, object]:
    """What an activation could leave: links, wants, states, accounts."""
    names = os.listdir(component / "etc" / "systemd" / "system")
    units = [name for name in names if "@" not in name]
    states = subprocess.run(
        ["systemctl", "show", "-p", "Id,LoadState,ActiveState", *units], capture_output=True, text=True, check=True
    ).stdout
    return {
        "links": sorted(
            str(path) for path in UNITS.rglob("*") if path.name.lstrip(".").removeprefix("dysnomia.") in names
        ),
        "states": states,
        **accounts_of(component),
    }


if __name__ == "__main__":
    kill_everywhere(SystemdUnit(), Path(sys.argv[1]), everything)
