"""The wheel carries all it needs: built, installed into an empty environment, and run far from the source tree."""

from __future__ import annotations

import os
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.e2e.packaging import ROOT, run

COMMANDS = tuple(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"])
pytestmark = pytest.mark.xdist_group("wheel")


def environment(home: Path) -> dict[str, str]:
    return {"HOME": str(home), "PATH": os.defpath, "LC_ALL": "C.UTF-8", "PYTHONSAFEPATH": "1"}


def test_the_wheel_holds_three_packages_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "dysnomia_tui",
        "dysnomia_plugins",
        "dysnomia_base",
        "dysnomia_store",
    }
    for package in ("dysnomia_tui", "dysnomia_plugins", "dysnomia_store", "dysnomia_base"):
        assert f"{package}/py.typed" in names
    source = {str(path.relative_to(ROOT)) for path in (ROOT / "dysnomia_tui").rglob("*.tcss")}
    assert source <= set(names), "style sheets travel with the app"
    assert "dysnomia_tui/share/dysnomia/util" in names, "and so do the functions for modules"
    collection = "dysnomia_tui/share/ansible/ansible_collections/dysnomia/tui"
    assert {f"{collection}/galaxy.yml", f"{collection}/plugins/modules/dysnomia_component.py"} <= set(names)
    assert {"dysnomia_tui/nix/nixos-module.nix", "dysnomia_tui/nix/package.nix"} <= set(names)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_is_there(installed: Path, command: str, tmp_path: Path) -> None:
    out = run([str(installed / command), "--version"], cwd=tmp_path, env=environment(tmp_path))
    assert out.startswith(f"{command} (dysnomia-tui ")


def test_what_is_installed_is_what_runs(installed: Path, tmp_path: Path) -> None:
    code = "import dysnomia_tui, dysnomia_plugins, dysnomia_store as s; print(s.__file__)"
    out = run([str(installed / "python"), "-c", code], cwd=tmp_path, env=environment(tmp_path))
    assert out.startswith(str(installed.parent))


def test_the_built_in_types_are_found(installed: Path, tmp_path: Path) -> None:
    out = run([str(installed / "dysnomia-tui"), "plugins"], cwd=tmp_path, env=environment(tmp_path))
    for kind in ("sqlite-database", "fileset", "postgresql-database", "subversion-repository", "wrapper", "echo"):
        assert f"\n{kind} " in f"\n{out}"
    assert "cannot be imported" not in out


def test_what_modules_need_is_laid_down(installed: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    run([str(installed / "dysnomia-tui"), "install-modules", str(prefix)], cwd=tmp_path, env=environment(tmp_path))
    assert "createGenerationSymlink()" in (prefix / "share/dysnomia/util").read_text()
    assert f"exec {installed / 'dysnomia-tui'} module fileset" in (prefix / "libexec/dysnomia/fileset").read_text()


@pytest.mark.worlds
def test_it_makes_a_demo_and_snapshots_it(installed: Path, tmp_path: Path) -> None:
    home = environment(tmp_path)
    out = run([str(installed / "dysnomia-tui"), "demo", "--prepare", str(tmp_path / "demo")], cwd=tmp_path, env=home)
    home |= dict(line.split("=", 1) for line in out.splitlines())
    key = ("-C", "sqlite-database", "-c", "orders")
    before = run([str(installed / "dysnomia-snapshots"), "--query-latest", *key], cwd=tmp_path, env=home)
    run([str(installed / "dysnomia"), "-o", "snapshot", *key], cwd=tmp_path, env=home)
    after = run([str(installed / "dysnomia-snapshots"), "--query-latest", *key], cwd=tmp_path, env=home)
    assert before != after, "the worker ran, from the installed package, and made a generation"
