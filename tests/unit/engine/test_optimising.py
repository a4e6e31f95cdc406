"""Old snapshots are converted by a job, planned and reported as every other."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from dysnomia_store.content.cutting import Cutting
from dysnomia_store.model import CheckResult
from dysnomia_tui.engine.engine import Engine
from dysnomia_tui.engine.records import JobState
from tests.unit.cli.calling import call
from tests.unit.engine.machine import CRM, DOCS, ORDERS, EngineFixture
from tests.unit.store.frames import lines, on_disk
from tests.unit.store.shop import Shop


def test_the_job_says_the_bytes_it_won(
    machine: EngineFixture, engine: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = machine.settings.statedir
    old = Shop(root, cutting=Cutting(whole=1 << 40), now=datetime.now(UTC))
    states = [lines(15_500, changed=number) for number in range(3)]
    for state in states:
        old.commit(state, key=ORDERS)
    old.commit(states[0], key=CRM)
    module = old.commit_files("one", {"dump": b"a\n"}, key=DOCS)
    before = on_disk(root)

    assert call(monkeypatch, "dysnomia-tui", "optimise", "sqlite/orders", "--dry-run", "--statedir", str(root)) == 0
    assert "3 snapshots of sqlite/orders would be read" in capsys.readouterr().out
    assert on_disk(root) == before

    plan = engine.plan_optimise()
    assert set(plan.keys) == {ORDERS, CRM, DOCS}
    done = machine.run(engine, plan)
    assert done.state is JobState.DONE, done
    assert done.details["converted"] == 4
    assert done.details["bytes"] == before - on_disk(root) > before / 2
    assert "1 of 5 snapshots left as they are" in done.message
    log = machine.folder(done.id).events.read_text()
    assert f"snapshot {module.generation.id} was left as it is: it is not a snapshot of a type" in log
    assert json.dumps({"done": 5, "total": 5})[1:-1] in log
    store = Shop(root)
    for generation in store.store.generations(ORDERS):
        assert store.store.check(ORDERS, generation.id).result is CheckResult.OK
        assert store.content(generation) == states[generation.number - 1]
