"""Database servers in containers of a dockerd of the tests' own: images of this machine's programs, none of any data.

The programs are not copied: a container mounts this machine's ``/usr``, read only.
"""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.plugins.servers.docker import DockerServer
from tests.plugins.servers.mariadb import MariadbServer
from tests.plugins.servers.postgresql import PostgresServer
from tests.waiting import wait_until

MACHINE = "machine:1"
PROGRAMS = ("--volume", "/usr:/usr:ro")
POSTGRES_ENTRY = r"""#!/bin/sh
# As far as the tests need it: what the entrypoint of the official image makes of its variables.
set -e
if [ -n "$POSTGRES_PASSWORD_FILE" ]; then POSTGRES_PASSWORD="$(cat "$POSTGRES_PASSWORD_FILE")"; fi
user="${POSTGRES_USER:-postgres}"
mkdir -p "$PGDATA" /var/run/postgresql
chown postgres "$PGDATA" /var/run/postgresql
as() { setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; }
if [ ! -e "$PGDATA/PG_VERSION" ]; then
  printf '%s' "$POSTGRES_PASSWORD" | install -m 600 -o postgres /dev/stdin /tmp/pw
  as initdb -D "$PGDATA" -U "$user" --pwfile=/tmp/pw -A trust -E UTF8 --locale=C.UTF-8 --no-sync
  rm /tmp/pw
  echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
fi
exec setpriv --reuid=postgres --regid=postgres --clear-groups \
  postgres -D "$PGDATA" -c listen_addresses='*' -c fsync=off -c full_page_writes=off
"""
MARIADB_ENTRY = r"""#!/bin/sh
# The same of MariaDB's. (The password goes as hexadecimal digits: it may hold any byte.)
set -e
for name in MARIADB_ROOT_PASSWORD MYSQL_ROOT_PASSWORD; do
  eval "file=\${${name}_FILE}"
  if [ -n "$file" ]; then eval "$name=\"\$(cat \"\$file\")\""; fi
done
password="$(printf '%s' "${MARIADB_ROOT_PASSWORD-$MYSQL_ROOT_PASSWORD}" | od -An -v -tx1 | tr -d ' \n')"
mkdir -p /var/lib/mysql /run/mysqld
chown mysql /var/lib/mysql /run/mysqld
: > /run/mysqld/init
if [ ! -d /var/lib/mysql/mysql ]; then
  mariadb-install-db --no-defaults --user=mysql --datadir=/var/lib/mysql --auth-root-authentication-method=normal \
    --skip-test-db --skip-name-resolve >/dev/null
  for who in root@localhost "root@'%'"; do
    echo "SET NAMES utf8mb4;"
    echo "EXECUTE IMMEDIATE CONCAT(\"CREATE OR REPLACE USER $who IDENTIFIED BY \"," \
      "QUOTE(CONVERT(X'$password' USING utf8mb4)));"
    echo "GRANT ALL ON *.* TO $who WITH GRANT OPTION;"
  done > /run/mysqld/init
fi
exec mariadbd --no-defaults --user=mysql --datadir=/var/lib/mysql --socket=/run/mysqld/mysqld.sock --skip-name-resolve \
  --bind-address=0.0.0.0 --init-file=/run/mysqld/init --innodb-flush-log-at-trx-commit=0
"""


def machine_image(docker: DockerServer) -> None:
    """An image in which this machine's programs run, where its ``/usr`` is mounted."""
    with tempfile.TemporaryDirectory(dir=docker.home) as folder:
        root = Path(folder)
        root.chmod(0o755)
        for name in ("usr", "etc", "tmp", "root", "var/run/postgresql", "var/lib/postgresql", "var/lib/mysql"):
            (root / name).mkdir(parents=True)
        for name in ("bin", "sbin", "lib", "lib64"):
            (root / name).symlink_to(f"usr/{name}")
        (root / "run").symlink_to("var/run")
        for name in ("tmp", "var/run/postgresql"):
            (root / name).chmod(0o1777)
        for name in ("passwd", "group", "ld.so.cache"):
            shutil.copy(Path("/etc") / name, root / "etc" / name)
        for name, text in (("entry-postgres", POSTGRES_ENTRY), ("entry-mariadb", MARIADB_ENTRY)):
            (root / name).write_text(text)
            (root / name).chmod(0o755)
        docker.image(MACHINE, root)


def postgres_image(docker: DockerServer, programs: Path, tag: str = "postgres:15") -> str:
    """As the official image is, from the outside. ``programs``: the folder of the server's programs."""
    return _derived(
        docker, tag, 'ENTRYPOINT ["/entry-postgres"]', 'CMD ["postgres"]', "EXPOSE 5432", "ENV PG_MAJOR=15",
        "ENV PGDATA=/var/lib/postgresql/data", f"ENV PATH={programs}:/usr/sbin:/usr/bin",
    )  # fmt: skip


def mariadb_image(docker: DockerServer, tag: str = "mariadb:10.11") -> str:
    """The same of MariaDB."""
    return _derived(
        docker, tag, 'ENTRYPOINT ["/entry-mariadb"]', 'CMD ["mariadbd"]', "EXPOSE 3306",
        "ENV MARIADB_VERSION=10.11", "ENV PATH=/usr/sbin:/usr/bin",
    )  # fmt: skip


def _derived(docker: DockerServer, tag: str, *changes: str) -> str:
    """Another image of the same files: ``changes`` are lines of a Dockerfile."""
    container = docker.docker("create", MACHINE, "true")
    docker.docker("commit", *(word for line in changes for word in ("--change", line)), container, tag)
    docker.docker("rm", container)
    return tag


class ContainedPostgres(PostgresServer):
    """The tests' PostgreSQL server, in a container without a network. The tests see its socket; what is tested runs its
    clients inside."""

    def __init__(self, docker: DockerServer, name: str) -> None:
        self.docker = docker
        self.name = name
        super().__init__()

    @property
    def properties(self) -> dict[str, str]:
        return {
            "type": "postgresql-database",
            "dockerContainer": self.name,
            "dockerSocket": str(self.docker.socket),
        }

    def _launch(
        self, argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None, settings: bytes = b""
    ) -> None:
        user = f"{self._user.pw_uid}:{self._user.pw_gid}"
        words = ("--env", f"PATH={self.bin}:/usr/bin", "--user", user, "--volume", f"{self.home}:{self.home}")
        own = ["-k", f"{self.folder},/var/run/postgresql"]
        _start(self.docker, self.name, words, [*(str(word) for word in argv), *own])
        wait_until(self._answers)

    @property
    def running(self) -> bool:
        return _is_running(self.docker, self.name)

    def _end(self, how: signal.Signals) -> None:
        _end(self.docker, self.name, how)


class ContainedMariadb(MariadbServer):
    """The same of MariaDB."""

    def __init__(self, docker: DockerServer, name: str) -> None:
        self.docker = docker
        self.name = name
        super().__init__()

    @property
    def properties(self) -> dict[str, str]:
        return {
            "type": "mysql-database",
            "dockerContainer": self.name,
            "dockerSocket": str(self.docker.socket),
            "mysqlSocket": self.socket,
        }

    def _launch(
        self, argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None, settings: bytes = b""
    ) -> None:
        user = f"{self._user.pw_uid}:{self._user.pw_gid}"
        words = ("--env", "PATH=/usr/sbin:/usr/bin", "--user", user, "--volume", f"{self.home}:{self.home}")
        _start(self.docker, self.name, words, [str(word) for word in argv])
        wait_until(self._answers)

    @property
    def running(self) -> bool:
        return _is_running(self.docker, self.name)

    def _end(self, how: signal.Signals) -> None:
        _end(self.docker, self.name, how)


def _start(docker: DockerServer, name: str, words: Sequence[str], command: Sequence[str]) -> None:
    """Run a command in a container that mounts this machine's programs."""
    docker.run(name, *PROGRAMS, *words, image=MACHINE, command=command)


def _is_running(docker: DockerServer, name: str) -> bool:
    return bool(docker.docker("ps", "--quiet", "--filter", f"name=^/{name}$"))


def _end(docker: DockerServer, name: str, how: signal.Signals) -> None:
    """Stop a container as a server is stopped, and take it away."""
    if _is_running(docker, name):
        docker.docker("kill", "--signal", how.name, name)
        docker.docker("wait", name)
    if docker.docker("ps", "--all", "--quiet", "--filter", f"name=^/{name}$"):
        docker.docker("rm", "--force", name)
