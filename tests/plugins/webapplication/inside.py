"""Run inside a machine of the tests' own: an activation killed at every step of it, and what heals each.

``python -m tests.plugins.webapplication.inside COMPONENT``: prints how often it was killed; raises where anything
stayed.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from dysnomia_plugins.types.webapplication.plugin import GenericLinked
from tests.plugins.killed import kill_everywhere

ROOT = Path("/var/www")


def everything(component: Path) -> dict[str, object]:
    """What an activation could leave in the default document root."""
    return {path.name: os.readlink(path) for path in ROOT.iterdir() if path.is_symlink()}


if __name__ == "__main__":
    kill_everywhere(GenericLinked(), Path(sys.argv[1]), everything, phase="link")
