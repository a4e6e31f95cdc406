"""How a component's units are, for an operator: state, processes, memory, since when, and what they logged last."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from dysnomia_plugins.errors import PluginError, ProcessFailed
from dysnomia_plugins.interface.status import Fact, Status, Tone
from dysnomia_plugins.toolkit.processes import memory_of
from dysnomia_plugins.types.systemd.manager import Manager, UnitState
from dysnomia_plugins.types.systemd.units import Units

LINES = 30
"""Of the journal."""
MAY_NOT = "permission denied: the journal is readable for root and members of adm and systemd-journal"
_TONES = {"active": Tone.GOOD, "failed": Tone.BAD, "activating": Tone.WARN, "deactivating": Tone.WARN}
_LOUD = 3
"""Priorities up to this (error) are shown as bad; 4 is a warning."""


def status_of(manager: Manager, units: Units) -> Status:
    """Ask systemd and its journal. Raises PluginError."""
    states = manager.states(units.shown)
    facts = [fact for state in states for fact in unit_facts(state)]
    word, tone = overall([state for state in states if state.name in units.started])
    log, note = last_lines(manager, units)
    return Status(word, tone, (*facts, *_drift(manager, units, states)), log, note)


def overall(started: Sequence[UnitState]) -> tuple[str, Tone]:
    """One word for all units that are started."""
    if not any(state.loaded for state in started):
        return "not installed", Tone.DIM
    broken = [state for state in started if state.broken]
    if broken:
        return ("failed" if broken[0].active == "failed" else "restarting"), Tone.BAD
    running = sum(state.active == "active" for state in started)
    if running == len(started):
        return "active", Tone.GOOD
    return (f"{running} of {len(started)} active" if running else started[0].active), Tone.WARN


def unit_facts(state: UnitState) -> list[Fact]:
    """``web.service active (running), pid 812 and 2 more, since …``."""
    if not state.loaded:
        return [Fact(f"{state.name} is not installed", tone=Tone.DIM)]
    words = [f"{state.name} {state.active} ({state.sub})"]
    if state.broken and state.why:
        words.append(state.why)
    restarts = state.values.get("NRestarts", "0")
    if restarts not in ("0", ""):
        words.append(f"restarted {restarts} times")
    memory = None
    if state.pid:
        memory, others = memory_of(state.pid)
        words.append(f"pid {state.pid}" + (f" and {others} more" if others else ""))
    at = state.time("ActiveEnterTimestamp" if state.active == "active" else "StateChangeTimestamp")
    text = ", ".join(words) + (", since" if at else "")
    tone = Tone.BAD if state.broken else _TONES.get(state.active, Tone.PLAIN)
    facts = [Fact(text, at, memory, tone)]
    after = state.time("NextElapseUSecRealtime")
    if after is not None:
        facts.append(Fact(f"{state.name} runs next at", after))
    return facts


def _drift(manager: Manager, units: Units, states: Sequence[UnitState]) -> list[Fact]:
    """What is not as an activation leaves it."""
    stale = [state.name for state in states if state.values.get("NeedDaemonReload") == "yes"]
    differences = []
    if stale:
        differences.append(Fact(f"{', '.join(stale)} changed since systemd read it: activate again", tone=Tone.WARN))
    if any(state.loaded for state in states):
        try:
            wants = manager.folder() / manager.wants
        except PluginError as error:
            return [*differences, Fact(error.message, tone=Tone.WARN)]
        missing = [name for name in units.started if not (wants / name).is_symlink()]
        if missing:
            text = f"{', '.join(missing)} is not in {wants.name}, and would not start after a reboot: activate again"
            differences.append(Fact(text, tone=Tone.WARN))
    return differences


def last_lines(manager: Manager, units: Units) -> tuple[tuple[Fact, ...], str]:
    """The last lines of the journal, oldest first, and a note: whose they are, or why there are none."""
    names = units.stopped
    if not names:
        return (), ""
    try:
        output, warnings = manager.journal(names, LINES)
    except ProcessFailed as error:
        return (), f"the journal gave nothing: {error.message}"
    lines = tuple(fact for line in output.splitlines() if (fact := line_of(line)) is not None)
    if not lines:
        return (), MAY_NOT if "not seeing messages" in warnings else "the journal has nothing of it"
    return lines, "last lines of the journal"


def line_of(raw: bytes) -> Fact | None:
    """One entry of the journal's JSON; None for one that says nothing."""
    try:
        entry = json.loads(raw)
        at = datetime.fromtimestamp(int(entry["__REALTIME_TIMESTAMP"]) / 1_000_000, UTC)
    except (ValueError, KeyError, TypeError, OverflowError):
        return None
    text = _text(entry.get("MESSAGE"))
    who = _text(entry.get("SYSLOG_IDENTIFIER"))
    pid = _text(entry.get("_PID"))
    lead = f"{who}[{pid}]: " if who and pid else f"{who}: " if who else ""
    priority = _text(entry.get("PRIORITY"))
    level = int(priority) if priority.isascii() and priority.isdigit() else 6
    tone = Tone.BAD if level <= _LOUD else Tone.WARN if level == _LOUD + 1 else Tone.PLAIN
    return Fact(lead + text, at, tone=tone) if text else None


def _text(value: Any) -> str:
    """A field: text, bytes that are none (a list of numbers), or several of either."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(one, int) and 0 <= one < 256 for one in value):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, list):
        return " ".join(filter(None, map(_text, value)))
    return ""
