"""What was told to whom: ``notify/told.json`` in the state directory, replaced in one step.

Each way of telling has its own memory, so that one that failed is tried again without the others saying it twice.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NotRequired, TypedDict

from dysnomia_store.errors import StoreError
from dysnomia_store.records import codec as records
from dysnomia_store.records import typed
from dysnomia_tui.config import Settings
from dysnomia_tui.engine.machine.own_record import replace_record
from dysnomia_tui.engine.notify.message import Condition
from dysnomia_tui.engine.records import Alarm, Level

FOLDER, FILE = "notify", "told.json"


class _Said(TypedDict):
    what: str
    level: int
    word: str
    text: str
    command: str


class _File(TypedDict):
    told: dict[str, dict[str, _Said]]
    trouble: NotRequired[dict[str, str]]


@dataclass
class Memory:
    """What is remembered."""

    told: dict[str, Mapping[str, Condition]] = field(default_factory=dict)
    """By channel, by subject."""
    trouble: dict[str, str] = field(default_factory=dict)
    """By channel: why the last message could not be sent."""


def read(statedir: Path) -> Memory:
    """What is remembered; nothing where nothing was written, or it cannot be read as what was written here."""
    try:
        raw = records.read_file(statedir / FOLDER / FILE)
        record = typed.shaped(records.load(raw, FILE), _File, FILE)
        return Memory(
            {
                channel: {
                    subject: Condition(
                        subject, one["what"], Level(one["level"]), one["word"], one["text"], one["command"]
                    )
                    for subject, one in subjects.items()
                }
                for channel, subjects in record["told"].items()
            },
            dict(record.get("trouble", {})),
        )
    except (OSError, StoreError, ValueError):
        return Memory()


def write(statedir: Path, memory: Memory, group: str) -> None:
    """Replace what is remembered; a ``group`` may read it. Raises OSError, and LookupError for an unknown group."""
    reported = {
        channel: {
            subject: _Said(what=one.what, level=int(one.level), word=one.word, text=one.text, command=one.command)
            for subject, one in subjects.items()
        }
        for channel, subjects in memory.told.items()
    }
    replace_record(statedir / FOLDER / FILE, {"told": reported, "trouble": memory.trouble}, group)


def alarms(settings: Settings) -> Iterator[Alarm]:
    """Whoever should be told, and was not reached."""
    ways = {"command": settings.notify.command, "apprise": settings.notify.apprise}
    if any(ways.values()):
        for channel, problem in read(settings.statedir).trouble.items():
            if ways.get(channel):
                yield Alarm(
                    f"notifications by {channel} ([notify] in config.toml) fail: {problem}", topic=f"notify {channel}"
                )


@contextmanager
def alone(statedir: Path) -> Iterator[None]:
    """Hold the memory against another command that tells at the same time. Raises OSError."""
    folder = statedir / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
