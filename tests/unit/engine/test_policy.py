"""A policy that was tried in a review is saved: previewed, refused where it would not hold, audited."""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Mapping
from typing import Any

import pytest

from dysnomia_store.records.retention import Policy
from dysnomia_tui.config import load_settings
from dysnomia_tui.config.edit import alone, replace_text
from dysnomia_tui.engine.engine import Engine
from dysnomia_tui.engine.errors import Blocked, Stale
from dysnomia_tui.engine.operations.adopt_application import add_group
from dysnomia_tui.engine.plans.plan import Grade
from dysnomia_tui.engine.records import JobState
from tests.unit.engine.machine import CRM, ORDERS, EngineFixture

LAST = Policy(last=7, daily=14)


def test_the_policy_of_the_review_is_written_and_is_then_the_configured_one(
    machine: EngineFixture, engine: Engine
) -> None:  # fmt: skip
    plan = engine.plan_policy([ORDERS], "sqlite/*", LAST)
    assert (plan.grade, plan.blockers) == (Grade.ADDS, ())
    assert "last 7 daily 14 would be kept instead of everything" in [step.text for step in plan.steps]
    assert any(str(CRM) in warning for warning in plan.warnings), "it is not in the review, and it holds for it too"
    job = machine.run(engine, plan)
    assert job.state is JobState.DONE, job.message
    path = machine.root / "config" / "config.toml"
    assert path.read_text() == '[components."sqlite/*".retention]\nlast = 7\ndaily = 14\n'
    assert path.stat().st_mode & 0o777 == 0o600
    config = machine.root / "xdg"
    config.mkdir()
    (config / "dysnomia-tui").symlink_to(machine.root / "config")
    settings = load_settings({"XDG_CONFIG_HOME": str(config)}, machine=machine.root / "none")
    assert settings.component("sqlite", "orders").policy == LAST


def test_what_would_not_hold_is_refused_before(machine: EngineFixture, engine: Engine) -> None:
    path = machine.root / "config" / "config.toml"
    path.parent.mkdir()
    path.write_text('[components."sqlite/orders".retention]\nlast = 30  # as agreed\n')
    other = machine.engine(files=(path,))
    plan = other.plan_policy([ORDERS, CRM], "*/*", LAST)
    assert any("sqlite/orders would keep a policy of its own" in blocker for blocker in plan.blockers)
    alone = other.plan_policy([ORDERS], str(ORDERS), LAST)
    assert alone.blockers == ()
    path.write_text(path.read_text() + "# a remark\n")
    job = machine.run(other, alone)
    assert job.state is JobState.STALE
    assert "another program changed" in job.message
    assert machine.run(other, other.plan_policy([ORDERS], str(ORDERS), LAST)).state is JobState.DONE
    assert path.read_text() == (
        '[components."sqlite/orders".retention]\nlast = 7  # as agreed\ndaily = 14\n# a remark\n'
    )


def test_an_empty_policy_and_a_file_that_is_none_are_refused(machine: EngineFixture, engine: Engine) -> None:
    with pytest.raises(Blocked, match="no policy to save"):
        engine.plan_policy([ORDERS], "*/*", Policy())
    path = machine.root / "config" / "config.toml"
    path.parent.mkdir()
    path.write_text("labels = [\n")
    assert "not valid TOML" in engine.plan_policy([ORDERS], "*/*", LAST).blockers[0]
    path.chmod(0o666)
    assert "may be written by" in engine.plan_policy([ORDERS], "*/*", LAST).blockers[0]


def test_who_saves_while_another_writes_config_toml_waits_and_then_sees_that_it_changed(
    machine: EngineFixture, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two jobs of kinds that wait for nobody: a policy that is saved, and an application that is adopted."""
    plan = engine.plan_policy([ORDERS], "sqlite/*", LAST)
    path = machine.root / "config" / "config.toml"
    group: Mapping[str, Any] = {"config": str(path), "group": "labels = []\n", "identity": plan.params["identity"]}
    asked = threading.Event()
    flock = fcntl.flock

    def noted(file: int, operation: int) -> None:
        asked.set()
        flock(file, operation)

    failed: list[Stale] = []

    def adopt() -> None:
        try:
            add_group(group)
        except Stale as error:
            failed.append(error)

    with alone(path):
        monkeypatch.setattr(fcntl, "flock", noted)
        other = threading.Thread(target=adopt)
        other.start()
        assert asked.wait(20)
        replace_text(path, "# by the first\n")
    other.join(20)
    assert "another program changed" in failed[0].message
    assert path.read_text() == "# by the first\n"
    assert [entry.name for entry in path.parent.iterdir()] == ["config.toml"]
    assert machine.run(engine, plan).state is JobState.STALE
