"""``dysnomia-tui plugins``: each type with where it comes from and what it needs."""

from __future__ import annotations

import json
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import ClassVar

import pytest

from dysnomia_plugins.base import Context, Plugin
from dysnomia_plugins.loading.registry import Registry
from dysnomia_tui.cli.tui.plugins import needs
from dysnomia_tui.engine.machine.types import TypeView, tools_of, types, what_is_missing
from tests.unit.cli.calling import call


class Needy(Plugin):
    type: ClassVar[str] = "needy"
    title: ClassVar[str] = "needs much"
    tools: ClassVar[tuple[str, ...]] = ("sh", "no-such-tool", "no-such-server", "no-such-client")
    packages: ClassVar[dict[str, str]] = {"no-such-server": "such-db", "no-such-client": "such-db"}

    def activate(self, ctx: Context) -> None:
        return None

    deactivate = activate


def view(name: str, registry: Registry) -> TypeView:
    return {one.type: one for one in types(registry)}[name]


def test_each_type_says_which_distribution_it_is_of() -> None:
    one = view("sqlite-database", Registry())
    assert one.origin.startswith("dysnomia-tui ")
    assert one.module == "dysnomia_plugins.types.sqlite.plugin:SqliteDatabase"
    assert one.holds_state
    assert not view("systemd-unit", Registry()).holds_state


def test_a_module_says_where_it_is(tmp_path: Path) -> None:
    module = tmp_path / "notes"
    module.write_text("#!/bin/sh\n")
    module.chmod(0o755)
    one = view("notes", Registry([tmp_path]))
    assert (one.origin, one.module, one.tools) == (str(module), str(module), ())


def test_a_module_before_a_type_of_ours_is_what_is_used(tmp_path: Path) -> None:
    module = tmp_path / "echo"
    module.write_text("#!/bin/sh\n")
    module.chmod(0o755)
    assert view("echo", Registry([tmp_path])).origin == str(module)
    assert view("echo", Registry(libexec=[tmp_path])).origin.startswith("dysnomia-tui "), "Dysnomia's own come last"


def test_what_is_missing_is_said_with_its_packages() -> None:
    one = view("needy", Registry(extra={"needy": Needy}))
    assert [tool.name for tool in one.missing] == ["no-such-tool", "no-such-server", "no-such-client"]
    assert one.missing_packages == ("no-such-tool", "such-db")
    expected = "no-such-tool, no-such-server, no-such-client"
    assert needs(one) == f"MISSING {expected}: apt-get install no-such-tool such-db"
    assert what_is_missing(Needy()) == f"{expected} are not installed: apt-get install no-such-tool such-db"
    assert tools_of(Needy())[0].path.endswith("/sh")


def test_what_does_in_a_tools_place_is_not_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Needy, "alternatives", {"no-such-server": ("no-such-fork", "sh")})
    assert [tool.name for tool in tools_of(Needy()) if not tool.path] == ["no-such-tool", "no-such-client"]


def test_what_is_in_a_plugins_own_folders_is_not_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "15" / "bin" / "no-such-tool"
    tool.parent.mkdir(parents=True)
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    monkeypatch.setattr(Needy, "tool_folders", (f"{tmp_path}/*/bin",))
    assert [one.path for one in tools_of(Needy()) if one.name == "no-such-tool"] == [str(tool)]


def test_a_plugin_that_cannot_be_imported_says_so_and_spoils_nothing() -> None:
    broken = EntryPoint("broken", "no_such_module:Thing", "dysnomia.plugins")
    registry = Registry(installed=[broken, EntryPoint("echo", "dysnomia_plugins.types.echo:Echo", "dysnomia.plugins")])
    assert [one.type for one in types(registry)] == ["broken", "echo"]
    one = view("broken", registry)
    assert "no_such_module" in one.problem
    assert needs(one).startswith("CANNOT BE USED: the plugin of type 'broken'")
    assert view("echo", registry).problem == ""


def test_the_command_lists_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    module = tmp_path / "notes"
    module.write_text("#!/bin/sh\n")
    module.chmod(0o755)
    monkeypatch.setenv("DYSNOMIA_MODULES_PATH", str(tmp_path))
    assert call(monkeypatch, "dysnomia-tui", "plugins") == 0
    lines = {line.split()[0]: line for line in capfd.readouterr().out.splitlines()}
    assert "needs nothing more" in lines["sqlite-database"]
    assert str(module) in lines["notes"]

    assert call(monkeypatch, "dysnomia-tui", "plugins", "--json") == 0
    records = {one["type"]: one for one in json.loads(capfd.readouterr().out)}
    assert records["notes"]["module"] == str(module)
    assert records["fileset"]["state"] is True
    assert {tool["name"] for tool in records["postgresql-database"]["tools"]} == {"psql", "pg_dump"}
