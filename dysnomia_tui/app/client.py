"""The app's side of the engine: calls in daemon threads, their results as calls on the loop.

Every read has a *topic*. While one read of a topic is under way only the latest further one is kept, so a held-down
key never queues a hundred reads, and a hanging one holds up nothing but itself. Threads are daemons: quitting never
waits for them. Changes are jobs; nothing here changes anything but through ``Engine.submit``.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from textual.app import App
from textual.message import Message

from dysnomia_store.errors import StoreError
from dysnomia_tui.engine.engine import Engine
from dysnomia_tui.engine.errors import EngineError

T = TypeVar("T")
Failed = Callable[[str], None]


@dataclass(frozen=True)
class _Asked:
    """One read that somebody waits for."""

    call: Callable[[Engine], Any]
    then: Callable[[Any], None]
    failed: Failed | None


class Answered(Message):
    """A read has ended, well (``problem`` empty) or not."""

    def __init__(self, topic: str, asked: Any, value: Any, problem: str) -> None:
        super().__init__()
        self.topic = topic
        self.asked = asked
        self.value = value
        self.problem = problem


class Client:
    """Asks the engine without holding up the loop."""

    def __init__(self, app: App[Any], make_engine: Callable[[], Engine]) -> None:
        self._app = app
        self._make = make_engine
        self._engine: Engine | None = None
        self._making = threading.Lock()
        self._running: dict[str, _Asked] = {}
        self._waiting: dict[str, _Asked] = {}

    @property
    def idle(self) -> bool:
        """Whether no read is under way (for tests, which wait for it)."""
        return not self._running

    def ask(
        self, topic: str, call: Callable[[Engine], T], then: Callable[[T], None], failed: Failed | None = None
    ) -> None:
        """Run ``call`` in a thread; then ``then(result)`` on the loop, or ``failed(message)``.

        Called on the loop. A read of the same topic that waits is dropped for this one; one that runs is left to end,
        and its result is still handed over.
        """
        asked = _Asked(call, then, failed)
        if topic in self._running:
            self._waiting[topic] = asked
        else:
            self._start(topic, asked)

    def forget(self, topic: str) -> None:
        """Drop what waits of a topic."""
        self._waiting.pop(topic, None)

    def _start(self, topic: str, asked: _Asked) -> None:
        self._running[topic] = asked
        threading.Thread(target=self._work, args=(topic, asked), name=f"read {topic}", daemon=True).start()

    def _work(self, topic: str, asked: _Asked) -> None:
        answer: Answered | None = None
        try:
            answer = Answered(topic, asked, asked.call(self._have()), "")
        except (EngineError, StoreError) as problem:
            answer = Answered(topic, asked, None, str(problem))
        except OSError as problem:
            answer = Answered(topic, asked, None, describe_os_error(problem))
        finally:
            if answer is None:
                # A bug, not a refusal: it must not leave the screen waiting for ever, nor take the app down.
                bug = sys.exc_info()[1]
                answer = Answered(topic, asked, None, f"internal error ({type(bug).__name__}: {bug})")
            # False after the app has ended: nobody waits any more.
            self._app.post_message(answer)

    def _have(self) -> Engine:
        with self._making:
            if self._engine is None:
                self._engine = self._make()
            return self._engine

    def answered(self, message: Answered) -> None:
        """Hand a result over; called by the app for each ``Answered``."""
        asked: _Asked = message.asked
        del self._running[message.topic]
        if message.topic in self._waiting:
            self._start(message.topic, self._waiting.pop(message.topic))
        if not message.problem:
            asked.then(message.value)
        elif asked.failed is not None:
            asked.failed(message.problem)


def describe_os_error(problem: OSError) -> str:
    """What the system said, and about which file, without Python's own words."""
    words = problem.strerror or str(problem)
    return f"{problem.filename}: {words}" if problem.filename else words
