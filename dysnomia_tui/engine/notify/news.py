"""What asks for a person now, and what of it is new. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence

from dysnomia_base.records import dataclass
from dysnomia_base.secrets import Redactor
from dysnomia_tui.engine.notify.message import Condition, Happening, clean
from dysnomia_tui.engine.records import WAITING, Health, Level, Report

Told = Mapping[str, Condition]
"""By subject: what somebody was told, and lasts as far as is known."""


@dataclass(frozen=True, slots=True)
class Run:
    """How a command that a timer started has ended."""

    task: str
    about: str
    """A component, a container with a slash behind it, ``""`` for all."""
    failures: Mapping[str, str]
    """By component (by ``about``: of the command itself), what it failed at. Empty: all is well."""

    def judges(self, subject: str) -> bool:
        """Whether what was told under a subject is a failure that this run would have had again."""
        task, _, name = subject.removeprefix("task ").partition(" ")
        within = not self.about or self.about.endswith("/")
        return task == self.task and (name == self.about or (within and name.startswith(self.about)))


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen at one moment."""

    conditions: Mapping[str, Condition]
    unsure: frozenset[str]
    """Subjects of which nothing can be said now: what was told of them stays."""
    run: Run | None


def look(report: Report, run: Run | None, command: Sequence[str], redactor: Redactor) -> Look:
    """What asks for a person. ``command``: ``dysnomia-tui``, with the options that lead it to this store."""

    def shown(*words: str) -> str:
        return clean(shlex.join([*command, *words]), redactor)

    news = []
    for one in report.components:
        if one.level is not Level.OK and one.health is not Health.BUSY:
            words = ("timeline", str(one.key)) if one.health is Health.FAILED else ("status",)
            name, text = clean(str(one.key), redactor), clean(one.problem, redactor)
            news.append(Condition(f"component {one.key}", name, one.level, one.word.lower(), text, shown(*words)))
    for alarm, topic in zip(report.alarms, report.topics, strict=True):
        word = "review" if topic == WAITING else "alarm"
        what = "garbage collection" if topic == WAITING else "the store"
        news.append(Condition(f"alarm {topic}", what, Level.WARNING, word, clean(alarm, redactor), shown("status")))
    known = {one.subject for one in news}
    for name, text in run.failures.items() if run is not None else ():
        if run is not None and f"component {name}" not in known:
            what = f"{run.task} of {clean(name.rstrip('/'), redactor)}" if name else f"the scheduled {run.task}"
            subject, why = f"task {run.task} {name}", clean(text, redactor)
            news.append(Condition(subject, what, Level.CRITICAL, "failed", why, shown("jobs")))
    busy = frozenset(f"component {one.key}" for one in report.components if one.health is Health.BUSY)
    return Look({one.subject: one for one in news}, busy, run)


def news(reported: Told, seen: Look) -> tuple[tuple[Happening, ...], Told]:
    """What is new since ``told``, the worst first, and what is known to last from now on.

    Again is told what got worse or became something else; not what got better by a degree and is not well."""
    happenings, lasting = [], dict(seen.conditions)
    for subject, condition in seen.conditions.items():
        before = reported.get(subject)
        if before is None or condition.level > before.level or (
            condition.word != before.word and condition.level == before.level
        ):  # fmt: skip
            happenings.append(Happening(condition))
    for subject, before in reported.items():
        if subject in seen.conditions:
            continue
        if _is_unsure(subject, seen):
            lasting[subject] = before
        else:
            happenings.append(Happening(before, well=True))
    happenings.sort(key=lambda one: (one.well, -one.condition.level))
    return tuple(happenings), lasting


def _is_unsure(subject: str, seen: Look) -> bool:
    """Whether a task's end is judged by that task alone; of a component that is being worked on nothing is known."""
    if subject.startswith("task "):
        return seen.run is None or not seen.run.judges(subject)
    return subject in seen.unsure


def failures(reported: Told) -> Iterator[str]:
    """What lasts, for people."""
    for condition in reported.values():
        yield Happening(condition).line
