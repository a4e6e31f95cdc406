"""The Ansible module by Ansible itself: over the local connection and over a real ssh, on a database and a folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.ssh import sshd
from tests.e2e.world import BIN, World

pytest.importorskip("ansible", reason="ansible-core has no release for this Python")

MODULE = "dysnomia.tui.dysnomia_component"
PYTHON = shutil.which("python3", path=os.defpath) or sys.executable
"""Of the host: its own, which knows nothing of ours."""
ORDERS = {"container": "sqlite", "component": "orders"}
DOCS = {"container": "files", "component": "docs"}
_SAID = re.compile(r"(ok|changed|fatal): \[host\](?:: FAILED!)? => (\{.*\})")


@dataclass(frozen=True)
class Controller:
    """The machine that runs Ansible, and how it reaches the host."""

    world: World
    connection: Mapping[str, Any]
    shown: list[str] = field(default_factory=list)
    """Lines that the last play wrote."""

    def play(self, *tasks: Mapping[str, Any], options: Sequence[str] = ("--diff",)) -> list[dict[str, Any]]:
        """What each task said; those that fail do not stop it."""
        host = {"ansible_python_interpreter": PYTHON, **self.connection}
        (self.world.root / "inventory.json").write_text(json.dumps({"all": {"hosts": {"host": host}}}))
        called = [{MODULE: arguments, "ignore_errors": True} for arguments in tasks]
        play = [{"hosts": "all", "gather_facts": False, "environment": self.there, "tasks": called}]
        (self.world.root / "play.json").write_text(json.dumps(play))
        words = ["-v", *options, "-i", "inventory.json", "play.json"]
        done = self.world.run("ansible-playbook", *words)
        self.shown[:] = done.lines
        found = [(kind, json.loads(text)) for kind, text in _SAID.findall(done.out)]
        assert len(found) == len(tasks), done.out + done.err
        for kind, said in found:
            assert said["changed"] is (kind == "changed")
        return [said for _, said in found]

    @property
    def there(self) -> dict[str, str]:
        return {name: value for name, value in self.world.environment.items() if name.startswith("DYSNOMIA_")}


def snapshot(of: Mapping[str, str], **more: Any) -> dict[str, Any]:
    return {"operation": "snapshot", **of, **more}


def restore(of: Mapping[str, str], **more: Any) -> dict[str, Any]:
    return {"operation": "restore", **of, **more}


@pytest.fixture
def world(tmp_path: Path) -> World:
    collections = World(tmp_path).run("dysnomia-tui", "ansible").lines[0]
    made = World(
        tmp_path,
        extra={
            "ANSIBLE_COLLECTIONS_PATH": collections,
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_SSH_ARGS": "-o ControlMaster=no",
        },
    )
    for folder in ("live", "tree/docs", "home"):
        (tmp_path / folder).mkdir(parents=True)
    made.container("sqlite", type="sqlite-database", sqliteDir=str(tmp_path / "live"))
    made.container("files", type="fileset", targetDir=str(tmp_path / "tree"))
    made.component("sqlite/orders", "notes.txt", "")
    made.component("files/docs", ".dysnomia-fileset", "mkdir docs\n")
    sql(made, "CREATE TABLE orders (id INTEGER PRIMARY KEY, what); INSERT INTO orders VALUES (1, 'a lamp')")
    (tmp_path / "tree/docs/a").write_text("first\n")
    made.run("dysnomia-containers", "--deploy")
    return made


@pytest.fixture
def local(world: World) -> Controller:
    return Controller(world, {"ansible_connection": "local"})


@contextmanager
def over_ssh(world: World) -> Iterator[Controller]:
    with sshd({"PATH": f"{BIN}:{os.defpath}"}) as machine:
        options = " ".join(machine.options)
        yield Controller(
            world, {"ansible_host": "127.0.0.1", "ansible_port": machine.port, "ansible_user": machine.user,
                    "ansible_ssh_common_args": options},
        )  # fmt: skip


def sql(world: World, script: str) -> None:
    with closing(sqlite3.connect(world.root / "live" / "orders")) as db:
        db.executescript(script)


def rows(world: World) -> list[Any]:
    with closing(sqlite3.connect(world.root / "live" / "orders")) as db:
        return db.execute("SELECT * FROM orders").fetchall()


def everything(world: World) -> dict[str, Any]:
    """What is live, and the store but for its index."""
    found: dict[str, Any] = {}
    for top in ("live", "tree", "state"):
        for path in sorted((world.root / top).rglob("*")):
            if "cache" not in path.parts:
                status = path.lstat()
                found[str(path)] = path.read_bytes() if stat.S_ISREG(status.st_mode) else status.st_ino
    return found


@pytest.mark.parametrize("way", ["local", pytest.param("ssh", marks=pytest.mark.worlds)])
def test_a_release_is_made_and_taken_back(world: World, way: str) -> None:
    if way == "local":
        go_on(Controller(world, {"ansible_connection": "local"}))
    else:
        with over_ssh(world) as there:
            go_on(there)


def go_on(host: Controller) -> None:
    world = host.world
    before = everything(world)
    (first,) = host.play(snapshot(ORDERS), options=["--check"])
    assert (first["changed"], first["msg"]) == (True, "its first generation would be made")
    assert everything(world) == before
    first, again, of_files = host.play(
        snapshot(ORDERS, reason="before release '4.2' $(x)"), snapshot(ORDERS), snapshot(DOCS)
    )
    assert (first["changed"], first["generation"], again["changed"], again["generation"]) == (True, 1, False, 1)
    assert (of_files["changed"], of_files["msg"]) == (True, "generation 1")

    sql(world, "INSERT INTO orders VALUES (2, 'lost'); CREATE TABLE drafts (id); INSERT INTO drafts VALUES (7)")
    (world.root / "tree/docs/b").write_text("lost\n")
    before = everything(world)
    would = host.play(
        restore(ORDERS, generation=1), restore(DOCS), snapshot(ORDERS), snapshot(DOCS), options=["--check", "--diff"]
    )
    assert everything(world) == before
    assert [one["changed"] for one in would] == [True] * 4
    assert sorted(would[0]["differences"]) == ["- table drafts  -1", "~ schema main  -3", "~ table orders  -1"]
    assert would[1]["differences"] == ["- file docs/b"]
    assert "- file docs/b" in host.shown, "diff mode shows what would be lost"
    assert any(line.startswith("replaces: what is live of sqlite/orders") for line in would[0]["plan"])

    *restored, same = host.play(restore(ORDERS, generation=1), restore(DOCS), restore(ORDERS, generation=1))
    assert [one["changed"] for one in restored] == [True, True]
    assert (same["changed"], same["msg"]) == (False, "generation 1 is what is live")
    assert rows(world) == [(1, "a lamp")]
    assert [path.name for path in (world.root / "tree/docs").iterdir()] == ["a"]
    world.run("dysnomia-tui", "undo", restored[1]["job"])
    assert (world.root / "tree/docs/b").read_text() == "lost\n"

    (found,) = host.play({"operation": "facts"})
    told = found["ansible_facts"]["dysnomia"]
    assert (found["changed"], told["level"], sorted(told["components"])) == (
        False,
        "ok",
        ["files/docs", "sqlite/orders"],
    )
    orders = told["components"]["sqlite/orders"]
    assert (orders["health"], orders["level"], orders["type"]) == ("ok", "ok", "sqlite-database")
    assert [one["generation"] for one in orders["history"]] == [1, 2, 3]
    assert [one["reason"] for one in orders["history"]] == ["manual", "guard", "restore"]
    assert orders["history"][0]["text"] == "before release '4.2' $(x)"


def test_what_cannot_be_done_fails_with_the_sentence_and_the_exit_code(local: Controller) -> None:
    world = local.world
    local.play(snapshot(ORDERS))
    before = everything(world)
    wrong = [
        (snapshot({"container": "nope", "component": "x"}), 5, "there is no container 'nope'"),
        (snapshot({"container": "sqlite", "component": "nope"}), 5, "there is no component sqlite/nope"),
        (restore(ORDERS, generation=9), 5, "sqlite/orders has no generation 9"),
        (restore(DOCS), 5, "files/docs has no generation to restore"),
        ({"operation": "facts", "container": "sqlite", "component": "nope"}, 5, "there is no component sqlite/nope"),
        ({"operation": "facts", "container": "nope"}, 5, "there is no component in a container 'nope'"),
        (snapshot(ORDERS, statedir="/proc/none"), 1, "/proc/none"),
        (snapshot(ORDERS, bin_dir="/nowhere"), 8, "there is no program /nowhere/dysnomia: correct bin_dir"),
        (snapshot(ORDERS, generation=1), 2, "generation goes with operation: restore"),
        (snapshot({"container": "sqlite"}), None, "are missing: component"),
        ({"operation": "facts", "component": "orders"}, None, "required by 'component': container"),
        (snapshot({"container": "--help", "component": "--version"}), 2, "cannot be the name of a container"),
    ]  # fmt: skip
    for (arguments, rc, text), said in zip(wrong, local.play(*(one[0] for one in wrong)), strict=True):
        assert not said["changed"], (arguments, said)
        assert text in said["msg"], (arguments, said)
        if rc is not None and "statedir" not in arguments:
            assert said["rc"] == rc, (arguments, said)
    assert everything(world) == before


@pytest.mark.worlds
def test_a_store_that_may_not_be_changed_refuses(local: Controller) -> None:
    world = local.world
    local.play(snapshot(ORDERS))
    sql(world, "DELETE FROM orders")
    config = world.root / "config" / "dysnomia-tui" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text("read_only = true\n")
    refused, restored, read = local.play(snapshot(ORDERS), restore(ORDERS), {"operation": "facts"})
    for said in (refused, restored):
        assert (said["rc"], said["changed"]) == (6, False), said
        assert "read" in said["msg"]
    assert "ansible_facts" in read
    assert rows(world) == []


@pytest.mark.worlds
def test_what_is_gone_is_restored_though_it_cannot_be_compared(local: Controller) -> None:
    world = local.world
    local.play(snapshot(ORDERS))
    (world.root / "live" / "orders").unlink()
    (would,) = local.play(restore(ORDERS), options=["--check"])
    assert (would["changed"], bool(would["not_compared"])) == (True, True)
    (did,) = local.play(restore(ORDERS))
    assert did["changed"]
    assert rows(world) == [(1, "a lamp")]
    (forced,) = local.play(restore(ORDERS, force=True))
    assert (forced["changed"], "differences" in forced) == (True, False)


@pytest.mark.worlds
def test_a_name_that_is_not_utf8_comes_with_escapes(local: Controller) -> None:
    world = local.world
    (world.root / "components" / "files" / os.fsdecode(b"d\xff")).mkdir()
    facts, _ = local.play({"operation": "facts", "container": "files"}, snapshot(DOCS))
    assert sorted(facts["ansible_facts"]["dysnomia"]["components"]) == ["files/d\\udcff", "files/docs"]


def test_its_page_is_shown(world: World) -> None:
    page = world.run("ansible-doc", MODULE).out
    for word in ("yes_untrusted", "check_mode", "before release 4.2", "not_compared"):
        assert word in page
    listed = world.run("ansible-doc", "--json", MODULE).json[MODULE]["doc"]
    assert listed["collection"] == "dysnomia.tui"


def test_it_is_installed_as_a_collection(world: World) -> None:
    collections = Path(world.environment["ANSIBLE_COLLECTIONS_PATH"])
    galaxy = (collections / "ansible_collections/dysnomia/tui/galaxy.yml").read_text()
    version = world.run("dysnomia-tui", "--version").out.split()[-1].rstrip(")")
    assert f"\nversion: {version}\n" in galaxy
    source = str(collections / "ansible_collections/dysnomia/tui")
    elsewhere = world.root / "elsewhere"
    World(world.root).run("ansible-galaxy", "collection", "install", source, "-p", str(elsewhere))
    assert (elsewhere / "ansible_collections/dysnomia/tui/plugins/modules/dysnomia_component.py").is_file()
