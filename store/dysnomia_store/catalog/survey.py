"""What a store holds, over all components: read straight from its folders, no record is opened."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from dysnomia_store.disk.layout import OURS, THEIRS, Layout
from dysnomia_store.disk.links import entries, link_of, links, number_of
from dysnomia_store.errors import NameRejected, NotPermitted
from dysnomia_store.names import ComponentKey, validate_name

_NAMED = ("snapshots", "generations", "activated", "garbage")


def keys(layout: Layout) -> tuple[ComponentKey, ...]:
    """Every component that has snapshots, generations or a marker, sorted. Raises NotPermitted."""
    if layout.root.is_dir() and not os.access(layout.root, os.R_OK | os.X_OK):
        raise NotPermitted(f"permission denied: {layout.root}", "run it as the store's owner")
    components = set()
    for name in _NAMED:
        for container, component in _pairs(layout.top(name)):
            try:
                components.add(ComponentKey.of(container, component))
            except NameRejected:
                continue
    return tuple(sorted(components))


def _pairs(top: Path) -> Iterator[tuple[str, str]]:
    for container in entries(top):
        if container.is_dir(follow_symlinks=False):
            for component in entries(Path(container.path)):
                yield container.name, component.name


def _listed(folder: Path) -> list[str]:
    """Names in a folder, sorted; nothing where it is missing. One that may not be read is said, not taken as empty."""
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except PermissionError:
        raise NotPermitted(f"permission denied: {folder}", "run it as the store's owner") from None


def all_generations(
    layout: Layout, container: str | None = None, component: str | None = None
) -> Iterator[tuple[ComponentKey, int, str]]:
    """(key, number, id) of every link, sorted. Raises NotPermitted."""
    top = layout.top("generations")
    containers = _listed(top) if container is None else [container]
    for outer in containers:
        components = _listed(top / outer) if component is None else [component]
        for inner in components:
            try:
                key = ComponentKey.of(outer, inner)
            except NameRejected:
                continue
            for number, snapshot_id, _ in sorted(links(layout, key)):
                yield key, number, snapshot_id


def latest_generations(
    layout: Layout, container: str | None = None, component: str | None = None
) -> Iterator[tuple[ComponentKey, int, str]]:
    """(key, number, id) of the newest link of each component that leads to a snapshot's name, and of each newer one
    that does not (``""``), newest first. Of a component few links are read. Raises NotPermitted."""
    top = layout.top("generations")
    for outer in _listed(top) if container is None else [container]:
        for inner in _listed(top / outer) if component is None else [component]:
            try:
                key = ComponentKey.of(outer, inner)
            except NameRejected:
                continue
            for number in sorted(filter(None, map(number_of, _listed(layout.of("generations", key)))), reverse=True):
                link = link_of(layout, key, number)
                if link is None:
                    continue
                yield key, number, link
                if link:
                    break


def strange(layout: Layout) -> tuple[str, ...]:
    """Entries in the store that neither we nor Dysnomia made, as sentences."""
    paths = []
    for entry in entries(layout.root):
        if entry.name not in THEIRS + OURS:
            paths.append(f"{entry.name!r} in the state directory does not belong to the store")
        elif entry.name not in ("reserve", "store.json") and not os.access(entry.path, os.R_OK | os.X_OK):
            paths.append(f"permission denied: {entry.name}")
    for name in THEIRS:
        paths.extend(_strange_names(layout, name))
    for entry_name, where in _odd_links(layout):
        paths.append(f"{entry_name!r} in generations/{where} is not a generation")
    return tuple(sorted(paths))


def _strange_names(layout: Layout, name: str) -> Iterator[str]:
    for outer in entries(layout.top(name)):
        try:
            validate_name(outer.name, "container")
        except NameRejected as error:
            yield f"in {name}: {error.message}"
        if not outer.is_dir(follow_symlinks=False):
            yield f"{outer.name!r} in {name} is not a folder"
            continue
        for inner in entries(Path(outer.path)):
            try:
                validate_name(inner.name, "component")
            except NameRejected as error:
                yield f"in {name}/{outer.name}: {error.message}"


def _odd_links(layout: Layout) -> Iterator[tuple[str, str]]:
    for outer, inner in _pairs(layout.top("generations")):
        for entry in entries(layout.top("generations") / outer / inner):
            if number_of(entry.name) is None or not entry.is_symlink():
                yield entry.name, f"{outer}/{inner}"
