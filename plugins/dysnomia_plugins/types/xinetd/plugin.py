"""The type ``xinetd-service``: services that xinetd starts when somebody asks for them, with their users and groups.

Holds no state. Links to the component's files are put where xinetd reads its own, and it is told to read them again; an
activation is at its end when xinetd listens for them. What one is about to make stands in the journal first, so that
one that fails, is cancelled or dies is taken back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from dysnomia_plugins.base import Component, Context, Plugin, Probe, Runner, WarningLine
from dysnomia_plugins.errors import PluginError, ServerDown
from dysnomia_plugins.interface.status import Fact, Status, Tone
from dysnomia_plugins.toolkit import accounts, deployment
from dysnomia_plugins.toolkit.links import make_links, put_back, remove, settle_folders, warn_of_strangers
from dysnomia_plugins.types.xinetd.server import Xinetd
from dysnomia_plugins.types.xinetd.services import Port, Services

TAKEN_UP = 10.0
"""Seconds that xinetd has for what it was told: it does so at once, where it is not busy with its own start."""


class XinetdService(Plugin):
    """Has a component's services started by xinetd."""

    type: ClassVar[str] = "xinetd-service"
    title: ClassVar[str] = "xinetd service"
    property_names: ClassVar[tuple[str, ...]] = ("xinetdTargetDir", "xinetdPidFile")
    tools: ClassVar[tuple[str, ...]] = accounts.TOOLS
    packages: ClassVar[Mapping[str, str]] = deployment.PACKAGES
    stateless: ClassVar[str] = deployment.no_state("a service")

    # Into service.

    def activate(self, ctx: Context) -> None:
        services = Services.of(ctx.component)
        xinetd = Xinetd.of(ctx.component)
        links = services.links(ctx.component)
        deployment.add_accounts(ctx)
        ctx.progress.phase("link")
        make_links(ctx, "links", links)
        settle_folders([link.path.parent for link in links])
        ctx.progress.phase("start")
        ctx.cancel.check()
        xinetd.reload()
        if not xinetd.wait(services.ports.__le__, TAKEN_UP, ctx.cancel.check):
            missed = ", ".join(str(one) for one in services.enabled if one.port not in (xinetd.ports() or ()))
            raise PluginError(
                f"xinetd does not listen for {missed}",
                "see its log, and check that its configuration includes xinetdTargetDir",
            )
        for service in services.enabled:
            if service.port is None:
                ctx.progress.log(f"cannot determine whether xinetd serves {service}: its port is not known")

    # Out of service.

    def deactivate(self, ctx: Context) -> None:
        deployment.require_obeyed(ctx.component)
        services = Services.of(ctx.component)
        links = services.links(ctx.component)
        warn_of_strangers(ctx, links)
        ctx.progress.phase("stop")
        ours = [link for link in links if link.ours or not link.path.exists()]
        remove([link.path for link in ours])
        settle_folders([link.path.parent for link in links])
        self._take_down(ctx, services.ports if len(ours) == len(links) else frozenset())
        deployment.remove_accounts(ctx)

    def _take_down(self, ctx: Context, ports: frozenset[Port]) -> None:
        """What is not running has nothing to be told."""
        try:
            xinetd = Xinetd.of(ctx.component)
            xinetd.reload()
        except ServerDown as error:
            ctx.progress.log(f"{error.message}: no service of it runs")
            return
        if not xinetd.wait(ports.isdisjoint, TAKEN_UP, ctx.cancel.check):
            left = sorted(f"{kind} port {number}" for kind, number in ports & (xinetd.ports() or ports))
            ctx.progress.log(
                WarningLine.of(f"xinetd still listens on {', '.join(left)}: check whether another service uses it")
            )

    def rollback_activation(self, ctx: Context) -> None:
        """In the other order than it was made. Goes on after a fault, and says all of them."""
        links = dict(ctx.journal.steps()).get("links")
        with deployment.taken_back() as faults:
            if links is not None:
                for path, was in links.get("was", {}).items():
                    with deployment.noting(faults):
                        put_back(Path(path), str(was))
                with deployment.noting(faults):
                    self._take_down(ctx, frozenset())
            deployment.take_back_accounts(ctx, faults)

    # Looking.

    def probe(self, component: Component, runner: Runner) -> Probe:
        try:
            xinetd = Xinetd.of(component)
        except PluginError as error:
            return Probe(up=False, detail=error.message)
        try:
            word, tone = _overall(Services.of(component), xinetd.ports())
        except PluginError as error:
            return Probe(up=True, detail=error.message, word="unknown", broken=True)
        return Probe(up=True, word=word, broken=tone is Tone.BAD)

    def status(self, component: Component, runner: Runner) -> Status:
        services = Services.of(component)
        xinetd = Xinetd.of(component)
        ports = xinetd.ports()
        word, tone = _overall(services, ports)
        facts = [Fact(f"xinetd, process {xinetd.process.pid}, since", xinetd.process.since)]
        for service in services.enabled:
            listening = ports is not None and service.port in ports
            facts.append(
                Fact(f"{service}{'' if listening else ': not listening'}", tone=Tone.GOOD if listening else Tone.DIM)
            )
        return Status(word, tone, tuple(facts), (), "xinetd logs to the system's log: journalctl -t xinetd")

    def shell(self, component: Component) -> tuple[Sequence[str], Mapping[str, str]]:
        """A shell, with the commands for these services told first, as Dysnomia does."""
        services = Services.of(component)
        hints = [f"Services of {component.key}:", *(f"cat {link.path}" for link in services.links(component))]
        file = component.prop("xinetdPidFile")
        return deployment.hinted_shell([*hints, f"kill -HUP $(cat {file})" if file else "pkill -HUP -x xinetd"])


def _overall(services: Services, ports: frozenset[Port] | None) -> tuple[str, Tone]:
    """One word for all of them."""
    if ports is None:
        return "unknown", Tone.WARN
    listening = len(services.ports & ports)
    if listening == len(services.ports):
        return "listening", Tone.GOOD
    return (
        (f"listening for {listening} of {len(services.ports)}", Tone.WARN) if listening else ("not listening", Tone.DIM)
    )
