"""The type ``fileset``."""

from dysnomia_plugins.fileset.plugin import Fileset

__all__ = ["Fileset"]
