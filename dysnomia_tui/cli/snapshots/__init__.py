"""``dysnomia-snapshots``."""
