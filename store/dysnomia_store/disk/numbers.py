"""Generation numbers: given out once each, for good.

The next is one more than the largest of all that were ever used: by links, by history (which outlives collection), by
what lies in the trash, and by those that were given out beforehand.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from dysnomia_store.disk.layout import Layout, pointed_at
from dysnomia_store.disk.links import entries, number_of
from dysnomia_store.disk.syscalls import in_words
from dysnomia_store.disk.workspace import Workspace
from dysnomia_store.names import ComponentKey


def largest(layout: Layout, key: ComponentKey) -> int:
    """The largest number that was ever used for a component; 0 where none was."""
    return max(
        _largest(layout.of("generations", key)),
        _largest(layout.of("history", key)),
        _largest(layout.of("reserved", key)),
        max((number for _, number in trashed_links(layout, key)), default=0),
    )


def _largest(folder: Path, below: int | None = None) -> int:
    numbers = (number_of(entry.name.partition(".")[0]) or 0 for entry in entries(folder))
    return max(numbers if below is None else (number for number in numbers if number < below), default=0)


def trashed_links(layout: Layout, key: ComponentKey) -> Iterable[tuple[Path, int]]:
    """The generation links of a component that lie in the trash."""
    for collection in entries(layout.top("trash")):
        for entry in entries(Path(collection.path) / "generations"):
            number = number_of(entry.name)
            if number is not None and _is_of(key, Path(entry.path)):
                yield Path(entry.path), number


def _is_of(key: ComponentKey, link: Path) -> bool:
    try:
        target = os.readlink(link)
    except OSError:
        return False
    return pointed_at(key, target) is not None or f"/{key.container}/{key.component}/" in target


def newest_link(layout: Layout, key: ComponentKey, below: int | None = None) -> int:
    """The number of the newest link, or of the newest below a number; 0 where there is none."""
    return _largest(layout.of("generations", key), below)


def reserve(workspace: Workspace, key: ComponentKey, number: int | None = None) -> int:
    """Give out the next number (or remember that ``number`` was used) durably. Raises StoreError."""
    with in_words("reserving a generation's number"):
        folder = workspace.folder(workspace.layout.of("reserved", key))
        if number is None:
            number = largest(workspace.layout, key) + 1
        try:
            workspace.disk.create(folder / str(number)).close()
        except FileExistsError:
            return number
        workspace.disk.fsync_path(folder)
        for entry in list(entries(folder)):  # only the largest says anything
            if (number_of(entry.name) or number) < number:
                workspace.disk.unlink(folder / entry.name, missing_ok=True)
        return number
