"""The folder that a container's web server serves, what is linked there, and how the server is told of a change."""

from __future__ import annotations

import posixpath
import shlex

from dysnomia_plugins.base import Component, Context, WarningLine
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.interface.context import SERVICE_UMASK
from dysnomia_plugins.toolkit.command_words import command_words
from dysnomia_plugins.toolkit.deployment import names_in
from dysnomia_plugins.toolkit.folder_links import FolderLinks

SETTING = "documentRoot"
INSIDE = "webapps"
LINKS = "web-links"
"""Written in journals, of jobs before an upgrade too: not to be renamed."""
DEFAULT = "/var/www"
RELOAD = "reloadCommand"
RELOAD_SECONDS = 60.0
"""What a server has for its reload: one that waits for its requests must not hold up a job for ever."""


def document_root(component: Component) -> str:
    """As configured. Raises PluginError."""
    root = component.prop(SETTING, DEFAULT)
    if not root.startswith("/"):
        raise PluginError(f"{SETTING} {root!r} of {component.key} is not absolute", "correct it in the container")
    return posixpath.normpath("/" + root.lstrip("/"))


def served_links(component: Component) -> FolderLinks:
    """What a component without state has served: each entry of its ``webapps`` folder, linked under its name.

    Source: ``dysnomia-modules/generic-webapplication.in`` of Dysnomia 0.10.2. Raises PluginError where it has no such
    folder, NotSafe where the way to the document root is not safe."""
    folder = component.path.absolute() / INSIDE
    names = names_in(component, folder, "web applications", "put the files to be served there")
    targets = {name: f"{folder}/{name}" for name in names}
    return FolderLinks.at(document_root(component), str(folder), targets, setting=SETTING, step=LINKS)


def reload(ctx: Context) -> None:
    """Run it, where there is one. Raises ProcessFailed, Cancelled, ToolMissing."""
    words = command_words(ctx.component, RELOAD)
    if words:
        ctx.progress.phase("reload")
        ctx.progress.log(shlex.join(words))
        # Some start a server that is down (apachectl graceful): it must neither hold our locks nor lose its output.
        ctx.runner.follow(words, timeout=RELOAD_SECONDS, umask=SERVICE_UMASK)


def reload_or_warn(ctx: Context) -> bool:
    """The same after what cannot be taken back any more: a failure is said in the job's log. Returns whether it went
    well."""
    try:
        reload(ctx)
    except PluginError as error:
        ctx.progress.log(WarningLine.of(f"the web server was not reloaded ({error.message}): reload it"))
        return False
    return True
