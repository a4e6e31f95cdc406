"""The type ``managed-process``: a process that is described for no process manager, run by the one of its container.

What is generated for that manager is a component of the manager's own type (``systemd-unit``, ``process``, …), and that
type does the rest, under the same journal: what it takes back of a failed activation is taken back here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from dysnomia_plugins.base import Component, Context, Plugin, Probe, Runner
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.interface.status import Fact, Status, Tone
from dysnomia_plugins.toolkit import accounts, deployment
from dysnomia_plugins.types.managed.generated import Generated, forget, generate, note, noted, type_of

NOT_KNOWN = "what was generated for it is not known since the machine was started: activate it again"


class ManagedProcess(Plugin):
    """Has a process run by its container's process manager."""

    type: ClassVar[str] = "managed-process"
    title: ClassVar[str] = "managed process"
    tools: ClassVar[tuple[str, ...]] = accounts.TOOLS
    packages: ClassVar[Mapping[str, str]] = deployment.PACKAGES
    stateless: ClassVar[str] = deployment.no_state("a process")

    def activate(self, ctx: Context) -> None:
        ctx.progress.phase("generate")
        generated = generate(ctx)
        deployment.require_obeyed(generated.component)
        ctx.journal.step("generated", path=str(generated.component.path), type=generated.plugin.type)
        note(generated, ctx.component, ctx.tag)
        generated.plugin.activate(generated.context(ctx))

    def deactivate(self, ctx: Context) -> None:
        deployment.require_obeyed(ctx.component)
        generated = noted(ctx.component)
        if generated is None:
            ctx.progress.phase("generate")
            generated = generate(ctx)
        generated.plugin.deactivate(generated.context(ctx))
        forget(ctx.component)

    def rollback_activation(self, ctx: Context) -> None:
        """By the type that made it, with the same journal."""
        done = dict(ctx.journal.steps()).get("generated")
        if done is None:
            return
        generated = Generated.of(ctx.component, str(done["path"]), str(done["type"]))
        generated.plugin.rollback_activation(generated.context(ctx))

    # Looking.

    def probe(self, component: Component, runner: Runner) -> Probe:
        try:
            generated = noted(component)
            if generated is None:
                return Probe(up=True, detail=f"{type_of(component)}: {NOT_KNOWN}", word="unknown")
            return generated.plugin.probe(generated.component, runner)
        except PluginError as error:
            return Probe(up=True, detail=error.message, word="unknown", broken=True)

    def status(self, component: Component, runner: Runner) -> Status:
        generated = noted(component)
        if generated is None:
            return Status("unknown", Tone.WARN, (Fact(NOT_KNOWN),))
        status = generated.plugin.status(generated.component, runner)
        by = Fact(f"{generated.plugin.type} of {generated.component.path}", tone=Tone.DIM)
        return Status(status.word, status.tone, (*status.facts, by), status.log, status.log_note)

    def shell(self, component: Component) -> tuple[Sequence[str], Mapping[str, str]]:
        """That of its process manager's type. Raises PluginError where it is not known what was generated for it."""
        generated = noted(component)
        if generated is None:
            raise PluginError(f"{component.key}: {NOT_KNOWN}", f"or see its files in {Path(component.path)}")
        return generated.plugin.shell(generated.component)
