"""``dysnomia-containers``."""

from dysnomia_tui.cli.containers.command import main

__all__ = ["main"]
