"""Which systemd unit is stopped for an exchange: only the one that the system's manager made for the server."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dysnomia_plugins.toolkit import units
from dysnomia_plugins.toolkit.processes import RunningProcess


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("0::/system.slice/slapd.service\n", "slapd.service"),
        ("12:pids:/x\n1:name=systemd:/system.slice/slapd.service\n0::/\n", "slapd.service"),
        ("0::/system.slice/system-slapd.slice/slapd@main.service\n", "slapd@main.service"),
        ("0::/system.slice/system-my\\x2dslapd.slice/my-slapd@a.service\n", "my-slapd@a.service"),
    ],
)
def test_a_unit_of_the_system_is_known(text: str, unit: str) -> None:
    assert units.unit_named(text) == unit


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0::/",
        "0::/user.slice/user-112.slice/user@112.service/app.slice/x.service",
        "0::/user.slice/user-112.slice/user@112.service/a:/system.slice/cron.service",
        "0::/system.slice/many.service/inner/slapd.service",
        "0::/system.slice/many.service/slapd.service",
        "0::/system.slice/system-other.slice/slapd.service",
        "0::/system.slice/system-other.slice/slapd@x.service",
        "0::/system.slice/--host=elsewhere.service",
        "0::/system.slice/-H elsewhere.service",
        "0::/system.slice/a b.service",
        "0::/system.slice/*.service",
        "0::/system.slice/docker-0123.scope",
        "0::/../../system.slice/slapd.service",
        "3:cpu:/system.slice/slapd.service",
    ],
)
def test_anything_else_is_none(text: str) -> None:
    assert units.unit_named(text) == ""


def test_all_processes_are_in_one_unit_and_one_is_its_main_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, parent = os.getpid(), os.getppid()
    where = dict.fromkeys((own, parent), "slapd.service")
    monkeypatch.setattr(units, "unit_in", lambda pid: where[pid])
    monkeypatch.setattr(units, "_main_process", lambda unit, tool_path: own)
    assert units.unit_of(str(tmp_path), [own], "", "slapd.service") == "slapd.service"
    assert units.unit_of(str(tmp_path), [own, parent], "", "slapd.service") == "slapd.service"
    assert units.unit_of(str(tmp_path), [parent], "", "slapd.service") == ""
    where[parent] = "other.service"
    assert units.unit_of(str(tmp_path), [own, parent], "", "slapd.service") == ""
    where[parent] = ""
    assert units.unit_of(str(tmp_path), [own, parent], "", "slapd.service") == ""
    assert units.unit_of(str(tmp_path), [], "", "slapd.service") == ""


def test_a_process_of_another_user_is_not_stopped_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "unit_in", lambda pid: "slapd.service")
    monkeypatch.setattr(units, "_main_process", lambda unit, tool_path: os.getpid())

    class Stranger:
        uids = frozenset({4321})

    monkeypatch.setattr(RunningProcess, "of", lambda pid: Stranger)
    assert units.unit_of(str(tmp_path), [os.getpid()], "", "slapd.service") == ""
