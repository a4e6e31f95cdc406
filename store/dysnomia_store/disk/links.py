"""Read the generation links of a component. Few imports: queries need only this module."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from dysnomia_store.disk.layout import Layout, pointed_at
from dysnomia_store.errors import NameRejected, NotPermitted
from dysnomia_store.names import ComponentKey, validate_name


def entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """What is in a folder; empty where it is missing or, being ours, not readable."""
    try:
        with os.scandir(folder) as scanned:
            yield from scanned
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return


def number_of(name: str) -> int | None:
    """A generation's number, from the name of its link."""
    if name.isascii() and name.isdigit() and name[0] != "0" and len(name) < 16:
        return int(name)
    return None


def links(layout: Layout, key: ComponentKey) -> Iterator[tuple[int, str, str]]:
    """(number, id, what is wrong) of every link, in no order. Raises NotPermitted."""
    folder = layout.of("generations", key)
    usual = f"../../../snapshots/{key.container}/{key.component}/"
    skip = len(usual)
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return
    except PermissionError as error:
        raise NotPermitted(f"permission denied: the generations of {key}", "run it as the store's owner") from error
    try:
        with os.scandir(descriptor) as scanned:
            for entry in scanned:
                name = entry.name
                number = number_of(name)
                if number is None:
                    continue
                try:
                    target = os.readlink(name, dir_fd=descriptor)
                except FileNotFoundError:
                    continue
                except OSError:
                    yield number, "", "is not a link"
                    continue
                rest = target[skip:]
                if target.startswith(usual) and rest.isalnum():
                    yield number, rest, ""
                else:
                    yield number, *_odd_target(key, target)
    finally:
        os.close(descriptor)


def link_of(layout: Layout, key: ComponentKey, number: int) -> str | None:
    """The id that one link points at; ``""`` where that is no snapshot, None where the link is gone."""
    try:
        return _odd_target(key, os.readlink(layout.link(key, number)))[0]
    except FileNotFoundError:
        return None
    except OSError:
        return ""


def _odd_target(key: ComponentKey, target: str) -> tuple[str, str]:
    snapshot_id = pointed_at(key, target)
    if snapshot_id is None:
        return "", f"points at {target!r}, which is not a snapshot of {key}"
    try:
        return validate_name(snapshot_id, "snapshot id"), ""
    except NameRejected as error:
        return "", error.message
