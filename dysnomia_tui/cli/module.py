"""``python -m dysnomia_tui.cli.module TYPE ACTIVITY COMPONENT CONTAINER``: a type of ours, called as a module.

What ``install-modules`` makes calls this. Bash Dysnomia and Disnix run it in an environment that holds the container's
properties and ``DYSNOMIA_STATEDIR``, and little else.
"""

from __future__ import annotations

import os
import sys

from dysnomia_tui.cli import dysnomia
from dysnomia_tui.cli.common import Usage, run

PROG = "dysnomia-module"
WORDS = 4


def main(argv: list[str]) -> int:
    """Returns the exit code."""
    if len(argv) != WORDS:
        return run(PROG, lambda: _complain(argv))
    type_name, activity, component, container = argv
    # The type is ours, whatever else is on the path; and the component is a path, as modules are given one.
    os.environ["DYSNOMIA_MODULES_PATH"] = ""
    sys.argv[1:] = [
        "--environment", f"--type={type_name}", f"--operation={activity}",
        f"--component={component}", f"--container={container}",
    ]  # fmt: skip
    return dysnomia.main()


def _complain(argv: list[str]) -> int:
    raise Usage(f"{len(argv)} words are no call of a module", "TYPE ACTIVITY COMPONENT CONTAINER")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
