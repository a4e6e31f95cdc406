"""Which hosts there are, and what is made of what each says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dysnomia_tui.cli.tui.hosts import lines
from dysnomia_tui.config import HostSettings
from dysnomia_tui.engine.errors import EngineError
from dysnomia_tui.engine.hosts.calling import MOST, Answer
from dysnomia_tui.engine.hosts.inventory import hosts_of_inventory
from dysnomia_tui.engine.hosts.reports import HostReport, hosts_chosen, hosts_reported
from dysnomia_tui.engine.records import Level
from tests.any_json import ODD, places, replaced, written

DB = HostSettings("db1", "db1.example.org", labels=("databases", "PROD"))
WEB = HostSettings("web1", "web1.example.org", labels=("PROD",))
GOOD = {"level": "ok", "components": [{"key": "shop/orders", "level": "ok", "health": "ok", "age": 60.5}]}


def reported(answer: bytes | Answer | Exception) -> HostReport:
    def call(host: HostSettings, words: Sequence[str], control: Path | None, limit: float) -> Answer:
        assert words == ("status", "--json")
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Answer) else Answer(0, answer, "")

    (found,) = hosts_reported([DB], None, call=call)
    return found


def test_a_report_is_read() -> None:
    said = {
        "level": "critical",
        "components": [
            {"key": "a/b", "level": "ok", "health": "ok", "age": 60.0, "stored_size": 5},
            {"key": "shop/orders", "level": "critical", "health": "FAILED", "age": 7200.0, "stored_size": 7},
            {"key": "a/c", "level": "warning", "health": "never", "age": None},
        ],
        "alarms": ["a/d: the server does not answer"],
        "jobs": ["7: snapshot"],
        "of a newer version": {"x": 1},
    }
    found = reported(json.dumps(said).encode())
    assert (found.level, found.components, found.stored_size, found.oldest, found.jobs) == (
        Level.CRITICAL, 3, 12, 7200.0, 1,
    )  # fmt: skip
    assert found.said == "shop/orders FAILED"
    alarm = reported(json.dumps({**GOOD, "level": "warning", "alarms": ["the disk is full"]}).encode())
    assert (alarm.level, alarm.said) == (Level.WARNING, "the disk is full")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (TimeoutError(), "no answer within 15 s"),
        (Answer(255, b"", "ssh: connect to host db1 port 22: Connection refused"), "ssh: Connection refused"),
        (Answer(127, b"", "sh: 1: dysnomia-tui: not found"), "it has no program 'dysnomia-tui'"),
        (Answer(4, b"", "dysnomia-tui: permission denied"), "permission denied"),
        (
            Answer(3, b'{"error": "permission denied: /srv: run: sudo", "exit": 3}', "x"),
            "failed: permission denied: /srv",
        ),
        (Answer(1, b" \n", ""), "ended with 1 and said nothing"),
        (Answer(0, b"x" * (MOST + 1), ""), "too long"),
        (b"{}", "no known form"),
        (b"not JSON", "no known form"),
        (b"\xff\xfe", "no known form"),
        (b"[" * 100_000, "no known form"),
        (json.dumps({**GOOD, "level": "fine"}).encode(), "no known form"),
    ],
)
def test_a_host_that_says_nothing_is_critical_and_says_why(answer: bytes | Answer | Exception, says: str) -> None:
    found = reported(answer)
    assert found.level is Level.CRITICAL
    assert says in found.problem


WHOLE = {**GOOD, "alarms": ["a"], "jobs": ["7: snapshot"]}
INVENTORY = {
    "_meta": {"hostvars": {"db1": {"ansible_host": "10.0.0.7", "ansible_user": "ops", "ansible_port": 22}}},
    "all": {"children": ["site"], "hosts": ["db1"]},
    "site": {"hosts": ["db1", "web1"]},
}


@given(st.sampled_from(list(places(WHOLE))), st.sampled_from(ODD))
def test_any_answer_is_a_report_or_a_problem(at: tuple[str | int, ...], odd: Any) -> None:
    found = reported(written(replaced(WHOLE, at, odd) if at else odd))
    assert found.problem or found.level in Level
    assert list(lines([found]))


def test_ansibles_groups_are_labels() -> None:
    said = {
        "_meta": {"hostvars": {"db1": {"ansible_host": "10.0.0.7", "ansible_user": "ops", "ansible_port": 2222}}},
        "all": {"children": ["ungrouped", "site"]},
        "site": {"children": ["databases", "web"]},
        "databases": {"hosts": ["db1"]},
        "web": {"hosts": ["web1", "db1"], "children": ["site"]},
        "ungrouped": {"hosts": ["lone"]},
    }
    found = {one.name: one for one in hosts_of_inventory(said)}
    assert (found["db1"].address, found["db1"].port) == ("ops@10.0.0.7", 2222)
    assert set(found["db1"].labels) == {"site", "databases", "web"}
    assert (found["web1"].address, set(found["web1"].labels)) == ("web1", {"site", "web"})
    assert found["lone"].labels == ()


@given(st.sampled_from([at for at in places(INVENTORY) if at]), st.sampled_from(ODD))
def test_any_inventory_is_read_or_passed_over(at: tuple[str | int, ...], odd: Any) -> None:
    assert all(isinstance(one.address, str) for one in hosts_of_inventory(replaced(INVENTORY, at, odd)))


def test_hosts_are_chosen_by_name_or_label() -> None:
    assert hosts_chosen([DB, WEB], []) == (DB, WEB)
    assert hosts_chosen([DB, WEB], ["databases"]) == (DB,)
    assert hosts_chosen([DB, WEB], ["PROD"]) == (DB, WEB)
    with pytest.raises(EngineError, match="no host and no label 'db2'"):
        hosts_chosen([DB, WEB], ["db2"])
