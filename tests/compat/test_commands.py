"""Our commands in every case that was recorded of Dysnomia's: the same output, the same files, zero or not."""

from __future__ import annotations

import json
import os
import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.compat.world import CASES, FACTS, HERE, Case, Machine, read_cases
from tests.plugins.servers.common import missing

BIN = Path(sys.executable).parent
DIFFERENCES: Mapping[str, Mapping[str, str]] = tomllib.loads((HERE / "differences.toml").read_text("utf-8"))
ALL = [(path.stem, case) for path in sorted(CASES.glob("*.toml")) for case in read_cases(path)]


def facts(command: str, case: Case) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads((FACTS / f"{command}.json").read_text("utf-8"))[case.name]
    return found


@pytest.mark.parametrize(("command", "case"), ALL, ids=[f"{command}: {case.name}" for command, case in ALL])
def test_as_dysnomia_does(command: str, case: Case, tmp_path: Path) -> None:
    if case.root and os.geteuid() != 0:
        missing("root", "run the tests as root")
    recorded = facts(command, case)
    machine = Machine(tmp_path, case, [BIN], {"XDG_CONFIG_HOME": f"{tmp_path}/config"})
    seen = machine.observe()
    assert "Traceback" not in seen.stderr, seen.stderr
    said = f"{seen.stdout}\n{seen.stderr}"

    status = case.ours.get("exit", recorded["exit"])
    assert (seen.exit == 0) == (status == 0), f"status {seen.exit}: {said}"

    stdout = case.ours.get("stdout")
    if stdout != "*":
        assert seen.stdout == (recorded["stdout"] if stdout is None else with_root(machine, stdout)), said

    expected = dict(recorded["files"])
    for name, content in case.ours.get("files", {}).items():
        path, content = machine.text(name), machine.text(content)
        if content == "*":
            assert path in seen.files
            content = seen.files[path]
        if content or path not in expected:
            expected[path] = content
        else:
            del expected[path]
    assert seen.files == expected, said


def with_root(machine: Machine, text: str) -> str:
    return machine.text(text).replace(str(machine.root), "@T@")


def test_no_case_was_recorded_and_is_forgotten() -> None:
    for path in CASES.glob("*.toml"):
        assert {case.name for case in read_cases(path)} == set(json.loads((FACTS / f"{path.stem}.json").read_text()))


def test_each_difference_is_known_and_shown() -> None:
    """A case differs for a reason that is written down; a reason has a case, or says what else shows it."""
    used = {case.differs for _, case in ALL if case.differs}
    assert used <= DIFFERENCES.keys()
    for name, said in DIFFERENCES.items():
        assert name in used or (HERE.parents[1] / said["shown"]).exists(), name
    for _, case in ALL:
        assert bool(case.ours) <= bool(case.differs), case.name


@pytest.mark.parametrize("command", ["dysnomia", "dysnomia-snapshots", "dysnomia-containers"])
def test_every_option_of_dysnomias_has_a_case(command: str) -> None:
    """The long options are those each command says it has in Dysnomia; the short ones stand for some of them."""
    from tests.unit.cli.calling import PARSERS

    made = PARSERS[command]()
    words = [word for _, case in ALL for call in (case.run, *case.first) if call[0] == command for word in call[1:]]
    for option in made.theirs:
        forms = next(action.option_strings for action in made._actions if option in action.option_strings)
        for form in forms:
            pattern = re.escape(form) + ("($|=)" if form.startswith("--") else ".*")
            assert any(re.fullmatch(f"{pattern}.*", word) for word in words), f"{command} {form}"
