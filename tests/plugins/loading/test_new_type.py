"""A new type is a folder: who adds one is told which list does not know it, and the contracts hold for it at once."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.matrix import ROOT
from tests.plugins.loading.lists import forgotten, types_in

PLUGIN = '''"""The type ``pebble``."""

from dysnomia_plugins.base import StatePlugin


class Pebble(StatePlugin):
    type = "pebble"
'''
COLUMN = "pebble"
TEST = f'"""Pebbles."""\n\n\nclass TestPebble:\n    column = "{COLUMN}"\n'


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the project with one more folder under ``types/``."""
    ignored = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".mypy_cache", ".ruff_cache", "dist", "*.svg")
    root = tmp_path / "project"
    shutil.copytree(ROOT, root, ignore=ignored)
    folder = root / "plugins" / "dysnomia_plugins" / "types" / "pebble"
    folder.mkdir()
    (folder / "__init__.py").write_text('"""The type ``pebble``."""\n')
    (folder / "plugin.py").write_text(PLUGIN)
    return root


def test_every_list_knows_every_type() -> None:
    assert len(types_in(ROOT)) >= 9
    assert list(forgotten(ROOT)) == []


def test_a_new_folder_is_missed_by_name_in_each_list(copy: Path) -> None:
    missing = list(forgotten(copy))
    assert [line.split(":")[0] for line in missing] == ["pyproject.toml", "docs/configuration.md", "tests/plugins"]
    assert all("pebble" in line for line in missing)
    project = copy / "pyproject.toml"
    head = '[project.entry-points."dysnomia.plugins"]\n'
    project.write_text(
        project.read_text().replace(head, head + 'pebble = "dysnomia_plugins.types.pebble.plugin:Pebble"\n')
    )
    table = copy / "docs" / "configuration.md"
    table.write_text(table.read_text() + "\n| `pebble` | one stone | |\n")
    tests = copy / "tests" / "plugins" / "pebble"
    tests.mkdir()
    (tests / "test_conformance.py").write_text(TEST)
    assert list(forgotten(copy)) == []


def test_the_contracts_hold_for_a_new_folder_at_once(copy: Path) -> None:
    plugin = copy / "plugins" / "dysnomia_plugins" / "types" / "pebble" / "plugin.py"
    plugin.write_text("from dysnomia_plugins.types.sqlite import plugin as other\n" + PLUGIN)
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    path = [str(copy), str(copy / "plugins"), str(copy / "store")]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}; {code}"],
        cwd=copy, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert "no type of state imports another BROKEN" in " ".join(done.stdout.split())
    assert "dysnomia_plugins.types.pebble" in done.stdout
