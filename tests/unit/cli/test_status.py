"""``dysnomia-tui status``: what a monitoring system hears, on a small machine with a store of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from prometheus_client import parser as older
from prometheus_client.openmetrics import parser as strict

from dysnomia_store.names import ComponentKey
from dysnomia_tui.cli.tui.metrics import metrics, unknown
from dysnomia_tui.cli.tui.status import lines
from dysnomia_tui.engine.machine.report import report
from dysnomia_tui.engine.records import Alarm, ContainerView, Health, JobState, JobView, Level, Overview, Report
from tests.app.fake_world import NOW, ORDERS, component, job, orders_generations, world
from tests.debian import program_of
from tests.unit.cli.calling import call


def seen(*containers: ContainerView, alarms: Sequence[Alarm] = (), jobs: Sequence[JobView] = ()) -> Report:
    """The report of a machine with these containers, at the fake world's time."""
    overview = Overview("db1", "root", "", "/var/state/dysnomia", "a1b2c3d4", 10 << 30, 100 << 30, (), containers,
                        tuple(alarms), NOW)  # fmt: skip
    return report(overview, jobs)


POSTGRESQL, SQLITE, FILES = world().containers


def test_the_first_line_is_the_worst_and_says_which() -> None:
    first, *rest = lines(seen(POSTGRESQL, SQLITE, FILES))
    assert first.startswith("CRITICAL: 5 components; postgresql/crm FAILED; fileset/documents never")
    assert any(line.startswith("ok        postgresql/orders") for line in rest)
    assert any("its last snapshot failed" in line for line in rest)


def test_all_is_well_where_nobody_has_to_act() -> None:
    found = seen(SQLITE)
    assert found.level is Level.OK
    assert next(iter(lines(found))) == "OK: 1 component"


def test_an_attempt_under_way_does_not_hide_what_failed() -> None:
    busy = component(ORDERS, Health.BUSY, orders_generations(3), problem="snapshot failed: disk full")
    assert seen(replace(POSTGRESQL, components=(busy,))).level is Level.WARNING


def test_what_is_in_no_generation_is_a_warning() -> None:
    lacking = component(ORDERS, Health.OK, orders_generations(3), problem="generation 3: it lacks uploads")
    heard = seen(replace(POSTGRESQL, components=(lacking,)))
    assert heard.level is Level.WARNING
    first, line = lines(heard)
    assert first == f"WARNING: 1 component; {ORDERS} lacking"
    assert line.startswith(f"lacking   {ORDERS}  newest good: ")
    assert line.endswith("; generation 3: it lacks uploads")


def test_a_job_that_never_ends_is_an_alarm() -> None:
    stuck = job(7, JobState.RUNNING, created=NOW - timedelta(days=2), title="snapshot orders")
    found = seen(SQLITE, jobs=[stuck])
    assert found.level is Level.WARNING
    assert "job 7 has not ended since" in found.alarms[0]


def test_half_restored_state_is_critical() -> None:
    half = Alarm("the live state of a/b may be half restored", ORDERS, urgent=True)
    assert seen(SQLITE, alarms=[half]).level is Level.CRITICAL


def test_the_metrics_are_read_by_both_parsers_of_prometheus() -> None:
    hostile = ComponentKey("a b", 'quote"back\\slash\nline\x1b[2J')
    container = replace(SQLITE, components=(component(hostile, Health.OK, orders_generations(2)),))
    found = seen(container, POSTGRESQL, jobs=world().jobs)
    text = "\n".join(metrics(found)) + "\n"
    found_by = strict.text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    families = {family.name: family for family in found_by}
    levels = {
        (sample.labels["container"], sample.labels["component"]): sample.value
        for sample in families["dysnomia_component_level"].samples
    }
    assert levels["postgresql", "crm"] == Level.CRITICAL
    assert levels["postgresql", "orders"] == Level.OK
    assert families["dysnomia_known"].samples[0].value == 1
    assert {family.name for family in older.text_fd_to_metric_families(StringIO(text))} == set(families)


def test_the_metrics_pass_promtool(tmp_path: Path) -> None:
    """Debian's, out of its package."""
    promtool = program_of("prometheus", "usr/bin/promtool", tmp_path)
    hostile = ComponentKey("a b", 'quote"back\\slash\nline\x1b[2J')
    container = replace(SQLITE, components=(component(hostile, Health.OK, orders_generations(2)),))
    for written in (metrics(seen(container, POSTGRESQL, jobs=world().jobs)), unknown(NOW)):
        text = "\n".join(written) + "\n"
        checked = subprocess.run(
            [promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False
        )
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_by_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("DYSNOMIA_STATEDIR", str(tmp_path / "state"))
    containers, components = tmp_path / "containers", tmp_path / "components" / "files"
    containers.mkdir()
    (components / "docs").mkdir(parents=True)
    (containers / "files").write_text(f"type=fileset\nfilesetDir={tmp_path}\n")
    monkeypatch.setenv("DYSNOMIA_CONTAINERS_PATH", str(containers))
    monkeypatch.setenv("DYSNOMIA_COMPONENTS_PATH", str(tmp_path / "components"))
    code = call(monkeypatch, "dysnomia-tui", "status", "--json")
    document = json.loads(capsys.readouterr().out)
    assert (code, document["level"]) == (1, "warning"), document
    (alarm,) = document["alarms"]
    assert "the store is empty" in alarm, "a disk that is not mounted, and a wrong --statedir, look so"
    assert [one["key"] for one in document["components"]] == ["files/docs"]
    assert document["components"][0]["health"] == "inactive"
    assert abs(datetime.fromisoformat(document["at"]) - datetime.now(UTC)) < timedelta(minutes=5)
    assert call(monkeypatch, "dysnomia-tui", "status", "--openmetrics") == 1
    assert capsys.readouterr().out.endswith("# EOF\n")
    (tmp_path / "state" / "activated").mkdir(parents=True)
    assert call(monkeypatch, "dysnomia-tui", "status") == 0
    assert capsys.readouterr().out.startswith("OK: 1 component\n")


def test_where_there_is_nothing_to_look_at_nothing_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As for a probe with another environment than the operator's: all would be well for ever."""
    for variable in ("DYSNOMIA_STATEDIR", "DYSNOMIA_CONTAINERS_PATH", "DYSNOMIA_COMPONENTS_PATH", "HOME"):
        monkeypatch.setenv(variable, str(tmp_path / "none"))
    assert call(monkeypatch, "dysnomia-tui", "status", "--openmetrics") == 3
    output = capsys.readouterr()
    assert "dysnomia_known 0\n" in output.out
    assert "no container is configured, and none is in the store: looked in " in output.err
    assert str(tmp_path / "none") in output.err
