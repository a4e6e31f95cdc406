"""``dysnomia-snapshots``."""

from dysnomia_tui.cli.snapshots.command import main

__all__ = ["main"]
