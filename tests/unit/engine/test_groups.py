"""An application: all of its components are restored to a time, or none; sqlite3 and diff say what is live then."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from dysnomia_base.clock import utc_now
from dysnomia_store.model import CheckResult
from dysnomia_store.names import ComponentKey
from dysnomia_tui.config.model import GroupSettings
from dysnomia_tui.engine.engine import Engine
from dysnomia_tui.engine.errors import EngineError, Exit
from dysnomia_tui.engine.plans.plan import Plan
from dysnomia_tui.engine.records import JobState, JobView
from tests.unit.cli.calling import call
from tests.unit.engine.machine import DOCS, ORDERS, TEXT, EngineFixture, forget_the_end
from tests.waiting import wait_until

HOOK = """#!/bin/bash
echo "$DYSNOMIA_HOOK $DYSNOMIA_ACTION $DYSNOMIA_OUTCOME" >> {log}
{more}
"""


class Shop:
    """A database and documents, with a hook before and after; ``then`` is when all was well."""

    def __init__(self, machine: EngineFixture) -> None:
        self.machine = machine
        self.log = machine.root / "hooks"
        self.docs = machine.root / "tree" / "docs"
        self.docs.mkdir()
        (self.docs / "a\n.txt").write_text("kept\n")
        self.engine = self.with_keys(ORDERS, DOCS)

    def with_keys(self, *keys: ComponentKey, before: str = "", after: str = "", limit: float = 30) -> Engine:
        group = GroupSettings(keys, self.hook("before", before), self.hook("after", after), timedelta(seconds=limit))
        return self.machine.engine(groups={"shop": group})

    def hook(self, name: str, more: str = "") -> tuple[str, ...]:
        path = self.machine.root / f"hook.{name}"
        path.write_text(HOOK.format(log=self.log, more=more))
        path.chmod(0o755)
        return (str(path),)

    def said(self) -> list[str]:
        lines = self.log.read_text().splitlines()
        self.log.unlink()
        return [line.rstrip() for line in lines]

    def run(self, plan: Plan) -> JobView:
        return self.machine.run(self.engine, plan)

    def restore(self) -> Plan:
        return self.engine.plan_group_restore("shop", self.then)

    def snapshot_then_damage(self) -> None:
        assert self.run(self.engine.plan_snapshot([ORDERS, DOCS])).state is JobState.DONE
        self.then = utc_now()
        self.good, self.copy = self.live(), self.kept("good")
        self.machine.execute("DELETE FROM t")
        (self.docs / "a\n.txt").write_text("overwritten\n")
        self.bad, self.other = self.live(), self.kept("bad")

    def kept(self, name: str) -> Path:
        subprocess.run(["cp", "-a", self.docs, self.machine.root / name], check=True)
        return self.machine.root / name

    def live(self) -> str:
        with closing(sqlite3.connect(self.machine.root / "data" / "orders.db")) as database:
            return "\n".join(database.iterdump())

    def is_live(self, rows: str, folder: Path) -> bool:
        same = subprocess.run(["diff", "-r", folder, self.docs], check=False, stdout=subprocess.DEVNULL)
        return self.live() == rows and same.returncode == 0


@pytest.fixture
def shop(machine: EngineFixture) -> Shop:
    return Shop(machine)


def test_all_are_restored_to_a_time_by_one_plan_and_taken_back_by_one_undo(shop: Shop, machine: EngineFixture) -> None:
    shop.snapshot_then_damage()
    seen = shop.run(shop.engine.plan_group_snapshot("shop"))
    assert (seen.state, [made["number"] for made in seen.details["generations"]]) == (JobState.DONE, [2, 2])
    assert "2 of 2 components of shop, " in seen.message
    assert shop.said() == ["before snapshot", "after snapshot snapshotted"]
    plan = shop.restore()
    lines = [step.text for step in plan.steps if step.key]
    assert [line.split(":")[0] for line in lines] == ["sqlite/orders", "files/docs"]
    assert all("generation 1 of" in line and "kept as a guard" in line for line in lines)
    since = "what was written since would be in these guards only: compare a generation with what is live to see it"
    assert [step.text for step in plan.steps].count(since) == 1
    done = shop.run(plan)
    assert (done.state, done.undoable) == (JobState.DONE, True), done.message
    assert shop.is_live(shop.good, shop.copy)
    assert shop.said() == ["before restore", "after restore restored"]
    assert machine.engine().plan_undo(done.id).params["before"] == []
    parts = {view.part_of: view for view in shop.engine.jobs() if view.part_of}
    assert set(parts) == {seen.id, done.id}
    alone = shop.engine.plan_undo(parts[done.id].id)
    assert f"undo of job {done.id} takes all of them back" in alone.warnings[0]
    undo = shop.engine.plan_undo(done.id)
    since = "what was written since that job would be in the new guards only: compare generation 4 of files/docs, 4 of"
    assert [since in text for text in undo.warnings] == [True, *(False for _ in undo.warnings[1:])]
    assert (plan.replaces, undo.replaces) == ("what is live of 2 components",) * 2
    undone = shop.run(undo)
    assert undone.state is JobState.DONE, undone.message
    assert shop.is_live(shop.bad, shop.other)
    assert shop.said() == ["before undo", "after undo undone"]
    with pytest.raises(EngineError, match="undone already"):
        shop.engine.plan_undo(done.id)


@pytest.mark.worlds
def test_one_of_them_is_undone_alone_and_the_undo_of_all_takes_the_rest(shop: Shop) -> None:
    shop.snapshot_then_damage()
    done = shop.run(shop.restore())
    (docs,) = (view for view in shop.engine.jobs() if view.part_of == done.id and view.keys == (DOCS,))
    assert shop.run(shop.engine.plan_undo(docs.id)).state is JobState.DONE
    assert shop.is_live(shop.good, shop.other)
    plan = shop.engine.plan_undo(done.id)
    assert plan.keys == (ORDERS,)
    assert shop.run(plan).state is JobState.DONE
    assert shop.is_live(shop.bad, shop.other)


def test_a_group_with_a_component_that_is_not_there_is_an_alarm(shop: Shop) -> None:
    """Nothing of it can be snapshotted or restored, and each component of it that is there is well."""
    engine = shop.with_keys(ORDERS, ComponentKey("files", "dcos"))
    text = "group shop cannot be snapshotted or restored: not configured and not in the store: files/dcos"
    assert text in engine.report().alarms
    assert not any(alarm.startswith("group") for alarm in shop.engine.report().alarms)


def test_the_overview_shows_groups_with_their_worst_component(shop: Shop) -> None:
    (group,) = shop.engine.overview().groups
    assert (group.name, group.keys, group.missing) == ("shop", (ORDERS, DOCS), ())
    shop.engine = shop.with_keys(ORDERS, ComponentKey("files", "gone"))
    (group,) = shop.engine.overview().groups
    assert (group.health.value, [str(key) for key in group.missing]) == ("gone", ["files/gone"])


def test_where_one_fails_in_the_middle_those_before_it_are_back(shop: Shop, machine: EngineFixture) -> None:
    shop.snapshot_then_damage()
    shop.engine = shop.with_keys(ORDERS, TEXT, DOCS)
    assert machine.run(shop.engine, shop.engine.plan_snapshot([TEXT])).state is JobState.DONE
    shop.then = utc_now()
    plan = shop.restore()
    (machine.root / "text" / "fail").touch()
    done = shop.run(plan)
    assert done.state is JobState.FAILED
    assert "module/text" in done.message
    assert shop.is_live(shop.bad, shop.other)
    assert machine.text.read_text() == "first\n"
    assert shop.said()[-1] == "after restore undone"


def test_the_undo_of_all_leaves_what_was_made_where_nothing_was_and_takes_the_rest(
    shop: Shop, machine: EngineFixture
) -> None:
    shop.snapshot_then_damage()
    (machine.root / "data" / "orders.db").unlink()
    plan = shop.restore()
    assert ", but for sqlite/orders: nothing is live there now, so what is made live stays" in plan.steps[-2].text
    done = shop.run(plan)
    assert (done.state, done.undoable) == (JobState.DONE, True), done.message
    undo = shop.engine.plan_undo(done.id)
    assert (undo.keys, "sqlite/orders: nothing of it was live before job" in undo.warnings[0]) == ((DOCS,), True)
    assert shop.run(undo).state is JobState.DONE
    assert shop.is_live(shop.good, shop.other)
    with pytest.raises(EngineError, match="undone already"):
        shop.engine.plan_undo(done.id)


@pytest.mark.worlds
def test_nothing_takes_back_a_group_of_which_nothing_was_live(shop: Shop, machine: EngineFixture) -> None:
    shop.snapshot_then_damage()
    (machine.root / "data" / "orders.db").unlink()
    shop.engine = shop.with_keys(ORDERS)
    done = shop.run(shop.restore())
    assert (done.state, done.undoable) == (JobState.DONE, False), done.message
    with pytest.raises(EngineError, match="nothing of it was live before job"):
        shop.engine.plan_undo(done.id)


@pytest.mark.worlds
def test_where_one_fails_what_was_made_where_nothing_was_stays_and_is_named(shop: Shop, machine: EngineFixture) -> None:
    shop.snapshot_then_damage()
    shop.engine = shop.with_keys(ORDERS, DOCS, TEXT)
    assert machine.run(shop.engine, shop.engine.plan_snapshot([TEXT])).state is JobState.DONE
    shop.then = utc_now()
    (machine.root / "data" / "orders.db").unlink()
    plan = shop.restore()
    (machine.root / "text" / "fail").touch()
    done = shop.run(plan)
    assert done.state is JobState.FAILED
    assert "NOT taken back: sqlite/orders: nothing of it was live before job" in done.message
    assert shop.is_live(shop.good, shop.other)
    assert shop.said()[-1] == "after restore failed"


@pytest.mark.worlds
def test_a_group_that_is_killed_is_put_right_once_where_nothing_was_live_of_one(
    shop: Shop, machine: EngineFixture
) -> None:
    """Each later start began the same recovery again, and the alarm stayed for ever."""
    shop.snapshot_then_damage()
    shop.engine = shop.with_keys(ORDERS, TEXT, DOCS)
    assert machine.run(shop.engine, shop.engine.plan_snapshot([TEXT])).state is JobState.DONE
    shop.then = utc_now()
    (machine.root / "data" / "orders.db").unlink()
    plan = shop.restore()
    machine.hold()
    job = shop.engine.submit(plan).id
    wait_until(lambda: (machine.root / "data" / "orders.db").exists() and shop.live() == shop.good)
    wait_until(lambda: any(view.part_of == job and TEXT in view.keys for view in shop.engine.jobs()))
    os.kill(machine.worker_pid(job), signal.SIGKILL)
    wait_until(lambda: not machine.folder(job).held)
    machine.hold(held=False)
    ended = recoveries(shop, machine)
    assert {view.state for view in ended} == {JobState.DONE}, [view.message for view in ended]
    assert any("so what that job made live stays; all else is as before" in view.message for view in ended)
    assert shop.is_live(shop.good, shop.other)
    assert (shop.said()[-1], recoveries(shop, machine)) == ("after restore failed", [])


def test_a_component_without_a_generation_at_that_time_forbids_it_all(shop: Shop) -> None:
    shop.snapshot_then_damage()
    plan = shop.engine.plan_group_restore("shop", shop.then - timedelta(days=1))
    assert len(plan.blockers) == 2
    assert "sqlite/orders has no good generation at or before" in plan.blockers[0]
    assert [one.generation for one in shop.engine.standing("sqlite", shop.then - timedelta(days=1))] == [None, None]


@pytest.mark.parametrize("cut", [True, False], ids=["cut short", "missing"])
def test_a_damaged_generation_of_one_is_named_before_anything_is_touched(shop: Shop, cut: bool) -> None:
    shop.snapshot_then_damage()
    plan = shop.restore()
    (damaged,) = shop.engine.generations(DOCS)
    for path in (shop.machine.settings.statedir / "snapshots" / str(DOCS) / damaged.id).iterdir():
        os.truncate(path, path.stat().st_size // 2) if cut else path.unlink()
    done = shop.run(plan)
    assert (done.state, done.details["exit"]) == (JobState.FAILED, Exit.CORRUPT)
    assert done.message.startswith("nothing was touched: generation 1 of files/docs cannot be restored: ")
    assert shop.is_live(shop.bad, shop.other)
    assert [job.kind for job in shop.engine.jobs()] == ["group", "snapshot"]
    assert not shop.log.exists(), "not even the program that stops the application was run"
    (known,) = shop.engine.generations(DOCS)
    assert known.last_check is not None
    assert known.last_check.result in (CheckResult.CORRUPT, CheckResult.MISSING)


def test_a_hook_that_hangs_is_killed_and_nothing_is_touched(shop: Shop) -> None:
    shop.snapshot_then_damage()
    shop.engine = shop.with_keys(ORDERS, DOCS, before="sleep 600", limit=1)
    done = shop.run(shop.restore())
    assert done.state is JobState.FAILED
    assert "did not end within 1 s" in done.message
    assert shop.is_live(shop.bad, shop.other)
    assert shop.said() == ["before restore", "after restore undone"]


def test_a_server_that_a_hook_starts_lives_on_and_its_files_are_as_by_hand(shop: Shop, machine: EngineFixture) -> None:
    shop.snapshot_then_damage()
    ended, mask = machine.root / "ended", machine.root / "mask"
    daemon = f"(for n in 1 2 3 4 5 6 7 8 9; do sleep 0.5; echo line || exit; done; touch {ended}) &"
    shop.engine = shop.with_keys(ORDERS, DOCS, before=f"umask > {mask}", after=f"echo started; {daemon}")
    done = shop.run(shop.restore())
    assert done.state is JobState.DONE
    assert mask.read_text() == "0022\n"
    assert "after: started" in str([event.data for event in shop.engine.follow(done.id)])
    wait_until(ended.exists)


def test_a_hook_that_prints_without_an_end_fails_by_its_time(shop: Shop) -> None:
    shop.snapshot_then_damage()
    for printed in ("yes", "cat /dev/zero", "yes >&2"):
        shop.engine = shop.with_keys(ORDERS, DOCS, before=printed, limit=1)
        assert "did not end within 1 s" in shop.run(shop.restore()).message


def test_a_group_that_is_killed_in_the_middle_is_taken_back_at_the_next_start(
    shop: Shop, machine: EngineFixture
) -> None:
    shop.snapshot_then_damage()
    shop.engine = shop.with_keys(ORDERS, DOCS, TEXT)
    assert machine.run(shop.engine, shop.engine.plan_snapshot([TEXT])).state is JobState.DONE
    shop.then = utc_now()
    (machine.root / "text" / "entered.restore").unlink(missing_ok=True)
    plan = shop.restore()
    machine.hold()
    job = shop.engine.submit(plan)
    wait_until(lambda: shop.live() == shop.good)
    os.kill(machine.worker_pid(job.id), signal.SIGKILL)
    wait_until(lambda: not machine.folder(job.id).held)
    assert shop.engine.job(job.id).state is JobState.INTERRUPTED
    stranger = machine.engine()
    assert stranger.plan_recover(job.id).params["after"] == []
    machine.hold(held=False)
    for recovery in shop.engine.recover():
        ended = machine.end(shop.engine, recovery.id)
        assert ended.state is JobState.DONE, ended.message
    view = shop.engine.job(job.id)
    assert "recovered" in view.details
    outcome = shop.said()[-1]
    if "restored" in outcome:
        assert shop.is_live(shop.good, shop.copy)
    else:
        assert outcome == "after restore undone"
        assert shop.is_live(shop.bad, shop.other)


def held_in_the_middle(shop: Shop, machine: EngineFixture, after: str = "") -> str:
    """The job of a restore whose first component is restored and whose second waits."""
    shop.snapshot_then_damage()
    shop.engine = shop.with_keys(ORDERS, TEXT, DOCS, after=after)
    assert machine.run(shop.engine, shop.engine.plan_snapshot([TEXT])).state is JobState.DONE
    shop.then = utc_now()
    plan = shop.restore()
    machine.hold()
    job = shop.engine.submit(plan).id
    wait_until(lambda: shop.live() == shop.good)
    return job


def recoveries(shop: Shop, machine: EngineFixture) -> list[JobView]:
    return [machine.end(shop.engine, job.id) for job in shop.engine.recover()]


def test_a_cancel_in_the_middle_takes_back_what_was_done(shop: Shop, machine: EngineFixture) -> None:
    job = held_in_the_middle(shop, machine)
    shop.engine.cancel(job)
    wait_until(lambda: any(view.part_of == job and view.state is JobState.CANCELLING for view in shop.engine.jobs()))
    machine.hold(held=False)
    done = machine.end(shop.engine, job)
    assert (done.state, done.undoable) == (JobState.CANCELLED, False), done.message
    assert "all components are as they were before" in done.message
    assert shop.is_live(shop.bad, shop.other)
    assert machine.text.read_text() == "first\n"
    assert shop.said()[-1] == "after restore undone"


@pytest.mark.worlds
def test_a_kill_while_it_is_taken_back_is_put_right_at_the_next_start(shop: Shop, machine: EngineFixture) -> None:
    waits = machine.root / "wait"  # so that it is not over before it is killed
    waits.touch()
    job = held_in_the_middle(shop, machine, after=f"while [ -e {waits} ]; do sleep 0.05; done")
    (machine.root / "text" / "fail").touch()
    machine.hold(held=False)
    wait_until(lambda: any(view.part_of == job and view.kind == "undo" for view in shop.engine.jobs()))
    os.kill(machine.worker_pid(job), signal.SIGKILL)
    wait_until(lambda: not machine.folder(job).held)
    waits.unlink()
    (machine.root / "text" / "fail").unlink()
    ended = recoveries(shop, machine)  # of a member's undo too, where it was under way
    assert {view.state for view in ended} == {JobState.DONE}, [view.message for view in ended]
    assert "recovered" in shop.engine.job(job).details
    assert shop.is_live(shop.bad, shop.other)
    assert shop.said()[-1] == "after restore undone"


@pytest.mark.worlds
def test_a_clean_up_that_fails_in_a_recovery_is_said_and_holds_up_no_later_one(
    shop: Shop, machine: EngineFixture
) -> None:
    job = held_in_the_middle(shop, machine, after="exit 3")
    os.kill(machine.worker_pid(job), signal.SIGKILL)
    wait_until(lambda: not machine.folder(job).held)
    machine.hold(held=False)
    (first,) = recoveries(shop, machine)
    assert first.state is JobState.FAILED
    assert "'after' of group shop failed" in first.message
    assert shop.is_live(shop.bad, shop.other)
    (second,) = recoveries(shop, machine)
    assert second.state is JobState.DONE, second.message
    assert shop.said() == ["before restore", "after restore undone"]
    assert shop.is_live(shop.bad, shop.other)


def test_a_program_that_others_may_write_forbids_it_all(shop: Shop) -> None:
    shop.snapshot_then_damage()
    (shop.machine.root / "hook.after").chmod(0o777)
    plan = shop.restore()
    assert ["hook.after is not run: " in text for text in plan.blockers] == [True]
    with pytest.raises(EngineError, match="cannot be done"):
        shop.engine.submit(plan)
    assert shop.is_live(shop.bad, shop.other)


@pytest.mark.parametrize("killed", [False, True])
def test_by_command(
    shop: Shop,
    machine: EngineFixture,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    killed: bool,
) -> None:
    """``killed``: after all was restored, and before that was written down."""
    shop.snapshot_then_damage()
    config = machine.root / "xdg" / "dysnomia-tui" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('[groups.shop]\ncomponents = ["sqlite/orders", "files/docs"]\n')
    for name, folder in (("STATEDIR", "state"), ("CONTAINERS_PATH", "containers"), ("COMPONENTS_PATH", "components")):
        monkeypatch.setenv(f"DYSNOMIA_{name}", str(machine.root / folder))
    monkeypatch.setenv("DYSNOMIA_MODULES_PATH", str(machine.root / "modules"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(machine.root / "xdg"))
    group = ("dysnomia-tui", "group", "shop")
    assert call(monkeypatch, *group, "restore") == 2
    assert call(monkeypatch, *group, "restore", "--at", "someday") == 2
    assert call(monkeypatch, "dysnomia-tui", "group", "no\x1b[31m", "snapshot") == 5
    assert "\x1b" not in capsys.readouterr().err
    assert call(monkeypatch, *group, "--at", "1999-01-01", "--json") == 0
    assert [one["generation"] for one in json.loads(capsys.readouterr().out)] == [None] * 2
    assert call(monkeypatch, *group, "restore", "--at", "1999-01-01") == 5
    (shop.docs / "later").touch()
    assert call(monkeypatch, *group, "restore", "--at", "-0h", "--dry-run") == 0
    assert "sqlite/orders: generation 1 of" in capsys.readouterr().out
    assert call(monkeypatch, *group, "undo") == 5
    assert call(monkeypatch, *group, "restore", "--at", "now", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["exit"], len(said["job"]["details"]["jobs"])) == (0, 2)
    assert shop.is_live(shop.good, shop.copy)
    if killed:
        forget_the_end(machine.folder(said["job"]["id"]))
    assert call(monkeypatch, *group, "undo") == 0
    assert (shop.live(), (shop.docs / "later").exists()) == (shop.bad, True)
    assert call(monkeypatch, *group, "undo") == 5
