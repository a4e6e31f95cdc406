"""A Redis server in a container: found, snapshotted, compared, proven, restored and undone at its own address; refused,
with the way out, where it has none that this machine reaches."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dysnomia_plugins.base import Found
from dysnomia_plugins.errors import PluginError, ServerDown
from dysnomia_plugins.toolkit.containers.engine import Engine
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_plugins.types.redis import discover
from dysnomia_plugins.types.redis.plugin import RedisDatabase
from dysnomia_plugins.types.redis.resp import Connection
from dysnomia_plugins.types.redis.server import Server
from tests.e2e.world import World
from tests.plugins.conformance.bare import component
from tests.plugins.servers.common import missing
from tests.plugins.servers.contained import MACHINE, PROGRAMS, machine_image
from tests.plugins.servers.docker import DockerServer
from tests.waiting import wait_until

pytestmark = [pytest.mark.server, pytest.mark.worlds]
ROOT = Path(__file__).resolve().parents[3]
PASSWORD = "p'a\"s\\ $w `é% x"
NAME = "shop-cache-1"
DISCOVERED = """
import json, sys
from dysnomia_plugins.toolkit.containers.engine import Engine
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_plugins.types.redis.discover import in_containers
print(json.dumps([[one.container, one.component, one.readable, one.detail, dict(one.properties)]
                  for one in in_containers(ProcessRunner(), [Engine("docker", sys.argv[1])])]))
"""


@pytest.fixture(scope="module")
def docker() -> Iterator[DockerServer]:
    if shutil.which("redis-server") is None:
        missing("redis-server", "run .ci/packages")
    with DockerServer(bridge=True) as server:
        machine_image(server)
        yield server


@pytest.fixture(autouse=True)
def _empty(docker: DockerServer) -> Iterator[None]:
    yield
    docker.clear()


def start(docker: DockerServer, *more: str, network: str = "bridge") -> None:
    """As the official image does without a file: on all addresses, without the mode that is for this machine alone."""
    server = ("redis-server", "--bind", "0.0.0.0", "--protected-mode", "no", "--dir", "/tmp", *more)
    docker.docker("run", "--detach", "--name", NAME, "--network", network, *PROGRAMS, MACHINE, *server)
    wait_until(lambda: cli(docker, "ping") == "PONG")


def told(docker: DockerServer, *words: str) -> str:
    """All that the client inside prints; whatever of the password the server does not ask for, too."""
    script = 'redis-cli --no-auth-warning "$@" || true'
    env = ("--env", f"REDISCLI_AUTH={PASSWORD}")
    return docker.docker("exec", *env, NAME, "sh", "-c", script, "sh", *words)


def cli(docker: DockerServer, *words: str) -> str:
    """Its last line."""
    return told(docker, *words).rpartition("\n")[2]


def properties(docker: DockerServer, **more: str) -> dict[str, str]:
    return {"type": "redis-database", "dockerContainer": NAME, "dockerSocket": str(docker.socket), **more}


def test_the_whole_way_there_and_back(docker: DockerServer, tmp_path: Path) -> None:
    """The password is in the container's command alone, and nowhere of ours."""
    start(docker, "--requirepass", PASSWORD)
    through = ["nsenter", f"--target={docker.init}", "--net"]
    world = World(tmp_path)
    world.container("cache", **properties(docker, redisCopiesDir=str(tmp_path / "copies")))
    world.component("cache/data", "README", "all of it")

    def run(*words: str) -> str:
        return world.run(*words, through=through).out

    def keys() -> tuple[str, ...]:
        return tuple(cli(docker, "get", name) for name in ("lamp", "sofa", "chair"))

    one = ("-C", "cache", "-c", "data")
    cli(docker, "mset", "lamp", "1", "sofa", "2")
    run("dysnomia", "-o", "activate", *one)
    run("dysnomia", "-o", "snapshot", *one, "--reason", "first")
    cli(docker, "del", "sofa")
    cli(docker, "set", "chair", "3")
    assert "+1 -1" in run("dysnomia-snapshots", "--diff", "1", "live", *one)
    run("dysnomia", "-o", "verify", *one)
    run("dysnomia", "-o", "restore", *one, "--generation", "1")
    assert keys() == ("1", "2", "")
    assert "role:master" in told(docker, "info", "replication")
    jobs = json.loads(run("dysnomia-tui", "jobs", "--json"))
    run("dysnomia-tui", "undo", str(max(int(job["id"]) for job in jobs)))
    assert keys() == ("1", "", "3")

    docker.docker("restart", "--time", "1", NAME)
    wait_until(lambda: cli(docker, "ping") == "PONG")
    cli(docker, "set", "lamp", "4")
    run("dysnomia", "-o", "snapshot", *one, "--reason", "started again")
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert PASSWORD.encode() not in kept


def test_what_runs_is_found_where_its_address_is_reached(docker: DockerServer) -> None:
    start(docker)
    cli(docker, "set", "lamp", "1")
    through = ["nsenter", f"--target={docker.init}", "--net", sys.executable, "-c", DISCOVERED, str(docker.socket)]
    done = ProcessRunner().run(through, env={"PYTHONPATH": str(ROOT)})
    ((container, name, readable, detail, said),) = json.loads(done.stdout)
    assert (container, name, readable, said) == (f"docker-{NAME}", "data", True, properties(docker))
    assert detail.endswith(f"1 keys, in Docker container {NAME} ({MACHINE})")


@pytest.mark.parametrize("network", ["bridge", "none"])
def test_one_that_is_not_reached_is_said_with_the_way_out(docker: DockerServer, tmp_path: Path, network: str) -> None:
    """From outside of its network; and one that has no network at all."""
    start(docker, network=network)
    (found,) = discover.in_containers(ProcessRunner(), [Engine("docker", str(docker.socket))])
    assert isinstance(found, Found)
    assert (found.container, found.component, found.readable) == (f"docker-{NAME}", "", False)
    assert "does not answer at an address of the container's own" in found.detail
    assert "mount the folder of its socket here and set redisSocket" in found.remedy
    with pytest.raises(ServerDown, match="does not answer at an address"):
        Connection.open(Server.from_properties(properties(docker)))
    argv, env = RedisDatabase().shell(component(tmp_path, **properties(docker)))
    assert ("exec" in argv, "REDISCLI_AUTH" in env) == (True, False), "its own client is run inside all the same"


def test_an_address_and_a_container_are_not_both_set() -> None:
    with pytest.raises(PluginError, match="redisSocket or redisHost is set, and the Docker container"):
        Server.from_properties({"dockerContainer": NAME, "redisHost": "10.0.0.1"})


FORWARD = """
import asyncio, sys
async def copy(source, sink):
    while data := await source.read(65536):
        sink.write(data)
        await sink.drain()
    sink.close()
async def serve(reader, writer):
    other = await asyncio.open_connection(sys.argv[2], 6379)
    await asyncio.gather(copy(reader, other[1]), copy(other[0], writer))
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]))
    print("up", flush=True)
    await server.serve_forever()
asyncio.run(main())
"""
"""What Docker's own proxy does for a published port, which the tests' dockerd is without."""


@pytest.mark.parametrize("kind", ["string", "hash"])
def test_by_a_published_port_it_is_snapshotted_and_a_restore_is_refused(
    docker: DockerServer, tmp_path: Path, kind: str
) -> None:
    """The server would have to copy from 127.0.0.1, which is its own. With a small text in it that is asked first; a
    restore that finds none is given up, and nothing is replaced."""
    start(docker)
    address = docker.docker("inspect", "--format", "{{.NetworkSettings.IPAddress}}", NAME)
    cli(docker, *(("set", "lamp", "1") if kind == "string" else ("hset", "lamp", "watts", "1")))
    through = ["nsenter", f"--target={docker.init}", "--net"]
    subprocess.run([*through, "ip", "link", "set", "lo", "up"], check=True)
    world = World(tmp_path)
    argv = [*through, sys.executable, "-c", FORWARD, "16379", address]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as forward:
        assert forward.stdout is not None
        forward.stdout.readline()
        world.container("cache", type="redis-database", redisPort="16379", redisCopiesDir=str(tmp_path / "copies"))
        world.component("cache/data", "README", "all of it")
        one = ("-C", "cache", "-c", "data")
        world.run("dysnomia", "-o", "activate", *one, through=through)
        world.run("dysnomia", "-o", "snapshot", *one, through=through)
        cli(docker, *(("set", "lamp", "2") if kind == "string" else ("hset", "lamp", "watts", "2")))
        done = world.run("dysnomia", "-o", "restore", *one, "--generation", "1", through=through, status=None)
        assert done.status != 0
        assert ("cannot reach a temporary server at 127.0.0.1" if kind == "string" else "127.0.0.1") in done.err
        assert cli(docker, *(("get", "lamp") if kind == "string" else ("hget", "lamp", "watts"))) == "2"
        assert "role:master" in told(docker, "info", "replication")
        world.run("dysnomia", "-o", "snapshot", *one, through=through)
        forward.kill()
