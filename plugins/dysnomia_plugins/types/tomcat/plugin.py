"""The types ``tomcat-webapplication`` and ``axis2-webservice``: archives that a servlet container deploys by itself.

They hold no state. Links to the archives are put where the container looks for them (hot deployment); what it makes of
them (a folder of the same name, unpacked) is its own, and it removes that when the link is gone. What was there before
is in the journal first, so that an activation that fails, is cancelled or dies is taken back.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from dysnomia_plugins.base import Component, Context, Plugin, Probe, Runner
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.interface.status import Fact, Status
from dysnomia_plugins.toolkit import deployment
from dysnomia_plugins.toolkit.folder_links import (
    FolderLinks,
    link_fact,
    make_links,
    overall,
    remove_links,
    take_back,
)
from dysnomia_plugins.toolkit.started import log_file
from dysnomia_plugins.types.tomcat.archives import BASE, CONTEXT_LINKS, archives, catalina_base, context_links

ARCHIVE_LINKS = "archive-links"
"""Written in journals, of jobs before an upgrade too: not to be renamed."""
NOTHING = "nothing to be deployed"
LOOK = 0.25
LINES = 30


class ServletArchives(Plugin):
    """What both types do."""

    inside: ClassVar[Path]
    """The component's folder of archives."""
    ending: ClassVar[str]
    waited: ClassVar[float]
    """Seconds that the folder they are put into is waited for, where ``timeout`` says nothing: it may be unpacked by a
    server that has just been started."""

    def folder(self, component: Component) -> tuple[str, str]:
        """Where the archives are put, and the property that says so."""
        raise NotImplementedError

    def links(self, component: Component) -> FolderLinks:
        """Raises PluginError, NotSafe."""
        root, setting = self.folder(component)
        source, targets = archives(component, self.inside, self.ending)
        return FolderLinks.at(root, source, targets, setting=setting, step=ARCHIVE_LINKS)

    # Into service.

    def activate(self, ctx: Context) -> None:
        links, contexts = self.links(ctx.component), context_links(ctx.component)
        self._wait(ctx, links)
        ctx.progress.phase("link")
        if not links.targets:
            ctx.progress.log(f"{links.source} holds no {self.ending} file: nothing is deployed from it")
        if contexts is not None:  # first: an archive is deployed by the context that is there then
            make_links(ctx, contexts)
        make_links(ctx, links)

    def _wait(self, ctx: Context, links: FolderLinks) -> None:
        until = time.monotonic() + _seconds(ctx.component, self.waited)
        while not Path(links.root).is_dir():
            ctx.cancel.check()
            if time.monotonic() > until:
                raise PluginError(
                    f"the folder {links.root} does not exist", f"start its server, or correct {links.setting}"
                )
            time.sleep(LOOK)

    # Out of service.

    def deactivate(self, ctx: Context) -> None:
        deployment.require_obeyed(ctx.component)
        ctx.progress.phase("unlink")
        remove_links(ctx, self.links(ctx.component))
        contexts = context_links(ctx.component)
        if contexts is not None:
            remove_links(ctx, contexts)

    def rollback_activation(self, ctx: Context) -> None:
        with deployment.taken_back() as faults:
            for step, setting in ((ARCHIVE_LINKS, self.folder(ctx.component)[1]), (CONTEXT_LINKS, BASE)):
                with deployment.noting(faults):
                    take_back(ctx, step, setting)

    # Looking.

    def probe(self, component: Component, runner: Runner) -> Probe:
        try:
            links = self.links(component)
            word, _ = overall(links, links.states(), NOTHING)
        except PluginError as error:
            return Probe(up=True, detail=error.message, word="unknown", broken=True)
        exists = Path(links.root).is_dir()
        return Probe(up=exists, detail="" if exists else f"there is no {links.root}", word=word)

    def status(self, component: Component, runner: Runner) -> Status:
        links = self.links(component)
        states = links.states()
        word, tone = overall(links, states, NOTHING)
        facts = tuple(_fact(links, name, target) for name, target in states.items())
        logs = Path(catalina_base(component), "logs")
        for name in _newest(logs):
            lines, shown = log_file(str(logs / name), LINES)
            if shown:
                return Status(word, tone, facts, tuple(map(Fact, lines)), f"last lines of {shown}, of all that it runs")
        return Status(word, tone, facts, (), f"there is no log of Tomcat in {logs}")

    def shell(self, component: Component) -> tuple[Sequence[str], Mapping[str, str]]:
        """A shell, with where things are told first, as Dysnomia does."""
        root, setting = self.folder(component)
        base = catalina_base(component)
        hints = (f"Archives of {component.key}:", f"{setting}={root}", f"{BASE}={base}", f"ls -l {root}",
                 f"tail -f {base}/logs/catalina.out")  # fmt: skip
        return deployment.hinted_shell(hints)


class TomcatWebApplication(ServletArchives):
    """Web applications (``*.war``) in Tomcat."""

    type: ClassVar[str] = "tomcat-webapplication"
    title: ClassVar[str] = "Tomcat web application"
    property_names: ClassVar[tuple[str, ...]] = ("catalinaBaseDir", "timeout")
    stateless: ClassVar[str] = deployment.no_state("a web application")
    inside: ClassVar[Path] = Path("webapps")
    ending: ClassVar[str] = ".war"
    waited: ClassVar[float] = 10.0

    def folder(self, component: Component) -> tuple[str, str]:
        return f"{catalina_base(component)}/webapps", BASE


class Axis2WebService(ServletArchives):
    """Web services (``*.aar``) in an Axis2 that Tomcat runs."""

    type: ClassVar[str] = "axis2-webservice"
    title: ClassVar[str] = "Axis2 web service"
    property_names: ClassVar[tuple[str, ...]] = ("axis2BaseDir", "catalinaBaseDir", "timeout")
    stateless: ClassVar[str] = deployment.no_state("a web service")
    inside: ClassVar[Path] = Path("webapps") / "axis2" / "WEB-INF" / "services"
    ending: ClassVar[str] = ".aar"
    waited: ClassVar[float] = 30.0

    def folder(self, component: Component) -> tuple[str, str]:
        given = component.prop("axis2BaseDir")
        return given or f"{catalina_base(component)}/{self.inside}", "axis2BaseDir" if given else BASE


def _seconds(component: Component, default: float) -> float:
    """What ``timeout`` says. Raises PluginError."""
    given = component.prop("timeout")
    try:
        return float(given) if given else default
    except ValueError as error:
        raise PluginError(f"timeout of {component.key} is {given!r}, not a number of seconds", "correct it") from error


def _newest(logs: Path) -> Sequence[str]:
    """Tomcat's own logs, the newest first: their names hold the day."""
    try:
        names = sorted((path.name for path in logs.iterdir() if path.name.startswith("catalina.")), reverse=True)
    except OSError:
        return ()
    return sorted(names, key=lambda name: name != "catalina.out")


def _fact(links: FolderLinks, name: str, target: str) -> Fact:
    unpacked = Path(links.root, name.rpartition(".")[0]).is_dir()
    return link_fact(links, name, target, f"linked{', and unpacked by the server' if unpacked else ''}")
