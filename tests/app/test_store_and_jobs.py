"""The store at a glance, and the jobs with their logs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from dysnomia_store.store import Usage
from dysnomia_tui.app.present import job_log
from dysnomia_tui.app.present.store import bar_of, full_when, head, spark
from dysnomia_tui.app.present.times import Times, ZoneKind
from dysnomia_tui.app.screens.jobs import JobsScreen
from dysnomia_tui.app.screens.store import StoreScreen
from dysnomia_tui.engine.plans.plan import Grade, Kind
from dysnomia_tui.engine.records import JobState
from tests.app.driving import driven
from tests.app.fake_world import NOW, ORDERS, job

TIMES = Times(ZoneKind.UTC, NOW)


def test_a_bar_is_as_long_as_its_part_and_never_nothing() -> None:
    assert bar_of(50, 100, 10) == "█████"
    assert bar_of(100, 100, 10) == "█" * 10
    assert bar_of(1, 10_000, 10) == "▏"
    assert bar_of(0, 100, 10) == ""


def test_a_sparkline_goes_from_the_least_to_the_greatest() -> None:
    assert spark([0, 50, 100], 10) == "▁▅█"
    assert spark([5, 5, 5], 10) == "▄▄▄"
    assert len(spark(list(range(1000)), 40)) == 40
    assert spark([], 40) == ""


def test_the_disk_is_full_when_the_growth_says_so() -> None:
    growth = ((NOW - timedelta(days=10), 0), (NOW, 1000))
    usage = Usage({ORDERS: 1000}, 0, 0, 10_000, 500, growth)
    assert full_when(usage) == NOW + timedelta(days=5)
    assert full_when(replace(usage, growth=((NOW - timedelta(days=10), 1000), (NOW, 1000)))) is None


def test_what_generations_share_is_told() -> None:
    usage = Usage({ORDERS: 74_000_000}, 0, 0, 10**9, 10**9, (), generations=10, content=541_000_000)
    assert "10 generations, 516M of content, 71M on disk" in [line.plain for line in head(usage, TIMES, 78)]


async def test_the_store_shows_space_growth_and_trash() -> None:
    async with driven(size=(120, 40)) as run:
        run.app.go.store()
        await run.settled()
        assert isinstance(run.screen, StoreScreen)
        text = run.text()
        assert "postgresql/orders" in text
        assert "█" in text
        assert "free of" in text
        assert "205" in text


async def test_emptying_the_trash_is_grade_3_and_bringing_back_adds() -> None:
    async with driven() as run:
        run.app.go.store()
        await run.settled()
        await run.press("tab", "u")
        assert (await run.confirmation()).plan.grade is Grade.ADDS
        await run.press("escape", "E")
        assert (await run.confirmation()).plan.grade is Grade.FINAL


async def test_one_component_or_all_are_optimised() -> None:
    async with driven() as run:
        run.app.go.store()
        await run.settled()
        await run.press("O", "enter")
        confirmation = await run.confirmation()
        assert (confirmation.plan.kind, len(confirmation.plan.keys)) == (Kind.OPTIMISE, 1)
        await run.press("escape", "O", "down", "enter")
        assert len((await run.confirmation()).plan.keys) > 1


async def test_enter_on_a_component_shows_it() -> None:
    async with driven() as run:
        run.app.go.store()
        await run.settled()
        await run.press("enter")
        assert run.screen is run.main


async def test_jobs_show_how_each_stands_and_its_log() -> None:
    async with driven(size=(120, 40)) as run:
        run.app.go.jobs()
        await run.settled()
        assert isinstance(run.screen, JobsScreen)
        text = run.text()
        assert "J91" in text
        assert "62%" in text
        assert "pg_dump: dumping [public].orders\\x1b[2J" in text, "text from outside, made visible"


async def test_a_running_job_is_asked_to_stop_and_an_ended_one_is_not() -> None:
    async with driven() as run:
        run.app.go.jobs()
        await run.settled()
        await run.press("x")
        assert run.engine.cancelled == ["91"]
        await run.press("j", "x")
        assert run.engine.cancelled == ["91"]
        assert "has ended" in run.toasts()


async def test_what_a_job_did_is_undone_from_here() -> None:
    async with driven() as run:
        run.app.go.jobs("90")
        await run.settled()
        await run.press("u")
        assert (await run.confirmation()).plan.title == "undo J90"


async def test_in_read_only_no_job_is_cancelled() -> None:
    async with driven(read_only=True) as run:
        run.app.go.jobs()
        await run.settled()
        await run.press("x")
        assert run.engine.cancelled == []


def test_the_page_of_a_job_names_what_came_of_it() -> None:
    done = job(
        90,
        JobState.PARTLY,
        details={
            "generations": [
                {"key": "postgresql/orders", "number": 213, "id": "0c44d19aabbccdd", "new": True},
                {"key": "postgresql/crm", "number": 27, "id": "dd125a1082c087", "new": False},
            ],
            "guard": 212,
            "clients": ["web"],
            "failed": {"postgresql/crm": "pg_dump was killed"},
            "checks": {"3": {"result": "corrupt", "text": "dump.pgsql.zst"}},
            "warnings": ["a file changed while it was read"],
        },
    )
    lines = [line.plain for line in job_log.summary(done, TIMES)]
    assert "made generation 213 of postgresql/orders (0c44d19aabbc)" in lines
    assert "unchanged: generation 27 of postgresql/crm (dd125a1082c0)" in lines, "seen again, not made"
    assert "what was live is kept as generation 212" in lines
    assert "back: web" in lines
    assert "postgresql/crm: pg_dump was killed" in lines
    assert "generation 3: corrupt dump.pgsql.zst" in lines
    assert "a file changed while it was read" in lines


async def test_a_job_that_waits_offers_to_cancel_the_one_in_front() -> None:
    async with driven() as run:
        waiting = job(92, JobState.QUEUED, title="restore generation 7", behind="91", message="waits for job 91")
        run.engine.world.jobs = (*run.engine.world.jobs, waiting)
        run.app.go.jobs("92")
        run.app.poller.look_at_jobs()
        await run.until(lambda: "restore generation 7" in run.text(), "the waiting job")
        assert isinstance(run.screen, JobsScreen)
        run.screen.jobs.go_to("92")
        await run.settled()
        assert "X asks the job in front to stop" in run.text()
        await run.press("X")
        assert run.engine.cancelled == ["91"]
        run.screen.jobs.go_to("90")
        await run.press("X")
        assert run.engine.cancelled == ["91"]
