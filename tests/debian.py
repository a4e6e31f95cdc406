"""Packages of Debian that ``.ci/applications`` has fetched: unpacked into a folder of the test's own, not installed."""

from __future__ import annotations

import subprocess
from pathlib import Path
from shlex import quote

from tests.plugins.servers.common import missing

PACKAGES = Path("/var/cache/dysnomia-tests")


def package(name: str) -> Path:
    """The newest file of a package. A test that needs one fails where CI says so, and is skipped elsewhere."""
    fetched = sorted(PACKAGES.glob(f"{name}_*.deb"))
    if not fetched:
        missing(name, "run .ci/applications")
    return fetched[-1]


def program_of(name: str, program: str, to: Path) -> Path:
    """One program of a package, by its path in it."""
    unpack = f"dpkg-deb --fsys-tarfile {quote(str(package(name)))} | tar -xf - -C {quote(str(to))} ./{program}"
    subprocess.run(["bash", "-o", "pipefail", "-c", unpack], check=True)
    return to / program
