"""Any one field of any record of a job replaced by any JSON value: no traceback, and other jobs are shown as ever."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dysnomia_store.errors import StoreError
from dysnomia_tui.app.present import job_log
from dysnomia_tui.app.present.jobs import job_line, outcome
from dysnomia_tui.app.present.times import Times, ZoneKind
from dysnomia_tui.cli.shared.jobs import exit_of
from dysnomia_tui.cli.shared.output import jsonable, visible
from dysnomia_tui.config import Settings
from dysnomia_tui.engine import audit
from dysnomia_tui.engine.errors import EngineError
from dysnomia_tui.engine.jobs.board import JobBoard
from dysnomia_tui.engine.jobs.events import EventLog, read_events
from dysnomia_tui.engine.jobs.folder import JobFolder
from dysnomia_tui.engine.machine.health import SNAPSHOTS, last_of
from dysnomia_tui.engine.machine.identity import ProcessIdentity
from dysnomia_tui.engine.machine.overview import _alarms_of
from dysnomia_tui.engine.machine.settings_json import settings_from_json
from dysnomia_tui.engine.records import JobView
from dysnomia_tui.engine.redact import Redactor
from tests.any_json import Place, places, replaced, values, written
from tests.thorough import often
from tests.unit.engine.test_unreadable_jobs import CRM, NOW, ORDERS, Jobs

DETAILS: dict[str, Any] = {
    "generations": [{"key": "sqlite/orders", "number": 3, "id": "abc"}],
    "failed": {"sqlite/crm": "no"}, "warnings": ["w"], "checks": {"3": {"result": "ok", "text": ""}}, "clients": ["a"],
    "restored": 1, "guard": 2, "aside": "", "copy": "", "undoable": True, "bytes": 5,
}  # fmt: skip


class World(NamedTuple):
    """Jobs in every state, and how they are shown while all is well."""

    jobs: Jobs
    places: list[tuple[Path, int, Place]]
    views: dict[str, JobView]

    def __repr__(self) -> str:
        return "the jobs"


def fill(jobs: Jobs) -> None:
    """An interrupted one, one at work, and one that ended."""
    jobs.add(swapping=True)
    running = jobs.add(alive=True)
    me = ProcessIdentity.of(os.getpid())
    assert me is not None
    running.record().step("worker", pid=me.pid, start=me.start, boot=me.boot)
    log = EventLog(running.events, Redactor(), lambda: NOW)
    log.write("phase", name="dump", key="")
    log.write("progress", done=5, total=10, unit="bytes", rate=1.5, key="")
    log.write("log", line="a line")
    log.write("waiting", behind="1", text="waits")
    ended = jobs.add()
    ended.journal(0).step("plugin", step="begun", data={"roots": ["a"]})
    ended.journal(0).step("settled", swapped=False)
    result = {"state": "done", "exit": 0, "message": "m", "hint": "", "details": DETAILS, "at": NOW.isoformat()}
    ended.record().step("result", **result)
    EventLog(ended.events, Redactor(), lambda: NOW).write("result", **result)


def values_of(path: Path, line: bytes) -> Any:
    """The JSON of a line; a journal's has its sum before it."""
    return json.loads(line[9:] if path.name.startswith(("record", "journal")) else line)


def line_of(path: Path, value: Any) -> bytes:
    body = written(value)
    journal = path.name.startswith(("record", "journal"))
    return (b"%08x %s\n" % (zlib.crc32(body), body)) if journal else body + b"\n"


def lines_of(path: Path) -> list[bytes]:
    content = path.read_bytes().rstrip(b"\0")
    return [line for line in content.splitlines(keepends=True) if line.strip()]


def records_of(state: Path) -> list[tuple[Path, int, Place]]:
    found = []
    for path in sorted(state.rglob("*")):
        if path.is_file() and path.name not in ("lock", "floor"):
            for number, line in enumerate(lines_of(path)):
                found += [(path, number, at) for at in places(values_of(path, line))]
    return found


def shown(board: JobBoard) -> dict[str, JobView]:
    """All that is made of jobs for a person. Only errors of ours come out of any of it."""
    views = {view.id: view for view in board.views(50)}
    times = Times(ZoneKind.UTC, NOW)
    for view in views.values():
        job_line(view, times)
        job_log.summary(view, times)
        events, _ = read_events(board.folder(view.id).events, 0)
        job_log.log_lines(events, times)
        outcome(view), exit_of(view), last_of([view], SNAPSHOTS), list(_alarms_of(view, ()))
        visible(json.dumps(jsonable(view)))
    return views


def settings_of(folder: JobFolder) -> Settings | None:
    said = folder.request().settings
    return None if said is None else settings_from_json(said)


def digest_of(folder: JobFolder) -> str:
    return folder.plan().digest


def asked(jobs: Jobs) -> None:
    """What a writer asks of the others, and a worker of its own folder."""
    board = jobs.board
    calls: list[Callable[[], object]] = [board.waiting, board.floor, partial(board.dead_recoveries, "1")]
    for key in (ORDERS, CRM):
        calls += [partial(board.unsettled, key), partial(board.half_restored, key), partial(board.in_use, [key])]
    calls += [partial(audit.timeline, jobs.state, "db1"), partial(audit.unended, jobs.state)]
    for number in ("1", "2", "3"):
        calls += [partial(settings_of, board.folder(number)), partial(digest_of, board.folder(number))]
    for call in calls:
        try:
            call()
        except (EngineError, StoreError):
            pass


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with ExitStack() as held:
        jobs = Jobs(tmp_path_factory.mktemp("any") / "state", held)
        fill(jobs)
        yield World(jobs, records_of(jobs.state), shown(jobs.board))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=often(300, 60))
@given(st.data())
def test_any_field_of_any_record(world: World, data: st.DataObject) -> None:
    path, number, at = data.draw(st.sampled_from(world.places))
    before = path.read_bytes()
    lines = lines_of(path)
    lines[number] = line_of(path, replaced(values_of(path, lines[number]), at, data.draw(values)))
    path.write_bytes(b"".join(lines))
    try:
        views = shown(world.jobs.board)
        assert views.keys() == world.views.keys()
        for job in views.keys() - set(path.parts):
            assert views[job] == world.views[job]
        asked(world.jobs)
    finally:
        path.write_bytes(before)
