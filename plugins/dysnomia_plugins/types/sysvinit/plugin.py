"""The type ``sysvinit-script``: the init scripts of one run level, started in order, stopped in the other order.

Holds no state. Each script that is about to be started stands in the journal first, with a mark that all it starts
carries. What an activation has started that fails, is cancelled or dies is stopped by its own script, where it did not
run before, and then ended if need be. What ran before goes on.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from dysnomia_plugins.base import Component, Context, Plugin, Probe, Runner
from dysnomia_plugins.errors import PluginError, ProcessFailed
from dysnomia_plugins.interface.status import Fact, Status, Tone
from dysnomia_plugins.toolkit import accounts, deployment
from dysnomia_plugins.toolkit.processes import boot_id, now_in_ticks, with_variable
from dysnomia_plugins.toolkit.servers import PROBE_SECONDS
from dysnomia_plugins.toolkit.started import MARK, end_all, log_file, run_program
from dysnomia_plugins.types.sysvinit.scripts import INSIDE, Script, State, scripts_of

ASKED = 10.0
"""Seconds that a script has for its ``status`` before it is started."""
LINES = 30
_TONES = {State.RUNNING: Tone.GOOD, State.DEAD: Tone.BAD, State.STOPPED: Tone.DIM, State.UNKNOWN: Tone.WARN}


class SysvinitScript(Plugin):
    """Starts and stops a component's init scripts."""

    type: ClassVar[str] = "sysvinit-script"
    title: ClassVar[str] = "sysvinit script"
    property_names: ClassVar[tuple[str, ...]] = ("runlevel", "logDir")
    tools: ClassVar[tuple[str, ...]] = accounts.TOOLS
    packages: ClassVar[Mapping[str, str]] = deployment.PACKAGES
    stateless: ClassVar[str] = deployment.no_state("a script", "its programs keep")

    # Into service.

    def activate(self, ctx: Context) -> None:
        scripts = scripts_of(ctx.component)
        deployment.add_accounts(ctx)
        ctx.progress.phase("start")
        for number, script in enumerate(scripts):
            ctx.cancel.check()
            state, _ = script.state(ctx.component, ctx.runner, ASKED)
            mark = f"{ctx.tag}.{number}"
            ctx.journal.step(
                f"start {number}", script=str(script.path), mark=mark, began=now_in_ticks(), boot=boot_id(),
                down=state in (State.STOPPED, State.DEAD),
            )  # fmt: skip
            ctx.progress.log(" ".join(script.words("start")))
            run_program(ctx, script.words("start"), mark)

    # Out of service.

    def deactivate(self, ctx: Context) -> None:
        deployment.require_obeyed(ctx.component)
        ctx.progress.phase("stop")
        for script in reversed(scripts_of(ctx.component)):
            ctx.cancel.check()
            ctx.progress.log(" ".join(script.words("stop")))
            run_program(ctx, script.words("stop"))
        deployment.remove_accounts(ctx)

    def rollback_activation(self, ctx: Context) -> None:
        """In the other order than it was made. Goes on after a fault, and says all of them."""
        started = [data for name, data in ctx.journal.steps() if name.startswith("start ")]
        with deployment.taken_back() as faults:
            for data in reversed(started):
                if data.get("boot") == boot_id():
                    with deployment.noting(faults):
                        self._take_back(ctx, data)
            deployment.take_back_accounts(ctx, faults)

    def _take_back(self, ctx: Context, data: Mapping[str, Any]) -> None:
        mark, began = str(data["mark"]), int(data["began"])
        if data.get("down") or any(with_variable(MARK, mark, began)):
            deployment.require_obeyed(ctx.component)
            words = Script(Path(str(data["script"]))).words("stop")
            ctx.progress.log(" ".join(words))
            try:
                run_program(ctx, words)
            except ProcessFailed as error:  # it need not have come so far that there is something to stop
                ctx.progress.log(error.message)
        end_all(lambda: with_variable(MARK, mark, began))

    # Looking.

    def probe(self, component: Component, runner: Runner) -> Probe:
        try:
            states = [state for _, state, _ in _states(component, runner)]
        except PluginError as error:
            return Probe(up=True, detail=error.message, word="unknown", broken=True)
        word, tone = _overall(states)
        return Probe(up=True, word=word, broken=tone is Tone.BAD)

    def status(self, component: Component, runner: Runner) -> Status:
        states = _states(component, runner)
        word, tone = _overall([state for _, state, _ in states])
        facts = tuple(
            Fact(f"{script.name}: {state} by its script" + (f" ({words})" if words else ""), tone=_TONES[state])
            for script, state, words in states
        )
        folder = component.prop("logDir", "/var/log")
        for script, _, _ in states:
            lines, name = log_file(f"{folder}/{script.name}.log", LINES)
            if name:
                return Status(word, tone, facts, tuple(map(Fact, lines)), f"last lines of {name}")
        return Status(word, tone, facts, (), f"no log is known: there is none called as a script in {folder}")

    def shell(self, component: Component) -> tuple[Sequence[str], Mapping[str, str]]:
        """A shell, with the commands for these scripts told first, as Dysnomia does."""
        folder = component.path.absolute() / INSIDE / "init.d"
        names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
        actions = ("start", "stop", "status", "help")
        hints = [f"{folder / name} {action}" for name in names for action in actions]
        return deployment.hinted_shell([f"Scripts of {component.key}:", *hints])


def _states(component: Component, runner: Runner) -> list[tuple[Script, State, str]]:
    """Each script's own word. Raises PluginError."""
    deployment.require_obeyed(component)
    until = time.monotonic() + PROBE_SECONDS / 2
    states = []
    for script in scripts_of(component):
        left = until - time.monotonic()
        state, words = script.state(component, runner, left) if left > 0 else (State.UNKNOWN, "not asked any more")
        states.append((script, state, words))
    return states


def _overall(states: Sequence[State]) -> tuple[str, Tone]:
    """One word for all of them."""
    for worst in (State.DEAD, State.UNKNOWN):
        if worst in states:
            return str(worst), _TONES[worst]
    running = sum(state is State.RUNNING for state in states)
    if states and running == len(states):
        return "running", Tone.GOOD
    return (f"{running} of {len(states)} running", Tone.WARN) if running else ("not running", Tone.DIM)
