"""The engine's part that tells people what happens while nobody watches: see the room ``notify``."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from dysnomia_tui.engine.records import Alarm
from dysnomia_tui.engine.translate import translated

if TYPE_CHECKING:
    from dysnomia_tui.config import Settings
    from dysnomia_tui.engine.machine.machine import Machine
    from dysnomia_tui.engine.records import Report


class Teller:
    """Tells whoever [notify] of config.toml names. What goes wrong with that is returned, and fails nothing."""

    settings: Settings
    _world: Machine
    _clock: Callable[[], datetime]

    @abstractmethod
    def report(self) -> Report:
        """What a monitoring system is told."""

    def tell(self, task: str, failures: Mapping[str, str] | None, about: str = "") -> Sequence[str]:
        """Tell whoever [notify] of config.toml names what is new, once, after a timer's command has ended.

        Returns what went wrong, a sentence each.

        Args:
            failures: by component (by ``about``: of the command itself); None: nothing is known of its success.
            about: a component, a container with a slash behind it, ``""`` for all.
        """
        from dysnomia_tui.engine.notify import news, tell

        with translated():
            run = None if failures is None else news.Run(task, about, failures)
            return tell.tell(self._world, self.report(), run, self._clock())

    def ping(self, task: str, signal: str, text: str = "") -> Sequence[str]:
        """Tell a task's address that it starts (``start``), or how it ended (``fail``, ``""``). As ``tell``."""
        from dysnomia_tui.engine.notify import tell

        return tell.ping(self.settings, task, signal, text)

    def sendable(self, text: str) -> str:
        """A text of several lines as it may leave this machine: without the secrets of its configuration."""
        from dysnomia_tui.engine.notify import message, tell

        with translated():
            redactor = tell.redactor(self._world)
        return "\n".join(message.clean(line, redactor) for line in text.splitlines())

    def notify_test(self) -> Iterator[tuple[str, str]]:
        """Send a test message every way: the name of each, and what went wrong or ``""``."""
        from dysnomia_tui.engine.notify import tell

        yield from tell.send_test(self.settings, self._clock())

    def told(self) -> Mapping[str, Sequence[str]]:
        """By way of telling, what was told and lasts."""
        from dysnomia_tui.engine.notify import memory, news

        already = memory.read(self.settings.statedir).told
        return {name: tuple(news.failures(conditions)) for name, conditions in already.items()}

    def _alarms(self, timers: Iterable[Alarm]) -> Iterator[Alarm]:
        """Alarms that are no component's, job's or configuration's. ``timers``: those of timers."""
        yield from timers
        if self.settings.notify.command or self.settings.notify.apprise:
            from dysnomia_tui.engine.notify import memory

            yield from memory.alarms(self.settings)
        if os.path.exists(self.settings.statedir / "planned"):  # noqa: PTH110 (False where it may not be looked at)
            from dysnomia_tui.engine.operations import planned

            yield from planned.alarms(self._world)
