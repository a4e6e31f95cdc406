"""Databases of servers in containers of another user's Podman (rootless), handled by that user: no network of theirs is
reached from here, so everything goes through ``podman exec``."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.e2e.world import World
from tests.plugins.containers.kinds import ALL, MARIADB, PASSWORD, POSTGRES, TABLE, Kind
from tests.plugins.other_user import needs_root, open_folder, other_user
from tests.plugins.servers.common import missing
from tests.plugins.servers.contained import MACHINE, PROGRAMS, machine_image, mariadb_image, postgres_image
from tests.plugins.servers.mariadb import mariadb_program
from tests.plugins.servers.podman import RootlessPodman, user_folder
from tests.plugins.servers.postgresql import postgresql_bin

pytestmark = [pytest.mark.server, pytest.mark.worlds, needs_root]
FIND = """import json
from dysnomia_plugins.toolkit.containers.engine import Engine
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_plugins.types.{module} import discover
found = discover.in_containers(ProcessRunner(), [Engine("podman")])
print(json.dumps([[one.container, one.component, dict(one.properties), one.readable] for one in found]))
"""
FIND_REDIS = """import json
from dysnomia_plugins.toolkit.containers.engine import Engine
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_plugins.types.redis import discover
found = discover.in_containers(ProcessRunner(), [Engine("podman")])
print(json.dumps([[one.container, one.readable, one.detail, one.remedy] for one in found]))
"""
kinds = pytest.mark.parametrize("kind", [POSTGRES, MARIADB], ids=["postgresql", "mariadb"])


@pytest.fixture(scope="module")
def podman() -> Iterator[RootlessPodman]:
    mariadb_program("mariadbd")
    programs = postgresql_bin()
    folder = open_folder()
    try:
        with other_user(folder / "home") as user, RootlessPodman(user, user.folder(folder / "home")) as server:
            machine_image(server)
            postgres_image(server, programs)
            mariadb_image(server)
            yield server
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def world(podman: RootlessPodman) -> Iterator[World]:
    """The user's own configuration and store."""
    root = user_folder(podman.user, podman.user_home / "world")
    yield World(root)
    podman.clear()
    shutil.rmtree(root)


@kinds
def test_the_whole_way_there_and_back(podman: RootlessPodman, world: World, kind: Kind) -> None:
    """By what that user calls: activate, snapshot, damage, compare, prove, restore, undo."""
    kind.start(podman, "shop-db-1", network="none")
    world.container("db", type=kind.type, podmanContainer="shop-db-1")
    world.component("db/orders", f"{kind.folder}/first.sql", TABLE)
    podman.user.own(world.root, *world.root.rglob("*"))

    def run(*words: str) -> str:
        return world.run(*words, through=podman.through).out

    component = ("-C", "db", "-c", "orders")
    run("dysnomia", "-o", "activate", *component)
    before = kind.sql(podman, "shop-db-1", ALL, "orders")
    assert before == "1\tlamp\n2\tx"
    run("dysnomia", "-o", "snapshot", *component)
    kind.sql(podman, "shop-db-1", "DELETE FROM items WHERE id = 2; INSERT INTO items VALUES (3, 'new')", "orders")
    assert "+1 -1" in run("dysnomia-snapshots", "--diff", "1", "live", *component)
    run("dysnomia", "-o", "verify", *component)
    run("dysnomia", "-o", "put-back", *component, "--generation", "1", "--section", kind.section, "--row", "2")
    assert kind.sql(podman, "shop-db-1", ALL, "orders") == "1\tlamp\n2\tx\n3\tnew"
    run("dysnomia", "-o", "restore", *component, "--generation", "1")
    assert kind.sql(podman, "shop-db-1", ALL, "orders") == before
    jobs = json.loads(run("dysnomia-tui", "jobs", "--json"))
    run("dysnomia-tui", "undo", str(max(int(job["id"]) for job in jobs)))
    assert kind.sql(podman, "shop-db-1", ALL, "orders") == "1\tlamp\n2\tx\n3\tnew"
    kept = b"".join(path.read_bytes() for path in world.root.rglob("*") if path.is_file())
    assert PASSWORD.encode() not in kept, "the secret is nowhere but in the container"


@kinds
def test_they_are_found_by_the_user_whose_they_are_and_by_nobody_else(podman: RootlessPodman, kind: Kind) -> None:
    kind.start(podman, "shop-db-1", network="none")
    kind.sql(podman, "shop-db-1", "CREATE DATABASE orders")
    module = "postgresql" if kind is POSTGRES else "mysql"
    find = [sys.executable, "-c", FIND.format(module=module)]

    def found(through: list[str]) -> list[list[object]]:
        done = subprocess.run([*through, *find], check=True, capture_output=True, cwd="/")
        proposed: list[list[object]] = json.loads(done.stdout)
        return [one for one in proposed if one[1] == "orders"]

    properties = {"type": kind.type, "podmanContainer": "shop-db-1"}
    assert found(podman.through) == [["podman-shop-db-1", "orders", properties, True]]
    by_root = podman.through[: podman.through.index("setpriv")]
    assert found(by_root) == []
    podman.clear()


def test_a_redis_there_is_named_with_the_way_out(podman: RootlessPodman) -> None:
    """Its container has no address that is reached from here."""
    if shutil.which("redis-server") is None:
        missing("redis-server", "run .ci/packages")
    server = ("redis-server", "--bind", "0.0.0.0", "--protected-mode", "no", "--dir", "/tmp")
    podman.docker("run", "--detach", "--name", "cache", "--network", "none", *PROGRAMS, MACHINE, *server)
    argv = [*podman.through, sys.executable, "-c", FIND_REDIS]
    done = subprocess.run(argv, check=True, capture_output=True, cwd="/")
    ((container, readable, detail, remedy),) = json.loads(done.stdout)
    assert (container, readable) == ("podman-cache", False)
    assert "does not answer at an address of the container's own" in detail
    assert "mount the folder of its socket here and set redisSocket" in remedy
    podman.clear()
