"""What is configured is found along the search paths; one broken file spoils only itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dysnomia_store.names import ComponentKey
from dysnomia_tui.cli.shared.names import given_path, is_path
from dysnomia_tui.config.nix import plain_name
from dysnomia_tui.engine.errors import ConfigError, Unknown
from dysnomia_tui.engine.machine.inventory import read_inventory


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    for folder in ("a", "b", "components/db"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "a" / "db").write_text("type=echo\nport=1\n")
    (tmp_path / "b" / "db").write_text("type=echo\nport=2\n")
    (tmp_path / "b" / "broken").write_text("type=echo\nrm -rf /\n")
    (tmp_path / "b" / "typeless").write_text("port=1\n")
    (tmp_path / "components" / "db" / "orders").touch()
    return tmp_path


def test_the_first_on_the_path_wins(etc: Path) -> None:
    inventory = read_inventory([etc / "none", etc / "a", etc / "b"], [etc / "components"])
    assert inventory.container("db").properties["port"] == "1"
    assert inventory.component(ComponentKey("db", "orders")).prop("port") == "1"


def test_a_broken_file_names_its_line_and_leaves_the_others(etc: Path) -> None:
    inventory = read_inventory([etc / "a", etc / "b"], [etc / "components"])
    assert f"{etc}/b/broken, line 2: " in inventory.containers["broken"].problem
    assert "names no type" in inventory.containers["typeless"].problem
    assert inventory.containers["db"].problem == ""
    with pytest.raises(ConfigError, match="line 2"):
        inventory.container("broken")


def test_odd_names_are_reported_and_left_out(etc: Path) -> None:
    components = etc / "components" / "db"
    for name in ("-rf", "new\nline", "esc\x1b[31m", "[red]brackets[red]", "é" * 100, "x" * 255):
        (components / name).touch()
    (components / ".hidden").touch()
    Path(os.fsdecode(os.fsencode(components) + b"/\xff\xfe")).touch()
    inventory = read_inventory([etc / "a"], [etc / "components"])
    names = {key.component for key in inventory.components}
    assert names == {"orders", "[red]brackets[red]", "é" * 100, "x" * 255, "\udcff\udcfe"}
    said = "\n".join(inventory.problems)
    assert "'-rf'" in said
    assert "new\\nline" in said
    assert "esc\\x1b" in said
    assert "\x1b" not in said


def test_what_is_not_there_is_named_with_what_is(etc: Path) -> None:
    inventory = read_inventory([etc / "a"], [etc / "components"])
    with pytest.raises(Unknown, match=r"no container 'nope': configured containers: db"):
        inventory.container("nope")
    with pytest.raises(Unknown, match=r"no component db/nope: .*orders"):
        inventory.component(ComponentKey("db", "nope"))


def test_components_of_no_container_are_a_problem(etc: Path) -> None:
    (etc / "components" / "lost").mkdir()
    (etc / "components" / "lost" / "x").touch()
    inventory = read_inventory([etc / "a"], [etc / "components"])
    assert any("no container 'lost'" in problem for problem in inventory.problems)


def test_a_nix_store_path_loses_its_hash() -> None:
    assert plain_name("/nix/store/0123456789abcdfghijklmnpqrsvwxyz-orders", {}) == "orders"
    assert plain_name("/etc/x/0123456789abcdfghijklmnpqrsvwxyz-orders", {}).startswith("0123")
    assert is_path("./x")
    assert given_path("./x") == Path.cwd() / "x"
    assert given_path("x") is None


def test_a_container_that_others_may_write_is_named_and_left_out_and_the_next_on_the_path_counts(etc: Path) -> None:
    (etc / "a" / "db").chmod(0o666)
    (etc / "b" / "typeless").write_text("type=echo\n")
    (etc / "b" / "typeless").chmod(0o606)
    inventory = read_inventory([etc / "a", etc / "b"], [etc / "components"])
    assert inventory.container("db").properties["port"] == "2"
    assert any(f"{etc}/a/db is left out: {etc}/a/db may be written by everyone" in text for text in inventory.problems)
    with pytest.raises(ConfigError, match="typeless is left out"):
        inventory.container("typeless")


def test_so_is_a_folder_of_them_and_a_component(etc: Path) -> None:
    (etc / "a").chmod(0o777)
    (etc / "components" / "db" / "orders").chmod(0o666)
    inventory = read_inventory([etc / "a"], [etc / "components"])
    assert f"{etc}/a may be written by everyone" in inventory.containers["db"].problem
    assert not inventory.components
    assert any("orders is left out" in text for text in inventory.problems)
    whole = read_inventory([etc / "b"], [etc / "components"])
    with pytest.raises(ConfigError, match="orders is left out"):
        whole.component(ComponentKey("db", "orders"))
