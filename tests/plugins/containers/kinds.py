"""The database servers that run in containers as the official images make them, and the tests' own hand on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dysnomia_plugins.base import Found
from dysnomia_plugins.toolkit.containers.engine import Engine
from dysnomia_plugins.toolkit.process import ProcessRunner
from dysnomia_plugins.types.mysql import discover as mysql_discover
from dysnomia_plugins.types.postgresql import discover as postgresql_discover
from tests.plugins.servers.contained import PROGRAMS
from tests.plugins.servers.docker import DockerServer
from tests.waiting import wait_until

PASSWORD = "p'a\"s\\ $w `é% x"
"""All that a shell, SQL, an option file, a connection string or a URL could take for something else."""
TABLE = "CREATE TABLE items (id int PRIMARY KEY, name varchar(80)); INSERT INTO items VALUES (1, 'lamp'), (2, 'x');"
ALL = "SELECT id, name FROM items ORDER BY id"


@dataclass(frozen=True)
class Kind:
    """One of the two servers."""

    image: str
    type: str
    folder: str
    """Of a component's initial state."""
    password: str
    """The variable that its image takes."""
    client: tuple[str, ...]
    discover: Callable[[ProcessRunner, list[Engine]], Iterator[Found]]
    product: str
    section: str

    def start(self, docker: DockerServer, name: str, *words: str, network: str = "bridge") -> None:
        """Run one, and wait until its own client comes in."""
        env = words or ("--env", f"{self.password}={PASSWORD}")
        docker.docker("run", "--detach", "--name", name, "--network", network, *PROGRAMS, *env, self.image)
        self.wait(docker, name)

    def wait(self, docker: DockerServer, name: str) -> None:
        def answers() -> bool:
            try:
                return self.sql(docker, name, "SELECT 1") == "1"
            except AssertionError:
                return False

        wait_until(answers)

    def sql(self, docker: DockerServer, name: str, text: str, database: str = "") -> str:
        env = ("--env", f"PGDATABASE={database or 'postgres'}", "--env", f"MYSQL_PWD={PASSWORD}")
        words = ("exec", "--interactive", *env, name, *self.client)
        more = (f"--database={database}",) if database and self.type == "mysql-database" else ()
        return docker.docker(*words, *more, stdin=text.encode())


POSTGRES = Kind(
    "postgres:15", "postgresql-database", "postgresql-databases", "POSTGRES_PASSWORD",
    ("psql", "-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-U", "postgres"),
    postgresql_discover.in_containers, "PostgreSQL 15.", "table:public.items",
)  # fmt: skip
MARIADB = Kind(
    "mariadb:10.11", "mysql-database", "mysql-databases", "MARIADB_ROOT_PASSWORD",
    ("mariadb", "--no-defaults", "--user=root", "--batch", "--skip-column-names"),
    mysql_discover.in_containers, "MariaDB 10.11.", "table:items",
)  # fmt: skip
