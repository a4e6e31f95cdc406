"""The type ``fileset``: folders of files below a target folder, as the component's own files name them."""

from __future__ import annotations

from typing import ClassVar

from dysnomia_plugins.toolkit.filesets.plugin import FilesetState


class Fileset(FilesetState):
    """Folders of files."""

    type: ClassVar[str] = "fileset"
    title: ClassVar[str] = "set of files"
    property_names: ClassVar[tuple[str, ...]] = ("targetDir", "filesetOwner")
