"""What is loaded: a stored snapshot, ours or one that ``mongodump`` made, or a component's initial state."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from dysnomia_plugins.base import Stored
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.types.mongo.definitions import Definition
from dysnomia_plugins.types.mongo.documents import exactly, reading
from dysnomia_plugins.types.mongo.files import files_of
from dysnomia_store.model import Section

COLLECTION, DEFINITION, VIEW = "collection", "definition", "view"
"""Kinds of sections: documents; what a collection is besides; a view."""
_MOST = (16 << 20) + 1
Opener = Callable[[str], AbstractContextManager[BinaryIO]]


@dataclass(frozen=True, slots=True)
class Part:
    """One collection or view."""

    definition: Definition
    artefact: str
    """Of its documents; ``""`` where none are to be loaded."""
    open: Opener
    defined_in: str

    def documents(self) -> Iterator[bytes]:
        """Raises PluginError, Truncated, Corrupt."""
        if self.artefact:
            with self.open(self.artefact) as stream:
                yield from reading(stream)


def parts(names: Sequence[str], opener: Opener) -> list[Part]:
    """Raises PluginError, Corrupt."""
    made = []
    for files in files_of(names):
        with opener(files.definition) as stream:
            definition = Definition.read(exactly(stream, _MOST), files.named)
        if definition.is_view and files.documents:
            raise PluginError(
                f"the dump has documents of the view {definition.name}", "make it without --viewsAsCollections"
            )
        if not definition.is_view and not files.documents:
            raise PluginError(
                f"the dump has no file of the documents of {definition.name}",
                "make it anew: an empty one has one too",
            )
        made.append(Part(definition, files.documents, opener, files.definition))
    names_found = [one.definition.name for one in made]
    if len(set(names_found)) != len(names_found):
        raise PluginError("two files of the dump say that they are the same collection", "check the snapshot")
    return sorted(made, key=lambda one: one.definition.name)


def of_stored(stored: Stored, sections: Sequence[Section] | None = None) -> list[Part]:
    """All of a snapshot, or what is chosen: of a definition alone the collection without its documents.

    Raises PluginError, Corrupt."""
    whole = parts(stored.artefacts(), stored.open)
    if sections is None:
        return whole
    chosen = {section.name for section in sections}
    filled = {section.name for section in sections if section.kind == COLLECTION}
    return [
        one if one.definition.name in filled else Part(one.definition, "", one.open, one.defined_in)
        for one in whole
        if one.definition.name in chosen
    ]


def of_folder(folder: Path, files: Sequence[Path]) -> list[Part]:
    """Of files below a component's folder. Raises PluginError."""
    names = [str(path.relative_to(folder)) for path in files]
    return parts(names, lambda name: (folder / name).open("rb"))
