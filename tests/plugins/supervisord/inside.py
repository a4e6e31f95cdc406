"""Run inside a machine of the tests' own: an activation killed at every step of it, and what heals each.

``python -m tests.plugins.supervisord.inside COMPONENT``: prints how often it was killed; raises where anything stayed.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from dysnomia_plugins.types.supervisord.plugin import SupervisordProgram
from tests.plugins.killed import kill_everywhere, programs_of

TARGET = Path("/etc/supervisor/conf.d")


def everything(component: Path) -> dict[str, object]:
    """What an activation could leave: links, groups, processes."""
    told = subprocess.run(["supervisorctl", "status"], capture_output=True, text=True, check=False).stdout
    return {
        "links": sorted(path.name for path in TARGET.iterdir() if path.name != "README"),
        "groups": sorted(line.split()[0] for line in told.splitlines()),
        "processes": programs_of(component),
    }


if __name__ == "__main__":
    kill_everywhere(SupervisordProgram(), Path(sys.argv[1]), everything, briefly=True)
