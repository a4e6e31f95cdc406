"""The types ``generic-webapplication``, ``apache-webapplication`` and ``nginx-webapplication``: files for a web server.

A component with ``.dysnomia-fileset`` is a set of files whose target folder is the document root: its ``mkdir`` folders
are its state, exchanged in one step while the server serves. Any other is linked there, and holds no state. In both
the server is reloaded where the container has a ``reloadCommand``; nothing that is served needs it, what a server
keeps of files in memory (PHP's opcode cache) may.

The three do the same, as in Dysnomia: what differs is what they are called.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from dysnomia_plugins.base import Component, Context, Place, Plugin, Preflight, PutRow, Stored
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.command_words import command_words
from dysnomia_plugins.toolkit.filesets import activation
from dysnomia_plugins.toolkit.filesets.plugin import FilesetState
from dysnomia_plugins.toolkit.filesets.spec import FilesetSpec, is_fileset, read_spec_below
from dysnomia_plugins.toolkit.folder_links import take_back
from dysnomia_plugins.types.webapplication.document_root import (
    LINKS,
    RELOAD,
    SETTING,
    document_root,
    reload,
    reload_or_warn,
)
from dysnomia_plugins.types.webapplication.linked import LinkedWebApplication

Class = type[LinkedWebApplication]
RELOADED = "web-reloaded"
"""Written in journals, of jobs before an upgrade too: not to be renamed."""


class WebApplication(FilesetState):
    """What each of the types is for a component with ``.dysnomia-fileset``."""

    property_names: ClassVar[tuple[str, ...]] = ("documentRoot", "filesetOwner", "reloadCommand")
    linked: ClassVar[Class]
    """The same type, for a component without it."""

    def for_component(self, component: Component) -> Plugin:
        return self if is_fileset(component) else self.linked()

    def spec_of(self, component: Component) -> FilesetSpec:
        """Whatever ``targetDir`` or ``.dysnomia-targetdir`` say, as in Dysnomia."""
        return read_spec_below(component, document_root(component), SETTING)

    def activate(self, ctx: Context) -> None:
        super().activate(ctx)
        try:
            reload(ctx)
        except PluginError:
            activation.remove_links(self.layout_of(ctx.component))
            raise

    def deactivate(self, ctx: Context) -> None:
        super().deactivate(ctx)
        reload(ctx)

    def preflight(self, ctx: Context, stored: Stored, *, replace: bool) -> Preflight:
        preflight_result = super().preflight(ctx, stored, replace=replace)
        words = command_words(ctx.component, RELOAD)
        return _with_reload(preflight_result, words) if words and replace else preflight_result

    def swap(self, ctx: Context, beside: Place, aside: Place) -> None:
        """The server serves all the time; it is reloaded when the exchange is over, which a failure does not undo."""
        super().swap(ctx, beside, aside)
        self._reload_once(ctx)

    def put_sections_back(
        self, ctx: Context, stored: Stored, rows: Sequence[PutRow], seen: Sequence[str]
    ) -> Sequence[int]:
        left = super().put_sections_back(ctx, stored, rows, seen)
        self._reload_once(ctx)
        return left

    def recover(self, ctx: Context) -> bool:
        take_back(ctx, LINKS, SETTING)  # of an activation that died while the component held no state
        swapped = super().recover(ctx)
        if swapped:
            self._reload_once(ctx)
        return swapped

    def _reload_once(self, ctx: Context) -> None:
        if not any(name == RELOADED for name, _ in ctx.journal.steps()) and reload_or_warn(ctx):
            ctx.journal.step(RELOADED)

    def shell(self, component: Component) -> tuple[Sequence[str], Mapping[str, str]]:
        """A shell in the document root."""
        argv, environment = super().shell(component)
        return argv, {**environment, SETTING: document_root(component)}


def _with_reload(preflight: Preflight, words: Sequence[str]) -> Preflight:
    return replace(preflight, swap=f"{preflight.swap}; then {shlex.join(words)} would be run")


class GenericLinked(LinkedWebApplication):
    type: ClassVar[str] = "generic-webapplication"
    title: ClassVar[str] = "web application"


class GenericWebApplication(WebApplication):
    """Files for any web server."""

    type: ClassVar[str] = "generic-webapplication"
    title: ClassVar[str] = "web application"
    linked: ClassVar[Class] = GenericLinked


class ApacheLinked(LinkedWebApplication):
    type: ClassVar[str] = "apache-webapplication"
    title: ClassVar[str] = "Apache web application"


class ApacheWebApplication(WebApplication):
    """Files for Apache."""

    type: ClassVar[str] = "apache-webapplication"
    title: ClassVar[str] = "Apache web application"
    linked: ClassVar[Class] = ApacheLinked


class NginxLinked(LinkedWebApplication):
    type: ClassVar[str] = "nginx-webapplication"
    title: ClassVar[str] = "Nginx web application"


class NginxWebApplication(WebApplication):
    """Files for nginx."""

    type: ClassVar[str] = "nginx-webapplication"
    title: ClassVar[str] = "Nginx web application"
    linked: ClassVar[Class] = NginxLinked
