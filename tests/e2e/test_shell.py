"""``dysnomia --shell``: the properties are there as they are, and secrets nowhere but in the environment."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e.terminal import terminal
from tests.e2e.world import BIN, World

ORDERS = ("-C", "sqlite", "-c", "orders")


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    (tmp_path / "live").mkdir()
    world.container("sqlite", type="sqlite-database", sqliteDir=str(tmp_path / "live"), password="a 'very' secret")
    world.component("sqlite/orders", "sqlite-databases/orders.sql", "CREATE TABLE items (id INTEGER);")
    world.run("dysnomia", "-o", "activate", *ORDERS)
    with (tmp_path / "containers" / "sqlite").open("a") as file:
        file.write("hosts=('one two' '$three' \"four\")\nquoted='it is \"$so\" \\'\n")
    return world


def test_properties_are_variables_and_arrays_are_arrays(world: World) -> None:
    command = 'printf "<%s>" "$sqliteDir" "${hosts[@]}" "$quoted" "$password"; sh -c \'printf "[%s]" "$sqliteDir"\''
    done = world.run("dysnomia", "--shell", *ORDERS, "--command", command)
    live = world.root / "live"
    assert done.out == f"<{live}><one two><$three><four><it is \"$so\" \\><a 'very' secret>[{live}]"


def test_the_types_own_client_is_named_and_works(world: World) -> None:
    done = world.run("dysnomia", "--shell", *ORDERS, "--command", "true")
    hint = next(line for line in done.err.splitlines() if line.startswith("its own client: "))
    client = hint.removeprefix("its own client: ")
    out = world.run("dysnomia", "--shell", *ORDERS, "--command", f"echo .tables | {client} -batch").out
    assert out.split() == ["items"]


def test_commands_may_come_on_standard_input(world: World) -> None:
    assert world.run("dysnomia", "--shell", *ORDERS, stdin='echo "$this_component"\n').out.strip().endswith("/orders")


def test_the_status_is_that_of_the_last_command(world: World) -> None:
    world.run("dysnomia", "--shell", *ORDERS, "--command", "false; (exit 7)", status=7)
    world.run("dysnomia", "--shell", *ORDERS, "--command", "false; true", status=0)


def test_where_we_are_read_only_there_is_none(world: World) -> None:
    config = world.root / "config" / "dysnomia-tui" / "config.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text("read_only = true\n")
    done = world.run("dysnomia", "--shell", *ORDERS, "--command", "touch here", status=6)
    assert "read_only" in done.err
    assert not (world.root / "here").exists()


def test_a_secret_is_on_no_command_line_and_in_no_file(world: World) -> None:
    """Seen from within the shell: its own arguments, and what it could have left in the folder for temporary files."""
    command = "tr '\\0' ' ' </proc/$$/cmdline; ls -A \"$TMPDIR\"; echo ${#password}"
    (world.root / "tmp").mkdir()
    world.extra = {"TMPDIR": str(world.root / "tmp")}
    done = world.run("dysnomia", "--shell", *ORDERS, "--command", command)
    assert done.out.split() == ["bash", "--noprofile", "--norc", "/dev/fd/3", str(len("a 'very' secret"))]


def test_the_prompt_says_where_one_is(world: World) -> None:
    with terminal() as window:
        window.start([str(BIN / "dysnomia"), "--shell", *ORDERS], world.environment)
        window.wait_for("[dysnomia sqlite/orders:")


@pytest.mark.skipif(os.geteuid() != 0, reason="owners are changed by root")
def test_another_users_configuration_is_not_what_roots_git_obeys(tmp_path: Path) -> None:
    world = World(tmp_path)
    repository = tmp_path / "git" / "site"
    subprocess.run(["git", "init", "-q", "--bare", str(repository)], check=True)
    for path in (repository, *repository.rglob("*")):
        os.chown(path, 65534, 65534)
    world.container("git", type="git-repository", gitBaseDir=str(repository.parent))
    world.component("git/site", "note", "")
    command = 'printf "[%s]" "$GIT_DIR" "$gitBaseDir"'
    done = world.run("dysnomia", "--shell", "-C", "git", "-c", "site", "--command", command)
    assert done.out == f"[][{repository.parent}]"
