"""Run inside a machine of the tests' own: an activation killed at every step of it, and what heals each.

``python -m tests.plugins.tomcat.inside COMPONENT``: prints how often it was killed; raises where anything stayed.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from dysnomia_plugins.types.tomcat.plugin import TomcatWebApplication
from tests.plugins.killed import kill_everywhere

BASE = Path("/var/lib/tomcat10")


def everything(component: Path) -> dict[str, object]:
    """What an activation could leave. The server is stopped: it removes such links itself."""
    folders = (BASE / "webapps", BASE / "conf" / "Catalina" / "localhost")
    return {
        str(path): os.readlink(path) for folder in folders if folder.is_dir() for path in folder.iterdir()
        if path.is_symlink()
    }  # fmt: skip


if __name__ == "__main__":
    kill_everywhere(TomcatWebApplication(), Path(sys.argv[1]), everything, phase="link")
