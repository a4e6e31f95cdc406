"""``dysnomia -o export`` of each server's type: loaded by that server's own tools alone, the state is there again.

What ``docs/by-hand.md`` says, line by line.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.e2e.world import World
from tests.plugins.ejabberd.changes import PEOPLE, seed
from tests.plugins.etcd.changes import PREFIX, SEED, fill
from tests.plugins.git.changes import commit, git
from tests.plugins.influx.changes import plain
from tests.plugins.influx.changes import seed as seed_influx
from tests.plugins.openldap.changes import seed_ldif
from tests.plugins.servers.ejabberd import EjabberdServer
from tests.plugins.servers.etcd import EtcdServer
from tests.plugins.servers.influx import InfluxServer
from tests.plugins.servers.mariadb import MariadbServer
from tests.plugins.servers.openldap import SlapdServer
from tests.plugins.servers.postgresql import PostgresServer
from tests.plugins.servers.redis import RedisServer


def exported(folder: Path, name: str, properties: Mapping[str, str], *, parts: bool = False) -> Path:
    """A generation of a component, made and written out by command: one file, or the folder of its parts."""
    world = World(folder)
    world.container("box", **properties)
    (folder / "components" / "box" / name).mkdir(parents=True)
    world.run("dysnomia", "-o", "snapshot", "-C", "box", "-c", name)
    path = folder / "exported"
    argv = [str(world.bin / "dysnomia"), "-o", "export", "-C", "box", "-c", name]
    if parts:
        world.run(*argv, "--to", str(path))
        return path
    with path.open("wb") as out:
        subprocess.run(argv, env=world.environment, stdout=out, check=True)
    return path


@pytest.mark.server
@pytest.mark.xdist_group("postgresql")
def test_psql_loads_postgresql(postgres: PostgresServer, tmp_path: Path) -> None:
    postgres.sql("CREATE DATABASE byhand")
    try:
        postgres.sql(
            "CREATE TABLE t (id serial PRIMARY KEY, x text); INSERT INTO t (x) VALUES ('ä\t1'), (NULL)", "byhand"
        )
        dump = exported(tmp_path, "byhand", postgres.properties)
        postgres.sql("CREATE DATABASE byhand_again TEMPLATE template0")
        subprocess.run(
            ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", "byhand_again"],
            input=dump.read_bytes(), env=postgres.client_environment(), check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        query = "SELECT id, x FROM t ORDER BY id"
        assert postgres.sql(query, "byhand_again") == postgres.sql(query, "byhand") != ""
    finally:
        postgres.drop("byhand_again")
        postgres.drop("byhand")


@pytest.mark.server
@pytest.mark.xdist_group("mariadb")
def test_mariadb_loads_mariadb(mariadb: MariadbServer, tmp_path: Path) -> None:
    mariadb.sql("CREATE DATABASE byhand; CREATE DATABASE byhand_again")
    try:
        mariadb.sql(
            "CREATE TABLE t (id INT PRIMARY KEY, x TEXT); INSERT INTO t VALUES (1, 'ä\\t1'), (2, NULL)", "byhand"
        )
        dump = exported(tmp_path, "byhand", mariadb.properties)
        subprocess.run([*mariadb.argv(), "byhand_again"], input=dump.read_bytes(), check=True)
        query = "SELECT id, x FROM t ORDER BY id"
        assert mariadb.sql(query, "byhand_again") == mariadb.sql(query, "byhand") != ""
    finally:
        mariadb.drop("byhand_again")
        mariadb.drop("byhand")


@pytest.mark.server
@pytest.mark.xdist_group("redis")
def test_a_redis_server_starts_on_it(tmp_path: Path) -> None:
    with RedisServer() as server, server.client() as client:
        client("SET", "lamp", "oak")
        dump = exported(tmp_path, "0", server.properties)
    checked = subprocess.run(["redis-check-rdb", dump], capture_output=True, text=True, check=True)
    assert "1 keys read" in checked.stdout


@pytest.mark.server
def test_svnadmin_loads_subversion(tmp_path: Path) -> None:
    repository, again = tmp_path / "svn" / "docs", tmp_path / "again"
    repository.parent.mkdir()
    for path in (repository, again):
        subprocess.run(["svnadmin", "create", path], check=True)
    subprocess.run(["svn", "mkdir", "-q", "-m", "first", f"file://{repository}/trunk"], check=True)
    parts = exported(
        tmp_path, "docs", {"type": "subversion-repository", "svnBaseDir": str(repository.parent)}, parts=True
    )
    with (parts / "dump").open("rb") as dump:
        subprocess.run(["svnadmin", "load", "-q", again], stdin=dump, check=True)
    for path in (repository, again):
        tree = subprocess.run(["svnlook", "tree", path], capture_output=True, text=True, check=True)
        assert tree.stdout == "/\n trunk/\n"


@pytest.mark.server
def test_git_fetches_a_bundle(tmp_path: Path) -> None:
    repository, again = tmp_path / "git" / "docs", tmp_path / "again"
    repository.parent.mkdir()
    commit(_init(repository), "main", "first")
    parts = exported(tmp_path, "docs", {"type": "git-repository", "gitBaseDir": str(repository.parent)}, parts=True)
    git(_init(again), "fetch", "--quiet", str(parts / "repository.bundle"), "+refs/*:refs/*")
    assert git(again, "for-each-ref") == git(repository, "for-each-ref")


def _init(repository: Path) -> Path:
    git(repository, "init", "--quiet", "--bare")
    return repository


@pytest.mark.server
def test_slapadd_loads_openldap(tmp_path: Path) -> None:
    server = SlapdServer("dc=byhand")
    try:
        server.start()
        server.modify(seed_ldif("dc=byhand"))
        then = server.slapcat()
        properties = {name: value for name, value in server.properties.items() if isinstance(value, str)}
        dump = exported(tmp_path, "dc=byhand", properties)
        server.stop()
        for path in server.folder.iterdir():
            path.unlink()
        server.run("slapadd", "-q", "-F", str(server.tree), "-b", "dc=byhand", stdin=dump.read_bytes())
        server.start()
        assert server.slapcat() == then != []
    finally:
        server.remove()


@pytest.mark.worlds
@pytest.mark.server
def test_ejabberdctl_loads_ejabberd(tmp_path: Path) -> None:
    with EjabberdServer() as server:
        seed(server)
        dump = exported(tmp_path, "chat", server.properties)
        there = server.home / "there.dump"
        there.write_bytes(dump.read_bytes())
        for name in PEOPLE:
            server.run_control("unregister", name, "localhost")
        assert server.run_control("registered_users", "localhost").split() == []
        server.run_control("load", str(there))
        assert server.run_control("registered_users", "localhost").split() == sorted(PEOPLE)


@pytest.mark.server
def test_pythons_line_loads_etcd(tmp_path: Path) -> None:
    """The line of docs, as it stands there, on the usual port's place."""
    with EtcdServer() as server:
        fill(server)
        dump = exported(tmp_path, "app", server.properties)
        server.etcdctl("del", "--prefix", "/app/")
        text = (Path(__file__).parents[2] / "docs" / "by-hand.md").read_text("utf-8")
        line = next(words for words in text.split("`") if words.startswith("python3 -c 'import base64"))
        line = line.replace("http://127.0.0.1:2379", server.url).replace("<keys.json", f"<'{dump}'")
        subprocess.run(["bash", "-c", line], check=True)
        assert server.pairs(PREFIX) == SEED


@pytest.mark.server
def test_influx_loads_influxdb(tmp_path: Path) -> None:
    """But for line breaks in a text, which ``influx -import`` doubles."""
    with InfluxServer() as server:
        seed_influx(server)
        server.query("drop measurement events", "app")
        server.write('cpu,host=a,region=eu note="one line" 1000000001', "app")
        then = [plain(server.points("app")), plain(server.points("app", "for ever"))]
        queries = server.query("show continuous queries")
        properties = {name: value for name, value in server.properties.items() if isinstance(value, str)}
        dump = exported(tmp_path, "app", properties)
        server.query("drop database app")
        subprocess.run(
            ["influx", "-host", "127.0.0.1", "-port", str(server.http), "-import", "-precision", "ns", "-path", dump],
            check=True, env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        assert [plain(server.points("app")), plain(server.points("app", "for ever"))] == then != [[], []]
        assert server.query("show continuous queries") == queries != []
