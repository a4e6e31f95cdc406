"""Run inside a machine of the tests' own: an activation killed at every step of it, and what heals each.

``python -m tests.plugins.process.inside COMPONENT``: prints how often it was killed; raises where anything stayed.
"""

from __future__ import annotations

import sys
from pathlib import Path

from dysnomia_plugins.types.process import plugin
from tests.plugins.killed import accounts_of, kill_everywhere, programs_of

RUN = Path("/run")


def everything(component: Path) -> dict[str, object]:
    """What an activation could leave: files with numbers, records, processes, accounts."""
    name = component.name
    return {
        "files": sorted(str(path) for path in RUN.glob(f"{name}.pid*")),
        "records": len(list((RUN / "dysnomia-tui" / "processes").glob("*"))),
        "processes": programs_of(component),
        **accounts_of(component),
    }


if __name__ == "__main__":
    plugin.SETTLE = 0.05
    kill_everywhere(plugin.Process(), Path(sys.argv[1]), everything)
