"""Questions to servers, asked in a child process that gets a time and is killed after it.

A server that is stopped, a mount that hangs or a module that loops holds up its child, never the screen.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from dysnomia_base.children import kill_group
from dysnomia_base.environment import child_environment
from dysnomia_base.python_child import python_child
from dysnomia_base.shapes import convert
from dysnomia_plugins.base import Finding, Found, Listed, Preflight, Probe, Severity
from dysnomia_plugins.interface.status import Fact, Status, Tone
from dysnomia_store.names import ComponentKey
from dysnomia_tui.config import Settings
from dysnomia_tui.engine.applications.model import Application
from dysnomia_tui.engine.errors import Exit
from dysnomia_tui.engine.machine.settings_json import settings_to_json
from dysnomia_tui.engine.records import Condition, Discovered

PROBE_LIMIT = 2.0
"""Seconds for a probe, start of the child not counted."""
PATIENT_LIMIT = 15.0
"""Seconds for a server that took longer: only then it does not answer; until then it is slow."""
START_ALLOWANCE = 3.0
"""Seconds that the child may take to start on a loaded machine; it says when it has."""
DISCOVER_LIMIT = 15.0
LEISURELY = 10
"""Looking for what is not configured gives way to keys; a probe does not, or a busy machine would look like a dead
server."""
CHILD = "dysnomia_tui.engine.probing.child"
NOT_ANSWERING = "not answering"


class NoAnswer(Exception):
    """The child gave none: it was killed at its limit (``NOT_ANSWERING``), or says what failed."""

    def __init__(self, text: str, code: Exit = Exit.UNAVAILABLE, hint: str = "") -> None:
        super().__init__(text)
        self.exit = code
        self.hint = hint

    @property
    def words(self) -> str:
        """What failed, and the way out where there is one."""
        return f"{self}: {self.hint}" if self.hint else str(self)


def probe(settings: Settings, key: ComponentKey, limit: float = PROBE_LIMIT) -> Probe:
    """Ask a component's server. Never raises: one that does not answer is ``up=False``."""
    try:
        answer = ask(settings, {"op": "probe", "key": str(key)}, limit)
    except NoAnswer as error:
        return Probe(up=False, detail=str(error))
    return _probe(answer)


def probe_container(
    settings: Settings, container: str, limit: float = PROBE_LIMIT
) -> tuple[Probe, Mapping[ComponentKey, Probe]]:
    """Ask about every component of a container, as far as the time goes: all of them together, and each by itself.

    Never raises."""
    try:
        answer = ask(settings, {"op": "container", "container": container}, limit)
    except NoAnswer as error:
        return Probe(up=False, detail=str(error)), {}
    components = {ComponentKey(container, name): _probe(probe) for name, probe in answer["components"].items()}
    return _probe(answer["probe"]), components


def condition(settings: Settings, key: ComponentKey, limit: float = PROBE_LIMIT) -> Condition:
    """Ask a component's server and its type. Never raises: what does not answer is ``up=False`` and says nothing."""
    try:
        answer = ask(settings, {"op": "condition", "key": str(key)}, limit)
    except NoAnswer as error:
        return Condition(Probe(up=False, detail=str(error)))
    status = answer["status"]
    facts, log = (tuple(_fact(fact) for fact in status[name]) for name in ("facts", "log"))
    return Condition(
        _probe(answer["probe"]), Status(status["word"], Tone(status["tone"]), facts, log, status["log_note"])
    )


def _probe(answer: Mapping[str, Any]) -> Probe:
    return Probe(**{**answer, "who": tuple(answer["who"])})


def _fact(fact: Mapping[str, Any]) -> Fact:
    at = datetime.fromisoformat(fact["at"]) if fact["at"] else None
    return Fact(fact["text"], at, fact["memory"], Tone(fact["tone"]))


def preflight(
    settings: Settings,
    key: ComponentKey,
    number: int,
    *,
    replace: bool,
    limit: float,
    copy: str = "",
    container: str = "",
) -> Preflight:
    """What a restore would meet, into a copy called ``copy`` if given, in another ``container`` if given. Raises
    NoAnswer: a server that does not answer, a damaged snapshot."""
    question = {"op": "preflight", "key": str(key), "number": number, "replace": replace, "copy": copy}
    question["container"] = container
    try:
        answer = ask(settings, question, limit)
    except NoAnswer as error:
        if str(error) == NOT_ANSWERING:
            text = f"the server of {container or key} is {NOT_ANSWERING}"
            raise NoAnswer(text, hint="see that it runs, and is not overloaded") from None
        raise
    return Preflight(
        findings=tuple(Finding(Severity(severity), *words) for severity, *words in answer["findings"]),
        live_bytes=answer["live_bytes"],
        needs=tuple((where, needs, has) for where, needs, has in answer["needs"]),
        swap=answer["swap"],
        guard=answer["guard"],
        identity=answer["identity"],
        nothing_live=answer["nothing_live"],
        address=answer["address"],
        changes=tuple(answer["changes"]),
    )


def identity(settings: Settings, key: ComponentKey, limit: float = PROBE_LIMIT) -> str:
    """What is live, to be known again (``StatePlugin.identity``). Raises NoAnswer: it is not to be replaced."""
    return str(ask(settings, {"op": "identity", "key": str(key)}, limit)["identity"])


def discover(settings: Settings, limit: float = DISCOVER_LIMIT) -> Discovered:
    """State on this machine that is not configured, and applications that are no group. Where the child gave no
    answer: why."""
    groups = {name: [str(key) for key in group.components] for name, group in settings.groups.items()}
    try:
        answer = ask(settings, {"op": "discover", "groups": groups}, limit, nice=LEISURELY)
    except NoAnswer as error:
        return Discovered(problem=f"state and applications that are not configured could not be looked for: {error}")
    components = tuple(
        Found(**{**draft, "properties": {name: _value(value) for name, value in draft["properties"].items()}})
        for draft in answer["found"]
    )
    return Discovered(components, convert(answer["applications"], tuple[Application, ...]))


def list_state(settings: Settings, container: str, limit: float = PATIENT_LIMIT) -> tuple[Sequence[Listed], str]:
    """All that a container's server holds, and a remark on it. Raises NoAnswer."""
    answer = ask(settings, {"op": "list", "container": container}, limit)
    return [Listed(**one) for one in answer["all"]], str(answer["remark"])


def ask(
    settings: Settings, question: Mapping[str, Any], limit: float, *, nice: int = 0, child_module: str = CHILD
) -> Mapping[str, Any]:
    """Put one question. Raises NoAnswer. ``nice``: how far it gives way to whatever else wants a processor."""
    text = json.dumps({"settings": settings_to_json(settings), "limit": limit, **question}).encode()
    try:
        child = subprocess.Popen(
            python_child(child_module),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd="/",
            env=child_environment(os.environ), start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise NoAnswer(f"not to be asked ({error.strerror})") from None
    with child:
        if nice:
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, child.pid, nice)
        try:
            output, _ = child.communicate(text, timeout=limit + START_ALLOWANCE)
        except subprocess.TimeoutExpired:
            raise NoAnswer(NOT_ANSWERING) from None
        finally:
            kill_group(child.pid)
    return _answer(output, child.returncode)


def _answer(output: bytes, status: int) -> Mapping[str, Any]:
    """What the child said. ``status``: of its end, by which one that died of itself is told from a silent server."""
    try:
        answer = json.loads(output)
    except ValueError:
        if status == -signal.SIGALRM:  # its own limit
            raise NoAnswer(NOT_ANSWERING) from None
        if not os.path.isdir("/proc/self/fd"):  # noqa: PTH112  # what works by descriptor goes through it
            raise NoAnswer("/proc is not mounted", hint="mount -t proc proc /proc") from None
        how = f"was killed (signal {-status})" if status < 0 else f"failed (status {status})"
        raise NoAnswer(f"nothing is known of it: the process that asks {how}") from None
    if "error" in answer:
        raise NoAnswer(str(answer["error"]), Exit(answer["exit"]), str(answer["hint"]))
    result: Mapping[str, Any] = answer["answer"]
    return result


def _value(value: Any) -> str | tuple[str, ...]:
    return value if isinstance(value, str) else tuple(value)
