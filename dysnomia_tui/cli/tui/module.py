"""``dysnomia-tui module TYPE ACTIVITY COMPONENT CONTAINER``: a type of ours, called as a module.

What ``install-modules`` writes calls this. Bash Dysnomia and Disnix run it in an environment that holds the container's
properties and ``DYSNOMIA_STATEDIR``, and little else.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from dysnomia_tui.cli.shared.parser import Usage

WORDS = 4


def call_module(words: Sequence[str]) -> int:
    """Returns the exit code. Raises Usage."""
    if len(words) != WORDS:
        raise Usage(f"a module takes {WORDS} arguments, not {len(words)}", "TYPE ACTIVITY COMPONENT CONTAINER")
    type_name, activity, component, container = words
    # The type is ours, whatever else is on the path.
    os.environ["DYSNOMIA_MODULES_PATH"] = ""
    sys.argv[1:] = [
        "--environment", f"--type={type_name}", f"--operation={activity}",
        f"--component={component}", f"--container={container}",
    ]  # fmt: skip
    from dysnomia_tui.cli import dysnomia

    return dysnomia.main()
