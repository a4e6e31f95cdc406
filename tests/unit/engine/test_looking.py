"""What is shown: the overview, health and alarms, contents, diffs, secrets hidden, the audit's timeline."""

from __future__ import annotations

import os
import re
import sqlite3
import sys
import tarfile
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dysnomia_base.durations import LONGEST
from dysnomia_base.escape import visible
from dysnomia_plugins.base import Found, PropertyValue
from dysnomia_plugins.interface.status import Status
from dysnomia_store.model import Marks, Reason, Verdict
from dysnomia_store.names import ComponentKey
from dysnomia_store.store import Summary
from dysnomia_tui.config import ComponentSettings
from dysnomia_tui.engine import audit
from dysnomia_tui.engine.engine import LIVE, Engine
from dysnomia_tui.engine.errors import EngineError, Exit, Unknown
from dysnomia_tui.engine.machine import visibility as seeing
from dysnomia_tui.engine.machine.health import Facts, judge
from dysnomia_tui.engine.probing import client as probes
from dysnomia_tui.engine.records import Change, Health, JobState, Level
from dysnomia_tui.engine.redact import HIDDEN, Redactor, secrets_of, shown
from tests.app.fake_world import NOW, job, orders_generations
from tests.unit.engine.machine import CRM, ORDERS, TEXT, EngineFixture
from tests.waiting import wait_until

FIXTURE = Path(__file__).parents[2] / "fixtures" / "upstream-store.tar.gz"


def component(engine: Engine, key: ComponentKey) -> tuple[Health, str]:
    found = [
        one for container in engine.overview().containers for one in container.components if one.key == key
    ]  # fmt: skip
    assert len(found) == 1
    return found[0].health, found[0].problem


def test_before_anything_was_written_the_overview_lists_what_is_configured(
    machine: EngineFixture, engine: Engine
) -> None:
    overview = engine.overview()
    assert [container.name for container in overview.containers] == ["files", "module", "sqlite"]
    assert not (machine.root / "state").exists(), "looking writes nothing"
    assert overview.read_only == ""
    assert overview.disk_free


def test_what_is_configured_is_not_found_again(machine: EngineFixture, engine: Engine) -> None:
    """However its container is called, and however its name is written: ``orders`` is the file ``orders.db``."""
    with closing(sqlite3.connect(machine.root / "data" / "stray.db")) as stray, stray:
        stray.execute("CREATE TABLE t (n)")
    files = (machine.root / "data" / f"{name}.db" for name in ("orders", "stray"))
    with ExitStack() as open_files:
        for path in files:
            open_files.enter_context(path.open("rb"))
        found = {one.component for one in engine.discover() if str(machine.root) in str(one.properties)}
    assert found == {"stray.db"}


def test_health_follows_what_happens(machine: EngineFixture, engine: Engine) -> None:
    assert component(engine, ORDERS)[0] is Health.INACTIVE
    machine.run(engine, engine.plan_activity(ORDERS, "activate"))
    assert component(engine, ORDERS) == (Health.NEVER, "never snapshotted")
    machine.run(engine, engine.plan_snapshot([ORDERS]))
    assert component(engine, ORDERS) == (Health.OK, "")
    path = machine.root / "data" / "orders.db"
    good = path.read_bytes()
    path.write_bytes(b"no database" * 100)
    failed = machine.run(engine, engine.plan_snapshot([ORDERS]))
    assert failed.state is JobState.FAILED
    health, problem = component(engine, ORDERS)
    assert health is Health.FAILED
    assert problem.startswith("snapshot failed: ")
    assert any(alarm.key == ORDERS for alarm in engine.overview().alarms)
    proved = machine.run(engine, engine.plan_verify(ORDERS, 1))
    assert proved.state is JobState.DONE
    assert component(engine, ORDERS) == (health, problem), "live cannot be saved, whatever its generations are worth"
    path.write_bytes(good)
    machine.run(engine, engine.plan_snapshot([ORDERS]))
    assert component(engine, ORDERS) == (Health.OK, "")
    machine.run(engine, engine.plan_activity(ORDERS, "deactivate"))
    assert component(engine, ORDERS)[0] is Health.GARBAGE
    (machine.root / "components" / "sqlite" / "orders").unlink()
    assert component(engine, ORDERS)[0] is Health.GONE


def test_what_is_active_and_has_lost_its_configuration_is_an_alarm(machine: EngineFixture, engine: Engine) -> None:
    """A file that was deleted, a folder that is not mounted: nothing snapshots it any more, and nobody is told."""
    machine.run(engine, engine.plan_activity(ORDERS, "activate"))
    machine.run(engine, engine.plan_snapshot([ORDERS]))
    path = machine.root / "components" / "sqlite" / "orders"
    text = path.read_text()
    path.unlink()
    health, words = component(engine, ORDERS)
    assert health is Health.GONE
    assert f"active, but {path} is not there any more" in words
    assert any(alarm.key == ORDERS for alarm in engine.overview().alarms)
    assert engine.report().level is Level.WARNING
    path.write_text(text)
    machine.run(engine, engine.plan_activity(ORDERS, "deactivate"))
    path.unlink()
    assert component(engine, ORDERS) == (Health.GONE, "in the store, and no longer configured")
    assert not any(alarm.key == ORDERS for alarm in engine.overview().alarms)


def test_a_component_with_a_job_on_it_is_busy(machine: EngineFixture, engine: Engine) -> None:
    machine.hold()
    job = engine.submit(engine.plan_snapshot([TEXT]))
    wait_until(lambda: machine.entered("snapshot"))
    assert component(engine, TEXT)[0] is Health.BUSY
    machine.hold(held=False)
    machine.end(engine, job.id)
    assert component(engine, TEXT)[0] is not Health.BUSY


def test_an_old_generation_is_stale(machine: EngineFixture, engine: Engine) -> None:
    machine.run(engine, engine.plan_activity(ORDERS, "activate"))
    machine.run(engine, engine.plan_snapshot([ORDERS]))
    later = Engine(
        replace(machine.settings, components={"*/*": ComponentSettings(stale_after=timedelta(hours=26))}),
        clock=lambda: datetime.now(UTC) + timedelta(days=3),
    )
    assert component(later, ORDERS)[0] is Health.STALE
    never = replace(later.settings, components={"*/*": ComponentSettings(stale_after=LONGEST)})
    assert component(Engine(never, clock=lambda: datetime.now(UTC) + timedelta(days=300)), ORDERS)[0] is Health.OK


def test_silence_is_noticed_where_nothing_is_configured(machine: EngineFixture, engine: Engine) -> None:
    machine.run(engine, engine.plan_activity(ORDERS, "activate"))
    machine.run(engine, engine.plan_snapshot([ORDERS]))

    def after(days: float) -> tuple[Health, str]:
        return component(Engine(machine.settings, clock=lambda: datetime.now(UTC) + timedelta(days=days)), ORDERS)

    assert after(30) == (Health.OK, ""), "one generation shows no rhythm"
    assert after(32)[0] is Health.STALE
    for _ in range(3):
        machine.run(engine, engine.plan_snapshot([ORDERS]))
    assert after(0.9) == (Health.OK, ""), "a rhythm of seconds is no promise for the day"
    assert after(1.5) == (Health.STALE, "the newest good generation is 1d12h old; usually one comes every 1h")


def test_a_broken_container_leaves_the_others(machine: EngineFixture, engine: Engine) -> None:
    (machine.root / "containers" / "files").write_text("type=fileset\nrm -rf /\n")
    (machine.root / "containers" / "odd").write_text("type=no-such-type\n")
    overview = engine.overview()
    problems = {container.name: container.problem for container in overview.containers}
    assert "files, line 2" in problems["files"]
    assert "no-such-type" in problems["odd"]
    assert problems["sqlite"] == ""
    assert any("line 2" in alarm.text for alarm in overview.alarms)


def test_an_alarm_says_what_would_bring_a_type_that_is_not_there(machine: EngineFixture, engine: Engine) -> None:
    """Also of a container without components, before anything was done with it."""
    (machine.root / "containers" / "s6").write_text("type=s6-rc-service\n")
    (alarm,) = [alarm.text for alarm in engine.overview().alarms if alarm.text.startswith("s6: ")]
    assert f"{machine.root}/containers/s6: there is no type 's6-rc-service'" in alarm
    assert "Dysnomia's own module brings it: put libexec/dysnomia/s6-rc-service into a folder" in alarm


def test_health_of_nothing_special() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    summary = Summary(ORDERS, 0, None, None, 0, active=True, garbage=False, problems=0)
    facts = Facts(True, False, "", summary, None, None, None, None)
    assert judge(facts, now) == (Health.OK, "")
    assert judge(replace(facts, problem="x"), now) == (Health.FAILED, "x")
    assert judge(replace(facts, configured=False), now)[0] is Health.GONE


# --- contents ------------------------------------------------------------------------------------------------------


def test_contents_changes_rows_and_diffs(machine: EngineFixture, engine: Engine) -> None:
    machine.run(engine, engine.plan_snapshot([ORDERS]))
    machine.insert(2)
    machine.run(engine, engine.plan_snapshot([ORDERS]))
    machine.execute("UPDATE t SET text = 'changed' WHERE id = 1")
    table = next(section for section in engine.sections(ORDERS, 2) if section.name == "t")
    assert table.rows == 2
    assert [(one.change, one.section.name) for one in engine.changes(ORDERS, 2)] == [(Change.CHANGED, "t")]
    assert {one.change for one in engine.changes(ORDERS, 1)} == {Change.ADDED}
    assert [row[0] for row in engine.browse(ORDERS, 2, table, 0, 10)] == ["1", "2"]
    assert [row[0] for row in engine.browse(ORDERS, 2, table, 1, 10)] == ["2"]
    diff = engine.diff(ORDERS, 1, LIVE)
    assert diff.wait(60), diff.error
    (section,) = diff.sections()
    assert (section.added, section.removed, section.changed) == (1, 0, 1)
    diff.close()


def test_looking_works_without_leave_to_write(machine: EngineFixture, engine: Engine) -> None:
    machine.run(engine, engine.plan_snapshot([ORDERS]))
    viewer = machine.engine(read_only=True)
    table = next(section for section in viewer.sections(ORDERS, 1) if section.name == "t")
    assert viewer.browse(ORDERS, 1, table, 0, 1)
    diff = viewer.diff(ORDERS, 1, LIVE)
    assert diff.wait(60)
    diff.close()
    viewer.close()


def test_another_tools_store_is_read_and_its_unknowns_are_said(machine: EngineFixture) -> None:
    with tarfile.open(FIXTURE) as archive:
        archive.extractall(machine.root / "theirs", filter="data")
    statedir = next(path.parent for path in (machine.root / "theirs").rglob("generations"))
    engine = machine.engine(statedir=statedir)
    overview = engine.overview()
    views = [one for container in overview.containers for one in container.components if one.generations]
    assert views
    for view in views:
        for generation in engine.generations(view.key):
            assert generation.as_of_estimated
            assert generation.reason is Reason.UNKNOWN
            assert list(engine.sections(view.key, generation.number))
    engine.close()


def test_what_is_not_there_is_an_engine_error_with_its_code(engine: Engine) -> None:
    for question in (
        lambda: engine.plan_snapshot([ComponentKey("sqlite", "none")]),
        lambda: engine.plan_restore(ORDERS, 99),
        lambda: engine.job("99"),
        lambda: engine.job("../../etc"),
        lambda: list(engine.sections(ORDERS, 99)),
        lambda: engine.diff(ORDERS, 1, 2),
    ):
        with pytest.raises(EngineError) as caught:
            question()
        assert caught.value.exit is Exit.NOT_FOUND


# --- probes --------------------------------------------------------------------------------------------------------


def test_a_probe_says_size_and_clients(engine: Engine, machine: EngineFixture) -> None:
    sizes = {key: (machine.root / "data" / f"{key.component}.db").stat().st_size for key in (ORDERS, CRM)}
    probe = engine.probe("sqlite")
    assert (probe.up, probe.size) == (True, sum(sizes.values())), "a container's size is that of its components"
    condition = engine.condition(ORDERS)
    assert (condition.probe.up, condition.probe.size) == (True, sizes[ORDERS])
    assert condition.status == Status()
    for nothing in (engine.probe("none"), engine.condition(ComponentKey("none", "x")).probe):
        assert not nothing.up
        assert nothing.detail


def test_one_that_does_not_answer_is_said_to_be_so(machine: EngineFixture) -> None:
    probe = probes.probe(machine.settings, ORDERS, limit=0.001)
    assert (probe.up, probe.detail) == (False, probes.NOT_ANSWERING)


def test_a_question_that_dies_is_not_taken_for_a_silent_server(
    machine: EngineFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where memory runs out, or a library of a plugin crashes."""
    for end, said in (("os._exit(3)", "failed (status 3)"), ("os.kill(os.getpid(), 9)", "was killed (signal 9)")):
        words = [sys.executable, "-c", f"import os, sys; sys.stdin.buffer.read(); {end}"]
        monkeypatch.setattr(probes, "python_child", lambda _, words=words: words)
        probe = probes.probe(machine.settings, ORDERS)
        assert (probe.up, probe.detail) == (False, f"nothing is known of it: the process that asks {said}")


def test_what_is_found_can_be_adopted_and_is_then_configured(machine: EngineFixture, engine: Engine) -> None:
    found = Found("sqlite-database", "mine", "wiki", {"sqliteDir": f"{machine.root}/my data"})
    plan = engine.plan_adopt(found)
    assert sorted(plan.params["files"]) == [
        f"{machine.root}/components/mine/wiki", f"{machine.root}/containers/mine",
    ]  # fmt: skip
    assert f"sqliteDir='{machine.root}/my data'" in "".join(step.text for step in plan.steps)
    assert machine.run(engine, plan).state is JobState.DONE
    assert component(engine, ComponentKey("mine", "wiki"))[0] is Health.NEVER
    assert "is configured already" in " ".join(engine.plan_adopt(found).blockers)
    assert engine.plan_adopt(replace(found, container="../etc")).blockers


def test_several_that_were_found_are_adopted_as_one(machine: EngineFixture, engine: Engine) -> None:
    wiki = Found("sqlite-database", "mine", "wiki", {"sqliteDir": f"{machine.root}/mine"})
    blog, shop = replace(wiki, component="blog"), Found("sqlite-database", "shop", "shop", {"sqliteDir": "/srv"})
    plan = engine.plan_adopt(wiki, blog, shop)
    assert plan.blockers == ()
    assert [step.key for step in plan.steps] == ["mine/wiki", "mine/wiki", "mine/blog", "shop/shop", "shop/shop"]
    assert engine.plan_adopt(wiki, replace(blog, properties={"sqliteDir": "/srv"})).blockers
    (machine.root / "components/mine").mkdir(parents=True)
    (machine.root / "components/mine/blog").write_text("another's")
    job = machine.run(engine, plan)
    assert job.state is JobState.PARTLY
    assert "components/mine/blog already exists" in job.details["failed"]["mine/blog"]
    assert "2 components are adopted, 1 not" in job.message
    assert (machine.root / "components/mine/blog").read_text() == "another's"
    assert component(engine, ComponentKey("mine", "wiki"))[0] is Health.NEVER
    assert component(engine, ComponentKey("shop", "shop"))[0] is Health.NEVER


def test_of_a_container_that_was_written_meanwhile_nothing_is_adopted(machine: EngineFixture, engine: Engine) -> None:
    wiki = Found("sqlite-database", "mine", "wiki", {"sqliteDir": f"{machine.root}/mine"})
    shop = Found("sqlite-database", "shop", "shop", {"sqliteDir": "/srv"})
    plan = engine.plan_adopt(wiki, shop)
    (machine.root / "containers/mine").write_text("type=sqlite-database\nsqliteDir=/elsewhere\n")
    job = machine.run(engine, plan)
    assert job.state is JobState.PARTLY
    assert not (machine.root / "components/mine/wiki").exists()
    assert (machine.root / "components/shop/shop").exists()
    alone = engine.plan_adopt(Found("sqlite-database", "last", "one", {"sqliteDir": "/srv"}))
    (machine.root / "containers/last").write_text("type=fileset\n")
    assert machine.run(engine, alone).state is JobState.FAILED


# --- secrets and the audit -----------------------------------------------------------------------------------------


def test_secrets_are_nowhere(machine: EngineFixture, engine: Engine) -> None:
    script = machine.root / "modules" / "text-file"
    script.write_text(script.read_text().replace('echo "activity', 'echo "secret is $password"; echo "activity'))
    job = machine.run(engine, engine.plan_snapshot([TEXT]))
    assert job.state is JobState.DONE
    log = [str(event.data.get("line")) for event in engine.events(job.id)[0] if event.kind == "log"]
    assert any(f"secret is {HIDDEN}" in line for line in log)
    for folder, _, names in os.walk(machine.root / "state"):
        for name in names:
            assert b"hunter22" not in Path(folder, name).read_bytes(), name
    container = next(one for one in engine.overview().containers if one.name == "module")
    assert container.properties["password"] == HIDDEN


def test_a_password_in_an_address_is_in_no_word_of_a_job_that_failed(machine: EngineFixture, engine: Engine) -> None:
    """A host that was given as a URL: what the type says of it is the job's outcome."""
    container = machine.root / "containers" / "cache"
    container.write_text("type=redis-database\nredisHost='redis://:zq9-canary@host.invalid'\n")
    container.chmod(0o600)
    (machine.root / "components" / "cache").mkdir()
    (machine.root / "components" / "cache" / "data").mkdir()
    job = machine.run(engine, engine.plan_snapshot([ComponentKey("cache", "data")]))
    assert job.state is JobState.FAILED
    assert f"redis://:{HIDDEN}@host.invalid" in job.message
    for folder, _, names in os.walk(machine.root / "state"):
        for name in names:
            assert b"zq9-canary" not in Path(folder, name).read_bytes(), name
    probe = probes.probe(machine.settings, ComponentKey("cache", "data"))
    assert "host.invalid" in probe.detail
    assert "zq9-canary" not in probe.detail


def test_what_is_hidden_and_what_is_made_visible() -> None:
    properties: dict[str, PropertyValue] = {
        "postgresqlPassword": "s3cret!",
        "port": "5432",
        "tokens": ("aaaa", "b"),
        "type": "x",
    }
    assert shown(properties) == {"postgresqlPassword": HIDDEN, "port": "5432", "tokens": HIDDEN, "type": "x"}
    redactor = Redactor(secrets_of(properties))
    assert redactor.text("at s3cret! in aaaa b") == f"at {HIDDEN} in {HIDDEN} b"
    assert redactor.clean({"a": ["s3cret!\x1b[2J"]}) == {"a": [f"{HIDDEN}\\x1b[2J"]}
    assert visible("a\tb\nc\x9bd") == "a\\tb\\nc\\x9bd"


def test_the_timeline_tells_an_incident_in_utc(machine: EngineFixture, engine: Engine) -> None:
    machine.run(engine, engine.plan_snapshot([ORDERS]))
    job = engine.submit(engine.plan_snapshot([CRM]), why="checking \x1b[31m")
    machine.end(engine, job.id)
    text = engine.timeline(CRM)
    assert "sqlite/orders" not in text
    assert "\x1b" not in text
    lines = text.splitlines()[2:]
    assert ["submitted" in lines[0], "started" in lines[1], "done" in lines[2]] == [True] * 3
    assert all(line[19] == "Z" for line in lines)
    assert "checking" in lines[0]
    assert (machine.root / "state" / "audit").stat().st_mode & 0o777 == 0o700


def test_a_torn_line_of_the_audit_is_left_out(tmp_path: Path) -> None:
    audit.append(tmp_path, datetime(2026, 1, 31, 23, tzinfo=UTC), {"job": "1", "title": "a"})
    audit.append(tmp_path, datetime(2026, 2, 1, 1, tzinfo=UTC), {"job": "2", "title": "b"})
    with (tmp_path / "audit" / "2026-01.jsonl").open("ab") as file:
        file.write(b'{"at": "2026-')
    assert [entry["job"] for entry in audit.entries(tmp_path)] == ["1", "2"]


def test_unknown_activities_are_named(engine: Engine) -> None:
    with pytest.raises(Unknown, match="no activity 'explode'"):
        engine.plan_activity(ORDERS, "explode")


# --- another user --------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_user_without_leave_is_told_what_may_not_be_read(machine: EngineFixture, engine: Engine) -> None:
    machine.run(engine, engine.plan_snapshot([ORDERS]))
    machine.root.chmod(0o755)
    look(machine.root)  # everything is imported before we become somebody who may not read the interpreter
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        os.write(writing, look(machine.root).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as file:
        said = file.read()
    os.waitpid(child, 0)
    assert "no permission to write" in said
    assert "permission denied" in said
    assert re.search(r"^timeline: .+: Permission denied$", said, re.MULTILINE)
    assert f"sudo dysnomia-tui --statedir {machine.root}/state shows them" in said
    assert "sqlite/orders is unknown" in said, "it may well be active, and have generations"
    assert "hidden" in said


def look(root: Path) -> str:
    """What an operator would be shown, a line each."""
    engine = EngineFixture(root).engine()
    overview = engine.overview()
    try:
        timeline = engine.timeline()
    except EngineError as error:
        timeline = error.message
    return "\n".join(
        [
            overview.read_only,
            overview.notice,
            f"timeline: {timeline}",
            *(one.text for one in overview.alarms),
            *(f"{one.key} is {one.health}" for container in overview.containers for one in container.components),
            "hidden" if overview.hidden else "",
        ]
    )


def test_the_machines_own_store_is_named_to_who_looks_into_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the exact line that shows it."""
    own, machines = tmp_path / "own", tmp_path / "machine's"
    own.mkdir()
    machines.mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    owner = machines.owner()
    words = "" if owner == "root" else f"-u {owner} "
    assert f"sudo {words}dysnomia-tui --statedir '" in seeing.notice(own, [machines])
    assert "another store" in seeing.notice(own, [machines])
    assert "another store" not in seeing.notice(own, [own, tmp_path / "nowhere"])


def old_by(age: timedelta, **more: Any) -> Facts:
    """A component whose newest generation was seen so long ago; stale after 26 hours."""
    newest = replace(orders_generations(2)[0], unchanged_until=NOW - age)
    summary = Summary(ORDERS, 2, newest, newest, 0, active=True, garbage=False, problems=0)
    return replace(Facts(True, True, "", summary, None, None, None, timedelta(hours=26)), **more)


def test_what_no_generation_ever_had_is_said_until_somebody_says_that_it_is_well() -> None:
    """Not there when the first was made, nor since: nothing is lost, and nothing is kept of it either."""
    facts = old_by(timedelta(hours=1))
    assert facts.summary is not None
    newest = facts.summary.newest
    assert newest is not None
    assert newest.metadata is not None
    lacking = replace(newest, metadata=replace(newest.metadata, lacks=("uploads",)))
    told = replace(facts, summary=replace(facts.summary, newest=lacking))
    words = f"generation {newest.number}: it lacks uploads: not there when it was made"
    assert judge(told, NOW) == (Health.OK, words)
    well = replace(lacking, marks=Marks(verdict=Verdict.GOOD))
    assert judge(replace(told, summary=replace(facts.summary, newest=well)), NOW) == (Health.OK, "")


def test_older_generations_that_cannot_be_restored_are_said_until_they_are_marked_or_gone() -> None:
    """A check or a proof found it once; the newest is good, and the next snapshot went well."""
    facts = old_by(timedelta(hours=1))
    assert facts.summary is not None
    assert judge(facts, NOW) == (Health.OK, "")
    one, many = (replace(facts.summary, lost=numbers) for numbers in ((3,), tuple(range(3, 13))))
    health, words = judge(replace(facts, summary=one), NOW)
    assert health is Health.OK
    assert words.startswith("generation 3 is damaged or missing, and cannot be restored; once you know: ")
    assert words.endswith(f"dysnomia-tui mark {ORDERS} 3 --bad")
    words = judge(replace(facts, summary=many), NOW)[1]
    assert words.startswith("10 generations are damaged or missing, and cannot be restored: 3, 4, 5, 6, 7 …; once")
    stale = old_by(timedelta(days=3))
    assert stale.summary is not None
    assert judge(replace(stale, summary=replace(stale.summary, lost=(3,))), NOW)[0] is Health.STALE, "worse comes first"


def test_a_job_that_hangs_does_not_hide_how_old_the_newest_generation_is() -> None:
    running = job(7, JobState.RUNNING)
    assert judge(old_by(timedelta(hours=1), job=running), NOW) == (Health.BUSY, "")
    health, words = judge(old_by(timedelta(days=3), job=running), NOW)
    assert (health, words) == (Health.BUSY, "the newest good generation is 3d old")


def test_a_generation_of_a_time_to_come_is_of_no_known_age_and_hides_no_failure() -> None:
    """Made when the clock was wrong; or the clock is wrong now."""
    assert judge(old_by(-timedelta(minutes=5)), NOW) == (Health.OK, "")
    health, words = judge(old_by(-timedelta(days=300)), NOW)
    assert health is Health.UNKNOWN
    assert "which is yet to come" in words
    failed = job(7, JobState.FAILED, keys=(ORDERS,), ended=NOW - timedelta(minutes=1), message="the disk is full")
    health, words = judge(old_by(-timedelta(days=300), snapshotted=failed), NOW)
    assert (health, words) == (Health.FAILED, "snapshot failed: the disk is full")
