"""The audit: who did what, when, why, and how it ended. Append-only, one JSON line each, a file a month (UTC)."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from dysnomia_base.escape import visible
from dysnomia_store import moment
from dysnomia_store.errors import Corrupt
from dysnomia_store.names import ComponentKey
from dysnomia_store.records import codec as records
from dysnomia_store.records import typed
from dysnomia_tui.engine.machine.permissions import share
from dysnomia_tui.engine.records import JobState

if TYPE_CHECKING:
    from dysnomia_tui.engine.plans.plan import Plan

SUBMITTED = "submitted"
CANCEL_ASKED = "cancel asked"
FORGOTTEN = "given up"
"""What a job set aside: nobody will ask for it back."""
ENDED = frozenset(state.value for state in JobState if state.ended)


def entry_of(job: str, plan: Plan, event: str, *, who: str, why: str, host: str, message: str = "") -> dict[str, Any]:
    """A line about a job."""
    return {
        "job": job, "event": event, "kind": plan.kind.value, "title": plan.title,
        "keys": [str(key) for key in plan.keys], "who": who, "why": why, "host": host, "message": message,
    }  # fmt: skip


def append(statedir: Path, at: datetime, entry: Mapping[str, Any], group: str = "") -> None:
    """Add a line and see it on disk; a ``group`` may read it. Raises OSError."""
    folder = statedir / "audit"
    path = folder / f"{at:%Y-%m}.jsonl"
    new = not path.exists()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    line = json.dumps({"at": at.isoformat(), **entry}).encode() + b"\n"
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, line)
        os.fsync(fd)
    finally:
        os.close(fd)
    if new and group:
        share(folder, group)


def entries(statedir: Path) -> Iterator[Mapping[str, Any]]:
    """All lines, oldest first. Torn lines are left out. Raises OSError where the audit may not be read."""
    folder = statedir / "audit"
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return
    for name in names:
        if not name.endswith(".jsonl"):
            continue
        try:
            file = records.open_file(folder / name)
        except Corrupt:
            continue  # no file
        with file:
            for line in file:
                try:
                    entry = records.load(line, name)
                    typed.shaped(entry, _Entry, name)
                    _when(entry)
                except (Corrupt, ValueError):
                    continue
                yield entry


class _Entry(TypedDict):
    at: str
    job: NotRequired[str]
    event: NotRequired[str]
    kind: NotRequired[str]
    title: NotRequired[str]
    keys: NotRequired[list[str]]
    who: NotRequired[str]
    why: NotRequired[str]
    host: NotRequired[str]
    message: NotRequired[str]


def submitted(statedir: Path) -> Mapping[str, Mapping[str, Any]]:
    """What was asked for, by job: its first line. Nothing where the audit may not be read."""
    try:
        return {str(entry.get("job", "")): entry for entry in entries(statedir) if entry.get("event") == SUBMITTED}
    except OSError:
        return {}


def unended(statedir: Path) -> Mapping[str, Mapping[str, Any]]:
    """The jobs of which the audit says that they began and not how they ended: their first line, by job."""
    open_jobs: dict[str, Mapping[str, Any]] = {}
    for entry in entries(statedir):
        job, event = str(entry.get("job", "")), entry.get("event")
        if event in ENDED:
            open_jobs.pop(job, None)
        elif event == SUBMITTED:
            open_jobs[job] = entry
    return open_jobs


def timeline(
    statedir: Path, host: str, key: ComponentKey | None = None, more: Collection[Mapping[str, Any]] = ()
) -> str:
    """The audit as text for handing over: one line an event, in UTC. ``more`` are entries that nobody has written
    down yet (of a job whose process is gone), each in its place."""
    head = f"Timeline of {key or 'all components'} on {host}, times in UTC"
    lines = [visible(head), ""]
    lines += [visible(_line(entry)) for entry in in_order(statedir, key, more)]
    if len(lines) == 2:
        lines.append("nothing was done")
    return "\n".join(lines) + "\n"


def in_order(
    statedir: Path, key: ComponentKey | None = None, more: Collection[Mapping[str, Any]] = ()
) -> list[Mapping[str, Any]]:
    """The entries of a timeline, oldest first; those about ``key`` where one is given."""
    ordered = sorted([*entries(statedir), *more], key=_when)
    return [entry for entry in ordered if key is None or str(key) in entry.get("keys", ())]


def _when(entry: Mapping[str, Any]) -> datetime:
    """Raises ValueError where that is no time."""
    return moment(entry["at"])


def _line(entry: Mapping[str, Any]) -> str:
    at = _when(entry)
    words = [
        f"{at:%Y-%m-%d %H:%M:%S}Z",
        f"J{entry.get('job', '')}",
        str(entry.get("who", "")),
        str(entry.get("event", "")),
    ]
    words.append(str(entry.get("title", "")))
    text = "  ".join(words)
    if entry.get("why"):
        text += f"  because '{entry['why']}'"  # no repr: escapes in it would be escaped again
    if entry.get("message"):
        text += f"  -> {entry['message']}"
    return text
