"""``dysnomia-tui`` and its sub-commands."""

from dysnomia_tui.cli.tui.command import main

__all__ = ["main"]
