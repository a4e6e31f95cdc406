"""A real MariaDB server for the tests: in a short temporary folder, as an unprivileged user, gone at the end."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Self

from tests.plugins.services import Service, free_port, missing, server_user

SETTINGS = (
    "--skip-log-bin",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=0",
    "--innodb-flush-method=nosync",
    "--sync-frm=0",
    "--innodb-buffer-pool-size=64M",
    "--innodb-log-file-size=64M",
    "--innodb-use-native-aio=0",
    "--event-scheduler=ON",
    "--skip-name-resolve",
    "--max-connections=60",
)
OWN = {"information_schema", "mysql", "performance_schema", "sys"}


def mariadb_program(name: str) -> str:
    """Where one of its programs is."""
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if found is None:
        missing("MariaDB", "apt-get install mariadb-server mariadb-client")
    assert found is not None
    return found


def _roomy() -> str:
    """Where its data goes: in memory where there is room, since each table is a file that is made and removed."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > 4 << 30 else "/tmp"


class MariadbServer(Service):
    """One server on a socket of its own; with ``tcp`` also on 127.0.0.1. Its administrator is ``root``."""

    def __init__(self, *, tcp: bool = False) -> None:
        self._mariadbd = mariadb_program("mariadbd")
        self.client = mariadb_program("mariadb")
        self.dumper = mariadb_program("mariadb-dump")
        install = mariadb_program("mariadb-install-db")
        super().__init__("my.", server_user("nobody"), _roomy())
        self.folder = self.home
        self.tcp_port = free_port() if tcp else 0
        # A server that starts removes what others keep in the same folder for temporary tables, and they crash of it.
        self._scratch = self.folder / "tmp"
        self._scratch.mkdir()
        self.give(self._scratch)
        options = ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]
        self._prepare([install, "--no-defaults", f"--datadir={self.data}", f"--tmpdir={self._scratch}", *options])

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def socket(self) -> str:
        return str(self.folder / "s")

    @property
    def properties(self) -> dict[str, str]:
        """Of a container on it."""
        return {"type": "mysql-database", "mysqlSocket": self.socket}

    def start(self) -> Self:
        network = ["--bind-address=127.0.0.1", f"--port={self.tcp_port}"] if self.tcp_port else ["--skip-networking"]
        arguments = [f"--datadir={self.data}", f"--socket={self.socket}", f"--pid-file={self.folder / 'pid'}"]
        arguments += [f"--tmpdir={self._scratch}", *network]
        self._launch([self._mariadbd, "--no-defaults", *arguments, *SETTINGS])
        return self

    def _answers(self) -> bool:
        return subprocess.run(self.argv(), input=b"DO 1", capture_output=True, check=False).returncode == 0

    def argv(self, *options: str, user: str = "root", password: str = "") -> list[str]:
        """The mariadb client on it. (These passwords are nobody's secret.)"""
        secret = [f"--password={password}"] if password else []
        first = [self.client, "--no-defaults", f"--user={user}", f"--socket={self.socket}", *secret]
        return [*first, "--batch", "--raw", "--skip-column-names", "--default-character-set=utf8mb4", *options]

    # Asking it, by its own client.

    def sql(self, text: str, database: str = "", *, check: bool = True, user: str = "root", password: str = "") -> str:
        """Run statements; what they give, a line each row."""
        done = subprocess.run(
            self.argv(*([f"--database={database}"] if database else []), user=user, password=password),
            input=text.encode("utf-8", "surrogateescape"),
            capture_output=True,
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"mariadb: {done.stderr.decode(errors='replace')}\n{text[:2000]}")
        return done.stdout.decode("utf-8", "surrogateescape").rstrip("\n")

    def databases(self) -> set[str]:
        return set(self.sql("SHOW DATABASES").split("\n")) - OWN

    def drop(self, database: str) -> None:
        self.sql("DROP DATABASE IF EXISTS `" + database.replace("`", "``") + "`")

    def locked(self) -> set[str]:
        """The accounts that are locked."""
        found = self.sql(
            "SELECT CONCAT(User, '@', Host) FROM mysql.global_priv"
            " WHERE JSON_VALUE(Priv, '$.account_locked') AND User <> 'mariadb.sys'"
        )
        return set(found.split("\n")) - {""}
