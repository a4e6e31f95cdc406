"""What types share whose state is folders of files that a component lists in ``.dysnomia-fileset``."""
