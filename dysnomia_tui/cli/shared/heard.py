"""A command that a timer started, and that nobody watches: who [notify] of config.toml names hears how it ended.

Nothing that goes wrong with telling changes what the command does, or its exit code.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dysnomia_base.errors import DysnomiaError
from dysnomia_base.limits import in_words
from dysnomia_base.records import dataclass, field
from dysnomia_tui.cli.shared.output import say
from dysnomia_tui.engine.errors import EngineError, Exit

if TYPE_CHECKING:
    from dysnomia_tui.config import Settings
    from dysnomia_tui.engine.engine import Engine


@dataclass()
class Heard:
    """What the command did, as far as somebody has to hear of it."""

    about: str = ""
    """What it is about: a component, a container with a slash behind it, ``""`` for all."""
    status: int = Exit.OK
    failures: dict[str, str] = field(default_factory=dict)
    """By component, or by ``about`` where it is the command itself that failed."""
    critical: bool | None = None
    """Whether a ping says that it failed, where that is not what the exit code says."""
    summary: str = ""
    """What a ping says of it where no component failed at it."""

    def ended(self, status: int) -> int:
        self.status = status
        return status

    def batch(self, records: Iterable[Mapping[str, Any]]) -> None:
        """What a batch did with each component."""
        for record in records:
            if record["exit"] not in (Exit.OK, Exit.CANCELLED):
                job = record.get("job") or {}
                self.failures[record["component"]] = str(record.get("error") or job.get("message", "failed"))


def refuse_empty(settings: Settings) -> None:
    """Raises Unknown for a store that has nothing: to a timer nothing to do would look like all is done."""
    from dysnomia_tui.engine import check_not_empty

    check_not_empty(settings.statedir)


@contextmanager
def heard(settings: Settings, task: str, *, scheduled: bool, about: str = "") -> Iterator[Heard]:
    """Around what a command does. Where no timer started it, or nobody is to be told, nothing happens."""
    hearing = Heard(about)
    notify = settings.notify
    if not scheduled or not (notify.command or notify.apprise or notify.ping):
        yield hearing
        return
    from dysnomia_tui.engine.engine import Engine

    engine = Engine(settings, read_only=True)
    _say(engine.ping(task, "start"))
    try:
        yield hearing
    except (DysnomiaError, OSError) as error:
        hearing.status = Exit.FAILED
        hearing.failures[about] = in_words(error) if isinstance(error, OSError) else str(error)
        _tell(engine, task, hearing)
        raise
    _tell(engine, task, hearing)


def _tell(engine: Engine, task: str, heard: Heard) -> None:
    cancelled = heard.critical is None and heard.status == Exit.CANCELLED  # by a person, who knows it
    failed = heard.status != Exit.OK if heard.critical is None else heard.critical or bool(heard.failures)
    if failed and heard.critical is None and not cancelled and not heard.failures:
        heard.failures[heard.about] = f"exit code {int(heard.status)}"
    try:
        _say(engine.tell(task, None if cancelled else heard.failures, heard.about))
        text = "\n".join(f"{name}: {why}" if name else why for name, why in heard.failures.items())
        _say(engine.ping(task, "fail" if failed else "", engine.sendable(text or heard.summary)))
    except (EngineError, OSError) as error:
        say(f"warning: the notification was not sent: {error}")


def _say(problems: Sequence[str]) -> None:
    for problem in problems:
        say(f"warning: {problem}")
