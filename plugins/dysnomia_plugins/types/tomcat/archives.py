"""The archives that a component brings for a servlet container, and where Tomcat looks for such.

Source: ``dysnomia-modules/tomcat-webapplication.in`` and ``axis2-webservice.in`` of Dysnomia 0.10.2. Every archive at
any depth of the component's folder is linked by its own name, and what is in ``conf/Catalina`` where contexts are read.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from dysnomia_plugins.base import Component
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.deployment import names_in
from dysnomia_plugins.toolkit.folder_links import FolderLinks

BASE = "catalinaBaseDir"
BASES = ("/var/tomcat", "/var/lib/tomcat11", "/var/lib/tomcat10", "/var/lib/tomcat9")
"""Where it is: NixOS's, then Debian's."""
CONTEXTS = Path("conf") / "Catalina"
CONTEXT_LINKS = "context-links"
"""Written in journals, of jobs before an upgrade too: not to be renamed."""


def catalina_base(component: Component) -> str:
    """The folder of the container's Tomcat."""
    return component.prop(BASE) or next((path for path in BASES if Path(path).is_dir()), BASES[0])


def archives(component: Component, inside: Path, ending: str) -> tuple[str, Mapping[str, str]]:
    """The component's folder, and its archives by name. Raises PluginError where it has no such folder, or two
    archives of one name."""
    folder = component.path.absolute() / inside
    names_in(component, folder, f"{ending} files", "put them there")
    by_name: dict[str, str] = {}
    for path, folders, files in os.walk(folder):  # follows no links, as find
        for name in sorted((*folders, *files)):
            if not name.endswith(ending):
                continue
            if name in by_name:
                raise PluginError(f"{component.key} has two {name}: {by_name[name]} and {path}/{name}", "rename one")
            by_name[name] = f"{path}/{name}"
    return str(folder), by_name


def context_links(component: Component) -> FolderLinks | None:
    """Those of the contexts that a component has; None where it has none. Raises PluginError."""
    folder = component.path.absolute() / CONTEXTS
    if not folder.is_dir():
        return None
    targets = {name: f"{folder}/{name}" for name in names_in(component, folder, "contexts", "see its permissions")}
    root = f"{catalina_base(component)}/conf/Catalina/localhost"
    return FolderLinks.at(root, str(folder), targets, setting=BASE, step=CONTEXT_LINKS)
