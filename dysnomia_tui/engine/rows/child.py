"""The child process that looks rows up in what is live: reads a generation, changes nothing, ends when its time is up.

One question from standard input, one answer on standard output, both JSON, as ``probing.child`` has it."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dysnomia_plugins.base import StatePlugin
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_store.errors import StoreError
from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.component.rows import RowsAsked
from dysnomia_tui.engine.component.rows_by_key import scratch_in
from dysnomia_tui.engine.errors import EngineError
from dysnomia_tui.engine.finding.opening import opened
from dysnomia_tui.engine.machine.machine import Machine
from dysnomia_tui.engine.machine.settings_json import settings_from_json
from dysnomia_tui.engine.probing.child import plan_context
from dysnomia_tui.engine.redact import Redactor, secrets_of
from dysnomia_tui.engine.rows.look import look
from dysnomia_tui.engine.translate import as_reply


def main() -> int:
    question = json.loads(sys.stdin.buffer.read())
    signal.setitimer(signal.ITIMER_REAL, question["limit"])  # SIGALRM's default ends the process
    redactor = Redactor()
    try:
        machine = Machine(settings_from_json(question["settings"]))
        key = ComponentKey.parse(question["key"])
        redactor = Redactor(secrets_of(machine.component(key).properties))
        reply: Mapping[str, Any] = {"answer": _answer(machine, key, question)}
    except (PluginError, StoreError, EngineError, OSError) as error:
        reply = as_reply(error, redactor.text)
    sys.stdout.write(json.dumps(reply))
    sys.stdout.flush()
    return 0


def _answer(machine: Machine, key: ComponentKey, question: Mapping[str, Any]) -> Mapping[str, Any]:
    component, plugin = machine.component(key), machine.plugin(key)
    if not isinstance(plugin, StatePlugin):
        raise PluginError(f"type {plugin.type!r} holds no state of its own")
    generation = machine.store.generation(key, int(question["number"]))
    runner = ProcessRunner(secrets=secrets_of(component.properties))
    asked = [RowsAsked.from_json(one) for one in question["rows"]]
    scratch = Path(question["scratch"])
    with scratch_in(scratch), opened(machine, generation, scratch) as side:
        result = look(plugin, plan_context(machine, component, runner, generation), side.stored, asked)
    return {**result, "identity": plugin.identity(component)}


if __name__ == "__main__":
    sys.exit(main())
