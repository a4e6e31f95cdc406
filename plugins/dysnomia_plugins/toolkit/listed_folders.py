"""The folders right in the folder of a container, for ``components=*``."""

from __future__ import annotations

import stat
from collections.abc import Callable

from dysnomia_plugins.base import Listed, ListedState
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.guarded.folder import Folder
from dysnomia_plugins.toolkit.guarded.way import real_path
from dysnomia_plugins.toolkit.trees.names import own_name


def list_folders(base: str, setting: str, look: Callable[[Folder, str], Listed]) -> ListedState:
    """What ``look`` says of each folder right in ``base``; a link is named and left.

    Raises PluginError where the folder, which ``setting`` names, cannot be read."""
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
                    listed.append(look(folder, name))
    except OSError as error:
        raise PluginError(
            f"{base} cannot be read ({error.strerror})", f"check {setting} and its permissions, or run it as root"
        ) from error
    return ListedState(listed)
