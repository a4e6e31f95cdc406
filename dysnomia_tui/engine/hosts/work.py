"""The same work on many hosts, as a play of Ansible goes: ``serial`` at a time, no further after a failure."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

from dysnomia_tui.config import HostSettings
from dysnomia_tui.engine.errors import EngineError
from dysnomia_tui.engine.hosts.calling import Answer, ask, why_no_connection
from dysnomia_tui.engine.plans.grades import PROD

LIMIT = 6 * 3600.0
"""Seconds that the work may take on one host; one that is given up goes on there."""
PROGRAM = "dysnomia-tui"


class HostTask(enum.StrEnum):
    """What is done on each."""

    SNAPSHOT = "snapshot"
    VERIFY = "verify"


@dataclass(frozen=True, slots=True)
class HostResult:
    """How it ended on one."""

    host: HostSettings
    begun: bool
    status: int = 0
    """The program's exit status there; 255 where ssh failed."""
    problem: str = ""
    """Why it failed, or why it was not begun; ``""`` where all went well."""


def batches(hosts: Sequence[HostSettings], serial: int) -> Iterator[tuple[HostSettings, ...]]:
    """At most ``serial`` hosts each, of one group (a host's first label but ``PROD``); those labelled ``PROD`` last, so
    that a failure elsewhere stops it before them."""

    def group(host: HostSettings) -> tuple[bool, str]:
        return PROD in host.labels, next((label for label in host.labels if label != PROD), "")

    for name in sorted({group(host) for host in hosts}):
        members = [host for host in hosts if group(host) == name]
        for at in range(0, len(members), serial):
            yield tuple(members[at : at + serial])


def work_on(
    hosts: Sequence[HostSettings],
    task: HostTask,
    control: Path | None,
    *,
    serial: int = 1,
    max_fail_percentage: int = 0,
    limit: float = LIMIT,
    call: Callable[[HostSettings, Sequence[str], Path | None, float], Answer] = ask,
) -> Iterator[HostResult]:
    """Work on one batch after the other; none is begun after one in which more than ``max_fail_percentage`` of the
    hosts failed. One result for each host, those that were not begun at last. Raises EngineError: there is no ssh."""
    stopped = ""
    for batch in batches(hosts, serial):
        if stopped:
            yield from (HostResult(host, False, problem=f"not begun: {stopped}") for host in batch)
            continue
        failed = []
        with ThreadPoolExecutor(len(batch)) as pool:
            for done in as_completed([pool.submit(_work, host, task, control, limit, call) for host in batch]):
                result = done.result()
                failed += [result.host.name] if result.problem else []
                yield result
        if len(failed) * 100 > max_fail_percentage * len(batch):
            stopped = f"it failed on {', '.join(sorted(failed))}"


def _work(
    host: HostSettings, task: HostTask, control: Path | None, limit: float,
    call: Callable[[HostSettings, Sequence[str], Path | None, float], Answer],
) -> HostResult:  # fmt: skip
    try:
        called, words = command_of(host, task)
        answer = call(called, words, control, limit)
    except EngineError as error:
        return HostResult(host, False, problem=error.message)
    except TimeoutError:
        return HostResult(host, True, problem=f"no end within {limit:g} s; it goes on there (dysnomia-tui jobs)")
    if answer.status == 255:
        return HostResult(host, True, 255, why_no_connection(answer))
    problem = "" if answer.status == 0 else answer.err or f"it ended with {answer.status}"
    return HostResult(host, True, answer.status, problem)


def command_of(host: HostSettings, task: HostTask) -> tuple[HostSettings, tuple[str, ...]]:
    """What is called there. Raises EngineError where the program beside the host's own is not known."""
    if task is HostTask.VERIFY:
        return host, ("verify", "--due", "--within", "1h")
    if not host.command.endswith(PROGRAM):
        raise EngineError(
            f"host {host.name}: its command {host.command!r} does not end with {PROGRAM}",
            "dysnomia-containers is called in its place: correct command in config.toml",
        )
    command = f"{host.command.removesuffix(PROGRAM)}dysnomia-containers"
    return replace(host, command=command), ("--snapshot",)
