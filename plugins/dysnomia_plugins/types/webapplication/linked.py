"""A web application without state: its files are linked into the document root."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from dysnomia_plugins.base import Component, Context, Plugin, Probe, Runner
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.interface.status import Fact, Status, Tone
from dysnomia_plugins.toolkit import deployment
from dysnomia_plugins.toolkit.folder_links import link_fact, make_links, overall, remove_links, take_back
from dysnomia_plugins.types.webapplication.document_root import (
    INSIDE,
    LINKS,
    SETTING,
    document_root,
    reload,
    reload_or_warn,
    served_links,
)

NOTHING = "nothing to be served"


class LinkedWebApplication(Plugin):
    """What each of the types is for a component without ``.dysnomia-fileset``."""

    stateless: ClassVar[str] = (
        f"{deployment.no_state('a web application of links', 'its programs keep')}."
        " Files of its own that change are a set of files: list their folders in .dysnomia-fileset"
    )

    def activate(self, ctx: Context) -> None:
        served = served_links(ctx.component)
        ctx.progress.phase("link")
        if not served.targets:
            ctx.progress.log(f"{served.source} is empty: nothing is served from it")
        make_links(ctx, served)
        reload(ctx)

    def deactivate(self, ctx: Context) -> None:
        deployment.require_obeyed(ctx.component)
        ctx.progress.phase("unlink")
        remove_links(ctx, served_links(ctx.component))
        reload(ctx)

    def rollback_activation(self, ctx: Context) -> None:
        if take_back(ctx, LINKS, SETTING):
            reload_or_warn(ctx)

    # Looking.

    def probe(self, component: Component, runner: Runner) -> Probe:
        try:
            served = served_links(component)
            word, _ = overall(served, served.states(), NOTHING)
        except PluginError as error:
            return Probe(up=True, detail=error.message, word="unknown", broken=True)
        exists = Path(served.root).is_dir()
        return Probe(up=exists, detail="" if exists else f"there is no {served.root}", word=word)

    def status(self, component: Component, runner: Runner) -> Status:
        served = served_links(component)
        states = served.states()
        word, tone = overall(served, states, NOTHING)
        root = Fact(f"{SETTING} {document_root(component)}", tone=Tone.DIM)
        return Status(word, tone, (*(link_fact(served, name, states[name]) for name in served.targets), root))

    def shell(self, component: Component) -> tuple[Sequence[str], Mapping[str, str]]:
        """A shell, with the commands for these files told first."""
        root = document_root(component)
        hints = [f"Web application of {component.key}:", f"ls -l {root}", f"ls -lR {component.path / INSIDE}"]
        return deployment.hinted_shell(hints)
