"""All repositories right in the folder of a container, for ``components=*``."""

from __future__ import annotations

from collections.abc import Callable, Collection

from dysnomia_plugins.base import Listed, ListedState
from dysnomia_plugins.errors import NotSafe
from dysnomia_plugins.toolkit.guarded.folder import Folder
from dysnomia_plugins.toolkit.listed_folders import list_folders


def list_repositories(base: str, setting: str, holds: Callable[[Collection[str]], bool]) -> ListedState:
    """Every folder right in ``base`` that is a repository, by the names in it; a link is named and left.

    A folder that is none is ``idle``: one that was a component is a damaged repository, and not a dropped one. Raises
    PluginError where the folder cannot be read."""
    return list_folders(base, setting, lambda folder, name: _listed(folder, name, holds))


def _listed(folder: Folder, name: str, holds: Callable[[Collection[str]], bool]) -> Listed:
    try:
        with folder.folder(name) as inside:
            return Listed(name, idle=not holds(inside.names()))
    except (OSError, NotSafe) as error:
        words = error.strerror if isinstance(error, OSError) else str(error)
        return Listed(name, f"it cannot be read ({words}): run it as root, or as its owner")
