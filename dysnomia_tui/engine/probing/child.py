"""The child process that asks a server one question: ``python -m dysnomia_tui.engine.probing.child``.

Reads the question from standard input, writes the answer to standard output, both JSON, and kills itself when its
time is up: counted from here, so that a slow start is not the server's fault.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from dysnomia_plugins.base import Component, Context, Found, Plugin, Probe, PropertyValue, Runner, Severity, StatePlugin
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.interface.status import Fact, Status, Tone
from dysnomia_plugins.toolkit.filesets.spec import read_spec
from dysnomia_plugins.toolkit.process import NeverCancelled, ProcessRunner
from dysnomia_store.errors import Corrupt, Incomplete, StoreError
from dysnomia_store.model import Generation
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.applications.model import Application
from dysnomia_tui.engine.applications.recognise import FILESET, Here, Known, recognise
from dysnomia_tui.engine.applications.table import entries
from dysnomia_tui.engine.component.elsewhere import refuse_known, stand_in
from dysnomia_tui.engine.component.journal import MemoryJournal
from dysnomia_tui.engine.component.trust import made_here, monotonic_times
from dysnomia_tui.engine.errors import EngineError
from dysnomia_tui.engine.machine.machine import Machine
from dysnomia_tui.engine.machine.settings_json import settings_from_json
from dysnomia_tui.engine.redact import Redactor, secrets_of
from dysnomia_tui.engine.translate import as_reply, words_of

UNNAMED = "?"
"""The component of a server of which nothing may be seen."""
TOGETHER = 0.8
"""Seconds in which the components of one container are asked one after the other: less than a probe's two."""


class Silent:
    """A progress nobody watches."""

    def phase(self, name: str) -> None:
        return None

    def advance(self, done: int, total: int | None = None, unit: str = "bytes") -> None:
        return None

    def log(self, line: str) -> None:
        return None


def main() -> int:
    question = json.loads(sys.stdin.buffer.read())
    signal.setitimer(signal.ITIMER_REAL, question["limit"])  # SIGALRM's default ends the process
    machine = Machine(settings_from_json(question["settings"]))
    redactor = Redactor()
    try:
        if question["op"] == "discover":
            answer = _discover(machine, question.get("groups", {}))
        elif question["op"] == "list":
            answer = _list(machine, question["container"])
        elif question["op"] == "container":
            keys = machine.inventory().components_of(question["container"])
            redactor = Redactor(secrets_of(machine.inventory().container(question["container"]).properties))
            answers = asked([(key.component, partial(_probe, machine, key, redactor)) for key in keys])
            answer = {
                "probe": asdict(together(answers, len(keys))),
                "components": {name: asdict(probe) for name, probe in answers},
            }
        else:
            key = ComponentKey.parse(question["key"])
            component = machine.component(key)
            if question.get("container"):
                destination = ComponentKey.of(question["container"], question["copy"] or key.component)
                component = machine.place_elsewhere(key, destination)
            secrets = secrets_of(component.properties)
            redactor = Redactor(secrets)
            runner = ProcessRunner(secrets=secrets)
            plugin = machine.plugin(key)
            if question["op"] == "probe":
                answer = asdict(_hidden(plugin.probe(component, runner), redactor))
            elif question["op"] == "identity":
                answer = {"identity": plugin.identity(component) if isinstance(plugin, StatePlugin) else ""}
            elif question["op"] == "condition":
                answer = _condition(plugin, component, runner, redactor)
            else:
                answer = _without_secrets(_preflight(machine, plugin, component, runner, question), redactor)
        reply: Mapping[str, Any] = {"answer": answer}
    except (PluginError, StoreError, EngineError, OSError) as error:
        reply = as_reply(error, redactor.text)
    sys.stdout.write(json.dumps(reply))
    sys.stdout.flush()
    return 0


def _probe(machine: Machine, key: ComponentKey, redactor: Redactor) -> Probe:
    """One component that cannot be probed does not fail its container."""
    component = machine.component(key)
    try:
        probe = machine.plugin(key).probe(component, ProcessRunner(secrets=secrets_of(component.properties)))
    except PluginError as error:
        probe = Probe(up=False, detail=error.message)
    return _hidden(probe, redactor)


def asked(components: Sequence[tuple[str, Callable[[], Probe]]], seconds: float = TOGETHER) -> list[tuple[str, Probe]]:
    """Ask one after the other, as long as there is time."""
    until = time.monotonic() + seconds
    answers: list[tuple[str, Probe]] = []
    for name, ask in components:
        if answers and time.monotonic() > until:
            break
        answers.append((name, ask()))
    return answers


def together(probes: Sequence[tuple[str, Probe]], count: int) -> Probe:
    """What a container's components say of their one server: its size is all of theirs, its clients those of all.

    The first that is there says whether the server is. ``count`` is how many components there are, asked or not.
    """
    if not probes:
        return Probe(up=False, detail="no component is configured in it")
    first = next((one for _, one in probes if one.up), probes[0][1])
    sizes = [one.size for _, one in probes if one.size is not None]
    clients = [one.clients for _, one in probes if one.clients is not None]
    many = count > 1
    who = [f"{name}: {text}" if many else text for name, one in probes for text in one.who]
    details = [f"{name}: {one.detail}" if many else one.detail for name, one in probes if one.detail]
    if all(one.detail == first.detail for _, one in probes):
        details = [first.detail] if first.detail else []  # they all say the same: it is the server's word
    if len(probes) < count:
        details.append(f"size and clients are those of the first {len(probes)} of {count} components")
    return Probe(
        up=first.up,
        version=first.version,
        size=sum(sizes) if sizes else None,
        clients=sum(clients) if clients else None,
        who=tuple(who),
        detail="; ".join(details),
    )


def _condition(plugin: Plugin, component: Component, runner: Runner, redactor: Redactor) -> Mapping[str, Any]:
    """Probe and status. What a type logged may hold whatever its programs wrote: known secrets are taken out."""
    probe = plugin.probe(component, runner)
    try:
        status = asdict(plugin.status(component, runner))
    except PluginError as error:
        status = asdict(Status(facts=(Fact(error.message, tone=Tone.BAD),)))
    for fact in (*status["facts"], *status["log"]):
        fact["text"] = redactor.text(fact["text"])
        fact["at"] = fact["at"].isoformat() if fact["at"] is not None else None
    return {"probe": asdict(_hidden(probe, redactor)), "status": status}


def _hidden(probe: Probe, redactor: Redactor) -> Probe:
    """Without known secrets in its words, which may be a server's or hold an address with a password."""
    return replace(probe, detail=redactor.hide(probe.detail), who=tuple(map(redactor.hide, probe.who)))


def _discover(machine: Machine, groups: Mapping[str, Sequence[str]]) -> Mapping[str, Any]:
    """What is on this machine and not configured yet, under whatever name, and the applications that are."""
    discovered: list[Mapping[str, Any]] = []
    known: list[Known] = []
    for name in machine.registry.types():
        plugin = machine.plugin_of_type(name)
        if plugin is not None:
            configured = _configured(machine, plugin)
            places = {one.location for one in configured}
            located = [(one, _location(plugin, one)) for one in plugin.discover(ProcessRunner())]
            discovered.extend(asdict(one) for one, where in located if where not in places)
            known += [*configured, *(_found(one, where) for one, where in located if where)]
    return {"found": discovered, "applications": [asdict(one) for one in _applications(machine, known, groups)]}


def _list(machine: Machine, name: str) -> Mapping[str, Any]:
    """All that a container's server holds."""
    container = machine.inventory().container(name)
    secrets = secrets_of(container.properties)
    about = Component(ComponentKey(name, ""), container.path, container.properties)
    try:
        return asdict(machine.registry.get(container.type).list_state(about, ProcessRunner(secrets=secrets)))
    except (PluginError, OSError) as error:
        raise PluginError(Redactor(secrets).text(words_of(error)[0])) from error


def _applications(
    machine: Machine, known: Sequence[Known], groups: Mapping[str, Sequence[str]]
) -> Iterator[Application]:
    """Those of the table that are installed here and are no group yet."""

    def locate(type_: str, component: str, properties: Mapping[str, PropertyValue]) -> tuple[str, ...]:
        plugin = machine.plugin_of_type(type_)
        return () if plugin is None else _location(plugin, Found(type_, "c", component, properties))

    keys = {name: [ComponentKey.parse(text) for text in members] for name, members in groups.items()}
    taken = {*machine.inventory().containers, *(one.key.container for one in known)}
    yield from recognise(entries(), Here(known, locate, keys, taken))


def _found(found: Found, location: tuple[str, ...]) -> Known:
    why_not = "" if found.readable else f"{found.detail or 'it cannot be read'}; this could: {found.remedy}"
    component = found.component or UNNAMED
    return Known(found.type, ComponentKey(found.container, component), location, found.properties, False, (), why_not)


def _configured(machine: Machine, plugin: Plugin) -> list[Known]:
    """The configured components of a type, and where they are; one that is not known is left out."""
    inventory = machine.inventory()
    places: list[Known] = []
    for key in inventory.components:
        with suppress(EngineError, PluginError, OSError):
            if inventory.container(key.container).type == plugin.type:
                component = inventory.component(key)
                folders = read_spec(component).folders if plugin.type == FILESET else ()
                where = plugin.location(component)
                places.append(Known(plugin.type, key, where, component.properties, True, folders))
    return places


def _location(plugin: Plugin, discovered: Found) -> tuple[str, ...]:
    """Where found state is; nowhere for a server of which nothing may be seen."""
    try:
        key = ComponentKey.of(discovered.container, discovered.component or UNNAMED)
        return plugin.location(Component(key, Path(), discovered.properties))
    except (PluginError, StoreError, OSError):
        return ()


def _preflight(
    machine: Machine, plugin: Plugin, component: Component, runner: Runner, question: Mapping[str, Any]
) -> Mapping[str, Any]:
    if not isinstance(plugin, StatePlugin):
        raise PluginError(f"type {plugin.type!r} holds no state of its own")
    source = machine.component(ComponentKey.parse(question["key"]))
    generation = machine.store.generation(source.key, int(question["number"]))
    elsewhere = bool(question["container"])
    copied = stand_in(source, component) if elsewhere else component
    ctx = plan_context(machine, copied, runner, generation)
    stored = monotonic_times(machine.store, generation, machine.store.stored(source.key, generation.id))
    try:
        result = plugin.preflight(ctx, stored, replace=question["replace"])
    except (Corrupt, Incomplete) as error:
        raise Corrupt(f"generation {generation.number} of {source.key} is damaged ({error.message})") from error
    findings = [(one.severity.value, one.text, one.of_snapshot, one.in_place) for one in result.findings]
    if question["copy"]:
        findings += [
            (Severity.BLOCKER.value, text, False, False)
            for text in _against_copy(plugin, ctx, question["copy"], component if elsewhere else None, source)
        ]
    return {
        "findings": findings,
        "live_bytes": result.live_bytes,
        "needs": result.needs,
        "swap": result.swap,
        "guard": result.guard,
        "changes": result.changes,
        "identity": plugin.identity(component) if question["replace"] else "",
        "nothing_live": question["replace"] and not _is_live(plugin, ctx),
        "address": plugin.address(copied) if elsewhere else "",
    }


def _without_secrets(answer: Mapping[str, Any], redactor: Redactor) -> Mapping[str, Any]:
    """The words of a plan without known secrets. What is compared later (``identity``) stays as it is."""
    findings = [(severity, redactor.hide(text), *rest) for severity, text, *rest in answer["findings"]]
    words = {name: redactor.hide(answer[name]) for name in ("swap", "guard", "address")}
    return {**answer, **words, "findings": findings, "changes": [redactor.hide(one) for one in answer["changes"]]}


def _is_live(plugin: StatePlugin, ctx: Context) -> bool:
    """Whether anything is live, or nobody can tell."""
    try:
        return plugin.exists(ctx, plugin.live(ctx.component))
    except PluginError:
        return True


def plan_context(machine: Machine, component: Component, runner: Runner, generation: Generation) -> Context:
    """For questions about a generation and what is live: journals nothing, and is killed instead of cancelled."""
    return Context(
        component=component,
        runner=runner,
        progress=Silent(),
        cancel=NeverCancelled(),
        journal=MemoryJournal(),
        staging=Path(machine.settings.statedir) / "staging",
        tag=f"{machine.store.id[:8]}_plan",
        made_here=made_here(machine.store, generation),
    )


def _against_copy(
    plugin: StatePlugin, ctx: Context, name: str, existing: Component | None, source: Component
) -> list[str]:
    """Why nothing can be copied to ``name``: the name is not valid, or it already exists.

    ``there``: of a copy in another container, the component of that name in it."""
    try:
        if existing is not None:
            if plugin.location(existing) == plugin.location(source):
                return [f"{existing.key} is the same place as {source.key}: give the copy another name"]
            refuse_known(plugin, ctx, replace(existing, path=source.path))
        place = plugin.named(ctx.component, name)
        if plugin.exists(ctx, place):
            return [f"{place.name} already exists: choose another name for the copy"]
    except PluginError as error:
        return [error.message]
    return []


if __name__ == "__main__":
    sys.exit(main())
