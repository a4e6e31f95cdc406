"""``dysnomia-tui`` and its sub-commands."""
