"""Our types called as bash Dysnomia and Disnix call modules: ``MODULE ACTIVITY COMPONENT CONTAINER``, in an environment
that holds the container's properties, PATH and DYSNOMIA_STATEDIR, and nothing else."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.world import Done, World

SECRET = "hunter2-of-the-environment"


class Called(World):
    """A machine on which nothing is configured: all a type knows is what it is called with."""

    def prepare(self) -> None:
        self.run("dysnomia-tui", "install-modules", str(self.root / "prefix"))
        (self.root / "live").mkdir()
        initial = self.root / "orders" / "sqlite-databases"
        initial.mkdir(parents=True)
        (initial / "orders.sql").write_text("CREATE TABLE items (name TEXT);")

    def call(self, activity: str, component: str = "", *, status: int = 0, **more: str) -> Done:
        shim = str(self.root / "prefix/libexec/dysnomia/sqlite-database")
        given = {"DYSNOMIA_STATEDIR": str(self.state), "sqliteDir": str(self.root / "live"), **more}
        done = subprocess.run(
            [shim, activity, component or str(self.root / "orders"), "shop"],
            env={"PATH": os.defpath, **given}, cwd="/", stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        assert (done.returncode == 0) == (status == 0), done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    def items(self, change: str = "") -> list[str]:
        with closing(sqlite3.connect(self.root / "live" / "orders")) as db, db:
            if change:
                db.execute("INSERT INTO items VALUES (?)", (change,))
            return [row[0] for row in db.execute("SELECT name FROM items ORDER BY rowid")]


@pytest.fixture
def called(tmp_path: Path) -> Called:
    world = Called(tmp_path)
    world.prepare()
    return world


def test_the_whole_life_of_a_component(called: Called) -> None:
    called.call("activate")
    assert (called.state / "activated/shop/orders").exists()
    called.items("one")
    called.call("snapshot")
    called.items("two")
    called.call("snapshot")
    called.items("three")
    called.call("restore")
    assert called.items() == ["one", "two"], "the last, as bash Dysnomia restores"
    paths = called.run("dysnomia-snapshots", "--query-all").lines
    assert len(paths) == 4, "two, the guard, and what is live now"
    assert paths[3] == paths[1]
    called.call("deactivate")
    assert (called.state / "garbage/shop/orders").exists()
    called.call("collect-garbage")
    assert not (called.root / "live/orders").exists()


def test_what_fails_says_so(called: Called) -> None:
    called.call("no-such-activity", status=1)
    called.call("snapshot", "/nowhere/at-all", status=1)
    shim = str(called.root / "prefix/libexec/dysnomia/sqlite-database")
    assert subprocess.run([shim], env={"PATH": os.defpath}, capture_output=True, check=False).returncode == 2


def test_a_secret_in_the_environment_is_written_nowhere(called: Called) -> None:
    called.call("activate", somePassword=SECRET)
    called.call("snapshot", somePassword=SECRET)
    for path in called.root.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path


def test_bash_sources_it_for_a_shell(called: Called) -> None:
    shim = called.root / "prefix/libexec/dysnomia/sqlite-database"
    done = subprocess.run(
        ["bash", "-e", "-c", f'source "{shim}" shell /c box; echo "still here"'],
        env={"PATH": os.defpath}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "still here\n"
    assert "sqlite-database" in done.stderr
