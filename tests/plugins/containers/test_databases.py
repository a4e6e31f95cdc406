"""Databases of servers in containers as the official images make them: found, adopted, snapshotted, restored, compared.

The tests' dockerd has a network of its own. What is run on it reaches the containers by their addresses, and what is
run beside it has their own client programs only: both ways are taken.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from dysnomia_plugins.errors import PluginError, ServerDown, WrongCredentials
from dysnomia_plugins.toolkit.containers.engine import Engine
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_plugins.types.mysql.client import Client as MysqlClient
from dysnomia_plugins.types.mysql.plugin import MysqlDatabase
from dysnomia_plugins.types.mysql.server import Server as MysqlServer
from dysnomia_plugins.types.postgresql.client import Client as PostgresqlClient
from dysnomia_plugins.types.postgresql.plugin import PostgresqlDatabase
from dysnomia_plugins.types.postgresql.server import Server as PostgresqlServer
from tests.e2e.world import World
from tests.plugins.conformance.bare import component
from tests.plugins.containers.kinds import ALL, MARIADB, PASSWORD, POSTGRES, TABLE, Kind
from tests.plugins.servers.contained import PROGRAMS, machine_image, mariadb_image, postgres_image
from tests.plugins.servers.docker import DockerServer
from tests.plugins.servers.mariadb import mariadb_program
from tests.plugins.servers.postgresql import postgresql_bin
from tests.waiting import wait_until

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def docker() -> Iterator[DockerServer]:
    """A dockerd whose containers have addresses, with images as the official ones."""
    mariadb_program("mariadbd")
    programs = postgresql_bin()
    with DockerServer(bridge=True) as server:
        machine_image(server)
        postgres_image(server, programs)
        mariadb_image(server)
        yield server


@pytest.fixture(autouse=True)
def _empty(docker: DockerServer) -> Iterator[None]:
    yield
    docker.clear()


kinds = pytest.mark.parametrize("kind", [POSTGRES, MARIADB], ids=["postgresql", "mariadb"])
rather_postgres = pytest.mark.parametrize(
    "kind", [POSTGRES, pytest.param(MARIADB, marks=pytest.mark.worlds)], ids=["postgresql", "mariadb"]
)


@pytest.mark.parametrize("way", ["network", pytest.param("inside", marks=pytest.mark.worlds)])
@pytest.mark.parametrize(
    "kind", [POSTGRES, pytest.param(MARIADB, marks=pytest.mark.worlds)], ids=["postgresql", "mariadb"]
)
def test_the_whole_way_there_and_back(docker: DockerServer, tmp_path: Path, kind: Kind, way: str) -> None:
    """By what an operator calls: activate, snapshot, damage, compare, prove, restore, undo."""
    kind.start(docker, "shop-db-1")
    through = ["nsenter", f"--target={docker.init}", "--net"] if way == "network" else []
    world = World(tmp_path)
    client = "host" if way == "network" else ""
    more = {"containerClient": client} if client else {}
    world.container("db", type=kind.type, dockerContainer="shop-db-1", dockerSocket=str(docker.socket), **more)
    world.component("db/orders", f"{kind.folder}/first.sql", TABLE)

    def run(*words: str) -> str:
        return world.run(*words, through=through).out

    component = ("-C", "db", "-c", "orders")
    run("dysnomia", "-o", "activate", *component)
    before = kind.sql(docker, "shop-db-1", ALL, "orders")
    assert before == "1\tlamp\n2\tx"
    run("dysnomia", "-o", "snapshot", *component, "--reason", "first")
    kind.sql(docker, "shop-db-1", "DELETE FROM items WHERE id = 2; INSERT INTO items VALUES (3, 'new')", "orders")
    after = kind.sql(docker, "shop-db-1", ALL, "orders")
    assert "+1 -1" in run("dysnomia-snapshots", "--diff", "1", "live", *component)
    run("dysnomia", "-o", "verify", *component)
    run("dysnomia", "-o", "put-back", *component, "--generation", "1", "--section", kind.section, "--row", "2")
    assert kind.sql(docker, "shop-db-1", ALL, "orders") == "1\tlamp\n2\tx\n3\tnew"
    run("dysnomia", "-o", "restore", *component, "--generation", "1")
    assert kind.sql(docker, "shop-db-1", ALL, "orders") == before
    jobs = json.loads(run("dysnomia-tui", "jobs", "--json"))
    run("dysnomia-tui", "undo", str(max(int(job["id"]) for job in jobs)))
    assert kind.sql(docker, "shop-db-1", ALL, "orders") == "1\tlamp\n2\tx\n3\tnew"
    assert after == "1\tlamp\n3\tnew"
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert PASSWORD.encode() not in kept, "the secret is nowhere but in the container"


@kinds
def test_what_runs_is_found_and_what_would_be_written_holds_no_secret(docker: DockerServer, kind: Kind) -> None:
    kind.start(docker, "shop-db-1", network="none")
    kind.sql(docker, "shop-db-1", "CREATE DATABASE orders")
    docker.docker("run", "--detach", "--name", "app", *PROGRAMS, "--env", f"{kind.password}=x", "machine:1",
                  "sleep", "1000")  # fmt: skip
    engine = Engine("docker", str(docker.socket))
    found = [one for one in kind.discover(ProcessRunner(), [engine]) if one.component == "orders"]
    assert [(one.container, one.type, one.readable) for one in found] == [("docker-shop-db-1", kind.type, True)]
    assert dict(found[0].properties) == {
        "type": kind.type, "dockerContainer": "shop-db-1", "dockerSocket": str(docker.socket),
    }  # fmt: skip
    assert found[0].detail.endswith(f" in Docker container shop-db-1 ({kind.image})")
    assert kind.product in found[0].detail
    every = list(kind.discover(ProcessRunner(), [engine]))
    assert {one.container for one in every} == {"docker-shop-db-1"}


def client(kind: Kind, docker: DockerServer, **properties: str) -> PostgresqlClient | MysqlClient:
    said = {"dockerContainer": "shop-db-1", "dockerSocket": str(docker.socket), **properties}
    if kind is POSTGRES:
        return PostgresqlClient(PostgresqlServer.from_properties(said), ProcessRunner())
    return MysqlClient(MysqlServer.from_properties(said), ProcessRunner())


@rather_postgres
def test_a_secret_in_a_file_of_the_container(docker: DockerServer, kind: Kind, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(PASSWORD + "\n")
    words = ("--env", f"{kind.password}_FILE=/run/secrets/x", "--volume", f"{tmp_path / 'secret'}:/run/secrets/x:ro")
    kind.start(docker, "shop-db-1", *words)
    assert client(kind, docker).server.password == PASSWORD
    assert client(kind, docker).exists("mysql" if kind is MARIADB else "postgres")


def test_the_superuser_that_the_image_was_given(docker: DockerServer) -> None:
    env = ("--env", f"POSTGRES_PASSWORD={PASSWORD}", "--env", "POSTGRES_USER=shop owner")
    docker.docker("run", "--detach", "--name", "shop-db-1", *PROGRAMS, *env, POSTGRES.image)

    def answers() -> bool:
        try:
            return bool(client(POSTGRES, docker).ask("SELECT to_json(current_user::text)") == "shop owner")
        except PluginError:
            return False

    wait_until(answers)
    other = client(POSTGRES, docker, postgresqlUsername="postgres")
    assert other.server.password == "", "the secret is another role's"


@rather_postgres
def test_a_password_that_was_changed_since(docker: DockerServer, kind: Kind) -> None:
    """The server's own word counts: where its socket asks for none, there is none to be wrong."""
    kind.start(docker, "shop-db-1")
    if kind is MARIADB:
        kind.sql(docker, "shop-db-1", "SET PASSWORD FOR root@localhost = PASSWORD('another')")
        with pytest.raises(WrongCredentials, match="Docker container shop-db-1 refuses the login"):
            client(kind, docker).exists("orders")
        assert not client(kind, docker, mysqlPassword="another").exists("orders")
    else:
        kind.sql(docker, "shop-db-1", "ALTER ROLE postgres PASSWORD 'another'")
        assert not client(kind, docker).exists("orders")


@rather_postgres
def test_a_container_that_comes_back_at_another_address_is_the_same(docker: DockerServer, kind: Kind) -> None:
    kind.start(docker, "shop-db-1")
    assert not client(kind, docker).exists("orders")
    docker.docker("stop", "--time", "2", "shop-db-1")
    with pytest.raises(ServerDown) as caught:
        client(kind, docker)
    assert caught.value.message == "the Docker container shop-db-1 does not run (it is exited)"
    plugin = PostgresqlDatabase() if kind is POSTGRES else MysqlDatabase()
    said = {"type": kind.type, "dockerContainer": "shop-db-1", "dockerSocket": str(docker.socket)}
    probe = plugin.probe(component(Path("/"), **said), ProcessRunner())
    assert (probe.up, probe.detail) == (False, caught.value.message)
    hints = plugin.hints(component(Path("/"), "mysql", **said))
    assert hints == (f"its own client cannot be run now: {caught.value.message}",)
    docker.docker("run", "--detach", "--name", "takes-its-address", *PROGRAMS, "machine:1", "sleep", "1000")
    docker.docker("start", "shop-db-1")
    kind.wait(docker, "shop-db-1")
    assert not client(kind, docker).exists("orders")
    assert plugin.probe(component(Path("/"), **said), ProcessRunner()).up


@rather_postgres
def test_the_shell_is_the_servers_own_client_inside(docker: DockerServer, kind: Kind) -> None:
    plugin = PostgresqlDatabase() if kind is POSTGRES else MysqlDatabase()
    said = {"type": kind.type, "dockerContainer": "shop-db-1", "dockerSocket": str(docker.socket)}
    kind.start(docker, "shop-db-1")
    name = "mysql" if kind is MARIADB else "postgres"
    argv, env = plugin.shell(component(Path("/"), name, **said))
    assert PASSWORD not in str((argv, env))
    words = [word for word in argv if word not in ("--tty",)]
    done = ProcessRunner().run(words, env=env, stdin=b"SELECT 40 + 2;\n")
    assert b"42" in done.stdout


@rather_postgres
def test_a_port_that_has_to_answer_and_does_not(docker: DockerServer, kind: Kind) -> None:
    kind.start(docker, "shop-db-1", network="none")
    with pytest.raises(ServerDown, match="does not answer by any address"):
        client(kind, docker, containerClient="host")
