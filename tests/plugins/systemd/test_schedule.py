"""Timers on a real systemd: written, started, run, seen, and taken back."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.plugins.systemd.machine import SystemdMachine
from tests.waiting import wait_until

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("systemd")]

BIN = Path(sys.executable).parent
TELL = "[Service]\nType=oneshot\nExecStart=/bin/touch /srv/told-%i\n"
SETTINGS = """
[schedule]
collect = "04:00"
verify = "Sat 03:00"
on_failure = ["tell@%p.service"]
[notify]
command = ["/usr/bin/tee", "-a", "/srv/heard"]
[components."*/*".retention]
last = 5
"""


def test_what_is_scheduled_is_done_and_what_fails_is_heard() -> None:
    with SystemdMachine() as machine:
        machine.write("/etc/dysnomia/containers/files", "type=fileset\ntargetDir=/srv/files\n")
        machine.write("/etc/dysnomia/components/files/docs/.dysnomia-fileset", "mkdir docs\n")
        machine.write("/etc/systemd/system/tell@.service", TELL)
        machine.write("/etc/dysnomia-tui/config.toml", SETTINGS)
        machine.run("mkdir", "-p", "/srv/files")
        machine.run(BIN / "dysnomia", "-o", "activate", "-C", "files", "-c", "docs")
        machine.run(BIN / "dysnomia-tui", "schedule", "--write")
        assert "dysnomia-tui-snapshot.timer" in machine.run("systemctl", "list-timers", "--no-pager")
        for task in ("snapshot", "collect", "check", "verify", "status"):
            unit = f"dysnomia-tui-{task}.service"
            machine.run("systemctl", "start", unit, check=False)
            said = machine.run("journalctl", "--no-pager", "-o", "cat", "-u", unit)
            assert machine.run("systemctl", "show", "-P", "Result", unit).strip() == "success", said
        audit = json.loads(machine.run(BIN / "dysnomia-tui", "timeline", "--json"))
        assert any("snapshot" in json.dumps(entry) for entry in audit)
        assert "files/docs/" in machine.run(BIN / "dysnomia-snapshots", "--query-latest")
        told = {one["task"]: one for one in json.loads(machine.run(BIN / "dysnomia-tui", "schedule", "--json"))}
        assert {one["written"] for one in told.values()} == {"yes"}
        assert all(one["next"] for one in told.values()), told

        machine.run("mv", "/srv/files/docs", "/srv/files/gone")
        machine.run("systemctl", "start", "dysnomia-tui-snapshot.service", check=False)
        assert machine.run("systemctl", "is-failed", "dysnomia-tui-snapshot.service").strip() == "failed"
        machine.run("systemctl", "start", "dysnomia-tui-status.service", check=False)
        assert machine.run("systemctl", "is-failed", "dysnomia-tui-status.service").strip() == "failed"
        (heard,) = machine.root("/srv/heard").read_text().splitlines()
        assert [(one["subject"], one["event"]) for one in json.loads(heard)["events"]] == [("files/docs", "failed")]
        units = {"told-dysnomia-tui-snapshot", "told-dysnomia-tui-status"}  # started when the others have failed
        wait_until(lambda: {path.name for path in machine.root("/srv").glob("told-*")} == units)

        machine.run(BIN / "dysnomia-tui", "schedule", "--remove")
        assert "dysnomia-tui-" not in machine.run("systemctl", "list-timers", "--all", "--no-pager")
        assert list(machine.root("/etc/systemd/system").glob("dysnomia-tui-*")) == []


ADOPT = """
import os, sys
from dysnomia_tui.config.load import load_settings
from dysnomia_tui.engine.engine import Engine
from dysnomia_tui.engine.records import Found
sys.argv = [sys.argv[1]]
engine = Engine(load_settings(os.environ))
before = engine.schedule()
assert before.can_be_offered, before
found = Found("sqlite-database", "shop", "plums", {"type": "sqlite-database", "sqliteDir": "/srv/shop"})
plan = engine.plan_adopt(found, timers=True)
print(*(step.text for step in plan.steps), sep="\\n")
job = engine.submit(plan)
list(engine.follow(job.id))
print(engine.job(job.id).state, engine.job(job.id).message)
after = engine.schedule()
assert after.snapshots and not after.can_be_offered, after
print(*after.timers, sep="\\n")
"""


# The clock of a machine in a namespace is its host's: no namespace moves CLOCK_REALTIME, and systemd's timers are the
# kernel's, which no preloaded library moves. "The clock moved on" is shown by two things that are the same to systemd:
# a calendar that comes true every two seconds, and a daily timer whose last run is days ago (its stamp is set back).
TIMER = "dysnomia-tui-snapshot.timer"
OFTEN = """
[schedule]
snapshot = "*:*:0/2"
[notify]
command = ["/usr/bin/tee", "-a", "/srv/heard"]
[components."shop/plums"]
stale_after = "10s"
"""
AT_ONCE = "[Timer]\nAccuracySec=1us\nRandomizedDelaySec=0\n"


def idle(machine: SystemdMachine) -> str:
    """What ``status`` says of the timer that snapshots."""
    said = machine.run(BIN / "dysnomia-tui", "status", check=False).splitlines()
    return "".join(line for line in said if TIMER in line)


@pytest.mark.worlds
def test_what_is_adopted_with_timers_is_snapshotted_when_the_clock_says_so() -> None:
    with SystemdMachine() as machine:
        machine.run("rm", "-rf", "/etc/dysnomia", "/etc/dysnomia-tui", "/var/state/dysnomia")
        machine.run("mkdir", "-p", "/srv/shop", "/etc/dysnomia-tui")
        machine.run("sqlite3", "/srv/shop/plums", "CREATE TABLE t (id INTEGER PRIMARY KEY)")
        machine.write("/etc/dysnomia-tui/config.toml", OFTEN)
        machine.write("/etc/systemd/system/dysnomia-tui-snapshot.timer.d/now.conf", AT_ONCE)
        machine.write("/srv/adopt.py", ADOPT)
        said = machine.run(BIN / "python", "/srv/adopt.py", BIN / "dysnomia-tui")
        assert "/etc/systemd/system/dysnomia-tui-snapshot.timer would be written and started" in said
        assert "dysnomia-tui schedule --remove would take the timers back" in said
        assert "done shop/plums is adopted; timers snapshot it" in said
        wait_until(lambda: "shop/plums/" in machine.run(BIN / "dysnomia-snapshots", "--query-all") or None)
        assert "active" in machine.run("systemctl", "is-active", "dysnomia-tui-snapshot.timer")
        assert '"ok"' in machine.run(BIN / "dysnomia-tui", "status", "--json")

        machine.run("systemctl", "stop", "dysnomia-tui-snapshot.timer")  # it is broken: nothing is made any more
        assert f"{TIMER} is stopped, and starts nothing: systemctl start" in idle(machine)
        wait_until(lambda: "stale" in machine.run(BIN / "dysnomia-tui", "status", check=False) or None)
        machine.run("systemctl", "start", "dysnomia-tui-status.service", check=False)
        events = [one for line in machine.root("/srv/heard").read_text().splitlines()
                  for one in json.loads(line)["events"]]  # fmt: skip
        assert [(one["subject"], one["event"]) for one in events if one["event"] == "stale"] == [
            ("shop/plums", "stale")
        ]

        for state, words in (
            ("disabled", ("systemctl", "disable", "--now", TIMER)),
            ("masked", ("ln", "-sf", "/dev/null", f"/etc/systemd/system/{TIMER}")),
        ):
            machine.run(*words)
            machine.run("systemctl", "daemon-reload")
            alarm = idle(machine)
            assert alarm.startswith(f"alarm     {TIMER} is {state}")
            machine.run("sh", "-ec", alarm.rpartition(": ")[2], PATH=f"{BIN}:/usr/bin:/bin")
            assert idle(machine) == ""

        machine.run(BIN / "dysnomia-tui", "schedule", "--remove")
        assert machine.run("systemctl", "is-active", "dysnomia-tui-snapshot.timer", check=False).strip() == "inactive"
        assert idle(machine) == ""
        assert "no timer is written" in machine.run(BIN / "dysnomia-tui", "schedule")


@pytest.mark.worlds
def test_a_daily_timer_whose_hour_went_by_while_the_machine_was_off_is_made_up_for() -> None:
    with SystemdMachine() as machine:
        machine.run("rm", "-rf", "/etc/dysnomia", "/etc/dysnomia-tui", "/var/state/dysnomia")
        machine.run("mkdir", "-p", "/srv/shop", "/etc/dysnomia-tui")
        machine.run("sqlite3", "/srv/shop/plums", "CREATE TABLE t (id INTEGER PRIMARY KEY)")
        machine.write("/etc/systemd/system/dysnomia-tui-snapshot.timer.d/now.conf", AT_ONCE)
        machine.write("/srv/adopt.py", ADOPT)
        machine.run(BIN / "python", "/srv/adopt.py", BIN / "dysnomia-tui")
        timer = machine.root("/etc/systemd/system/dysnomia-tui-snapshot.timer").read_text()
        assert "OnCalendar=02:00" in timer, "it is daily where nothing else is asked"
        machine.run("systemctl", "stop", "dysnomia-tui-snapshot.timer")
        machine.run("sqlite3", "/srv/shop/plums", "INSERT INTO t VALUES (1)")
        before = machine.run(BIN / "dysnomia-snapshots", "--query-all")
        machine.run("touch", "-d", "3 days ago", "/var/lib/systemd/timers/stamp-dysnomia-tui-snapshot.timer")
        machine.run("systemctl", "start", "dysnomia-tui-snapshot.timer")
        wait_until(lambda: machine.run(BIN / "dysnomia-snapshots", "--query-all") != before or None)
        assert "active" in machine.run("systemctl", "is-active", "dysnomia-tui-snapshot.timer")
