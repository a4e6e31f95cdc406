"""The components of a job that failed, of several that it works on one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dysnomia_store.names import ComponentKey
from dysnomia_tui.engine.errors import Exit
from dysnomia_tui.engine.jobs.context import JobContext, Outcome
from dysnomia_tui.engine.records import JobState
from dysnomia_tui.engine.translate import exit_of, words_of


class Failures:
    """What failed, by component. One failure does not stop the rest of the job; a cancel does."""

    def __init__(self, work: JobContext) -> None:
        self.messages: dict[str, str] = {}
        self._work = work
        self._last: Exception | None = None

    def add(self, key: ComponentKey, error: Exception) -> None:
        """Record and log a failure. Raises ``error`` itself where the job was cancelled."""
        if self._work.cancel.cancelled:
            raise error
        self._last = error
        message = words_of(error)[0]
        self.messages[str(key)] = message
        self._work.log.write("log", line=f"{key}: {message}", key=str(key))

    def outcome(self, message: str, details: Mapping[str, Any], *, nothing_done: bool) -> Outcome:
        """How the job ended: FAILED where nothing was done for a failure, PARTLY where only some failed, else DONE."""
        if self._last is None:
            return Outcome(JobState.DONE, message, details=details)
        if nothing_done:
            text, hint = words_of(self._last)
            code = exit_of(self._last) if len(self.messages) == 1 else Exit.FAILED
            return Outcome(JobState.FAILED, text, code, hint, details)
        return Outcome(JobState.PARTLY, message, Exit.PARTLY, "see the log", details)
