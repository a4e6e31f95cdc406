"""How much a tree takes on disk."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.guarded.system import folder_at, open_folder


def measure(paths: Sequence[str], *, deadline: float) -> tuple[int, bool]:
    """Bytes on disk below the paths, links as links, and whether all could be counted before the deadline
    (``time.monotonic``)."""
    total = 0
    for path in paths:
        try:
            with folder_at(path) as root:
                counted, whole = _below(root, deadline)
        except (OSError, PluginError):
            continue
        total += counted
        if not whole:
            return total, False
    return total, True


def _below(root: int, deadline: float) -> tuple[int, bool]:
    """Depth first: as many descriptors as folders are nested. What cannot be opened is not counted."""
    total = 0
    stack: list[tuple[int, list[str]]] = [(os.dup(root), [])]
    total += _files(stack[0])
    try:
        while stack:
            if time.monotonic() > deadline:
                return total, False
            folder, waiting = stack[-1]
            if not waiting:
                os.close(stack.pop()[0])
                continue
            try:
                deeper = (open_folder(waiting.pop(), folder), list[str]())
            except (OSError, PluginError):
                continue
            stack.append(deeper)
            total += _files(deeper)
        return total, True
    finally:
        for folder, _ in stack:
            os.close(folder)


def _files(folder: tuple[int, list[str]]) -> int:
    """Bytes of what is not a folder in it; the folders in it are added to its list."""
    total = 0
    try:
        with os.scandir(folder[0]) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folder[1].append(entry.name)
                else:
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
    except OSError:
        pass
    return total
