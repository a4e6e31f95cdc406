"""The type ``process``: a daemon that a component's own command starts, known by the file with its number.

Holds no state. What an activation is about to start stands in the journal first, and all that it starts carries a mark
in its environment: one that fails, is cancelled or dies is taken back, the daemon with it. Deactivating ends the
daemon, and removes the users and groups that the component describes; home folders stay.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import ClassVar

from dysnomia_plugins.base import Component, Context, Plugin, Probe, Runner, WarningLine
from dysnomia_plugins.errors import NotSafe, PluginError
from dysnomia_plugins.interface.status import Status, Tone
from dysnomia_plugins.toolkit import accounts, deployment
from dysnomia_plugins.toolkit.pid_file import remove_pid_file
from dysnomia_plugins.toolkit.processes import RunningProcess, boot_id, now_in_ticks, with_variable
from dysnomia_plugins.toolkit.started import MARK, run_program
from dysnomia_plugins.types.process.daemon import Daemon, Found, why_none
from dysnomia_plugins.types.process.record import Record, Records
from dysnomia_plugins.types.process.spec import Spec
from dysnomia_plugins.types.process.status import overall, status_of

SETTLE = 0.5
"""Seconds that a daemon has to live: one that dies at once is not in service."""
LOOK = 0.05


class Process(Plugin):
    """Starts and ends a component's daemon."""

    type: ClassVar[str] = "process"
    title: ClassVar[str] = "process"
    property_names: ClassVar[tuple[str, ...]] = ("runtimeDir", "timeout", "logDir")
    tools: ClassVar[tuple[str, ...]] = accounts.TOOLS
    packages: ClassVar[Mapping[str, str]] = deployment.PACKAGES
    stateless: ClassVar[str] = deployment.no_state("a process")

    # Into service.

    def activate(self, ctx: Context) -> None:
        spec = Spec.of(ctx.component)
        daemon = Daemon(spec.pid_file, Records.ours())
        state = daemon.look()
        if state.refusal and not state.processes:
            raise NotSafe(
                f"{spec.pid_file} {state.refusal}: cannot determine whether the daemon runs",
                "see with ps; if it does not run, remove the file",
            )
        words = spec.words(ctx.tool_path)
        deployment.add_accounts(ctx)
        if state.process is not None:
            ctx.progress.log(f"{spec.name} already runs as process {state.process.pid} of {spec.pid_file}")
            return
        ctx.progress.phase("start")
        began = now_in_ticks()
        ctx.journal.step("start", pidFile=spec.pid_file, mark=ctx.tag, began=began, boot=boot_id())
        if state.file is not None:
            ctx.progress.log(f"{why_none(spec.pid_file, state)}: the file is removed")
            remove_pid_file(state.file)
        ctx.progress.log(f"start {' '.join(words)}")
        run_program(ctx, words, ctx.tag)
        self._see_it_live(ctx, spec, daemon, began)

    def _see_it_live(self, ctx: Context, spec: Spec, daemon: Daemon, began: int) -> None:
        """Wait for the file with its number, see that the process stays, and record it. Raises PluginError."""
        state = self._await(ctx, spec, daemon, began)
        process = state.process or _first(ctx.tag, began)
        if state.process is None:
            if state.file is not None and state.file.number and not state.refusal:
                raise PluginError(f"{spec.name} ended at once", "see the job's log; nothing of it stays started")
            _warn(ctx, spec, state, process)
        if process is None:
            return
        if process.ended(SETTLE, ctx.cancel.check) and state.process is not None:
            raise PluginError(f"{spec.name} ended at once", "see the job's log; nothing of it stays started")
        daemon.records.write(spec.pid_file, Record(process, ctx.tag), ctx.tag)

    def _await(self, ctx: Context, spec: Spec, daemon: Daemon, began: int) -> Found:
        until = time.monotonic() + spec.timeout
        while True:
            state = daemon.look(ctx.tag, began)
            if state.process is not None or time.monotonic() > until:
                return state
            ctx.cancel.check()
            time.sleep(LOOK)

    # Out of service.

    def deactivate(self, ctx: Context) -> None:
        deployment.require_obeyed(ctx.component)
        daemon = Daemon(Spec.of(ctx.component).pid_file, Records.ours())
        ctx.progress.phase("stop")
        daemon.end(ctx.progress.log, ctx.cancel.check)
        deployment.remove_accounts(ctx)

    def rollback_activation(self, ctx: Context) -> None:
        """Goes on after a fault, and says all of them."""
        start = dict(ctx.journal.steps()).get("start", {})
        with deployment.taken_back() as faults:
            if start.get("boot") == boot_id():
                with deployment.noting(faults):
                    daemon = Daemon(str(start["pidFile"]), Records.ours())
                    daemon.end_all(str(start["mark"]), int(start["began"]))
            deployment.take_back_accounts(ctx, faults)

    # Looking.

    def probe(self, component: Component, runner: Runner) -> Probe:
        try:
            word, tone = overall(Daemon(Spec.of(component).pid_file, Records.ours()).look())
        except PluginError as error:
            return Probe(up=True, detail=error.message, word="unknown", broken=True)
        return Probe(up=True, word=word, broken=tone is Tone.BAD)

    def status(self, component: Component, runner: Runner) -> Status:
        spec = Spec.of(component)
        return status_of(spec, Daemon(spec.pid_file, Records.ours()).look())

    def shell(self, component: Component) -> tuple[Sequence[str], Mapping[str, str]]:
        """A shell, with the commands for this process told first, as Dysnomia does."""
        spec = Spec.of(component)
        file = spec.pid_file
        hints = (f"Process of {component.key}:", f"cat {file}", f"ps -f -p $(cat {file})", " ".join(spec.command),
                 f"kill $(cat {file})")  # fmt: skip
        return deployment.hinted_shell(hints)


def _first(mark: str, began: int) -> RunningProcess | None:
    """The process of an activation that was there first: what else has its mark was started by it."""
    processes = with_variable(MARK, mark, began)
    return min(processes, key=lambda process: (process.started, process.pid), default=None)


def _warn(ctx: Context, spec: Spec, found: Found, process: RunningProcess | None) -> None:
    """What Dysnomia warns of too, and what follows from it here."""
    if found.refusal:
        what = f"{spec.pid_file} {found.refusal}"
    elif found.file is not None:
        what = f"{spec.pid_file} holds no process's number"
    else:
        what = f"there is no {spec.pid_file} {spec.timeout:g} s (timeout) after {spec.name} has ended"
    then = f"process {process.pid} is taken for it" if process else "it cannot be ended when it is deactivated"
    ctx.progress.log(WarningLine.of(f"{what}: {then}"))
