"""The type ``fileset``."""

from dysnomia_plugins.types.fileset.plugin import Fileset

__all__ = ["Fileset"]
