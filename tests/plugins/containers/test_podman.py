"""Databases of servers in containers of a real Podman: found, adopted, snapshotted, restored, compared."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.world import World
from tests.plugins.containers.kinds import ALL, MARIADB, PASSWORD, POSTGRES, TABLE, Kind
from tests.plugins.servers.common import missing
from tests.plugins.servers.contained import MACHINE, PROGRAMS, machine_image, mariadb_image, postgres_image
from tests.plugins.servers.mariadb import mariadb_program
from tests.plugins.servers.podman import PodmanServer
from tests.plugins.servers.postgresql import postgresql_bin
from tests.waiting import wait_until

pytestmark = [pytest.mark.server, pytest.mark.worlds]
FIND = """import json, sys
from dysnomia_plugins.toolkit.containers.engine import Engine
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_plugins.types.{module} import discover
found = discover.in_containers(ProcessRunner(), [Engine("podman")])
print(json.dumps([[one.container, one.component, dict(one.properties), one.detail, one.readable] for one in found]))
"""
REACH = """from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_plugins.types.postgresql.server import Server
from dysnomia_plugins.types.postgresql.client import Client
properties = {"podmanContainer": "shop-db", "containerClient": "host"}
client = Client(Server.from_properties(properties), ProcessRunner())
assert client.exists("postgres")
print(client.server.host)
"""
kinds = pytest.mark.parametrize("kind", [POSTGRES, MARIADB], ids=["postgresql", "mariadb"])


@pytest.fixture(scope="module")
def podman() -> Iterator[PodmanServer]:
    """One with images as the official ones."""
    mariadb_program("mariadbd")
    programs = postgresql_bin()
    with PodmanServer() as server:
        machine_image(server)
        postgres_image(server, programs)
        mariadb_image(server)
        yield server


@pytest.fixture(autouse=True)
def _empty(podman: PodmanServer) -> Iterator[None]:
    yield
    podman.clear()


def found(podman: PodmanServer, kind: Kind) -> list[list[object]]:
    """What discovery proposes, where these containers are."""
    return found_of(podman, "postgresql" if kind is POSTGRES else "mysql")


def found_of(podman: PodmanServer, module: str) -> list[list[object]]:
    argv = [*podman.through, sys.executable, "-c", FIND.format(module=module)]
    done = subprocess.run(argv, check=True, capture_output=True, cwd="/")
    proposed: list[list[object]] = json.loads(done.stdout)
    return proposed


@pytest.mark.parametrize(("kind", "client"), [(POSTGRES, "host"), (MARIADB, "")], ids=["postgresql", "mariadb"])
def test_the_whole_way_there_and_back(podman: PodmanServer, tmp_path: Path, kind: Kind, client: str) -> None:
    """By what an operator calls: activate, snapshot, damage, compare, prove, restore, undo."""
    kind.start(podman, "shop-db-1", network="bridge" if client else "none")
    world = World(tmp_path)
    more = {"containerClient": client} if client else {}
    world.container("db", type=kind.type, podmanContainer="shop-db-1", **more)
    world.component("db/orders", f"{kind.folder}/first.sql", TABLE)

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
    run("dysnomia", "-o", "restore", *component, "--generation", "1")
    assert kind.sql(podman, "shop-db-1", ALL, "orders") == before
    jobs = json.loads(run("dysnomia-tui", "jobs", "--json"))
    run("dysnomia-tui", "undo", str(max(int(job["id"]) for job in jobs)))
    assert kind.sql(podman, "shop-db-1", ALL, "orders") == "1\tlamp\n3\tnew"
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert PASSWORD.encode() not in kept, "the secret is nowhere but in the container"


@kinds
def test_what_runs_is_found_and_what_would_be_written_holds_no_secret(podman: PodmanServer, kind: Kind) -> None:
    kind.start(podman, "shop-db-1", network="none")
    kind.sql(podman, "shop-db-1", "CREATE DATABASE orders")
    podman.docker("run", "--detach", "--name", "app", *PROGRAMS, "--env", f"{kind.password}=x", "machine:1",
                  "sleep", "1000")  # fmt: skip
    ((container, _, properties, detail, readable),) = [one for one in found(podman, kind) if one[1] == "orders"]
    assert (container, readable) == ("podman-shop-db-1", True)
    assert properties == {"type": kind.type, "podmanContainer": "shop-db-1"}
    assert str(detail).endswith(f" in Podman container shop-db-1 (localhost/{kind.image})")
    assert kind.product in str(detail)
    assert {one[0] for one in found(podman, kind)} == {"podman-shop-db-1"}


@kinds
def test_a_secret_of_podmans_own(podman: PodmanServer, kind: Kind) -> None:
    """As a variable, which Podman shows or not, and as a file below /run/secrets."""
    podman.docker("secret", "create", "word", "-", stdin=PASSWORD.encode())
    variable = ("--secret", f"word,type=env,target={kind.password}")
    file = ("--secret", "word", "--env", f"{kind.password}_FILE=/run/secrets/word")
    kind.start(podman, "by-variable", *variable, network="none")
    kind.start(podman, "by-file", *file, network="none")
    for name in ("by-variable", "by-file"):
        kind.sql(podman, name, "CREATE DATABASE orders")
    proposed = [(one[0], one[4]) for one in found(podman, kind) if one[1] == "orders"]
    assert proposed == [("podman-by-file", True), ("podman-by-variable", True)]
    podman.docker("stop", "--time", "0", "by-file")
    assert {one[0] for one in found(podman, kind)} == {"podman-by-variable"}
    podman.docker("rm", "--force", "by-variable", "by-file")
    podman.docker("secret", "rm", "word")


def test_a_server_in_a_pod_is_reached_by_the_address_of_its_pod(podman: PodmanServer) -> None:
    image = podman.busybox()
    podman.docker("pod", "create", "--name", "shop", "--infra-image", image)
    env = ("--env", f"POSTGRES_PASSWORD={PASSWORD}")
    podman.docker("run", "--detach", "--name", "shop-db", "--pod", "shop", *PROGRAMS, *env, POSTGRES.image)
    POSTGRES.wait(podman, "shop-db")
    argv = [*podman.through, sys.executable, "-c", REACH]
    done = subprocess.run(argv, check=True, capture_output=True, cwd="/", text=True)
    assert done.stdout.startswith("10.88.")
    podman.docker("pod", "rm", "--force", "shop")


@pytest.mark.parametrize("pod", [False, True], ids=["alone", "in a pod"])
def test_redis_there_and_back_by_the_address_of_its_container(podman: PodmanServer, tmp_path: Path, pod: bool) -> None:
    """Its password is in the container's command alone."""
    if shutil.which("redis-server") is None:
        missing("redis-server", "run .ci/packages")
    where = ("--network", "bridge")
    if pod:
        podman.docker("pod", "create", "--name", "shop", "--infra-image", podman.busybox())
        where = ("--pod", "shop")
    server = ("redis-server", "--bind", "0.0.0.0", "--protected-mode", "no", "--dir", "/tmp", "--requirepass", PASSWORD)
    podman.docker("run", "--detach", "--name", "shop-cache", *where, *PROGRAMS, MACHINE, *server)

    def cli(*words: str) -> str:
        argv = ("exec", "--env", f"REDISCLI_AUTH={PASSWORD}", "shop-cache", "redis-cli", "--no-auth-warning", *words)
        return podman.docker(*argv)

    def answers() -> bool:
        try:
            return cli("ping") == "PONG"
        except AssertionError:
            return False

    wait_until(answers)
    cli("mset", "lamp", "1", "sofa", "2")
    ((container, name, properties, detail, readable),) = found_of(podman, "redis")
    assert (container, name, readable) == ("podman-shop-cache", "data", True)
    assert properties == {"type": "redis-database", "podmanContainer": "shop-cache"}
    assert "2 keys, in Podman container shop-cache" in str(detail)

    world = World(tmp_path)
    world.container("cache", type="redis-database", podmanContainer="shop-cache", redisCopiesDir=f"{tmp_path}/copies")
    world.component("cache/data", "README", "all of it")

    def run(*words: str) -> str:
        return world.run(*words, through=podman.through).out

    one = ("-C", "cache", "-c", "data")
    run("dysnomia", "-o", "activate", *one)
    run("dysnomia", "-o", "snapshot", *one)
    cli("del", "sofa")
    cli("set", "chair", "3")
    assert "+1 -1" in run("dysnomia-snapshots", "--diff", "1", "live", *one)
    run("dysnomia", "-o", "verify", *one)
    run("dysnomia", "-o", "restore", *one, "--generation", "1")
    assert cli("mget", "lamp", "sofa", "chair").split() == ["1", "2"]
    assert "role:master" in cli("info", "replication")
    jobs = json.loads(run("dysnomia-tui", "jobs", "--json"))
    run("dysnomia-tui", "undo", str(max(int(job["id"]) for job in jobs)))
    assert cli("mget", "lamp", "sofa", "chair").split() == ["1", "3"]
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert PASSWORD.encode() not in kept, "the secret is nowhere but in the container"
    if pod:
        podman.docker("pod", "rm", "--force", "shop")
