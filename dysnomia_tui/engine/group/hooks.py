"""The programs of a group that are run before and after its job, each within a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dysnomia_base.environment import child_environment
from dysnomia_base.ownership import why_not_obeyed
from dysnomia_base.records import dataclass
from dysnomia_plugins.base import Runner
from dysnomia_plugins.errors import PluginError
from dysnomia_plugins.interface.context import SERVICE_UMASK
from dysnomia_plugins.toolkit.process import TimedOut
from dysnomia_tui.engine.component.journal import FileJournal
from dysnomia_tui.engine.errors import EngineError

RESTORED, UNDONE, FAILED, SNAPSHOTTED = "restored", "undone", "failed", "snapshotted"
"""Outcomes: all is as planned; all is as it was before; neither."""
LINES = 20
"""Lines of a program's output that go into the log."""


class HookFailed(EngineError):
    """A program of a group is not run, failed, or did not end within its time."""


@dataclass(frozen=True)
class Hooks:
    """Those of one job. What is begun is in the group's record first, so that the clean-up of a job that was killed
    knows of it."""

    group: str
    action: str
    job: str
    before: Sequence[str]
    after: Sequence[str]
    limit: float
    runner: Runner
    record: FileJournal
    log: Callable[[str], object]

    def open(self) -> None:
        """Run ``before``. Raises HookFailed."""
        self.record.step("opened")
        self._run("before", self.before, "")

    def close(self, outcome: str) -> str:
        """Run ``after``; what it failed at, in words, or ``""``."""
        self.record.step("outcome", outcome=outcome)
        try:
            self._run("after", self.after, outcome)
        except HookFailed as error:
            self.log(error.message)
            return error.message
        finally:
            self.record.step("cleaned")
        return ""

    def _run(self, name: str, argv: Sequence[str], outcome: str) -> None:
        if not argv:
            return
        reason = why_not_run(argv[0])
        if reason:
            raise HookFailed(f"'{name}' of group {self.group} was not run: {reason}", "only root or you may write it")
        document = {"group": self.group, "action": self.action, "hook": name, "job": self.job, "outcome": outcome}
        env = {**child_environment(os.environ), **{f"DYSNOMIA_{word.upper()}": text for word, text in document.items()}}
        lines: list[str] = []

        def note(line: bytes) -> None:
            if len(lines) < LINES:
                lines.append(line.decode("utf-8", "replace"))

        try:  # a server that it starts lives on, as its own; what it writes is read by others
            self.runner.follow(argv, env=env, timeout=self.limit, umask=SERVICE_UMASK, on_stdout=note)
        except TimedOut:
            late = f"it did not end within {self.limit:g} s and was killed"
            raise HookFailed(f"'{name}' of group {self.group} failed: {late}", "see time_limit of the group") from None
        except PluginError as error:
            raise HookFailed(f"'{name}' of group {self.group} failed: {error.message}", "see its log") from None
        for line in lines:
            self.log(f"{name}: {line}")


def why_not_run(program: str) -> str:
    """Why a program is not obeyed, or ``""``."""
    try:
        return why_not_obeyed(program)
    except OSError as error:
        return f"{error.filename or program}: {error.strerror}"


def hooks_of(
    params: Mapping[str, Any], job: str, runner: Runner, record: FileJournal, log: Callable[[str], object]
) -> Hooks:
    """Those that a plan's params name."""
    return Hooks(
        params["group"], params["action"], job, params["before"], params["after"], params["limit"], runner, record, log
    )
