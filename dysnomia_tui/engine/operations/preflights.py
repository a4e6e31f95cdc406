"""What a type says before anything is touched, and how a plan has it: its findings by their weight, what would be
replaced, and what is to be known of a generation."""

from __future__ import annotations

import dataclasses
import time

from dysnomia_base.sizes import size
from dysnomia_plugins.base import Finding, Preflight, PrivateStatePlugin, Severity, StatePlugin
from dysnomia_store.model import CheckResult, Generation, Verdict, lacks_words
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.component.trust import made_here
from dysnomia_tui.engine.errors import Exit
from dysnomia_tui.engine.machine.machine import Machine
from dysnomia_tui.engine.plans.plan import Step
from dysnomia_tui.engine.probing import client as probes

PREFLIGHT_LIMIT = 12.0
"""Seconds for the questions of a plan: a server that is under load answers late, and can be restored all the same."""

IN_PLACE = Finding(
    Severity.DANGEROUS,
    "its module restores in place: a failure leaves half of it; where what is live cannot be snapshotted (broken, gone)"
    " no guard is made",
    in_place=True,
)
SLOW = 5.0
"""From how many seconds on a plan says that the answers were slow."""


def preflight_or_blocker(
    machine: Machine, key: ComponentKey, generation: Generation, *, replace: bool, copy: str = "", container: str = ""
) -> tuple[Preflight, Exit]:
    """What a restore would meet, and the exit code that its blockers, if any, stand for. A ``copy`` that could not
    be called so, or already exists, is one."""
    try:
        report = ask(machine, key, generation, replace=replace, copy=copy, container=container)
        return report, Exit.REFUSED
    except probes.NoAnswer as error:
        return Preflight(findings=(Finding(Severity.BLOCKER, error.words),)), error.exit


def ask(
    machine: Machine, key: ComponentKey, generation: Generation, *, replace: bool, copy: str = "", container: str = ""
) -> Preflight:
    """What the type says, asked in a process of its own. Raises NoAnswer, with what is to be told of it."""
    plugin = machine.plugin(key)
    if isinstance(plugin, StatePlugin):
        began = time.monotonic()
        report = probes.preflight(
            machine.settings, key, generation.number, replace=replace, limit=PREFLIGHT_LIMIT, copy=copy,
            container=container,
        )  # fmt: skip
        return _said_slow(report, time.monotonic() - began)
    if isinstance(plugin, PrivateStatePlugin) and "restore" in plugin.activities():
        return Preflight(
            findings=(IN_PLACE,),
            swap="the module would restore over what is live",
            guard="a snapshot of what is live, taken by the module just before, where it can",
        )
    return Preflight(findings=(Finding(Severity.BLOCKER, f"type {plugin.type!r} holds no state"),))


def _said_slow(preflight: Preflight, seconds: float) -> Preflight:
    if seconds < SLOW:
        return preflight
    text = f"it took {seconds:.0f} s to be told this: the server or this machine is slow, or under load"
    return dataclasses.replace(preflight, findings=(*preflight.findings, Finding(Severity.WARNING, text)))


def texts(preflight: Preflight, severity: Severity) -> list[str]:
    """What its findings of this weight say."""
    return [finding.text for finding in preflight.findings if finding.severity is severity]


def changes_as_steps(preflight: Preflight, key: str) -> list[Step]:
    """Every change of a type that changes what is live and does not replace it, a step each."""
    return [Step(line, key) for line in preflight.changes]


def as_step(sentence: str) -> str:
    """A plugin's sentence as one of the plan's steps: a small letter, no stop."""
    text = sentence.strip().removesuffix(".")
    return text[:1].lower() + text[1:] if text[1:2].islower() or text[1:2] == " " else text


def replaced(key: ComponentKey, preflight: Preflight) -> str:
    """What would be gone from live; ``""`` where nothing is there."""
    if preflight.nothing_live:
        return ""
    about = f" (about {size(preflight.live_bytes)})" if preflight.live_bytes is not None else ""
    return f"what is live of {key}{about}"


def generation_warnings(machine: Machine, generation: Generation) -> list[str]:
    """What is to be known of a generation before anything of it is made live."""
    warnings = []
    if generation.marks.verdict is Verdict.BAD:
        warnings.append(f"generation {generation.number} is marked known bad")
    check = generation.last_check
    if check is not None and check.result in (CheckResult.CORRUPT, CheckResult.MISSING):
        warnings.append(f"its last check said: {check.result.value} {check.text}".rstrip())
    if generation.suspicious:
        warnings.append(f"it is suspicious: {generation.suspicious}")
    if generation.metadata is not None:
        lacks = generation.metadata.lacks
        if lacks and not generation.suspicious:
            warnings.append(lacks_words(lacks))
        warnings += [f"when it was made: {text}" for text in generation.metadata.warnings]
    if generation.metadata is None or generation.metadata.complete is None:
        warnings.append("whether it is complete is unknown: another tool made it")
    elif generation.metadata.complete is False:
        warnings.append("it is not complete")
    if not made_here(machine.store, generation):
        warnings.append("it was not made here: it would be loaded with the least privilege that works")
    return warnings
