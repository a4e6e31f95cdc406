"""Timers on a real systemd: written, started, run, seen, and taken back."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.plugins.systemd.machine import SystemdMachine

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("systemd")]

BIN = Path(sys.executable).parent
TELL = "[Service]\nType=oneshot\nExecStart=/bin/touch /srv/told-%i\n"
SETTINGS = """
[schedule]
collect = "04:00"
verify = "Sat 03:00"
on_failure = ["tell@%p.service"]
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
        assert sorted(path.name for path in machine.root("/srv").glob("told-*")) == [
            "told-dysnomia-tui-snapshot",
            "told-dysnomia-tui-status",
        ]

        machine.run(BIN / "dysnomia-tui", "schedule", "--remove")
        assert "dysnomia-tui-" not in machine.run("systemctl", "list-timers", "--all", "--no-pager")
        assert list(machine.root("/etc/systemd/system").glob("dysnomia-tui-*")) == []
