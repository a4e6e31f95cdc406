"""Presenters: pure functions from the engine's records to rows of text."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from dysnomia_plugins.base import Probe
from dysnomia_store.model import Check, CheckResult, Delta, Form, Marks, Reason, Section, Verdict
from dysnomia_store.names import ComponentKey
from dysnomia_tui.app.present import components, detail, generations, header, jobs, store, styles
from dysnomia_tui.app.present import plan as plans
from dysnomia_tui.app.present.columns import lay_out
from dysnomia_tui.app.present.times import Times, ZoneKind
from dysnomia_tui.app.state import AppState
from dysnomia_tui.engine import Schedule, TimerState
from dysnomia_tui.engine.records import Condition, Found, Health, JobState
from tests.app.fake_engine import FakeEngine
from tests.app.fake_world import NOW, ORDERS, component, generation, job, orders_generations, world

TIMES = Times(ZoneKind.UTC, NOW)


def state() -> AppState:
    engine = FakeEngine(world())
    return AppState(engine.overview(), tuple(engine.jobs()), engine.world.probes, engine.world.found)


def test_each_state_has_a_glyph_a_word_and_a_style_and_words_differ() -> None:
    for table in (styles.HEALTH, styles.JOB, styles.GRADE, styles.CHANGE):
        looks = list(table.values())
        assert len({look.word for look in looks}) == len(looks), "told apart without colour"
        assert all(look.glyph and look.word for look in looks)
    assert set(styles.HEALTH) == set(Health)
    assert set(styles.JOB) == set(JobState)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({}, "ok"),
        ({"problem": "nowhere"}, "link"),
        ({"last_check": Check(NOW, "bytes", CheckResult.CORRUPT)}, "CORR"),
        ({"last_check": Check(NOW, "bytes", CheckResult.MISSING)}, "MISS"),
        ({"marks": Marks(verdict=Verdict.BAD)}, "BAD"),
        ({"marks": Marks(verdict=Verdict.GOOD), "suspicious": "small"}, "good"),
        ({"suspicious": "small"}, "susp"),
        ({"metadata": None}, "ok?"),
        ({"last_check": Check(NOW, "bytes", CheckResult.CORRUPT), "marks": Marks(verdict=Verdict.GOOD)}, "CORR"),
    ],
)
def test_the_worst_state_is_the_one_shown(changes: dict[str, object], word: str) -> None:
    made = replace(generation(ORDERS, 3), **changes)  # type: ignore[arg-type]
    assert styles.state_of(made).word == word
    assert len(word) <= 4


@pytest.mark.parametrize(
    ("reason", "restored", "who", "shown"),
    [
        (Reason.MANUAL, None, "alice", "alice"),
        (Reason.MANUAL, None, "root(alice)", "alice"),
        (Reason.MANUAL, None, "", "manual"),
        (Reason.SCHEDULED, None, "cron", "cron"),
        (Reason.GUARD, None, "alice", "guard"),
        (Reason.RESTORE, 211, "alice", "=211"),
        (Reason.IMPORT, None, "", "import"),
        (Reason.UNKNOWN, None, "", "?"),
    ],
)
def test_why(reason: Reason, restored: int | None, who: str, shown: str) -> None:
    assert generations.why(generation(ORDERS, 1, reason=reason, restored=restored, who=who)).plain == shown


@pytest.mark.parametrize(
    ("delta", "shown"),
    [
        (None, "·"),
        (Delta(1, "", 1, 0, 0, 1201, False), "+1,201"),
        (Delta(1, "", 1, 0, 0, -3, False), "-3"),
        (Delta(1, "", 2, 0, 0, 0, False), "±0"),
        (Delta(1, "", 0, 0, 0, 0, False), "same"),
        (Delta(1, "", 1, 1, 0, 5, True), "schema"),
        (Delta(1, "", 3, 1, 0, None, False), "4 ch."),
        (Delta(1, "", 9_999, 0, 0, None, False), "9999 ch."),
        (Delta(1, "", 100_000, 1, 0, None, False), "100K ch."),
    ],
)
def test_net_rows(delta: Delta | None, shown: str) -> None:
    assert generations.net_rows(generation(ORDERS, 2, delta=delta)).plain == shown


@pytest.mark.parametrize(
    ("changed", "shown"), [(0, "="), (3, "~3"), (999, "~999"), (20_002, "20K"), (100_001, "100K"), (5_000_000, "5.0M")]
)
def test_changed_sections_fit_four_cells(changed: int, shown: str) -> None:
    delta = Delta(1, "", changed, 0, 0, 0, False)
    assert generations.changed_sections(generation(ORDERS, 2, delta=delta)).plain == shown


@given(st.integers(40, 200), st.sampled_from(list(ZoneKind)))
def test_generation_columns_fit_every_width_from_the_smallest_screen_on(cells: int, kind: ZoneKind) -> None:
    columns = generations.columns(cells, replace(TIMES, kind=kind), 3)
    widths = lay_out(columns, cells)
    assert sum(widths) + sum(column.gap for column in columns) <= cells or cells < 53
    for item in orders_generations(12):
        for column, width in zip(columns, widths, strict=True):
            assert column.cell(item).cell_len <= width or column.id in ("why", "state", "remarks")


def test_the_time_of_another_tools_link_is_marked_as_estimated() -> None:
    assert generations.as_of(generation(ORDERS, 1, as_of_estimated=True), TIMES, wide=False).plain.startswith("≈")


def test_a_name_comes_before_numbers_where_there_is_little_room() -> None:
    view = component(ComponentKey("c", "documents"), Health.STALE, (generation(ORDERS, 1),))
    row = components.TreeRow(view.key, component=view)
    assert "documents" in components.line(row, TIMES, 20).plain
    assert components.line(row, TIMES, 40).plain.split() == ["!", "documents", "stale", "16w", "1"]
    assert all(components.line(row, TIMES, cells).cell_len <= cells for cells in range(14, 60))


@pytest.mark.parametrize(
    ("cells", "said"), [(40, "openldap-directory  36K"), (32, "openldap  36K"), (20, "36K"), (14, "36K")]
)
def test_of_what_was_found_the_type_gives_way_before_the_name(cells: int, said: str) -> None:
    properties = {"type": "openldap-directory"}
    row = components.TreeRow("?", found=Found("openldap-directory", "ldap", "dc=nodomain", properties, 36 * 1024, ""))
    told = components.line(row, TIMES, cells).plain
    assert told.split("  ", 1)[-1].strip() == said if cells > 14 else told.endswith(said)
    assert cells < 20 or "dc=nodomain" in told


@pytest.mark.parametrize("cells", [40, 58, 80, 100, 150])
@pytest.mark.parametrize("year", [2019, NOW.year])
def test_times_of_any_year_are_whole_in_every_list(cells: int, year: int) -> None:
    of_then = generation(ORDERS, 3, as_of=NOW.replace(year=year, day=28), as_of_estimated=True)
    for column in generations.columns(cells, TIMES, 3):
        if column.id == "as-of":
            told = column.cell(of_then).plain
            assert len(told) <= column.width
            assert f"{of_then.as_of:%H:%M}" in told


def test_the_tree_folds_and_lists_what_was_found_last() -> None:
    rows = components.tree(state(), {"postgresql"})
    assert [str(row.key) for row in rows][:3] == ["postgresql", "sqlite", "sqlite/settings"]
    assert [row.found.component for row in rows if row.found] == ["wiki", "old"]


@pytest.mark.parametrize(
    ("probe", "said"),
    [
        (None, "…"),
        (Probe(True, clients=1), "up, 1 client"),
        (Probe(False, detail="it did not answer within 2 s"), "not answering"),
        (Probe(False, detail="connection refused"), "down, connection refused"),
    ],
)
def test_the_heading_says_how_the_server_is(probe: Probe | None, said: str) -> None:
    found = state()
    view = found.component(ORDERS)
    known = Condition(probe) if probe is not None else None
    assert said in components.heading(view, found.container("postgresql"), probe, known).plain


@pytest.mark.parametrize("cells", [60, 80, 120, 200])
def test_the_head_keeps_host_mode_and_zone_at_every_width(cells: int) -> None:
    line = header.head(state(), TIMES, cells)
    assert line.cell_len <= cells
    for part in ("db1", "PROD", "RW", "14:22:07 UTC"):
        assert part in line.plain


def test_alarms_are_counted_and_calm_is_said() -> None:
    found = state()
    assert "2 need you: crm FAILED" in header.alarms(found, "a", 120).plain
    assert found.overview is not None
    calm = replace(found, overview=replace(found.overview, alarms=()))
    assert "nothing needs you" in header.alarms(calm, "a", 80).plain
    assert "cannot be read" in header.alarms(replace(found, problem="no permission"), "a", 80).plain


def test_a_store_that_is_not_there_is_an_alarm() -> None:
    """As where its disk is not mounted: each component looks inactive, and nothing needed anybody."""
    state = AppState(FakeEngine(world()).overview())
    assert state.overview is not None
    assert not [alarm for alarm in state.alarms() if "store is empty" in alarm.text]
    gone: dict[str, Any] = {"active": False, "garbage": False, "generations": 0, "newest": None, "newest_good": None}
    containers = tuple(
        replace(one, components=tuple(replace(view, **gone) for view in one.components))
        for one in state.overview.containers
    )
    lost = AppState(replace(state.overview, containers=containers, alarms=()))
    (alarm,) = lost.alarms()
    assert alarm.text.startswith("the store is empty: if something was ever activated or snapshotted with it")
    assert not AppState(replace(state.overview, containers=(), alarms=())).alarms()


def test_the_job_strip() -> None:
    running = job(91, JobState.RUNNING)
    waits = job(92, JobState.QUEUED, behind="91")
    line = jobs.strip(AppState(jobs=(running, waits)), TIMES, "J", 100).plain
    assert "J91 snapshot crm" in line
    assert "62%" in line
    assert "198M/s" in line
    assert "+1 more" in line
    assert "waits for J91" in jobs.job_line(waits, TIMES).plain
    ended = job(90, JobState.FAILED, message="pg_dump was killed by signal 9")
    long = replace(ended, title="put 99 rows of generation 40 back into sqlite-database/orders", message="")
    narrow = jobs.strip(AppState(jobs=(long,)), TIMES, "J", 80).plain
    assert "✗ FAILED" in narrow, "how it ended is read before all of its title"
    assert "put 99 rows of generation 40 back into sq" in narrow
    assert len(narrow) == 80
    assert "✗ FAILED  pg_dump was killed" in jobs.strip(AppState(jobs=(ended,)), TIMES, "J", 100).plain
    assert jobs.strip(AppState(), TIMES, "J", 80).plain == " no jobs yet"
    overview = state().overview
    assert overview is not None
    hidden = AppState(replace(overview, hidden=True))
    assert "permission denied" in jobs.strip(hidden, TIMES, "J", 80).plain, "an empty list would be a claim"


@pytest.mark.parametrize(
    ("ends", "severity"),
    [
        (JobState.DONE, "information"),
        (JobState.PARTLY, "warning"),
        (JobState.FAILED, "error"),
        (JobState.INTERRUPTED, "error"),
        (JobState.UNREADABLE, "error"),
        (JobState.CANCELLED, "warning"),
        (JobState.STALE, "warning"),
    ],
)
def test_how_a_job_ended(ends: JobState, severity: str) -> None:
    assert jobs.outcome(job(1, ends))[2] == severity


def test_the_pane_of_a_generation_says_all_that_is_known() -> None:
    made = replace(
        orders_generations()[2],
        seen=3,
        unchanged_until=NOW - timedelta(hours=1),
        marks=Marks(verdict=Verdict.BAD, note="half [gone]\x1b[2J", tags=("audit",)),
    )
    text = "\n".join(line.plain for line in detail.lines(made, None, TIMES).texts(60))
    for part in (
        "same until 22 Nov 13:22 (seen 3×)",
        "suspicious: under half",
        "known bad",
        "note: half [gone]\\x1b[2J",
        "tags: audit",
        "reading what is in it",
    ):
        assert part in text


def test_the_pane_of_a_generation_says_what_it_lacks_and_what_was_said_when_it_was_made() -> None:
    (made, *_) = orders_generations()
    assert made.metadata is not None
    about = replace(made.metadata, lacks=("up[s]",), warnings=("2 changed\x1b while the snapshot was taken",))
    shown = [line.plain for line in detail.lines(replace(made, metadata=about), None, TIMES).texts(80)]
    assert "! it lacks up[s]: not there when it was made" in shown
    assert "! 2 changed\\x1b while the snapshot was taken" in shown


@pytest.mark.parametrize(("kind", "text"), [("keys", "3 sections"), ("table", "3 tables"), ("folder", "3 folders")])
def test_the_pane_counts_what_all_sections_are(kind: str, text: str) -> None:
    made = orders_generations()[2]
    assert made.metadata is not None
    sections = tuple(Section(kind, name, Form.ROWS, 1, "") for name in "abc")
    shown = detail.lines(
        replace(made, metadata=replace(made.metadata, sections=3)), detail.Contents(sections=sections), TIMES
    )
    assert any(line.plain.startswith(f"{text}, ") for line in shown.texts(80))


def test_a_plan_that_has_not_the_room_says_so() -> None:
    made = FakeEngine(world()).plan_restore(ORDERS, 211)
    short = replace(made, space=(replace(made.space[0], has=5),))
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(plans.body(short))
    assert "NOT ENOUGH" in console.export_text()


def test_the_schedule_is_said_in_as_few_lines_as_it_needs() -> None:
    ran = TimerState(
        "snapshot", "02:00", "yes", "Mon 2026-11-30 02:00:17 UTC", "Sun 2026-11-29 02:00:40 UTC", "success"
    )
    failed = replace(ran, task="check", result="exit-code", written="differs")
    idle = TimerState("status", "hourly", "yes")
    every = Schedule((ran, failed, idle, TimerState("verify", "never", "no")))
    narrow = [line.plain.rstrip() for line in store.schedule_lines(every, 78)]
    assert narrow == [
        "snapshot  next Mon 11-30 02:00  last Sun 11-29 02:00",
        "check     next Mon 11-30 02:00  last Sun 11-29 02:00 ✗ exit-code  not as config.toml says",
        "status    its timer is not active  not yet run",
    ]
    assert len(store.schedule_lines(every, 300)) == 1
    warned = store.schedule_lines(Schedule((ran,), warning="timers of bob stop when bob logs out"), 78)
    assert warned[-1].plain == "timers of bob stop when bob logs out"
    (line,) = store.schedule_lines(Schedule((TimerState("snapshot", "02:00", "no"),)), 78)
    assert line.plain == "nothing is snapshotted on time: dysnomia-tui schedule --write"
    assert store.schedule_lines(Schedule(), 78) == []
