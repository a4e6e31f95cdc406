"""What hosts say of themselves: ``dysnomia-tui status --json`` of each, many at once, or why one says nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import NotRequired, TypedDict

from dysnomia_base.shapes import convert
from dysnomia_store.errors import NameRejected
from dysnomia_store.names import ComponentKey
from dysnomia_tui.config import HostSettings
from dysnomia_tui.engine.errors import EngineError
from dysnomia_tui.engine.hosts.calling import MOST, Answer, ask, why_no_connection
from dysnomia_tui.engine.records import LACKING, Health, Level

AT_ONCE = 20
LIMIT = 15.0
"""Seconds for the whole answer of a host."""
LONGEST = 300
"""Characters of what a host says of itself that are kept."""
_LEVELS = {level.name.lower(): level for level in Level}


class _Component(TypedDict):
    key: str
    level: str
    health: str
    age: NotRequired[float | None]
    stored_size: NotRequired[int]
    problem: NotRequired[str]


class _Status(TypedDict):
    level: str
    components: list[_Component]
    alarms: NotRequired[list[str]]
    jobs: NotRequired[list[str]]


@dataclass(frozen=True, slots=True)
class HostReport:
    """One host, as the operator sees it."""

    host: HostSettings
    level: Level
    """Critical where it did not answer."""
    problem: str = ""
    """Why nothing is known of it."""
    components: int = 0
    stored_size: int = 0
    oldest: float | None = None
    """Seconds: how old the newest good generation of a component is, of that where it is oldest."""
    jobs: int = 0
    said: str = ""
    """What asks for a person first: a component and its health, or an alarm."""
    worst: str = ""
    """The component that asks for a person first, if one does."""


def hosts_reported(
    hosts: Sequence[HostSettings],
    control: Path | None,
    *,
    at_once: int = AT_ONCE,
    limit: float = LIMIT,
    call: Callable[[HostSettings, Sequence[str], Path | None, float], Answer] = ask,
) -> Iterator[HostReport]:
    """One of each, as they come. Raises EngineError where there is no ssh."""
    with ThreadPoolExecutor(max(1, min(at_once, len(hosts) or 1))) as pool:
        asked = [pool.submit(report_of, host, control, limit, call) for host in hosts]
        try:
            yield from (one.result() for one in as_completed(asked))
        finally:
            for one in asked:
                one.cancel()


def report_of(
    host: HostSettings,
    control: Path | None,
    limit: float,
    call: Callable[[HostSettings, Sequence[str], Path | None, float], Answer] = ask,
) -> HostReport:
    try:
        answer = call(host, ("status", "--json"), control, limit)
    except TimeoutError:
        return HostReport(host, Level.CRITICAL, f"no answer within {limit:g} s")
    problem = _why_no_report(host, answer)
    if problem:
        return HostReport(host, Level.CRITICAL, problem)
    try:
        document = json.loads(answer.out)
        if isinstance(document, dict) and isinstance(document.get("error"), str):
            return HostReport(host, Level.CRITICAL, f"its status failed: {document['error'][:LONGEST]}")
        return _read(host, convert(document, _Status))
    except (ValueError, RecursionError, OverflowError, KeyError):
        return HostReport(host, Level.CRITICAL, "its answer is of no known form: has it another version?")


def _why_no_report(host: HostSettings, answer: Answer) -> str:
    if answer.status == 255:
        return why_no_connection(answer)
    if answer.status == 127:
        return f"it has no program {host.command.split()[-1]!r}: {answer.err}"
    if len(answer.out) > MOST:
        return "its answer is too long"
    if not answer.out.strip():
        return answer.err or f"{host.command} ended with {answer.status} and said nothing"
    return ""


def _read(host: HostSettings, status: _Status) -> HostReport:
    """Raises KeyError for an unknown level, ValueError, OverflowError."""
    ages = [float(age) for one in status["components"] if (age := one.get("age")) is not None]
    if not all(map(math.isfinite, ages)):
        raise ValueError("an age is not a finite number")
    worst = max(status["components"], key=lambda one: _LEVELS[one["level"]], default=None)
    alarms = status.get("alarms", [])
    first = key = ""
    if worst is not None and _LEVELS[worst["level"]] is not Level.OK:
        health = worst["health"]
        first = f"{worst['key']} {LACKING if health == Health.OK.value else health}"
        key = _named(worst["key"])
    elif alarms:
        first = alarms[0]
    return HostReport(
        host,
        _LEVELS[status["level"]],
        components=len(status["components"]),
        stored_size=sum(one.get("stored_size", 0) for one in status["components"]),
        oldest=max(ages, default=None),
        jobs=len(status.get("jobs", [])),
        said=first if len(first) <= LONGEST else f"{first[:LONGEST]}…",
        worst=key,
    )


def _named(key: str) -> str:
    """The key where it is the name of a component, for it becomes a word of a command line on the host; else ``""``."""
    try:
        return str(ComponentKey.parse(key))
    except NameRejected:
        return ""


def hosts_chosen(hosts: Sequence[HostSettings], words: Sequence[str]) -> tuple[HostSettings, ...]:
    """Those that are named, by name or label; all where none is. Raises EngineError for a word that names none."""
    for word in words:
        if not any(word == host.name or word in host.labels for host in hosts):
            raise EngineError(f"there is no host and no label {word!r}", "to see all: dysnomia-tui hosts --list")
    return tuple(host for host in hosts if not words or host.name in words or set(words) & set(host.labels))
