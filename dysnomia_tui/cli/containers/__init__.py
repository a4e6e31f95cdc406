"""``dysnomia-containers``."""
