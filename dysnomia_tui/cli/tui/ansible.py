"""``dysnomia-tui ansible``: where the Ansible collection is that comes with the program."""

from __future__ import annotations

import argparse
from pathlib import Path

from dysnomia_tui.cli.shared.output import write_json, write_line
from dysnomia_tui.engine.errors import Exit

COLLECTIONS = Path(__file__).parents[2] / "share" / "ansible"
"""What ANSIBLE_COLLECTIONS_PATH has to name; ``ansible_collections/dysnomia/tui`` is in it."""


def ansible(args: argparse.Namespace) -> int:
    if args.json:
        write_json({"collections_path": COLLECTIONS, "module": "dysnomia.tui.dysnomia_component"})
    else:
        write_line(str(COLLECTIONS))
    return Exit.OK
