"""All repositories right in the folder of a container, for ``components=*``."""

from __future__ import annotations

import stat
from collections.abc import Callable, Collection

from dysnomia_plugins.base import Listed, ListedState
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.toolkit.guarded.folder import Folder
from dysnomia_plugins.toolkit.guarded.way import real_path
from dysnomia_plugins.toolkit.trees.names import own_name


def list_repositories(base: str, setting: str, holds: Callable[[Collection[str]], bool]) -> ListedState:
    """Every folder right in ``base`` that is a repository, by the names in it; a link is named and left.

    A folder that is none is ``idle``: one that was a component is a damaged repository, and not a dropped one. Raises
    PluginError where the folder cannot be read."""
    listed = []
    try:
        with Folder.at(real_path(base, setting=setting)) as folder:
            for name in folder.names():
                if own_name(name) or name.startswith("."):
                    continue
                seen = folder.seen(name)
                if seen is not None and stat.S_ISLNK(seen.st_mode):
                    listed.append(Listed(name, "it is a link: give the folder that it leads to a container of its own"))
                elif seen is not None and stat.S_ISDIR(seen.st_mode):
                    listed.append(_listed(folder, name, holds))
    except OSError as error:
        raise PluginError(
            f"{base} cannot be read ({error.strerror})", f"check {setting} and its permissions"
        ) from error
    return ListedState(listed)


def _listed(folder: Folder, name: str, holds: Callable[[Collection[str]], bool]) -> Listed:
    try:
        with folder.folder(name) as inside:
            return Listed(name, idle=not holds(inside.names()))
    except (OSError, NotSafe) as error:
        words = error.strerror if isinstance(error, OSError) else str(error)
        return Listed(name, f"it cannot be read ({words}): run it as root, or as its owner")
