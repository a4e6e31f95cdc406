"""The type ``systemd-unit``: services, sockets and timers of systemd, with the users and groups they run as.

Holds no state. What an activation is about to make stands in the journal first, so that one that fails, is cancelled
or dies is taken back: links, units that were started, accounts that were not there before. Deactivating removes all
that the component describes, whoever made it; home folders stay.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from dysnomia_plugins.base import Component, Context, Plugin, Probe, Runner
from dysnomia_plugins.errors import PluginError, ProcessFailed
from dysnomia_plugins.interface.status import Status, Tone
from dysnomia_plugins.toolkit import accounts, deployment
from dysnomia_plugins.toolkit.links import make_links, put_back, remove, settle_folders, warn_of_strangers
from dysnomia_plugins.types.systemd.manager import Manager, UnitState, version_of
from dysnomia_plugins.types.systemd.status import last_lines, overall, status_of
from dysnomia_plugins.types.systemd.units import Units, links_of, wants_of

SETTLE = 0.5
"""Seconds in which a unit that was started must not have failed: a service that dies at once is not in service."""
LOOK = 0.1


class SystemdUnit(Plugin):
    """Puts a component's units into service."""

    type: ClassVar[str] = "systemd-unit"
    title: ClassVar[str] = "systemd unit"
    property_names: ClassVar[tuple[str, ...]] = ("systemdTargetDir", "systemdRootTarget", "systemdUserServices")
    tools: ClassVar[tuple[str, ...]] = ("systemctl", "journalctl", *accounts.TOOLS)
    packages: ClassVar[Mapping[str, str]] = {
        "systemctl": "systemd", "journalctl": "systemd", **deployment.PACKAGES,
    }  # fmt: skip
    stateless: ClassVar[str] = deployment.no_state("a unit", "its programs keep")

    # Into service.

    def activate(self, ctx: Context) -> None:
        manager = Manager.of(ctx.component, ctx.runner)
        units = Units.of(ctx.component)
        folder = manager.folder()
        deployment.add_accounts(ctx)
        ctx.progress.phase("link")
        wants = folder / manager.wants
        make_links(ctx, "links", links_of(units, folder))
        make_links(ctx, "wants", wants_of(units, wants))
        settle_folders([folder, wants])
        _warn_of_boot(ctx, manager)
        ctx.progress.phase("start")
        manager.run("daemon-reload")
        self._start(ctx, manager, units)

    def _start(self, ctx: Context, manager: Manager, units: Units) -> None:
        states = manager.states(units.shown)
        idle = [state.name for state in states if state.active in ("inactive", "failed")]
        instances = [name for name in units.stopped if "*" in name] if len(idle) == len(states) else []
        ctx.journal.step("started", units=[*idle, *instances])
        for unit in units.started:
            ctx.cancel.check()
            ctx.progress.log(f"start {unit}")
            try:
                manager.run("start", "--", unit)
            except ProcessFailed as error:
                raise self._not_started(ctx, manager, units, unit, error.message) from error
        until = time.monotonic() + SETTLE
        while True:
            broken = [state for state in manager.states(units.shown) if state.broken]
            if broken:
                raise self._not_started(ctx, manager, units, broken[0].name, "")
            if time.monotonic() > until:
                return
            ctx.cancel.check()
            time.sleep(LOOK)

    def _not_started(self, ctx: Context, manager: Manager, units: Units, unit: str, message: str) -> PluginError:
        """Why a unit is not in service: the units' own last words go into the job's log."""
        (state,) = manager.states([unit]) or (UnitState(unit, {}),)
        lines, _ = last_lines(manager, units)
        for line in lines[-10:]:
            ctx.progress.log(line.text)
        why = state.why or message or state.sub
        return PluginError(f"{unit} did not start ({why})", "see the job's log; nothing of it stays installed")

    # Out of service.

    def deactivate(self, ctx: Context) -> None:
        deployment.require_obeyed(ctx.component)
        manager = Manager.of(ctx.component, ctx.runner)
        units = Units.of(ctx.component)
        folder = manager.folder()
        wants = folder / manager.wants
        links = [link for link in links_of(units, folder) if link.ours or not link.path.exists()]
        warn_of_strangers(ctx, links_of(units, folder))
        installed = {link.path.name for link in links}
        ctx.progress.phase("stop")
        self._stop(ctx, manager, [name for name in units.stopped if name.replace("@*.", "@.") in installed])
        ctx.progress.phase("unlink")
        remove([link.path for link in wants_of(units, wants) if link.ours])
        remove([link.path for link in links])
        settle_folders([wants, folder])
        manager.run("daemon-reload")
        deployment.remove_accounts(ctx)

    def _stop(self, ctx: Context, manager: Manager, units: Sequence[str]) -> None:
        states = {state.name: state for state in manager.states([name for name in units if "*" not in name])}
        for unit in units:
            state = states.get(unit)
            if state is not None and state.active == "inactive":
                continue
            ctx.progress.log(f"stop {unit}")
            manager.run("stop", "--", unit)
            _forget_failure(manager, unit)

    def rollback_activation(self, ctx: Context) -> None:
        """In the other order than it was made. Goes on after a fault, and says all of them."""
        done = dict(ctx.journal.steps())
        manager = Manager.of(ctx.component, ctx.runner)
        changed = {**done.get("wants", {}).get("was", {}), **done.get("links", {}).get("was", {})}
        with deployment.taken_back() as faults:
            with deployment.noting(faults):
                self._stop(ctx, manager, list(done.get("started", {}).get("units", ())))
            for path, was in changed.items():
                with deployment.noting(faults):
                    put_back(Path(path), str(was))
            if changed:
                with deployment.noting(faults):
                    manager.run("daemon-reload")
            deployment.take_back_accounts(ctx, faults)

    # Looking.

    def probe(self, component: Component, runner: Runner) -> Probe:
        try:
            manager = Manager.of(component, runner)
            about = manager.about()
        except PluginError as error:
            return Probe(up=False, detail=error.message)
        state = about.get("SystemState", "")
        failed = about.get("NFailedUnits", "0")
        detail = "" if state in ("running", "") else f"systemd is {state}; failed units: {failed}"
        try:
            units = Units.of(component)
            word, tone = overall(manager.states(units.started))
        except PluginError as error:
            return Probe(up=True, version=version_of(about), detail=error.message, word="unknown", broken=True)
        return Probe(True, version_of(about), detail=detail, word=word, broken=tone is Tone.BAD)

    def status(self, component: Component, runner: Runner) -> Status:
        return status_of(Manager.of(component, runner), Units.of(component))

    def shell(self, component: Component) -> tuple[Sequence[str], Mapping[str, str]]:
        """A shell, with the commands for these units told first, as Dysnomia does."""
        user = ["--user"] if component.prop("systemdUserServices") == "1" else []
        hints = [f"Units of {component.key}:"]
        for unit in Units.of(component).shown:
            hints += [" ".join(["systemctl", *user, verb, unit]) for verb in ("status", "start", "stop")]
            hints.append(" ".join(["journalctl", *user, "-u", unit]))
        return deployment.hinted_shell(hints)


def _forget_failure(manager: Manager, unit: str) -> None:
    """A unit that failed stays in systemd's lists as such until it is told to forget; one that did not says so."""
    try:
        manager.run("reset-failed", "--", unit)
    except ProcessFailed:
        return


def _warn_of_boot(ctx: Context, manager: Manager) -> None:
    """Links among what a target wants do nothing where there is no such target."""
    target = manager.wants.removesuffix(".wants")
    try:
        (state,) = manager.states([target])
    except ProcessFailed:
        return
    if not state.loaded:
        ctx.progress.log(f"there is no {target} on this machine: the units would not start after a reboot")
