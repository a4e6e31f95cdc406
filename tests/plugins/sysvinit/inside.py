"""Run inside a machine of the tests' own: an activation killed at every step of it, and what heals each.

``python -m tests.plugins.sysvinit.inside COMPONENT``: prints how often it was killed; raises where anything stayed.
"""

from __future__ import annotations

import sys
from pathlib import Path

from dysnomia_plugins.types.sysvinit.plugin import SysvinitScript
from tests.plugins.killed import accounts_of, kill_everywhere, programs_of


def everything(component: Path) -> dict[str, object]:
    """What an activation could leave: files with numbers, processes, accounts."""
    return {
        "files": sorted(str(path) for path in Path("/run").glob(f"{component.name}*.pid")),
        "processes": programs_of(component),
        **accounts_of(component),
    }


if __name__ == "__main__":
    kill_everywhere(SysvinitScript(), Path(sys.argv[1]), everything)
