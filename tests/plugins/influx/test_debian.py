"""The server as Debian installs it, under its systemd unit, with nothing configured but the type."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.plugins.servers.common import missing
from tests.plugins.systemd.machine import SystemdMachine

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("systemd")]
BIN = Path(sys.executable).parent
FOLDER = Path("/srv/series")
ENVIRONMENT: dict[str, Any] = {
    "DYSNOMIA_CONTAINERS_PATH": f"{FOLDER}/containers",
    "DYSNOMIA_COMPONENTS_PATH": f"{FOLDER}/components",
    "DYSNOMIA_STATEDIR": f"{FOLDER}/state",
    "HOME": str(FOLDER),
}
READY = "until influx -execute 'show databases' >/dev/null 2>&1; do sleep 0.1; done"


def test_a_restore_stops_and_starts_the_unit(systemd: SystemdMachine) -> None:
    if not Path("/lib/systemd/system/influxdb.service").exists():
        missing("InfluxDB", "apt-get install influxdb influxdb-client")
    systemd.write(FOLDER / "containers" / "influx", "type=influx-database\ninfluxdbUsername=influxdb\n")
    initial = (
        "# DDL\nCREATE DATABASE testdb\n# DML\n# CONTEXT-DATABASE: testdb\n"
        "cpu,host=serverA,region=us_west value=0.64 5\n"
    )
    systemd.write(FOLDER / "components" / "influx" / "testdb" / "influx-databases" / "testdb.influxql", initial)
    names = ("-C", "influx", "-c", "testdb")

    def run(program: str, *words: str) -> str:
        return systemd.run(BIN / program, *words, **ENVIRONMENT)

    def influx(statement: str) -> str:
        return systemd.run("influx", "-database", "testdb", "-execute", statement, "-format", "csv")

    systemd.run("systemctl", "start", "influxdb")
    try:
        systemd.run("timeout", "60", "sh", "-c", READY)
        run("dysnomia", "-o", "activate", *names)
        before = influx("select * from cpu")
        assert "serverA" in before
        run("dysnomia", "-o", "snapshot", *names)
        influx("insert cpu,host=serverB,region=us_west value=0.54 6")
        assert "serverB" in influx("select * from cpu")
        was = systemd.run("systemctl", "show", "-p", "MainPID", "influxdb")
        plan = run("dysnomia", "-o", "restore", *names, "--generation", "1", "--dry-run")
        assert "systemctl stop and start influxdb.service" in plan
        run("dysnomia", "-o", "restore", *names, "--generation", "1", "--yes")
        assert influx("select * from cpu") == before
        assert systemd.run("systemctl", "show", "-p", "MainPID", "influxdb") != was
        assert systemd.run("systemctl", "is-active", "influxdb").strip() == "active"
        owner = systemd.run("stat", "-c", "%U:%G", "/var/lib/influxdb/meta/meta.db", "/var/lib/influxdb/data/testdb")
        assert owner.splitlines() == ["influxdb:influxdb"] * 2
    finally:
        systemd.run("systemctl", "stop", "influxdb")
