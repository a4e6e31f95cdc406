"""The type ``supervisord-program``: programs that supervisord runs, with the users and groups they run as.

Holds no state. Links to the component's files are put where supervisord reads its own, and what it does then is asked
of the component's groups alone: what else is waiting to be taken over is the operator's. What an activation is about to
make stands in the journal first, so that one that fails, is cancelled or dies is taken back.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from dysnomia_plugins.base import Component, Context, Plugin, Probe, Runner
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.interface.status import Fact, Status, Tone
from dysnomia_plugins.toolkit import accounts, deployment
from dysnomia_plugins.toolkit.links import make_links, put_back, remove, settle_folders, warn_of_strangers
from dysnomia_plugins.toolkit.servers import PROBE_SECONDS, down
from dysnomia_plugins.types.supervisord.control import FAILED, IDLE, ProcessState, Refused, Supervisor
from dysnomia_plugins.types.supervisord.programs import INSIDE, Programs, replaced_groups

STARTING = 60.0
"""Seconds in which a program must have started, or have failed for good: supervisord tries several times."""
LOOK = 0.2
LINES = 30
_TONES = {"RUNNING": Tone.GOOD, "FATAL": Tone.BAD, "BACKOFF": Tone.BAD, "STOPPED": Tone.DIM, "EXITED": Tone.PLAIN}


class SupervisordProgram(Plugin):
    """Has a component's programs run by supervisord."""

    type: ClassVar[str] = "supervisord-program"
    title: ClassVar[str] = "supervisord program"
    property_names: ClassVar[tuple[str, ...]] = ("supervisordTargetDir",)
    tools: ClassVar[tuple[str, ...]] = accounts.TOOLS
    packages: ClassVar[Mapping[str, str]] = deployment.PACKAGES
    stateless: ClassVar[str] = deployment.no_state("a program")

    # Into service.

    def activate(self, ctx: Context) -> None:
        programs = Programs.of(ctx.component)
        supervisor = Supervisor.ours()
        supervisor.version()
        links = programs.links(ctx.component)
        deployment.add_accounts(ctx)
        ctx.progress.phase("link")
        groups = programs.groups | replaced_groups(links)
        ctx.journal.step("groups to update", names=sorted(groups))
        make_links(ctx, "links", links)
        settle_folders([link.path.parent for link in links])
        ctx.progress.phase("start")
        ctx.cancel.check()
        known = supervisor.update(groups, ctx.cancel.check)
        missed = sorted(programs.groups - {*known})
        if missed:
            raise PluginError(
                f"supervisord does not read {links[0].path}: it knows no {', '.join(missed)}",
                "set supervisordTargetDir to a folder that its configuration includes",
            )
        self._start(ctx, supervisor, programs)

    def _start(self, ctx: Context, supervisor: Supervisor, programs: Programs) -> None:
        """Start what had failed or was stopped before, and see that all of it runs. Raises PluginError."""
        wanted = programs.groups - programs.waiting
        states = supervisor.states(wanted)
        idle = [one for one in states if one.state in IDLE]
        ctx.journal.step("started", names=[one.full_name for one in idle])
        for one in idle:
            ctx.progress.log(f"start {one.name}")
            with _told(ctx):
                supervisor.start(one.full_name)
        states = supervisor.states(wanted) if idle else states
        until = time.monotonic() + STARTING
        while any(one.state in ("STARTING", "BACKOFF") for one in states) and time.monotonic() < until:
            ctx.cancel.check()
            time.sleep(LOOK)
            states = supervisor.states(wanted)
        broken = [one for one in states if one.state in FAILED]
        if broken:
            for line in supervisor.log(broken[0].full_name)[-10:]:
                ctx.progress.log(line)
            raise PluginError(
                f"{broken[0].name} did not start ({broken[0].about})",
                "see the job's log; nothing of it stays installed",
            )

    # Out of service.

    def deactivate(self, ctx: Context) -> None:
        deployment.require_obeyed(ctx.component)
        programs = Programs.of(ctx.component)
        supervisor = Supervisor.ours()
        supervisor.version()
        links = programs.links(ctx.component)
        warn_of_strangers(ctx, links)
        ctx.progress.phase("stop")
        remove([link.path for link in links if link.ours or not link.path.exists()])
        settle_folders([link.path.parent for link in links])
        changed = supervisor.update(programs.groups, ctx.cancel.check)
        ctx.progress.log(
            f"supervisord took over what changed of {', '.join(changed)}" if changed else "nothing of it ran"
        )
        deployment.remove_accounts(ctx)

    def rollback_activation(self, ctx: Context) -> None:
        """In the other order than it was made. Goes on after a fault, and says all of them."""
        done = dict(ctx.journal.steps())
        idle = done.get("started", {}).get("names", ())
        with deployment.taken_back() as faults:
            if idle:
                with deployment.noting(faults):
                    Supervisor.ours().stop(idle, lambda: None)
            for path, was in done.get("links", {}).get("was", {}).items():
                with deployment.noting(faults):
                    put_back(Path(path), str(was))
            if "links" in done:
                with deployment.noting(faults):
                    Supervisor.ours().update(done["groups to update"]["names"], lambda: None)
            deployment.take_back_accounts(ctx, faults)

    # Looking.

    def probe(self, component: Component, runner: Runner) -> Probe:
        try:
            supervisor = Supervisor.ours(PROBE_SECONDS)
            version, states = supervisor.version(), supervisor.states()
        except PluginError as error:
            return down(error)
        try:
            programs = Programs.of(component)
        except PluginError as error:
            return Probe(up=True, version=version, detail=error.message, word="unknown", broken=True)
        word, tone = _overall([one for one in states if one.group in programs.groups], programs)
        return Probe(up=True, version=version, word=word, broken=tone is Tone.BAD)

    def status(self, component: Component, runner: Runner) -> Status:
        programs = Programs.of(component)
        supervisor = Supervisor.ours(PROBE_SECONDS)
        states = supervisor.states(programs.groups)
        word, tone = _overall(states, programs)
        facts = [Fact(f"{one.name} {one.state}, {one.about}", tone=_TONES.get(one.state, Tone.WARN)) for one in states]
        shown = min(states, key=lambda one: one.state not in FAILED, default=None)
        lines = supervisor.log(shown.full_name)[-LINES:] if shown else []
        note = f"last lines of {shown.name}" if shown and lines else "supervisord has no log of it"
        return Status(word, tone, tuple(facts), tuple(map(Fact, lines)), note)

    def shell(self, component: Component) -> tuple[Sequence[str], Mapping[str, str]]:
        """A shell, with the commands for these programs told first, as Dysnomia does."""
        names = sorted(Programs.of(component).groups)
        hints = [f"supervisorctl {verb} {name}:*" for name in names for verb in ("start", "stop", "status")]
        return deployment.hinted_shell([f"Programs of {component.key} ({INSIDE}):", *hints])


@contextmanager
def _told(ctx: Context) -> Iterator[None]:
    """What it says of single processes is logged, and looked at afterwards."""
    try:
        yield
    except Refused as refused:
        ctx.progress.log(refused.message)


def _overall(states: Sequence[ProcessState], programs: Programs) -> tuple[str, Tone]:
    """One word for all that is to run."""
    if not states:
        return "not installed", Tone.DIM
    broken = [one for one in states if one.state in FAILED]
    if broken:
        return ("failed" if broken[0].state == "FATAL" else "restarting"), Tone.BAD
    wanted = [one for one in states if one.group not in programs.waiting]
    running = sum(one.state == "RUNNING" for one in wanted)
    if running == len(wanted):
        return "running", Tone.GOOD
    return (f"{running} of {len(wanted)} running" if running else wanted[0].state.lower()), Tone.WARN
